"""How long the main thread was ever busy."""

from __future__ import annotations

import time


class Probe:
    """A timer of 10 ms on the main thread: the longest it was late, and the most the main thread worked meanwhile."""

    def __init__(self):
        from qtpy.QtCore import QTimer

        self.gaps: list[tuple[float, float]] = []
        self._ends: list[float] = []
        self._last = None
        self._timer = QTimer()
        self._timer.setInterval(10)
        self._timer.timeout.connect(self._tick)

    def _tick(self):
        now = time.perf_counter(), time.thread_time()
        if self._last is not None:
            self.gaps.append((now[0] - self._last[0], now[1] - self._last[1]))
            self._ends.append(now[0])
        self._last = now

    def __enter__(self):
        self._tick()
        self._timer.start()
        return self

    def __exit__(self, *_):
        self._timer.stop()
        self._tick()

    @property
    def longest(self) -> float:
        return max(wall for wall, _ in self.gaps)

    @property
    def busiest(self) -> float:
        return max(cpu for _, cpu in self.gaps)

    def worked_longer(self, seconds: float) -> list[tuple[float, float]]:
        """Begin and end, by `time.perf_counter`, of the gaps in which the main thread worked for this long."""
        gaps = zip(self.gaps, self._ends, strict=True)
        return [(end - wall, end) for (wall, work), end in gaps if work > seconds]

    def told(self, doing: str) -> str:
        return (
            f"main thread in {doing}: longest gap {1000 * self.longest:.0f} ms, most work {1000 * self.busiest:.0f} ms"
        )
