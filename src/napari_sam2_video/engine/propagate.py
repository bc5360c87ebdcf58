"""Walk a plan: open the pass of each object, go on frame by frame, and keep what it takes to go on from there."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sam2_video.engine.memory import POINTERS, Trail, prune, recall
from napari_sam2_video.engine.replay import Replay
from napari_sam2_video.errors import PromptError
from napari_sam2_video.types import FrameMasks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import torch

    from napari_sam2_video.engine.batching import Stepper
    from napari_sam2_video.engine.features import Embedder
    from napari_sam2_video.engine.memory import ConditioningEntry, MemoryEntry, Recall
    from napari_sam2_video.engine.memory_store import MemoryFolder
    from napari_sam2_video.engine.networks.outputs import Embedding
    from napari_sam2_video.engine.plan import Pass, Plan, Walk
    from napari_sam2_video.types import ObjectMask

TRAIL_EVERY = 32
_AHEAD = 7


@dataclass
class _Stream:
    """A pass while it is walked."""

    plan: Pass
    conditioning: dict[int, ConditioningEntry]
    trail: dict[int, MemoryEntry]
    around_start: dict[int, MemoryEntry] | None = None


@dataclass(frozen=True)
class Walker:
    """Takes the objects of a run through its frames.

    Parameters
    ----------
    stepper : Stepper
        The network; its turn is taken for each frame, and given back before the frame is yielded.
    memory : MemoryFolder
        What objects remember; trails and the wake are kept there on the way.
    embedder : Embedder
        Gives what the frames look like.
    stop : callable
        Asked before each frame; the walk ends when it says True.
    on_logits : callable, optional
        Called with object, frame and mask logits of shape ``(S / 4, S / 4)`` of each mask as it is made.
    """

    stepper: Stepper
    memory: MemoryFolder
    embedder: Embedder
    stop: Callable[[], bool]
    on_logits: Callable[[int, int, torch.Tensor], None] | None

    def sweep(self, plan: Plan, direction: Walk) -> Iterator[FrameMasks]:
        """Walk all passes of a plan in one direction, side by side; one result a frame.

        Raises
        ------
        PromptError
            If an object of the plan has no prompt.
        DeviceMemoryError, EngineError, FrameError
            As the case may be; what was yielded stands.
        """
        waiting = sorted(plan.sweep(direction), key=lambda p: p.first * p.step, reverse=True)
        frames = plan.frames(direction)
        walking: list[_Stream] = []
        try:
            for i, frame in enumerate(frames):
                while waiting and waiting[-1].first == frame:
                    with self.stepper.turn():
                        stream = self._open(waiting.pop())
                    if stream is None:
                        return
                    walking.append(stream)
                walking.sort(key=lambda s: (s.plan.object_id, s.plan.start))
                if self.stop():
                    return
                with self.stepper.turn():
                    embedding = self.embedder.embed(frame, frames[i + 1 : i + 1 + _AHEAD])
                    masks = self._frame(frame, walking, embedding)
                    self._leave_wake(frame, direction, walking)
                yield FrameMasks(frame, self.stepper.view.shape_yx, masks, direction)
                walking = [s for s in walking if s.plan.stop != frame]
        finally:
            if self.memory.wake is None:
                for stream in walking:
                    if stream.trail:
                        self._keep(stream, max(stream.trail) if direction == "forward" else min(stream.trail))

    def _open(self, plan: Pass) -> _Stream | None:
        """Begin a pass; None when told to stop meanwhile."""
        conditioning = self.memory.entries(plan.object_id)
        if not conditioning:
            raise PromptError(f"Object {plan.object_id} has no prompt on any frame: nothing to track it from.")
        resumed = self._taken_up(plan, conditioning)
        if resumed is not None:
            return resumed
        before = {t: e for t, e in conditioning.items() if t != plan.start or plan.resume_after is not None}
        replay = Replay(plan.object_id, self.memory, before, self.stepper.again(self.embedder), self.stop)
        entries = replay.behind(plan.first, plan.direction, plan.behind_first())
        if entries is None:
            return None
        self.memory.outdate(plan.object_id, plan.frames())
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
        self.memory.outdate(plan.object_id, plan.frames())
        entries.update(wake)
        prune(entries, last, plan.direction)
        return _Stream(plan, dict(conditioning), entries, dict(wake) if whole else None)

    def _frame(self, frame: int, streams: Sequence[_Stream], embedding: Embedding) -> tuple[ObjectMask, ...]:
        masks: dict[int, ObjectMask] = {}
        groups: dict[tuple[int, int], list[tuple[_Stream, Recall]]] = defaultdict(list)
        n_frames = self.stepper.view.n_frames
        for stream in streams:
            entry = stream.conditioning.get(frame)
            if entry is not None:
                masks[stream.plan.object_id] = entry.shown
                self._tell(stream, frame, entry.logits)
            else:
                remembered = recall(stream.conditioning, stream.trail, frame, stream.plan.direction, n_frames)
                groups[remembered.signature].append((stream, remembered))
        for group in groups.values():
            steps = self.stepper.steps(frame, embedding, [r for _, r in group])
            for (stream, _), (decoded, left) in zip(group, steps, strict=True):
                object_id = stream.plan.object_id
                stream.trail[frame] = left
                masks[object_id] = self.stepper.shown([object_id], decoded, prompted=False)[0]
                self._tell(stream, frame, decoded.logits)
        for stream in streams:
            self._remember_start(stream, frame)
            prune(stream.trail, frame, stream.plan.direction)
        return tuple(masks[i] for i in sorted(masks))

    def _tell(self, stream: _Stream, frame: int, logits: torch.Tensor) -> None:
        if self.on_logits is not None:
            self.on_logits(stream.plan.object_id, frame, logits[0, 0])

    def _leave_wake(self, frame: int, direction: Walk, walking: Sequence[_Stream]) -> None:
        """Keep what it takes to go on behind this frame, before the frame is announced."""
        if self.memory.wake is not None:
            made = {s.plan.object_id: s.trail[frame] for s in walking if frame in s.trail}
            self.memory.wake.put(direction, frame, made)
        for stream in walking:
            if frame == stream.plan.stop or frame % TRAIL_EVERY == 0:
                self._keep(stream, frame)

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
