"""Answer the prompts of one object on one frame, alone or as a correction of its tracked mask."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari_sam2_video.engine.agreement import agreeing
from napari_sam2_video.engine.frame_step import FrameStep
from napari_sam2_video.engine.memory import recall
from napari_sam2_video.engine.plan import FORWARD, preceding
from napari_sam2_video.engine.prompts import mask_as_object
from napari_sam2_video.engine.refining import refined
from napari_sam2_video.engine.replay import Replay
from napari_sam2_video.engine.windows import moved_logits, place_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt
    import torch

    from napari_sam2_video.engine.batching import Batcher
    from napari_sam2_video.engine.embedder import Embedder
    from napari_sam2_video.engine.framing import Framing
    from napari_sam2_video.engine.memory import ConditioningEntry, MemoryEntry, Recall
    from napari_sam2_video.engine.memory_store import MemoryStore
    from napari_sam2_video.engine.neighbours import Neighbours
    from napari_sam2_video.engine.networks.outputs import Decoded, Embedding
    from napari_sam2_video.engine.plan import PassDirection
    from napari_sam2_video.engine.prompts import SettledPrompts
    from napari_sam2_video.engine.windows import Place, Window
    from napari_sam2_video.types import ObjectMask

    Tracked = npt.NDArray[np.int8]

_LOOKS = 4


@dataclass(frozen=True)
class Answer:
    """The answer to prompts.

    Parameters
    ----------
    chosen : Decoded
        The mask to take, a batch of 1.
    candidates : Decoded
        All candidate masks.
    window : Window, optional
        The window that the network saw; None for the whole frame.
    embedding : Embedding
        Its embedding.
    """

    chosen: Decoded
    candidates: Decoded
    window: Window | None
    embedding: Embedding


@dataclass(frozen=True)
class _Corrected:
    """Memories of the frames before a corrected one, its logits, and where the object was on it."""

    entries: Mapping[int, MemoryEntry]
    logits: torch.Tensor | None
    place: Place | None


class Prompter:
    """Answers prompts with the network and the object's memories.

    Parameters
    ----------
    batcher : Batcher
        The network; the caller holds its turn.
    memory : MemoryStore
        Memories of the objects.
    framing : Framing, optional
        Chooses windows; without it, the network sees whole frames.

    Attributes
    ----------
    neighbours : Neighbours, optional
        Stored masks of objects that are not tracked now.
    """

    def __init__(self, batcher: Batcher, memory: MemoryStore, framing: Framing | None = None) -> None:
        self._batcher = batcher
        self._memory = memory
        self._framing = framing
        self.neighbours: Neighbours | None = None
        self._last_corrected: tuple[object, _Corrected] | None = None

    def forget(self) -> None:
        """Drop the cached state of the last correction, because memories are about to change."""
        self._last_corrected = None

    def answer(
        self, object_id: int, frame: int, given: SettledPrompts, embedder: Embedder, tracked: Tracked | None
    ) -> Answer:
        """Decode prompts.

        Parameters
        ----------
        object_id, frame : int
            The object and the frame.
        given : SettledPrompts
            Its prompts there.
        embedder : Embedder
            Embeds the frame, and others that a correction has to track again.
        tracked : ndarray of int8, shape (n_frames,), optional
            Direction in which each frame of the object was tracked before, as in `ObjectState`.
        """
        conditioning = {t: e for t, e in self._memory.entries(object_id).items() if t != frame}
        state: _Corrected | None = None
        remembered = None
        if tracked is not None and tracked[frame] and conditioning and given.labels.size:
            came: PassDirection = "forward" if tracked[frame] == FORWARD else "backward"
            past = preceding(tracked, frame, came)
            state = self._corrected(object_id, frame, came, past, conditioning, embedder)
            attended = conditioning if self._framing is None else agreeing(conditioning, frame)
            remembered = recall(attended, state.entries, frame, came, self._batcher.view.n_frames)
        if self._framing is None:
            return self._decode(given, None, embedder.embed(frame), remembered, state)
        sizes = [e.memory.place.size for e in conditioning.values() if e.memory.place and e.memory.place.size > 0]
        window, settled = self._framing.for_prompts(given, state.place if state else None, sizes)
        for _ in range(_LOOKS):
            ((_, embedding),) = embedder.embed_windows(frame, [window])
            answer = self._decode(given, window, embedding, remembered, state)
            if settled:
                break
            (mask,) = self.shown(object_id, given, answer, answer.chosen)
            window, settled = self._framing.for_found(given, place_of(mask, window, None))
        return answer

    def shown(self, object_id: int, given: SettledPrompts, answer: Answer, decoded: Decoded) -> list[ObjectMask]:
        """The decoded mask at the resolution of the frame; a mask prompt without points is returned as drawn."""
        if given.labels.size == 0 and given.mask is not None:
            return [mask_as_object(object_id, given.mask, float(decoded.scores[0, 0]), float(decoded.ious[0]))]
        return self._batcher.shown([object_id] * len(decoded.ious), decoded, prompted=True, window=answer.window)

    def _decode(
        self,
        given: SettledPrompts,
        window: Window | None,
        embedding: Embedding,
        remembered: Recall | None,
        state: _Corrected | None,
    ) -> Answer:
        """Decode prompts in a window."""
        import torch

        model, view = self._batcher.model, self._batcher.view
        prior: torch.Tensor | None = None
        if given.mask is not None:
            drawn = given.mask if window is None else window.crop_mask(given.mask)
            if given.labels.size == 0:
                from_mask = model.decode_mask(embedding, drawn)
                return Answer(from_mask, from_mask, window, embedding)
            prior = model.mask_logits(drawn)
        elif state is not None and state.logits is not None:
            before = state.place.window if state.place is not None else None
            prior = state.logits if before == window else moved_logits(state.logits, before, window, view.shape_yx)
        chosen, candidates = model.decode_points(
            embedding,
            given.points_yx if window is None else window.inward(given.points_yx),
            given.labels,
            view.shape_yx if window is None else window.shape_yx,
            recall=remembered,
            n_frames=view.n_frames,
            prior=prior,
        )
        if self._framing is not None and given.mask is None and prior is not None and (given.labels <= 1).all():
            points_yx = given.points_yx if window is None else window.inward(given.points_yx)
            seen_yx = view.shape_yx if window is None else window.shape_yx
            chosen, candidates = (
                replace(
                    one,
                    logits=torch.cat(
                        [refined(prior, each[None], points_yx, given.labels, seen_yx) for each in one.logits]
                    ),
                )
                for one in (chosen, candidates)
            )
        return Answer(chosen, candidates, window, embedding)

    def _corrected(
        self,
        object_id: int,
        frame: int,
        direction: PassDirection,
        past: tuple[int, ...],
        conditioning: Mapping[int, ConditioningEntry],
        embedder: Embedder,
    ) -> _Corrected:
        """The state from which a correction of a tracked frame starts; cached for the next click on the same frame."""
        key = (object_id, frame, direction, past, tuple(conditioning))
        if self._last_corrected is None or self._last_corrected[0] != key:
            step = FrameStep(self._batcher, embedder, self._framing, self.neighbours)
            replay = Replay(object_id, self._memory, conditioning, step.recompute, lambda: False)
            tracked = replay.tracked(frame, direction)
            entries = replay.preceding(frame, direction, past) or {}
            entry, logits = tracked if tracked is not None else (None, None)
            self._last_corrected = (key, _Corrected(entries, logits, entry.place if entry else None))
        return self._last_corrected[1]
