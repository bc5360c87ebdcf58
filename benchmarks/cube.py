"""What three walks of a large volume cost with the network: time against one walk, and memory."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from benchmarks.alone import in_own_process, peak_mb
from napari_sam2_video import api

if TYPE_CHECKING:
    from numpy.typing import NDArray

Row = dict[str, Any]
AXES = "ZYX"
RADIUS = 0.11
"""Of each ball, as a part of the side."""


def cube(side: int, objects: int) -> Row:
    """Track balls in a cube along one axis, then along the others, and fuse, in a process of its own."""
    return in_own_process("benchmarks.cube", side, objects)


def measure(side: int, objects: int) -> Row:
    """The same in this process."""
    centres = _centres(side, objects)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cube.tif"
        _write(path, side, centres)
        reach = RADIUS * side
        boxes = [
            api.BoxPrompt(number, round(z), y - reach, x - reach, y + reach, x + reach)
            for number, (z, y, x) in enumerate(centres.tolist(), start=1)
        ]
        with (
            api.open_recording(path, axes=AXES) as recording,
            api.create_session(recording, Path(folder) / "run.sam2v", axis="Z") as session,
        ):
            api.add_prompts(session, boxes)
            _ = session.tracker
            row: Row = {"side": side, "objects": objects, "peak_mb_before": peak_mb()}
            seconds, planes = {}, {}
            for axis in AXES:
                began = time.process_time()
                planes[axis] = sum(1 for _ in session.track_planes(axes=("Z", axis)))
                seconds[axis] = time.process_time() - began
                print(f"{axis}: {planes[axis]} planes, {seconds[axis]:.0f} s", file=sys.stderr, flush=True)
            row["peak_mb"] = peak_mb()
            one_walk = sum(int(session.scores(one.id)["area"].sum()) for one in session.objects)
            began = time.process_time()
            fused = session.fuse()
            row["fusing_s"] = time.process_time() - began
    truth = objects * 4 / 3 * np.pi * (RADIUS * side) ** 3
    return {
        **row,
        **{f"planes_{axis.lower()}": count for axis, count in planes.items()},
        "one_walk_s": seconds["Z"],
        "cost": sum(seconds.values()) / seconds["Z"],
        "peak_mb_fused": peak_mb(),
        "found_by_one_walk": one_walk / truth,
        "found": sum(one.voxels for one in fused) / truth,
    }


def _centres(side: int, objects: int) -> NDArray[np.float64]:
    """Middles of balls that do not touch, on a ring through the cube."""
    angles = 2 * np.pi * np.arange(objects) / objects
    ring = np.stack([0.25 * np.sin(2 * angles), 0.3 * np.sin(angles), 0.3 * np.cos(angles)], 1)
    return np.asarray((0.5 + ring) * side)


def _write(path: Path, side: int, centres: NDArray[np.float64]) -> None:
    """A cube with bright balls on a dark, noisy ground, 8 bit, one slice after the other."""
    rng = np.random.default_rng(0)
    rows, columns = np.ogrid[:side, :side]
    with tifffile.TiffWriter(path, imagej=True) as file:
        for plane in range(side):
            slice_yx = rng.normal(60, 8, (side, side))
            for z, y, x in centres:
                inside = (plane - z) ** 2 + (rows - y) ** 2 + (columns - x) ** 2 < (RADIUS * side) ** 2
                slice_yx[inside] += 90
            file.write(slice_yx.clip(0, 255).astype(np.uint8), contiguous=True)


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]), int(sys.argv[2]))))
