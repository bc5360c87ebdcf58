"""A run on an idle machine and beside other work: how much slower it gets, by how its threads are set."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from benchmarks.memory import apart

if TYPE_CHECKING:
    from collections.abc import Iterator

Row = dict[str, Any]
LOOPS_A_CORE = 2
_OURS = {"model": "demo", "cache_mb": 64}
_META = {"preset": "demo"}
WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "ours, as it starts": ("ours_session", {**_OURS, "threads": None, "prepared": True}),
    "ours, in a host that loaded torch first": ("ours_session", {**_OURS, "threads": None}),
    "ours, one thread": ("ours_session", {**_OURS, "threads": 1, "prepared": True}),
    "Meta, as it starts": ("theirs_track", {**_META, "threads": None}),
}


def under_load(frames: int, size: int, objects: int) -> list[Row]:
    """Milliseconds a frame alone and with two busy loops a core beside it."""
    rows = []
    for name, (kind, job) in WAYS.items():
        job = {**job, "frames": frames, "side": size, "size": size, "objects": objects}
        alone = apart(kind, **job)
        with busy_cores():
            loaded = apart(kind, **job)
        row: Row = {"who": name, "size": size, "objects": objects, "frames": frames}
        row |= {"alone_ms": 1e3 * alone["seconds"] / frames, "loaded_ms": 1e3 * loaded["seconds"] / frames}
        row |= {"slower": loaded["seconds"] / alone["seconds"], "loaded_cpu_ms": 1e3 * loaded["cpu_seconds"] / frames}
        rows.append(row)
    return rows


@contextmanager
def busy_cores(loops_a_core: int = LOOPS_A_CORE) -> Iterator[None]:
    """Keep every core busy with loops, each in its own process, while a block runs."""
    command = [sys.executable, "-c", "while True: pass"]
    loops = [subprocess.Popen(command) for _ in range(loops_a_core * (os.cpu_count() or 1))]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
