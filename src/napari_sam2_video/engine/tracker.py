"""Carry prompted objects through a recording, frame by frame."""

from __future__ import annotations

import threading
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from napari_sam2_video.engine.features import Embedder, FeatureCache, default_cache
from napari_sam2_video.engine.guard import engine_errors
from napari_sam2_video.engine.memory import POINTERS, ConditioningEntry, MemoryEntry, Recall, Trail, prune, recall
from napari_sam2_video.engine.plan import FORWARD, behind
from napari_sam2_video.engine.prompts import mask_as_object, settle_prompts
from napari_sam2_video.engine.replay import Replay
from napari_sam2_video.engine.shelf import MemoryFolder
from napari_sam2_video.engine.values import Decoded
from napari_sam2_video.errors import DeviceMemoryError, PromptError
from napari_sam2_video.types import FrameMasks, ObjectMask, Preview

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import numpy as np
    import numpy.typing as npt
    import torch

    from napari_sam2_video.engine.plan import Pass, Plan, Walk
    from napari_sam2_video.engine.prompts import SettledPrompts
    from napari_sam2_video.engine.sam2 import Sam2Model
    from napari_sam2_video.engine.values import Embedding
    from napari_sam2_video.types import FrameSource, Prompt

    Tracked = npt.NDArray[np.int8]

_T = TypeVar("_T")
TRAIL_EVERY = 32
_AHEAD = 7
_KEY_BYTES = 16 << 20


@dataclass
class _Stream:
    """A pass while it is walked."""

    plan: Pass
    conditioning: dict[int, ConditioningEntry]
    trail: dict[int, MemoryEntry]
    around_start: dict[int, MemoryEntry] | None = None


@dataclass(frozen=True)
class _Corrected:
    """Memories behind a frame that is to be corrected, and the logits that were tracked there."""

    entries: Mapping[int, MemoryEntry]
    logits: torch.Tensor | None


