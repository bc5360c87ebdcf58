"""Limit the CPU threads of a run if torch's threads spin while they wait."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from napari_sam2_video.torch_environment import threads_sleep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_AGAIN_SECONDS = 5.0
_SAMPLE_SECONDS = 0.1


class Threads:
    """Keeps torch's threads off cores that other processes use, and restores the host's setting afterwards.

    Threads that sleep while they wait share busy cores fairly, so their number, and with it the rounding of results, is
    left alone. Only if they spin, because the host loaded torch first, are they limited to the free cores.

    Parameters
    ----------
    device : str
        torch device; only the CPU is limited.
    busy_seconds : callable, optional
        CPU time of other processes so far, over all cores; None if unknown. By default measured with ``psutil`` if it
        is installed.
    clock : callable
        Returns seconds.
    """

    def __init__(
        self,
        device: str,
        busy_seconds: Callable[[], float | None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._spins = device == "cpu" and not threads_sleep()
        self._busy_seconds = busy_seconds or _busy_elsewhere
        self._clock = clock
        self._sampled: tuple[float, float] | None = None
        self._free = os.cpu_count() or 1

    @contextmanager
    def limited(self) -> Iterator[None]:
        """Limit a block to as many threads as there are free cores."""
        import torch

        wanted = torch.get_num_threads()
        count = min(wanted, self._free_cores()) if self._spins and wanted > 1 else wanted
        if count == wanted:
            yield
            return
        torch.set_num_threads(count)
        try:
            yield
        finally:
            torch.set_num_threads(wanted)

    def _free_cores(self) -> int:
        """Cores that other processes leave free, at least 1; measured again every few seconds."""
        now = self._clock()
        if self._sampled is None:
            busy = self._busy_seconds()
            if busy is None:
                return self._free
            self._sampled = (now, busy)
            time.sleep(_SAMPLE_SECONDS)
            now = max(self._clock(), now + _SAMPLE_SECONDS)
        elif now - self._sampled[0] < _AGAIN_SECONDS:
            return self._free
        busy = self._busy_seconds()
        if busy is not None:
            elsewhere = (busy - self._sampled[1]) / (now - self._sampled[0])
            self._free = max(1, round((os.cpu_count() or 1) - elsewhere))
            self._sampled = (now, busy)
        return self._free


def _busy_elsewhere() -> float | None:
    try:
        import psutil
    except ImportError:
        return None
    times, own = psutil.cpu_times(), os.times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    return float(sum(times) - idle - getattr(times, "guest", 0.0) - own.user - own.system)
