"""OME-Zarr exports opened by ome-zarr-py."""

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
def test_ome_zarr_py_finds_the_labels(version: str, image: bool, tmp_path: Path) -> None:
    io, reader = pytest.importorskip("ome_zarr.io"), pytest.importorskip("ome_zarr.reader")
    result, path = zarr_of(tmp_path, version, image=image)
    nodes = [node for node in reader.Reader(io.parse_url(str(path)))() if node.data]
    assert len(nodes) == 2
    labels = nodes[1]
    assert np.array_equal(np.asarray(labels.data[0]), all_labels(result))
    assert labels.metadata["color"].keys() >= {1, 2, 3}
    assert labels.metadata["properties"][2]["name"] == "cell é 2"
