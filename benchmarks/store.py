"""The cost of a session: the tracker alone against a run that puts every frame on disk."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.race import block_median
from benchmarks.sides import Scene
from napari_sam2_video import api


def store_cost(size: int, objects: int, frames: int) -> dict[str, Any]:
    """Milliseconds per frame of the tracker, and of everything that a session adds to it."""
    scene = Scene(frames, size)
    movie = np.stack([scene.read(t) for t in range(frames)])
    inside: list[tuple[float, float]] = []
    steps: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        settings = api.ModelSettings(image_size=size, precision="fp32")
        recording = api.open_recording(movie, axes="TYXS")
        with api.create_session(recording, Path(folder) / "run.sam2v", model=settings) as session:
            for click in scene.clicks(objects):
                session.add_object(object_id=click.object_id)
                session.set_prompts(click.object_id, 0, [click])
            tracker: Any = session.tracker
            run = tracker.run

            def timed(*given: Any, **named: Any) -> Any:
                steps_of_tracker = iter(run(*given, **named))
                while True:
                    wall, processor = time.perf_counter(), time.thread_time()
                    try:
                        masks = next(steps_of_tracker)
                    except StopIteration:
                        return
                    inside.append((time.perf_counter() - wall, time.thread_time() - processor))
                    yield masks

            tracker.run = timed
            wall, processor = time.perf_counter(), time.thread_time()
            for _ in session.track():
                steps.append((time.perf_counter() - wall, time.thread_time() - processor))
                wall, processor = time.perf_counter(), time.thread_time()
    around = [(a[0] - b[0], a[1] - b[1]) for a, b in zip(steps[1:], inside[1:], strict=False)]
    row = {"size": size, "objects": objects, "frames": len(inside)}
    row["tracker_ms"], row["tracker_cpu_ms"] = (1e3 * block_median(x) for x in zip(*inside[1:], strict=True))
    row["session_ms"], row["session_cpu_ms"] = (1e3 * block_median(x) for x in zip(*around, strict=True))
    row["share"] = row["session_ms"] / row["tracker_ms"]
    return row
