"""Restore the memories before a frame: start from a saved trail, and track the rest again."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from napari_sam2_video.engine.memory import Trail, prune
from napari_sam2_video.engine.plan import FORWARD, step_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    import torch

    from napari_sam2_video.engine.memory import ConditioningEntry, MemoryEntry
    from napari_sam2_video.engine.memory_store import MemoryStore
    from napari_sam2_video.engine.plan import PassDirection

    Recompute = Callable[
        [int, int, PassDirection, Mapping[int, MemoryEntry], Mapping[int, ConditioningEntry]],
        tuple[MemoryEntry, torch.Tensor],
    ]


@dataclass
class Replay:
    """Tracks one object again over frames on which it was tracked before.

    Parameters
    ----------
    object_id : int
        The object.
    memory : MemoryStore
        Trails to start from; complete trails met on the way are kept there.
    conditioning : mapping of int to ConditioningEntry
        Conditioning entries to use.
    recompute : callable
        Computes one frame: ``recompute(object_id, frame, direction, trail, conditioning)`` returns its entry and
        its logits.
    stop : callable
        Called before each frame; True stops.
    """

    object_id: int
    memory: MemoryStore
    conditioning: Mapping[int, ConditioningEntry]
    recompute: Recompute
    stop: Callable[[], bool]

    def preceding(self, frame: int, direction: PassDirection, past: Sequence[int]) -> dict[int, MemoryEntry] | None:
        """Entries of the frames that precede `frame` in `direction`; None if stopped.

        Parameters
        ----------
        frame : int
            Frame that the pass is about to compute.
        direction : {"forward", "backward"}
            Direction of the pass.
        past : sequence of int
            Directions in which the preceding frames were tracked, from `engine.plan.preceding`.
        """
        back = step_of(direction)
        steps = [(frame - back * (i + 1), d) for i, d in enumerate(past)]
        tracked = [(t, d) for t, d in steps if d and t not in self.conditioning]
        exact = self.memory.trail(self.object_id, direction, frame - back)
        wanted = {t for t, _ in tracked}
        entries = {} if exact is None else _current(exact, wanted)
        wanted -= entries.keys()
        # A pass may have ended at any prompted frame, so the farthest come first and no stretch reaches across one.
        for (way, there), group in groupby(reversed(steps), key=lambda step: (step[1], step[0] in wanted)):
            if not there:
                continue
            frames = [t for t, _ in group]
            came: PassDirection = "forward" if way == FORWARD else "backward"
            for inside in (True, False) if came == direction and tracked[0][0] in frames else (False,):
                found = self._stretch(frames, came, inside=inside)
                if found is None:
                    return None
                entries.update((t, found[t]) for t in frames if t in found)
                frames = [t for t in frames if t not in found]
                if not frames:
                    break
        prune(entries, frame - back, direction)
        return entries

    def tracked(self, frame: int, direction: PassDirection) -> tuple[MemoryEntry, torch.Tensor] | None:
        """Entry and logits of a tracked frame; None if its pass cannot be reconstructed."""
        step = step_of(direction)
        start = self._start(frame - step, frame, direction)
        if start is None:
            return None
        restored = self._track(start, frame - step)
        if restored is None:
            return None
        return self.recompute(self.object_id, frame, direction, restored[0], self._attended(start))

    def _stretch(
        self, frames: Sequence[int], direction: PassDirection, *, inside: bool
    ) -> dict[int, MemoryEntry] | None:
        """Entries of neighbouring frames from one pass; `inside` also uses trails that end among them."""
        step = step_of(direction)
        head, tail = (min(frames), max(frames)) if step == 1 else (max(frames), min(frames))
        start = self._start(tail if inside else head - step, head, direction)
        if start is None:
            return {}
        restored = self._track(start, tail)
        return None if restored is None else restored[1]

    def _start(self, limit: int, head: int, direction: PassDirection) -> Trail | None:
        """Nearest trail that does not reach beyond `limit`, or the prompted frame that the pass came from."""
        step = step_of(direction)
        kept = [t for t in self.memory.trail_frames(self.object_id, direction) if (limit - t) * step >= 0]
        for t in sorted(kept, reverse=step == 1):
            trail = self.memory.trail(self.object_id, direction, t)
            if trail is not None:
                return trail
        origins = [t for t in self.conditioning if (head - t) * step > 0]
        if not origins:
            return None
        return Trail(
            self.object_id, direction, min(origins) if step == 1 else max(origins), {}, tuple(self.conditioning)
        )

    def _track(self, start: Trail, tail: int) -> tuple[dict[int, MemoryEntry], dict[int, MemoryEntry]] | None:
        """Track from a trail to `tail`: returns the trail there, and every entry on the way."""
        direction = start.direction
        step = step_of(direction)
        attended = self._attended(start)
        trail = dict(start.entries)
        met = _current(start, trail.keys())
        for t in range(start.frame + step, tail + step, step):
            if self.stop():
                return None
            if t not in attended:
                trail[t], _ = self.recompute(self.object_id, t, direction, trail, attended)
                met[t] = trail[t]
            prune(trail, t, direction)
        if start.frame != tail and trail:
            outdated = start.outdated & trail.keys()
            self.memory.put_trail(Trail(self.object_id, direction, tail, dict(trail), tuple(attended), outdated))
        return trail, met

    def _attended(self, start: Trail) -> dict[int, ConditioningEntry]:
        return {t: e for t, e in self.conditioning.items() if t in start.conditioning}


def _current(trail: Trail, frames: Collection[int]) -> dict[int, MemoryEntry]:
    """Entries of a trail that match the current masks of their frames."""
    return {t: e for t, e in trail.entries.items() if t in frames and t not in trail.outdated}
