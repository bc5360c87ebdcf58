"""Exporting against what tifffile and ffmpeg alone need for the same bytes.

Every measurement runs in its own process, ours and the bare library's in turn. The table gives medians of the
elapsed time, the ratios of the elapsed and of the CPU time (ffmpeg's too), and the peak memory of the Python
process. The bare library gets its frames ready made: the labels as they are, and for the video the pictures with the
objects already drawn. Ours also reads, checks, draws, flushes to disk and renames.

    python benchmarks/bench_export.py --frames 1000 --size 1024 --objects 20 --repeats 3
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

DISTINCT = 12


def frames_and_labels(size: int, objects: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """A few pictures and label images with moving discs, which are shown again and again."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:size, :size].astype(np.float32)
    ground = 90 + 40 * np.sin(x / 37) * np.cos(y / 53)
    centres, steps = rng.uniform(0.1, 0.9, (objects, 2)) * size, rng.uniform(-4, 4, (objects, 2))
    radii = rng.uniform(0.02, 0.06, objects) * size
    pictures, labels = [], []
    for frame in range(DISTINCT):
        label = np.zeros((size, size), np.uint8)
        for number in range(objects):
            cy, cx = centres[number] + steps[number] * frame
            label[(y - cy) ** 2 + (x - cx) ** 2 < radii[number] ** 2] = number + 1
        picture = (ground + label * 4 + rng.normal(0, 3, label.shape)).clip(0, 255).astype(np.uint8)
        pictures.append(np.repeat(picture[..., None], 3, axis=2))
        labels.append(label)
    return pictures, labels


def result_of(size: int, objects: int, count: int) -> Any:
    """The same as a result that is read one frame at a time."""
    from napari_sam2_video.results import TrackingResult
    from napari_sam2_video.types.tracked_object import TrackedObject, default_color

    pictures, labels = frames_and_labels(size, objects)
    return TrackingResult(
        n_frames=count,
        shape_yx=(size, size),
        read_labels=lambda frame: labels[frame % DISTINCT],
        read_frame=lambda frame: pictures[frame % DISTINCT],
        objects=tuple(TrackedObject(i, f"object {i}", default_color(i)) for i in range(1, objects + 1)),
    )


class Stopwatch:
    """Elapsed time, and CPU time of this process and of its children that have ended."""

    def __init__(self) -> None:
        self._start = self._now()

    def took(self) -> dict[str, float]:
        """Seconds since the beginning."""
        return {name: now - self._start[name] for name, now in self._now().items()}

    def _now(self) -> dict[str, float]:
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return {"seconds": time.perf_counter(), "cpu": sum(one.ru_utime + one.ru_stime for one in used)}


def ours(kind: str, target: Path, size: int, objects: int, count: int) -> dict[str, float]:
    """Time that our export takes."""
    import imageio_ffmpeg  # noqa: F401
    import tifffile  # noqa: F401

    from napari_sam2_video.export.registry import export

    result = result_of(size, objects, count)
    watch = Stopwatch()
    export(result, target, options={"fps": 25} if kind == "mp4" else {})
    return watch.took()


def bare(kind: str, target: Path, size: int, objects: int, count: int) -> dict[str, float]:
    """Time that the library alone takes for the same pixels."""
    pictures, labels = frames_and_labels(size, objects)
    if kind == "tiff":
        import tifffile

        watch = Stopwatch()
        with tifffile.TiffWriter(target, bigtiff=True, ome=True) as writer:
            writer.write(
                (labels[frame % DISTINCT] for frame in range(count)),
                shape=(count, size, size),
                dtype=np.uint8,
                photometric="minisblack",
                compression="zlib",
                compressionargs={"level": 5},
                metadata={"axes": "TYX"},
            )
        return watch.took()
    import imageio_ffmpeg

    from napari_sam2_video.export.overlay import ColorTable, render
    from napari_sam2_video.export.video import BT709, EVEN, TO_BT709

    colors = ColorTable(result_of(size, objects, count).objects)
    drawn = [render(picture, label, colors).tobytes() for picture, label in zip(pictures, labels, strict=True)]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24"]
    command += ["-s", f"{size}x{size}", "-r", "25", "-i", "-", "-vf", f"{EVEN},{TO_BT709}", "-c:v", "libx264"]
    command += ["-crf", "18", "-preset", "medium", "-pix_fmt", "yuv420p", *BT709, "-movflags", "+faststart"]
    watch = Stopwatch()
    process = subprocess.Popen([*command, str(target)], stdin=subprocess.PIPE)
    assert process.stdin is not None
    for frame in range(count):
        process.stdin.write(drawn[frame % DISTINCT])
    process.stdin.close()
    assert process.wait() == 0
    return watch.took()


def measure_one(which: str, kind: str, size: int, objects: int, count: int) -> dict[str, float]:
    """Run one export and say its time and this process's peak memory."""
    suffix = {"tiff": ".ome.tif", "mp4": ".mp4"}[kind]
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / f"out{suffix}"
        took = {"ours": ours, "bare": bare}[which](kind, target, size, objects, count)
        megabytes = target.stat().st_size / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {**took, "peak_mb": peak, "file_mb": megabytes}


def main() -> None:
    """Measure in turn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--objects", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--kinds", nargs="+", choices=("tiff", "mp4"), default=("tiff", "mp4"))
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--one", nargs=2, metavar=("WHICH", "KIND"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measure_one(*given.one, given.size, given.objects, given.frames)))
        return
    figures: dict[str, dict[str, Any]] = {}
    for kind in given.kinds:
        runs: dict[str, list[dict[str, float]]] = {"ours": [], "bare": []}
        for _ in range(given.repeats):
            for which, found in runs.items():
                found.append(run_apart(which, kind, given.size, given.objects, given.frames))
        short = run_apart("ours", kind, given.size, given.objects, max(given.frames // 10, 1))
        figures[kind] = summary(runs) | {"ours_peak_mb_at_a_tenth": short["peak_mb"]}
    print(f"{given.frames} frames of {given.size} x {given.size}, {given.objects} objects, median of {given.repeats}\n")
    print("| | ours, s | alone, s | ratio | ratio of processor time | ours, peak MB | a tenth of the frames, peak MB |")
    print("|---|---|---|---|---|---|---|")
    for kind, row in figures.items():
        names = ("ours_seconds", "bare_seconds", "ratio", "cpu_ratio", "ours_peak_mb", "ours_peak_mb_at_a_tenth")
        print(f"| {kind} | " + " | ".join(f"{row[name]:.2f}" for name in names) + " |")
    if given.json:
        given.json.write_text(json.dumps({"arguments": vars(given) | {"json": None}, **figures}, indent=2))


def run_apart(which: str, kind: str, size: int, objects: int, count: int) -> dict[str, float]:
    """One measurement in its own process."""
    command = [sys.executable, __file__, "--one", which, kind, "--size", str(size), "--objects", str(objects)]
    done = subprocess.run([*command, "--frames", str(count)], capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def summary(runs: dict[str, list[dict[str, float]]]) -> dict[str, float]:
    """Medians of both, and their ratios."""
    found = {
        f"{which}_{name}": statistics.median(run[name] for run in some)
        for which, some in runs.items()
        for name in ("seconds", "cpu", "peak_mb", "file_mb")
    }
    ratios = {
        "ratio": found["ours_seconds"] / found["bare_seconds"],
        "cpu_ratio": found["ours_cpu"] / found["bare_cpu"],
    }
    return found | ratios


if __name__ == "__main__":
    main()
