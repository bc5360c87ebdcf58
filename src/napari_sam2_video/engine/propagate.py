"""Carry out a plan: start the pass of each object, proceed frame by frame, and save what resuming needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sam2_video.engine.agreement import unbroken
from napari_sam2_video.engine.frame_step import FrameStep, Tracked
from napari_sam2_video.engine.memory import POINTERS, Trail, prune
from napari_sam2_video.engine.replay import Replay
from napari_sam2_video.errors import PromptError
from napari_sam2_video.types import FrameMasks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import torch

    from napari_sam2_video.engine.batching import Batcher
    from napari_sam2_video.engine.memory import ConditioningEntry, MemoryEntry
    from napari_sam2_video.engine.memory_store import MemoryStore
    from napari_sam2_video.engine.plan import Pass, PassDirection, Plan
    from napari_sam2_video.types import ObjectMask

TRAIL_EVERY = 32
_AHEAD = 7


@dataclass
class _Stream:
    """A pass that is under way."""

    plan: Pass
    conditioning: dict[int, ConditioningEntry]
    trail: dict[int, MemoryEntry]
    around_start: dict[int, MemoryEntry] | None = None


@dataclass(frozen=True)
class Propagator:
    """Takes the objects of a run through its frames.

    Parameters
    ----------
    batcher : Batcher
        The network, locked for each frame and released before the frame is yielded.
    memory : MemoryStore
        Memories of the objects; trails and the resume cache are written to it.
    step : FrameStep
        Takes objects one frame further.
    stop : callable
        Called before each frame; the run ends when it returns True.
    on_logits : callable, optional
        Called with object, frame and mask logits of shape ``(S / 4, S / 4)`` for each new mask.
    """

    batcher: Batcher
    memory: MemoryStore
    step: FrameStep
    stop: Callable[[], bool]
    on_logits: Callable[[int, int, torch.Tensor], None] | None

    def sweep(self, plan: Plan, direction: PassDirection) -> Iterator[FrameMasks]:
        """Track all passes of a plan in one direction in parallel; one result per frame.

        Raises
        ------
        PromptError
            If an object of the plan has no prompt.
        DeviceMemoryError, EngineError, FrameError
            If the device, the network or a frame fails; frames that were yielded are kept.
        """
        waiting = sorted(plan.sweep(direction), key=lambda p: p.first * p.step, reverse=True)
        frames = plan.frames(direction)
        active: list[_Stream] = []
        try:
            for i, frame in enumerate(frames):
                while waiting and waiting[-1].first == frame:
                    with self.batcher.turn():
                        stream = self._open(waiting.pop())
                    if stream is None:
                        return
                    active.append(stream)
                active.sort(key=lambda s: (s.plan.object_id, s.plan.start))
                if self.stop():
                    return
                with self.batcher.turn():
                    masks = self._frame(frame, active, frames[i + 1 : i + 1 + _AHEAD])
                    self._keep_for_resume(frame, direction, active)
                yield FrameMasks(frame, self.batcher.view.shape_yx, masks, direction)
                active = [s for s in active if s.plan.stop != frame]
        finally:
            if self.memory.resume_cache is None:
                for stream in active:
                    if stream.trail:
                        self._keep(stream, max(stream.trail) if direction == "forward" else min(stream.trail))

    def _open(self, plan: Pass) -> _Stream | None:
        """Begin a pass; None if it was stopped meanwhile."""
        conditioning = self.memory.entries(plan.object_id)
        if not conditioning:
            raise PromptError(f"Object {plan.object_id} has no prompt on any frame: nothing to track it from.")
        resumed = self._resumed(plan, conditioning)
        if resumed is not None:
            return resumed
        before = {t: e for t, e in conditioning.items() if t != plan.start or plan.resume_after is not None}
        replay = Replay(plan.object_id, self.memory, before, self.step.recompute, self.stop)
        entries = replay.preceding(plan.first, plan.direction, plan.preceding_first())
        if entries is None:
            return None
        if self.step.framing is not None and plan.start in conditioning:
            earlier = {t: e for t, e in entries.items() if (plan.start - t) * plan.step > 0}
            kept = unbroken(earlier, conditioning[plan.start], plan.direction)
            entries = {t: e for t, e in entries.items() if t in kept or t not in earlier}
        self.memory.outdate(plan.object_id, plan.frames())
        fresh = plan.direction == "forward" and plan.resume_after in (None, plan.start)
        stream = _Stream(plan, conditioning, dict(entries), {} if fresh else None)
        self._keep(stream, plan.start if plan.resume_after is None else plan.resume_after)
        return stream

    def _resumed(self, plan: Pass, conditioning: Mapping[int, ConditioningEntry]) -> _Stream | None:
        """Restore an interrupted pass exactly; None if the resume cache does not hold all of it."""
        last, step = plan.resume_after, plan.step
        if last is None or last == plan.start or self.memory.resume_cache is None:
            return None
        done = list(range(last, plan.start, -step))[:POINTERS]
        kept = self.memory.resume_cache.entries(
            plan.direction, plan.object_id, [t for t in done if t not in conditioning]
        )
        if kept is None:
            return None
        entries: dict[int, MemoryEntry] = {}
        if len(done) < POINTERS and any(plan.preceding):
            begun = self.memory.trail(plan.object_id, plan.direction, plan.start)
            if begun is None:
                return None
            entries.update(begun.entries)
        whole = plan.direction == "forward" and len(done) < POINTERS
        self.memory.outdate(plan.object_id, plan.frames())
        entries.update(kept)
        prune(entries, last, plan.direction)
        return _Stream(plan, dict(conditioning), entries, dict(kept) if whole else None)

    def _frame(self, frame: int, streams: Sequence[_Stream], upcoming: Sequence[int]) -> tuple[ObjectMask, ...]:
        masks: dict[int, ObjectMask] = {}
        tracked: list[_Stream] = []
        for stream in streams:
            entry = stream.conditioning.get(frame)
            if entry is not None:
                masks[stream.plan.object_id] = entry.shown
                self._report(stream, frame, entry.logits)
            else:
                tracked.append(stream)
        if tracked:
            direction = tracked[0].plan.direction
            objects = [Tracked(s.plan.object_id, s.conditioning, s.trail) for s in tracked]
            outcomes = self.step.track(frame, direction, objects, upcoming, tuple(masks.values()))
            for stream, outcome in zip(tracked, outcomes, strict=True):
                stream.trail[frame] = outcome.entry
                masks[stream.plan.object_id] = outcome.mask
                if outcome.entry.place is not None:
                    self.memory.note_window(stream.plan.object_id, frame, outcome.entry.place.window)
                self._report(stream, frame, outcome.logits)
        for stream in streams:
            self._remember_start(stream, frame)
            prune(stream.trail, frame, stream.plan.direction)
        return tuple(masks[i] for i in sorted(masks))

    def _report(self, stream: _Stream, frame: int, logits: torch.Tensor) -> None:
        if self.on_logits is not None:
            self.on_logits(stream.plan.object_id, frame, logits[0, 0])

    def _keep_for_resume(self, frame: int, direction: PassDirection, active: Sequence[_Stream]) -> None:
        """Keep what resuming after this frame needs, before the frame is announced."""
        if self.memory.resume_cache is not None:
            made = {s.plan.object_id: s.trail[frame] for s in active if frame in s.trail}
            self.memory.resume_cache.put(direction, frame, made)
        for stream in active:
            if frame == stream.plan.stop or frame % TRAIL_EVERY == 0:
                self._keep(stream, frame)

    def _remember_start(self, stream: _Stream, frame: int) -> None:
        """Keep the memories of a forward pass around its start, for the backward pass from there."""
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