class Tracker:
    """Segments prompted objects and tracks them through a view of a recording.

    Parameters
    ----------
    model : Sam2Model
        The network.
    view : FrameSource
        The recording as it is looked at.
    memory : MemoryFolder, optional
        Where memories are kept between runs; in memory if not given.
    features : FeatureCache, optional
        Where image embeddings are kept; as `default_cache` says, beside the memories, if not given.
    batch_size : int, optional
        Most objects that go through the network at once; 8 to 64 by the size of the network and its input if not given.
    """

    def __init__(
        self,
        model: Sam2Model,
        view: FrameSource,
        memory: MemoryFolder | None = None,
        *,
        features: FeatureCache | None = None,
        batch_size: int | None = None,
    ) -> None:
        self.model = model
        self.view = view
        self.memory = memory if memory is not None else MemoryFolder()
        self.features = features if features is not None else default_cache(self.memory.cache_folder)
        self.batch_size = batch_size or _batch_size(model)
        self._lock = threading.RLock()
        self._last_corrected: tuple[object, _Corrected] | None = None
        self.memory.bind(f"{model.key}/{view.key}")

    def scratch(self) -> Tracker:
        """A tracker with the same network and embeddings that remembers nothing, and keeps nothing on disk."""
        made = Tracker(self.model, self.view, features=self.features, batch_size=self.batch_size)
        made._lock = self._lock
        return made

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about the network that a person should see before the first run."""
        return self.model.notes

    def preview(
        self, object_id: int, frame: int, prompts: Sequence[Prompt], *, tracked: Tracked | None = None
    ) -> Preview:
        """Show what the prompts of one object on one frame select, without keeping anything.

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
            embedding = embedder.embed(frame)
            chosen, candidates = self._prompted(object_id, frame, given, embedding, embedder, tracked)
            if given.labels.size == 0 and given.mask is not None:
                mask = mask_as_object(object_id, given.mask, float(chosen.scores[0, 0]), float(chosen.ious[0]))
                return Preview(object_id, frame, self.view.shape_yx, (mask,), 0)
            masks = self._objects([object_id] * len(candidates.ious), candidates, prompted=True)
        best = int(candidates.ious.argmax()) if given.labels.size == 1 else 0
        return Preview(object_id, frame, self.view.shape_yx, tuple(masks), best)

    def condition(
        self, object_id: int, frame: int, prompts: Sequence[Prompt], *, tracked: Tracked | None = None
    ) -> ObjectMask:
        """Make the prompts of one object on one frame part of what it remembers for ever.

        See `preview` for the parameters. A mask without points is taken as it is.

        Returns
        -------
        ObjectMask
            The object on this frame.
        """
        given = settle_prompts(object_id, frame, prompts, self.view)
        with self._working() as embedder:
            embedding = embedder.embed(frame)
            chosen, _ = self._prompted(object_id, frame, given, embedding, embedder, tracked)
            spatial = self.model.remember(embedding, chosen, prompted=True)
            held = self.memory.entries(object_id)
            order = held[frame].order if frame in held else 1 + max((e.order for e in held.values()), default=-1)
            if given.labels.size == 0 and given.mask is not None:
                shown = mask_as_object(object_id, given.mask, float(chosen.scores[0, 0]), float(chosen.ious[0]))
            else:
                shown = self._objects([object_id], chosen, prompted=True)[0]
            memory = MemoryEntry(frame, spatial, chosen.pointers)
            self._last_corrected = None
            self.memory.put_entry(object_id, ConditioningEntry(order, memory, chosen.logits, shown))
            return shown

    @contextmanager
    def _working(self) -> Iterator[Embedder]:
        embedder = Embedder(self.model, self.view, self.features)
        with self._lock, engine_errors(self.model.device), embedder:
            yield embedder

    def missing(self, object_id: int, frames: Iterable[int]) -> list[int]:
        """Those of the prompted `frames` that `condition` was not called for with this model and view."""
        held = self.memory.entries(object_id)
        return [t for t in frames if t not in held]

    def run(
        self,
        plan: Plan,
        *,
        stop: Callable[[], bool] | None = None,
        on_logits: Callable[[int, int, torch.Tensor], None] | None = None,
    ) -> Iterator[FrameMasks]:
        """Compute the frames of a plan.

        Parameters
        ----------
        plan : Plan
            What to do; every prompted frame in it went through `condition`.
        stop : callable, optional
            Asked before each frame; the run ends when it says True.
        on_logits : callable, optional
            Called with object, frame and mask logits of shape ``(S / 4, S / 4)`` of each mask as it is made.

        Yields
        ------
        FrameMasks
            One a frame and direction.

        Raises
        ------
        DeviceMemoryError, EngineError, FrameError
            As the case may be; what was yielded stands.
        """
        halted = stop if stop is not None else _never
        self._last_corrected = None
        with Embedder(self.model, self.view, self.features) as embedder:
            for direction in ("forward", "backward"):
                yield from self._sweep(plan, direction, embedder, halted, on_logits)

    def _sweep(
        self,
        plan: Plan,
        direction: Walk,
        embedder: Embedder,
        stop: Callable[[], bool],
        on_logits: Callable[[int, int, torch.Tensor], None] | None,
    ) -> Iterator[FrameMasks]:
        waiting = sorted(plan.sweep(direction), key=lambda p: p.first * p.step, reverse=True)
        frames = plan.frames(direction)
        walking: list[_Stream] = []
        try:
            for i, frame in enumerate(frames):
                while waiting and waiting[-1].first == frame:
                    with self._lock, engine_errors(self.model.device):
                        stream = self._open(waiting.pop(), embedder, stop)
                    if stream is None:
                        return
                    walking.append(stream)
                walking.sort(key=lambda s: (s.plan.object_id, s.plan.start))
                if stop():
                    return
                with self._lock, engine_errors(self.model.device):
                    embedding = embedder.embed(frame, frames[i + 1 : i + 1 + _AHEAD])
                    masks = self._frame(frame, walking, embedding, on_logits)
                    self._leave_wake(frame, direction, walking)
                yield FrameMasks(frame, self.view.shape_yx, masks, direction)
                walking = [s for s in walking if s.plan.stop != frame]
        finally:
            if self.memory.wake is None:
                for stream in walking:
                    if stream.trail:
                        self._keep(stream, max(stream.trail) if direction == "forward" else min(stream.trail))

    def _leave_wake(self, frame: int, direction: Walk, walking: Sequence[_Stream]) -> None:
        """Keep what it takes to go on behind this frame, before the frame is announced."""
        if self.memory.wake is not None:
            made = {s.plan.object_id: s.trail[frame] for s in walking if frame in s.trail}
            self.memory.wake.put(direction, frame, made)
        for stream in walking:
            if frame == stream.plan.stop or frame % TRAIL_EVERY == 0:
                self._keep(stream, frame)

    def _open(self, plan: Pass, embedder: Embedder, stop: Callable[[], bool]) -> _Stream | None:
        """Begin a pass; None when told to stop meanwhile."""
        conditioning = self.memory.entries(plan.object_id)
        if not conditioning:
            raise PromptError(f"Object {plan.object_id} has no prompt on any frame: nothing to track it from.")
        resumed = self._taken_up(plan, conditioning)
        if resumed is not None:
            return resumed
        before = {t: e for t, e in conditioning.items() if t != plan.start or plan.resume_after is not None}
        replay = self._replay(plan.object_id, before, embedder, stop)
        entries = replay.behind(plan.first, plan.direction, plan.behind_first())
        if entries is None:
            return None
        self.memory.forget_trails(plan.object_id, plan.frames())
        fresh = plan.direction == "forward" and plan.resume_after in (None, plan.start)
        stream = _Stream(plan, conditioning, dict(entries), {} if fresh else None)
        self._keep(stream, plan.start if plan.resume_after is None else plan.resume_after)
        return stream

    def _taken_up(self, plan: Pass, conditioning: Mapping[int, ConditioningEntry]) -> _Stream | None:
        """Stream of a pass that was cut off, as it was; None where its wake is not all there."""
        last, step = plan.resume_after, plan.step
        if last is None or last == plan.start or self.memory.wake is None:
            return None
        walked = list(range(last, plan.start, -step))[:POINTERS]
        wake = self.memory.wake.entries(plan.direction, plan.object_id, [t for t in walked if t not in conditioning])
        if wake is None:
            return None
        entries: dict[int, MemoryEntry] = {}
        if len(walked) < POINTERS and any(plan.behind):
            begun = self.memory.trail(plan.object_id, plan.direction, plan.start)
            if begun is None:
                return None
            entries.update(begun.entries)
        whole = plan.direction == "forward" and len(walked) < POINTERS
        self.memory.forget_trails(plan.object_id, plan.frames())
        entries.update(wake)
        prune(entries, last, plan.direction)
        return _Stream(plan, dict(conditioning), entries, dict(wake) if whole else None)

    def _frame(
        self,
        frame: int,
        streams: Sequence[_Stream],
        embedding: Embedding,
        on_logits: Callable[[int, int, torch.Tensor], None] | None,
    ) -> tuple[ObjectMask, ...]:
        masks: dict[int, ObjectMask] = {}
        groups: dict[tuple[int, int], list[tuple[_Stream, Recall]]] = defaultdict(list)
        for stream in streams:
            entry = stream.conditioning.get(frame)
            if entry is not None:
                masks[stream.plan.object_id] = entry.shown
                if on_logits is not None:
                    on_logits(stream.plan.object_id, frame, entry.logits[0, 0])
            else:
                remembered = recall(stream.conditioning, stream.trail, frame, stream.plan.direction, self.view.n_frames)
                groups[remembered.signature].append((stream, remembered))
        for group in groups.values():
            for part in _chunks(group, self.batch_size):
                for stream, decoded, spatial in self._step(part, embedding):
                    object_id = stream.plan.object_id
                    stream.trail[frame] = MemoryEntry(frame, spatial, decoded.pointers)
                    masks[object_id] = self._objects([object_id], decoded, prompted=False)[0]
                    if on_logits is not None:
                        on_logits(object_id, frame, decoded.logits[0, 0])
        for stream in streams:
            self._remember_start(stream, frame)
            prune(stream.trail, frame, stream.plan.direction)
        return tuple(masks[i] for i in sorted(masks))

    def _step(
        self, part: Sequence[tuple[_Stream, Recall]], embedding: Embedding
    ) -> list[tuple[_Stream, Decoded, torch.Tensor]]:
        """One step of the network for objects of equal signature; in halves when the device is too small."""
        try:
            decoded = self.model.decode_tracked(embedding, [r for _, r in part], self.view.n_frames)
            spatial = self.model.remember(embedding, decoded, prompted=False)
        except DeviceMemoryError:
            if len(part) == 1:
                raise
            self.batch_size = max(1, len(part) // 2)
            return [x for half in _chunks(part, self.batch_size) for x in self._step(half, embedding)]
        return [(stream, _one(decoded, i), spatial[i : i + 1]) for i, (stream, _) in enumerate(part)]

    def _remember_start(self, stream: _Stream, frame: int) -> None:
        """Keep what a forward walk leaves around its start, for the walk backward from there."""
        plan = stream.plan
        if stream.around_start is None:
            return
        if frame in stream.trail:
            stream.around_start[frame] = stream.trail[frame]
        if frame == min(plan.start + POINTERS - 1, plan.stop):
            entries = dict(stream.around_start)
            prune(entries, plan.start, "backward")
            self.memory.put_trail(Trail(plan.object_id, "backward", plan.start, entries, tuple(stream.conditioning)))
            stream.around_start = None

    def _keep(self, stream: _Stream, frame: int) -> None:
        plan = stream.plan
        kept = Trail(plan.object_id, plan.direction, frame, dict(stream.trail), tuple(stream.conditioning))
        self.memory.put_trail(kept)

    def _replay(
        self,
        object_id: int,
        conditioning: Mapping[int, ConditioningEntry],
        embedder: Embedder,
        stop: Callable[[], bool],
    ) -> Replay:
        def again(
            frame: int,
            direction: Walk,
            trail: Mapping[int, MemoryEntry],
            attended: Mapping[int, ConditioningEntry],
        ) -> tuple[MemoryEntry, torch.Tensor]:
            embedding = embedder.embed(frame)
            remembered = recall(attended, trail, frame, direction, self.view.n_frames)
            decoded = self.model.decode_tracked(embedding, [remembered], self.view.n_frames)
            spatial = self.model.remember(embedding, decoded, prompted=False)
            return MemoryEntry(frame, spatial, decoded.pointers), decoded.logits

        return Replay(object_id, self.memory, conditioning, again, stop)

    def _corrected(
        self,
        object_id: int,
        frame: int,
        walk: Walk,
        past: tuple[int, ...],
        conditioning: Mapping[int, ConditioningEntry],
        embedder: Embedder,
    ) -> _Corrected:
        """What a correction of a tracked frame starts from; kept for the next click on the same frame."""
        key = (object_id, frame, walk, past, tuple(conditioning))
        if self._last_corrected is None or self._last_corrected[0] != key:
            replay = self._replay(object_id, conditioning, embedder, _never)
            logits = replay.logits(frame, walk)
            entries = replay.behind(frame, walk, past) or {}
            self._last_corrected = (key, _Corrected(entries, logits))
        return self._last_corrected[1]

    def _prompted(
        self,
        object_id: int,
        frame: int,
        given: SettledPrompts,
        embedding: Embedding,
        embedder: Embedder,
        tracked: Tracked | None,
    ) -> tuple[Decoded, Decoded]:
        if given.mask is not None:
            from_mask = self.model.decode_mask(embedding, given.mask)
            if given.labels.size == 0:
                return from_mask, from_mask
            prior: torch.Tensor | None = from_mask.logits
        else:
            prior = None
        remembered = None
        conditioning = {t: e for t, e in self.memory.entries(object_id).items() if t != frame}
        if tracked is not None and tracked[frame] and conditioning:
            walk: Walk = "forward" if tracked[frame] == FORWARD else "backward"
            state = self._corrected(object_id, frame, walk, behind(tracked, frame, walk), conditioning, embedder)
            remembered = recall(conditioning, state.entries, frame, walk, self.view.n_frames)
            prior = state.logits if prior is None else prior
        return self.model.decode_points(
            embedding,
            given.points_yx,
            given.labels,
            self.view.shape_yx,
            recall=remembered,
            n_frames=self.view.n_frames,
            prior=prior,
        )

    def _objects(self, object_ids: Sequence[int], decoded: Decoded, *, prompted: bool) -> list[ObjectMask]:
        levels = self.model.levels(decoded, self.view.shape_yx)
        scores, ious = decoded.scores[:, 0].tolist(), decoded.ious.tolist()
        return [
            ObjectMask(object_id, origin, plane, score, iou, prompted)
            for object_id, (origin, plane), score, iou in zip(object_ids, levels, scores, ious, strict=True)
        ]


def _batch_size(model: Sam2Model) -> int:
    """Objects whose rotated keys of eight memories take `_KEY_BYTES` together."""
    keys = 8 * (model.image_size // 16) ** 2 * model.preset.hidden_dim * 4
    return max(8, min(64, _KEY_BYTES // keys))


def _one(decoded: Decoded, i: int) -> Decoded:
    rows = slice(i, i + 1)
    return Decoded(decoded.logits[rows], decoded.ious[rows], decoded.pointers[rows], decoded.scores[rows])


def _chunks(items: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    for begin in range(0, len(items), size):
        yield items[begin : begin + size]


def _never() -> bool:
    return False
