"""OME-Zarr exports checked by ome-zarr-models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.export.consumers.zarrs import VERSIONS, zarr_of

if TYPE_CHECKING:
    from pathlib import Path


@VERSIONS
def test_ome_zarr_models_accept_the_metadata(version: str, tmp_path: Path) -> None:
    models = pytest.importorskip("ome_zarr_models")
    import zarr

    _, path = zarr_of(tmp_path, version, image=False)
    assert type(models.open_ome_zarr(zarr.open_group(path, mode="r"))).__name__ == "Image"
    labels = zarr.open_group(path / "labels" / "objects", mode="r")
    assert type(models.open_ome_zarr(labels)).__name__ == "ImageLabel"
