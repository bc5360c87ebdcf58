"""OME-Zarr exports opened by zarr."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_sam2_video.errors import TargetExistsError
from napari_sam2_video.export.registry import export
from napari_sam2_video.results import TrackingResult
from tests.export.consumers.zarrs import VERSIONS, ome_image, zarr_of
from tests.export.made import make_result

if TYPE_CHECKING:
    from pathlib import Path


@VERSIONS
def test_nothing_in_an_exported_zarr_trips_whoever_lists_it(version: str, tmp_path: Path) -> None:
    import zarr

    _, path = zarr_of(tmp_path, version, image=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        root = zarr.open_group(path, mode="r")
        assert sorted(name for name, _ in root.members(max_depth=None)) == [
            "0",
            "labels",
            "labels/objects",
            "labels/objects/0",
        ]


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_labels_are_added_to_an_image_that_exists(zarr_format: int, tmp_path: Path) -> None:
    import zarr

    path = tmp_path / "image.ome.zarr"
    values = ome_image(path, zarr_format, levels=2)
    labels = np.zeros((4, 60, 80), np.uint32)
    labels[1:3, 10:20, 10:20], labels[1:3, 30:40, 30:50] = 1, 70_000
    result = TrackingResult.from_arrays(labels, at={"Z": 1}, source_path=path)
    for name in ("cells", "again"):
        export(result, path / "labels" / name, format="ome-zarr")
    root = zarr.open_group(path, mode="r")
    assert np.array_equal(root["0"][:], values)
    listed = root["labels"].attrs["ome"] if zarr_format == 3 else root["labels"].attrs
    assert listed["labels"] == ["again", "cells"]
    full, half = (root[f"labels/cells/{level}"][:] for level in (0, 1))
    assert full.shape == (4, 1, 3, 60, 80)
    assert np.array_equal(full[:, 0, 1], labels)
    assert not full[:, 0, [0, 2]].any()
    assert np.array_equal(half[:, 0, 1], labels[:, ::2, ::2])
    with pytest.raises(TargetExistsError, match="has labels cells already"):
        export(result, path / "labels" / "cells", format="ome-zarr", overwrite=True)
    models = pytest.importorskip("ome_zarr_models")
    assert type(models.open_ome_zarr(root)).__name__ == "Image"


def test_labels_that_do_not_fit_an_image_are_refused_and_leave_it_alone(tmp_path: Path) -> None:
    path = tmp_path / "image.ome.zarr"
    ome_image(path, 2, levels=1)
    with pytest.raises(Exception, match="these labels do not fit"):
        export(make_result(), path / "labels" / "cells", format="ome-zarr")
    assert not (path / "labels" / "cells").exists()
