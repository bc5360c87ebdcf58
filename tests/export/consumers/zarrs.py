"""OME-Zarr exports and images that several readers open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_sam2_video.export.registry import export
from tests.export.made import make_result

if TYPE_CHECKING:
    from pathlib import Path

    from napari_sam2_video.results import TrackingResult

VERSIONS = pytest.mark.parametrize("version", ["0.4", "0.5"])
IMAGE = pytest.mark.parametrize("image", [False, True])


def zarr_of(folder: Path, version: str, *, image: bool) -> tuple[TrackingResult, Path]:
    result = make_result()
    options = {"version": version, "image": image}
    return result, export(result, folder / "labels.ome.zarr", options=options).path


def ome_image(path: Path, zarr_format: int, levels: int) -> np.ndarray:
    """An OME-Zarr image of five axes, with half the pixels along y and x on each further level."""
    import zarr

    values = np.random.default_rng(0).integers(0, 999, (4, 2, 3, 60, 80)).astype(np.uint16)
    root = zarr.open_group(path, mode="w", zarr_format=zarr_format)
    axes = [{"name": "t", "type": "time"}, {"name": "c", "type": "channel"}]
    axes += [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
    datasets = []
    for level in range(levels):
        part = values[..., :: 2**level, :: 2**level]
        names = list("tczyx") if zarr_format == 3 else None
        chunks = (1, 1, 1, *part.shape[-2:])
        array = root.create_array(str(level), shape=part.shape, dtype=part.dtype, chunks=chunks, dimension_names=names)
        array[:] = part
        scale = [2.0, 1.0, 1.5, 0.5 * 2**level, 0.5 * 2**level]
        datasets.append({"path": str(level), "coordinateTransformations": [{"type": "scale", "scale": scale}]})
    shown: dict[str, Any] = {"axes": axes, "datasets": datasets}
    if zarr_format == 3:
        root.attrs["ome"] = {"version": "0.5", "multiscales": [shown]}
    else:
        root.attrs["multiscales"] = [{"version": "0.4", **shown}]
    return values
