"""Exports opened by bioio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_sam2_video.export.registry import export
from tests.export.consumers.zarrs import VERSIONS, zarr_of
from tests.export.made import all_labels, make_result

if TYPE_CHECKING:
    from pathlib import Path


def opened(path: Path, reader: str) -> Any:
    bioio, module = pytest.importorskip("bioio"), pytest.importorskip(reader)
    return bioio.BioImage(path, reader=module.Reader)


@pytest.mark.filterwarnings("ignore")
def test_an_ome_tiff_has_its_pixels_and_sizes(tmp_path: Path) -> None:
    result = make_result()
    image = opened(export(result, tmp_path / "a.ome.tif").path, "bioio_ome_tiff")
    assert np.array_equal(image.get_image_data("TYX"), all_labels(result))
    assert (image.physical_pixel_sizes.Y, image.physical_pixel_sizes.X) == (0.25, 0.5)


@VERSIONS
@pytest.mark.filterwarnings("ignore")
def test_an_ome_zarr_has_its_pixels_sizes_and_interval(version: str, tmp_path: Path) -> None:
    result, path = zarr_of(tmp_path, version, image=False)
    image = opened(path, "bioio_ome_zarr")
    assert np.array_equal(image.get_image_data("TYX"), all_labels(result))
    assert (image.physical_pixel_sizes.Y, image.physical_pixel_sizes.X, image.time_interval) == (0.25, 0.5, 0.05)
