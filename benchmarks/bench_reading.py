"""Reading every frame in order, against what ffmpeg, tifffile and zarr alone need for the same frames.

Ours and the bare library run in turn in one process, ours from opening to closing. The table gives frames per second
(medians), the ratio of the two (1.0 is as fast as the library alone), and the ratio of the CPU time, ffmpeg's
own included, which holds on a busy machine too.

    python benchmarks/bench_reading.py --frames 200 --repeats 5 --json reading.json
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import imageio_ffmpeg
import numpy as np
import tifffile
import zarr

from napari_sam2_video.frames.open import open_recording

if TYPE_CHECKING:
    from collections.abc import Callable

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
HEIGHT, WIDTH, SIDE = 720, 1280, 1024


def ours(path: Path) -> int:
    with open_recording(path) as recording:
        for frame in range(recording.shape[0]):
            recording.read({"T": frame})
        return recording.shape[0]


def bare_ffmpeg(path: Path) -> int:
    command = [FFMPEG, "-nostdin", "-v", "error", "-i", str(path), "-pix_fmt", "rgb24", "-f", "rawvideo", "-"]
    count = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, pipesize=1 << 20) as process:
        assert process.stdout is not None
        while process.stdout.readinto(np.empty(HEIGHT * WIDTH * 3, np.uint8).data):
            count += 1
    return count


def bare_tifffile(path: Path) -> int:
    with tifffile.TiffFile(path) as file:
        if len(file.pages) > 1:
            for page in file.pages:
                page.asarray()
            return len(file.pages)
        stack = file.series[0]
        for frame in range(stack.shape[0]):
            file.filehandle.read_array(stack.dtype, SIDE * SIDE, stack.dataoffset + frame * SIDE * SIDE * 2)
        return int(stack.shape[0])


def bare_zarr(path: Path) -> int:
    array: Any = zarr.open_array(str(path), mode="r")
    for frame in range(array.shape[0]):
        np.asarray(array[frame])
    return int(array.shape[0])


def make_video(path: Path, frames: int) -> Path:
    source = f"testsrc2=size={WIDTH}x{HEIGHT}:rate=25:duration={frames / 25}"
    options = ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p"]
    subprocess.run([FFMPEG, "-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", source, *options, path], check=True)
    return path


def make_all(folder: Path, frames: int) -> dict[str, tuple[Path, Callable[[Path], int]]]:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:SIDE, :SIDE]
    ground = (2000 + 900 * np.sin(x / 40) * np.cos(y / 60)).astype(np.uint16)
    stack = np.stack([ground + rng.integers(0, 64, ground.shape, np.uint16) for _ in range(8)])
    stack = stack[np.arange(frames) % 8]
    tifffile.imwrite(folder / "plain.tif", stack)
    tifffile.imwrite(folder / "zlib.tif", stack[: frames // 4], compression="zlib")
    zarr.create_array(str(folder / "frames.zarr"), data=stack[: frames // 2], chunks=(1, SIDE, SIDE))
    return {
        f"H.264 {WIDTH}x{HEIGHT}": (make_video(folder / "video.mp4", frames), bare_ffmpeg),
        f"TIFF {SIDE}x{SIDE} uint16": (folder / "plain.tif", bare_tifffile),
        f"TIFF {SIDE}x{SIDE} zlib": (folder / "zlib.tif", bare_tifffile),
        f"zarr {SIDE}x{SIDE} zstd": (folder / "frames.zarr", bare_zarr),
    }


def measured(read: Callable[[Path], int], path: Path) -> tuple[int, float, float]:
    """Frames, elapsed seconds, and processor seconds with those of ended child processes."""

    def processor() -> float:
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(one.ru_utime + one.ru_stime for one in used)

    cpu, start = processor(), time.perf_counter()
    frames = read(path)
    return frames, time.perf_counter() - start, processor() - cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, (path, bare) in make_all(Path(folder), options.frames).items():
            runs: dict[str, list[tuple[int, float, float]]] = {"ours": [], "bare": []}
            ours(path)
            for _ in range(options.repeats):
                runs["bare"].append(measured(bare, path))
                runs["ours"].append(measured(ours, path))
            assert runs["ours"][0][0] == runs["bare"][0][0], (name, runs)
            median = {
                side: [statistics.median(run[n] for run in taken) for n in range(3)] for side, taken in runs.items()
            }
            rows.append(
                {
                    "recording": name,
                    "frames": median["ours"][0],
                    "ours_fps": median["ours"][0] / median["ours"][1],
                    "bare_fps": median["bare"][0] / median["bare"][1],
                    "speed_ratio": statistics.median(
                        bare[1] / mine[1] for bare, mine in zip(runs["bare"], runs["ours"], strict=True)
                    ),
                    "processor_ratio": median["bare"][2] / median["ours"][2],
                }
            )
    print(f"{'recording':24} {'ours/s':>8} {'bare/s':>8} {'speed':>7} {'processor':>10}")
    for row in rows:
        print(
            f"{row['recording']:24} {row['ours_fps']:8.1f} {row['bare_fps']:8.1f} {row['speed_ratio']:7.2f} "
            f"{row['processor_ratio']:10.2f}"
        )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
