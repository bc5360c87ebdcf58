"""Track prompted objects through a recording, frame by frame."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from napari_sam2_video.engine.batching import Batcher
from napari_sam2_video.engine.embedder import Embedder
from napari_sam2_video.engine.features import FeatureCache, default_cache
from napari_sam2_video.engine.frame_step import FrameStep
from napari_sam2_video.engine.framing import Framing
from napari_sam2_video.engine.memory import ConditioningEntry, MemoryEntry
from napari_sam2_video.engine.memory_store import MemoryStore
from napari_sam2_video.engine.prompting import Prompter
from napari_sam2_video.engine.prompts import settle_prompts
from napari_sam2_video.engine.propagate import Propagator
from napari_sam2_video.engine.segmenter import NetworkSegmenter
from napari_sam2_video.engine.windows import place_of
from napari_sam2_video.types import Preview

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    import torch

    from napari_sam2_video.engine.costs import FrameCosts
    from napari_sam2_video.engine.neighbours import Neighbours
    from napari_sam2_video.engine.networks.protocol import Network
    from napari_sam2_video.engine.plan import Plan
    from napari_sam2_video.engine.prompting import Tracked
    from napari_sam2_video.engine.windows import Window
    from napari_sam2_video.types import FrameMasks, FrameSource, ObjectMask, Prompt, WindowSetting


class Tracker:
    """Segments prompted objects and tracks them through a view of a recording.

    Parameters
    ----------
    model : Network
        The network.
    view : FrameSource
        The view of the recording.
    memory : MemoryStore, optional
        Where memories are kept between runs; in memory if not given.
    features : FeatureCache, optional
        Cache of image embeddings; if not given, `default_cache` beside the memories.
    batch_size : int, optional
        Maximum number of objects per batch; by default 8 to 64, depending on the sizes of network and input.
    window : "auto", "off" or int
        Whether small objects are tracked in windows; see `ModelSettings`.
    """

    def __init__(
        self,
        model: Network,
        view: FrameSource,
        memory: MemoryStore | None = None,
        *,
        features: FeatureCache | None = None,
        batch_size: int | None = None,
        window: WindowSetting = "off",
    ) -> None:
        self.model = model
        self.view = view
        self.memory = memory if memory is not None else MemoryStore()
        self.features = features if features is not None else default_cache(self.memory.cache_folder)
        self._batcher = Batcher(model, view, batch_size)
        self.framing = None if window == "off" else Framing(window, model.image_size, view.shape_yx, view.is_volume)
        self._prompter = Prompter(self._batcher, self.memory, self.framing)
        self._segmenter: NetworkSegmenter | None = None
        self.memory.bind("/".join([model.key, view.key, *([self.framing.key] if self.framing else [])]))

    def see_neighbours(self, stored: Neighbours | None) -> None:
        """Let objects tell their pixels from those of others that are not tracked beside them.

        Parameters
        ----------
        stored : Neighbours, optional
            Their stored masks; without them, only objects of the same run count.
        """
        self._prompter.neighbours = stored

    def scratch(self) -> Tracker:
        """A tracker with the same network and embeddings, an empty memory, and nothing on disk."""
        window = self.framing.setting if self.framing else "off"
        made = Tracker(self.model, self.view, features=self.features, batch_size=self.batch_size, window=window)
        made._batcher.lock = self._batcher.lock
        return made

    def beside(self, view: FrameSource, memory: MemoryStore) -> Tracker:
        """A tracker for other frames that shares the network with this one."""
        window = self.framing.setting if self.framing else "off"
        made = Tracker(self.model, view, memory, batch_size=self.batch_size, window=window)
        made._batcher.lock = self._batcher.lock
        return made

    def segmenter(self) -> NetworkSegmenter:
        """The network for detectors; it shares the embeddings, and has no memory."""
        if self._segmenter is None:
            self._segmenter = NetworkSegmenter(self._batcher, self.features, self.framing)
        return self._segmenter

    @property
    def batch_size(self) -> int:
        """Maximum number of objects per batch; halved when the device runs out of memory."""
        return self._batcher.batch_size

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes about the network for the user before the first run."""
        return self.model.notes

    def preview(
        self, object_id: int, frame: int, prompts: Sequence[Prompt], *, tracked: Tracked | None = None
    ) -> Preview:
        """Show what the prompts of one object on one frame select; nothing is kept.

        Parameters
        ----------
        object_id : int
            The object.
        frame : int
            The frame.
        prompts : sequence of Prompt
            All prompts of this object on this frame.
        tracked : ndarray of int8, shape (n_frames,), optional
            Direction in which each frame of this object was tracked before, as in `ObjectState`. On a tracked frame
            the prompts correct what was tracked.

        Returns
        -------
        Preview
            Up to three candidates; `best` is the one that `condition` would take.

        Raises
        ------
        PromptError
            If the prompts do not fit the frame.
        """
        given = settle_prompts(object_id, frame, prompts, self.view)
        with self._working() as embedder:
            answer = self._prompter.answer(object_id, frame, given, embedder, tracked)
            masks = self._prompter.shown(object_id, given, answer, answer.candidates)
        best = int(answer.candidates.ious.argmax()) if given.labels.size == 1 else 0
        return Preview(object_id, frame, self.view.shape_yx, tuple(masks), best)

    def condition(
        self, object_id: int, frame: int, prompts: Sequence[Prompt], *, tracked: Tracked | None = None
    ) -> ObjectMask:
        """Make the prompts of one object on one frame a permanent part of its memory.

        See `preview` for the parameters. A mask without points is used unchanged.

        Returns
        -------
        ObjectMask
            The object on this frame.
        """
        given = settle_prompts(object_id, frame, prompts, self.view)
        with self._working() as embedder:
            answer = self._prompter.answer(object_id, frame, given, embedder, tracked)
            chosen = answer.chosen
            spatial = self.model.remember(answer.embedding, chosen, prompted=True)
            held = self.memory.entries(object_id)
            order = held[frame].order if frame in held else 1 + max((e.order for e in held.values()), default=-1)
            (shown,) = self._prompter.shown(object_id, given, answer, chosen)
            place = None if self.framing is None else place_of(shown, answer.window, None)
            memory = MemoryEntry(frame, spatial, chosen.pointers, place)
            self._prompter.forget()
            self.memory.put_entry(object_id, ConditioningEntry(order, memory, chosen.logits, shown))
            return shown

    @contextmanager
    def _working(self) -> Iterator[Embedder]:
        embedder = Embedder(self.model, self.view, self.features)
        with self._batcher.turn(), embedder:
            yield embedder

    def first_window(
        self, object_id: int, frame: int, prompts: Sequence[Prompt], framing: Framing | None = None
    ) -> Window | None:
        """Window in which prompts would be answered first; None for the whole frame. Does not run the network.

        `framing` chooses windows instead of the tracker's own.

        Raises
        ------
        PromptError
            If the prompts do not fit the frame.
        """
        framing = framing or self.framing
        if framing is None:
            return None
        return framing.for_prompts(settle_prompts(object_id, frame, prompts, self.view), None, [])[0]

    def costs(
        self, objects: Sequence[Sequence[Prompt]], stop: Callable[[], bool] | None = None
    ) -> tuple[FrameCosts, ObjectMask]:
        """Measure the cost of a frame; see `engine.costs.measure_costs`."""
        from napari_sam2_video.engine.costs import measure_costs

        return measure_costs(self, objects, stop)

    def window_at(self, object_id: int, frame: int) -> Window | None:
        """Window in which the network saw an object on a frame; None for the whole frame, or where it is not known.

        Windows are known for prompted frames, and for frames that this tracker computed.
        """
        return self.memory.window(object_id, frame)

    def missing(self, object_id: int, frames: Iterable[int]) -> list[int]:
        """Those of the prompted `frames` for which `condition` was not called with this model and view."""
        held = self.memory.entries(object_id)
        return [t for t in frames if t not in held]

    def run(
        self,
        plan: Plan,
        *,
        stop: Callable[[], bool] | None = None,
        on_logits: Callable[[int, int, torch.Tensor], None] | None = None,
    ) -> Generator[FrameMasks]:
        """Compute the frames of a plan.

        Parameters
        ----------
        plan : Plan
            What to do; `condition` must have been called for every prompted frame in it.
        stop : callable, optional
            Called before each frame; the run ends when it returns True.
        on_logits : callable, optional
            Called with object, frame and mask logits of shape ``(S / 4, S / 4)`` for each new mask.

        Yields
        ------
        FrameMasks
            One per frame and direction.

        Raises
        ------
        DeviceMemoryError, EngineError, FrameError
            If the device, the network or a frame fails; frames that were yielded are kept.
        """
        halted = stop if stop is not None else lambda: False
        self._prompter.forget()
        with Embedder(self.model, self.view, self.features) as embedder:
            step = FrameStep(self._batcher, embedder, self.framing, self._prompter.neighbours)
            propagator = Propagator(self._batcher, self.memory, step, halted, on_logits)
            yield from propagator.sweep(plan, "forward")
            yield from propagator.sweep(plan, "backward")
