"""OME-Zarr exports opened by ngff-zarr."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.export.consumers.zarrs import IMAGE, VERSIONS, zarr_of

if TYPE_CHECKING:
    from pathlib import Path


@VERSIONS
@IMAGE
def test_ngff_zarr_opens_and_validates(version: str, image: bool, tmp_path: Path) -> None:
    ngff_zarr = pytest.importorskip("ngff_zarr")
    _, path = zarr_of(tmp_path, version, image=image)
    first = ngff_zarr.from_ngff_zarr(str(path), validate=True).images[0]
    assert {axis: first.scale[axis] for axis in "tyx"} == {"t": 0.05, "y": 0.25, "x": 0.5}
    assert first.axes_units["t"] == "second"
    assert first.axes_units["x"] == "micrometer"
