"""Two sides step by step in turn, each step timed, so that what else the machine does hits both alike."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


BLOCK = 4


@dataclass
class Clock:
    """Seconds of every step of one side: by the wall, and on a CPU."""

    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    def step(self, steps: Iterator[Any], wait: Callable[[], None]) -> bool:
        """Take one step; False when there is none left."""
        wait()
        wall, processor = time.perf_counter(), time.thread_time()
        try:
            next(steps)
        except StopIteration:
            return False
        wait()
        self.wall.append(time.perf_counter() - wall)
        self.processor.append(time.thread_time() - processor)
        return True


@dataclass
class Race:
    """What a race gave."""

    ours: Clock
    theirs: Clock
    beside: float

    def figures(self, skip: int = 2) -> dict[str, float]:
        """Time a frame, as the median over blocks of `BLOCK` frames, and its ratios.

        The first `skip` steps are the prompts and the prompted frame. We embed frames in blocks, hence the blocks. The
        CPU time of our reading thread, `beside`, is shared out over all our steps.
        """
        beside = self.beside / max(len(self.ours.wall), 1)
        ours = block_median(self.ours.processor[skip:]) + beside
        theirs = block_median(self.theirs.processor[skip:])
        wall = block_median(self.ours.wall[skip:]), block_median(self.theirs.wall[skip:])
        return {
            "frames": len(self.ours.wall) - skip,
            "ours_cpu_ms": 1e3 * ours,
            "theirs_cpu_ms": 1e3 * theirs,
            "ratio_cpu": theirs / ours,
            "ours_ms": 1e3 * wall[0],
            "theirs_ms": 1e3 * wall[1],
            "ratio": wall[1] / wall[0],
        }


def race(ours: Iterator[Any], theirs: Iterator[Any], wait: Callable[[], None] = lambda: None) -> Race:
    """Run both sides to their ends, a step of each in turn."""
    return race_many([ours], theirs, wait)[0]


def race_many(
    ours: Sequence[Iterator[Any]], theirs: Iterator[Any], wait: Callable[[], None] = lambda: None
) -> list[Race]:
    """Run several of our sides and the other one to their ends, a step of each in turn."""
    sides = [*ours, theirs]
    clocks = [Clock() for _ in sides]
    begin_all, begin_main = time.process_time(), time.thread_time()
    running = [True] * len(sides)
    while any(running):
        for side, (clock, steps) in enumerate(zip(clocks, sides, strict=True)):
            running[side] = running[side] and clock.step(steps, wait)
    beside = (time.process_time() - begin_all) - (time.thread_time() - begin_main)
    return [Race(clock, clocks[-1], max(beside, 0.0) / len(ours)) for clock in clocks[:-1]]


def block_median(steps: Sequence[float]) -> float:
    """Time a step, as the median over blocks of `BLOCK` steps."""
    blocks = [steps[i : i + BLOCK] for i in range(0, len(steps) - BLOCK + 1, BLOCK)] or [steps]
    return statistics.median(statistics.fmean(block) for block in blocks)
