"""What fusing costs: time and memory for masks of three walks that are on disk already."""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.alone import in_own_process
from napari_sam2_video import api
from napari_sam2_video.engine.prompts import mask_as_object
from napari_sam2_video.types import FrameMasks, PointPrompt

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam2_video.session import Session

Row = dict[str, Any]
AXES = "ZYX"


def fuse_cost(side: int, objects: int) -> Row:
    """Seconds and peak memory of fusing objects, each an eighth of a cube of a side, in its own process."""
    return in_own_process("benchmarks.fusing", side, objects)


def measure(side: int, objects: int) -> Row:
    """Store balls as three walks see them, and fuse them here."""
    rng = np.random.default_rng(0)
    radius = 0.31 * side
    centres = rng.uniform(0.35, 0.65, (objects, 3)) * side
    with (
        tempfile.TemporaryDirectory() as folder,
        api.open_recording(np.zeros((side,) * 3, np.uint8), axes=AXES) as recording,
        api.create_session(recording, Path(folder) / "run.sam2v", axis="Z") as session,
    ):
        for centre in centres:
            object_id = session.add_object()
            session.add_prompt(PointPrompt(object_id, round(centre[0]), centre[1], centre[2]))
        walks = {"Z": session}
        walks |= {axis: session.planes.prepare(axis) for axis in AXES[1:]}
        for axis, walk in walks.items():
            _store(walk, centres if axis == "Z" else _turned(centres, axis), radius)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began = time.perf_counter(), time.process_time()
        fused = session.fuse()
        wall, processor = time.perf_counter() - began[0], time.process_time() - began[1]
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "side": side,
        "objects": objects,
        "voxels": sum(one.voxels for one in fused),
        "true_voxels": round(objects * 4 / 3 * np.pi * radius**3),
        "seconds": wall,
        "cpu_seconds": processor,
        "peak_mb": after / 1024,
        "peak_mb_before": before / 1024,
    }


def _turned(centres: NDArray[np.float64], axis: str) -> NDArray[np.float64]:
    """Centres as plane, row and column of the planes across an axis."""
    return centres[:, [1, 0, 2]] if axis == "Y" else centres[:, [2, 0, 1]]


def _store(walk: Session, centres: NDArray[np.float64], radius: float) -> None:
    rows, columns = np.ogrid[: walk.shape_yx[0], : walk.shape_yx[1]]
    for plane in range(walk.n_frames):
        masks = []
        for number, (at, row, column) in enumerate(centres, start=1):
            left = radius**2 - (plane - at) ** 2
            masks.append(mask_as_object(number, (rows - row) ** 2 + (columns - column) ** 2 <= left, 6.0, 0.9))
        walk.masks.write(FrameMasks(plane, walk.shape_yx, tuple(masks)))


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]), int(sys.argv[2]))))
