"""One run in its own process, for peak memory and time to the first mask.

Called as ``python -m benchmarks.alone JSON`` by `benchmarks.memory`; prints its figures as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

SHOWN = 12


def in_own_process(module: str, *words: object) -> dict[str, Any]:
    """Figures that ``python -m MODULE WORDS`` prints as JSON."""
    command = [sys.executable, "-m", module, *map(str, words)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def peak_mb() -> float:
    """Largest resident memory of this process so far, in MB."""
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(row for row in status.read_text().splitlines() if row.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1024)


def pictures(side: int) -> list[np.ndarray]:
    """A few frames, to be repeated."""
    from benchmarks.sides import Scene

    scene = Scene(SHOWN, side)
    return [scene.read(t) for t in range(SHOWN)]


def clicks(side: int, objects: int) -> list[Any]:
    from benchmarks.sides import Scene

    return Scene(SHOWN, side).clicks(objects)


def _movie(job: dict[str, Any]) -> Any:
    import dask.array as da

    block = da.from_array(np.stack(pictures(job["side"])), chunks=(1, -1, -1, -1))
    return da.concatenate([block] * (-(-job["frames"] // SHOWN)))[: job["frames"]]


def ours_session(job: dict[str, Any]) -> dict[str, float]:
    """Track all frames of an array into a session, as a script does."""
    from napari_sam2_video import api

    os.environ["NAPARI_SAM2_VIDEO_CACHE_MB"] = str(job["cache_mb"])
    recording = api.open_recording(_movie(job), axes="TYXS")
    began: list[float] = []

    def progress(done: Any) -> None:
        if not began:
            began.extend((time.perf_counter(), time.process_time(), peak_mb()))
        if job.get("say") and done.done % job["say"] == 0:
            spent = time.process_time() - began[1]
            print(
                f"{done.done} frames, {spent:.0f} s of CPU time, peak {peak_mb():.0f} MB", file=sys.stderr, flush=True
            )

    with tempfile.TemporaryDirectory() as folder:
        session = api.track(
            recording,
            clicks(job["side"], job["objects"]),
            Path(folder) / "run.sam2v",
            model=api.ModelSettings(model=job["model"], image_size=job["size"], device=job["device"]),
            progress=progress,
        )
        figures = {"seconds": time.perf_counter() - began[0], "cpu_seconds": time.process_time() - began[1]}
        figures["first_frame_peak_mb"] = began[2]
        figures["peak_mb"] = peak_mb()
        session.close()
        size = _bytes_in(Path(folder))
    return {**figures, "session_mb": size / 1e6}


def ours_budget(job: dict[str, Any]) -> dict[str, float]:
    """Estimate what a run needs, then run it."""
    from napari_sam2_video import api
    from napari_sam2_video.budget import measure_budget

    settings = api.ModelSettings(model=job["model"], image_size=job["size"], device=job["device"])
    with tempfile.TemporaryDirectory() as folder:
        recording = api.open_recording(_movie(job), axes="TYXS")
        with api.create_session(recording, Path(folder) / "run.sam2v", model=settings) as session:
            api.add_prompts(session, clicks(job["side"], job["objects"]))
            before = _bytes_in(Path(folder))
            budget = measure_budget(session)
            begun = time.perf_counter()
            api.resume(session)
            seconds, peak, written = time.perf_counter() - begun, peak_mb(), _bytes_in(Path(folder)) - before
    return {
        "estimated_mb": budget.memory_bytes / (1 << 20),
        "peak_mb": peak,
        "estimated_disk_mb": budget.disk_bytes / 1e6,
        "disk_mb": written / 1e6,
        "estimated_s": budget.seconds,
        "seconds": seconds,
    }


def _bytes_in(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def ours_first(job: dict[str, Any]) -> dict[str, float]:
    """Open a folder of images and get the first mask."""
    from benchmarks.sides import our_model
    from napari_sam2_video.engine.tracker import Tracker
    from napari_sam2_video.frames.open import open_recording
    from napari_sam2_video.frames.view import FrameView, default_view

    model = our_model(job["preset"], job["size"], device=job["device"])
    click = clicks(job["side"], 1)[0]

    def first(folder: Path) -> None:
        with open_recording(folder) as recording:
            Tracker(model, FrameView(recording, default_view(recording))).condition(1, 0, [click])

    return _first(job, first)


def theirs_first(job: dict[str, Any]) -> dict[str, float]:
    """The same with Meta's predictor."""
    from benchmarks.sides import their_model

    predictor = their_model(job["preset"], job["size"], device=job["device"])

    def first(folder: Path) -> None:
        _prompted(predictor, folder, job)

    return _first(job, first)


def _first(job: dict[str, Any], first: Any) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as scratch:
        image_folder(Path(scratch) / "warm", job["side"], 2)
        folder = image_folder(Path(scratch) / "frames", job["side"], job["frames"])
        first(Path(scratch) / "warm")
        begun, cpu = time.perf_counter(), time.process_time()
        first(folder)
        return {
            "seconds": time.perf_counter() - begun,
            "cpu_seconds": time.process_time() - cpu,
            "peak_mb": peak_mb(),
        }


def _prompted(predictor: Any, folder: Path, job: dict[str, Any]) -> Any:
    import sam2.utils.misc as misc

    misc.tqdm = lambda frames, **_: frames
    state = predictor.init_state(str(folder))
    for click in clicks(job["side"], job["objects"]):
        predictor.add_new_points_or_box(
            state, 0, click.object_id, points=np.array([[click.x, click.y]], np.float32), labels=np.array([1], np.int32)
        )
    return state


def theirs_track(job: dict[str, Any]) -> dict[str, float]:
    """Track all frames of a folder with Meta's predictor and discard the results."""
    import sam2.sam2_video_predictor as module

    from benchmarks.sides import their_model

    module.tqdm = lambda frames, **_: frames
    predictor = their_model(job["preset"], job["size"], device=job["device"])
    with tempfile.TemporaryDirectory() as scratch:
        folder = image_folder(Path(scratch) / "frames", job["side"], job["frames"])
        begun, cpu = time.perf_counter(), time.process_time()
        state = _prompted(predictor, folder, job)
        first_mb = peak_mb()
        for _ in predictor.propagate_in_video(state):
            pass
        return {
            "seconds": time.perf_counter() - begun,
            "cpu_seconds": time.process_time() - cpu,
            "first_frame_peak_mb": first_mb,
            "peak_mb": peak_mb(),
        }


def image_folder(folder: Path, side: int, frames: int) -> Path:
    """A folder of JPEG files, of which only a few are different."""
    from PIL import Image

    folder.mkdir()
    shown = pictures(side)[: min(frames, SHOWN)]
    for t, picture in enumerate(shown):
        Image.fromarray(picture).save(folder / f"{t:06d}.jpg", quality=92)
    for t in range(len(shown), frames):
        os.link(folder / f"{t % SHOWN:06d}.jpg", folder / f"{t:06d}.jpg")
    return folder


def main() -> None:
    """Run the job that the command line names."""
    job = json.loads(sys.argv[1])
    if job.get("prepared"):
        import napari_sam2_video.engine  # noqa: F401  prepares the threads before torch starts them
    import torch

    if job["threads"] is not None:
        torch.set_num_threads(job["threads"])
    kinds = {f.__name__: f for f in (ours_session, ours_budget, ours_first, theirs_first, theirs_track)}
    print(json.dumps(kinds[job["kind"]](job)))


if __name__ == "__main__":
    main()
