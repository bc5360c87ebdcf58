"""Results with known pixels, one for each case that exports tend to get wrong."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING, Any

import imageio_ffmpeg
import numpy as np

from napari_sam2_video.results import TrackingResult
from napari_sam2_video.types.tracked_object import TrackedObject, default_color

if TYPE_CHECKING:
    from pathlib import Path

CASES = ("plain", "odd", "ids_300", "gap", "empty_object", "one_frame", "nothing")
PROVENANCE = {"model": "demo", "sha256": "0" * 64, "note": "µ and é"}

NEEDS_A_VOLUME = {"volumes-csv", "stl", "ply", "obj"}


def walked_as(name: str) -> dict[str, Any]:
    """What a result must be for a format of that name: some want a recording tracked through space."""
    return {"walk_axis": "Z", "units": ("µm", "µm", "µm"), "times": None} if name in NEEDS_A_VOLUME else {}


def discs(shape: tuple[int, int, int], ids: list[int], seed: int = 0) -> np.ndarray:
    """Label images with a moving disc for each id; a later id lies over an earlier one."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(shape, np.uint32)
    y, x = np.mgrid[: shape[1], : shape[2]]
    for object_id in ids:
        centre = rng.uniform(0.2, 0.8, 2) * shape[1:]
        step = rng.uniform(-1, 1, 2)
        radius = rng.uniform(0.12, 0.2) * min(shape[1:])
        for frame in range(shape[0]):
            cy, cx = centre + step * frame
            labels[frame][(y - cy) ** 2 + (x - cx) ** 2 <= radius**2] = object_id
    return labels


def case_labels(case: str) -> tuple[np.ndarray, list[int]]:
    """Labels of a case and the ids of its objects."""
    if case == "odd":
        return discs((4, 35, 51), [1, 2, 5]), [1, 2, 5]
    if case == "ids_300":
        labels = np.zeros((2, 40, 60), np.uint32)
        labels[:, :20, :15] = np.arange(1, 301).reshape(20, 15)
        return labels, list(range(1, 301))
    if case == "ids_70000":
        labels = np.zeros((1, 270, 270), np.uint32)
        labels[:, :250, :] = (np.arange(250 * 270) + 2501).reshape(250, 270)
        return labels, list(range(2501, 70001))
    if case == "gap":
        labels = discs((7, 32, 48), [1, 2, 3])
        labels[2:4][labels[2:4] == 2] = 0
        labels[5][labels[5] == 2] = 0
        return labels, [1, 2, 3]
    if case == "empty_object":
        return discs((3, 32, 48), [1, 3]), [1, 2, 3]
    if case == "one_frame":
        return discs((1, 32, 48), [1, 2]), [1, 2]
    if case == "nothing":
        return np.zeros((3, 32, 48), np.uint32), []
    return discs((5, 32, 48), [1, 2, 3]), [1, 2, 3]


def make_result(case: str = "plain", pictures: bool = True, **known: Any) -> TrackingResult:
    labels, ids = case_labels(case)
    rng = np.random.default_rng(1)
    smooth = rng.integers(40, 200, (labels.shape[0], 1, 1, 3)) + np.linspace(0, 50, labels.shape[2])[:, None]
    frames = np.broadcast_to(smooth, (*labels.shape, 3)).astype(np.uint8) if pictures else None
    known = {
        "pixel_size": (0.25, 0.5),
        "step": 0.05,
        "units": ("s", "µm", "µm"),
        "provenance": PROVENANCE,
        **known,
    }
    objects = [TrackedObject(i, f"cell é {i}", default_color(i)) for i in ids]
    known.setdefault("objects", objects)
    return TrackingResult.from_arrays(labels, frames, **known)


def all_labels(result: TrackingResult) -> np.ndarray:
    return np.stack([result.labels(frame) for frame in range(result.n_frames)])


def decode(path: Path, pixel_format: str, channels: int, dtype: type = np.uint8, decoder: str | None = None) -> Any:
    """All frames of a video as ffmpeg decodes them, with what it says of the stream."""
    chosen = ["-c:v", decoder] if decoder else []
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", *chosen, "-i", str(path)]
    command += ["-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", pixel_format, "-"]
    done = subprocess.run(command, capture_output=True, check=True)
    about = done.stderr.decode()
    width, height = map(int, re.search(r"Video:.*?, (\d+)x(\d+)", about).groups())
    shape = (-1, height, width, channels) if channels > 1 else (-1, height, width)
    return np.frombuffer(done.stdout, dtype).reshape(shape), about


def family() -> TrackingResult:
    """A mother on frames 0 to 4 and two daughters on frames 5 to 9, one of them away on frame 7."""
    labels = np.zeros((10, 60, 80), np.uint8)
    for t in range(5):
        labels[t, 20:30, 5 * t : 5 * t + 12] = 1
    for t in range(5, 10):
        labels[t, 10:18, 5 * t : 5 * t + 8] = 2 if t != 7 else 0
        labels[t, 30:38, 5 * t : 5 * t + 8] = 3
    objects = [
        TrackedObject(1, "mother <&>", (255, 0, 0)),
        TrackedObject(2, "one", (0, 255, 0), 1, 5),
        TrackedObject(3, "two", (0, 0, 255), 1, 5),
    ]
    known = {"pixel_size": (0.25, 0.5), "step": 2.0, "units": ("s", "µm", "µm")}
    return TrackingResult.from_arrays(labels, objects=objects, **known)
