"""OME-Zarr exports opened by napari-ome-zarr."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.export.consumers.zarrs import IMAGE, VERSIONS, zarr_of
from tests.export.made import all_labels

if TYPE_CHECKING:
    from pathlib import Path


@VERSIONS
@IMAGE
def test_napari_ome_zarr_gives_layers(version: str, image: bool, tmp_path: Path) -> None:
    plugin = pytest.importorskip("napari_ome_zarr")
    result, path = zarr_of(tmp_path, version, image=image)
    layers = plugin.napari_get_reader(str(path))(str(path))
    labels = [layer for layer in layers if layer[2] == "labels"]
    assert len(labels) == 1
    data = labels[0][0]
    assert np.array_equal(np.asarray(data[0] if isinstance(data, list) else data), all_labels(result))
