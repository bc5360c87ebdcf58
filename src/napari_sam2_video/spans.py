"""Runs of consecutive frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def frame_runs(frames: Iterable[int]) -> tuple[range, ...]:
    """Split frames, in any order, into runs without a gap, ascending."""
    runs: list[range] = []
    for frame in sorted({int(frame) for frame in frames}):
        if runs and runs[-1].stop == frame:
            runs[-1] = range(runs[-1].start, frame + 1)
        else:
            runs.append(range(frame, frame + 1))
    return tuple(runs)


def bounds_of(frames: Iterable[int]) -> list[list[int]]:
    """Runs of frames as ``[start, stop]``, for JSON."""
    return [[run.start, run.stop] for run in frame_runs(frames)]
