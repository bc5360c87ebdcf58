"""Exports opened by Bio-Formats, as Fiji, QuPath, OMERO and CellProfiler open them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

from napari_sam2_video.export.registry import export
from tests.export.made import all_labels, make_result
from tests.export.test_matrix import high_ids

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TYPES = {"uint8": "u1", "uint16": "u2", "uint32": "u4"}


@contextmanager
def opened(java: Any, path: Path) -> Iterator[tuple[Any, Any]]:
    """The reader of a file, and its metadata as OME has them."""
    java.JClass("loci.common.DebugTools").setRootLevel("ERROR")
    reader = java.JClass("loci.formats.ImageReader")()
    metadata = java.JClass("loci.formats.services.OMEXMLServiceImpl")().createOMEXMLMetadata()
    reader.setMetadataStore(metadata)
    reader.setId(str(path))
    try:
        yield reader, metadata
    finally:
        reader.close()


def pixels(java: Any, reader: Any) -> np.ndarray:
    kind = str(java.JClass("loci.formats.FormatTools").getPixelTypeString(reader.getPixelType()))
    dtype = np.dtype(("<" if reader.isLittleEndian() else ">") + TYPES[kind])
    planes = [np.frombuffer(bytes(reader.openBytes(index)), dtype) for index in range(reader.getImageCount())]
    return np.stack(planes).reshape(-1, reader.getSizeY(), reader.getSizeX())


def size(length: Any) -> tuple[float, str]:
    return float(length.value().doubleValue()), str(length.unit().getSymbol())


@pytest.mark.parametrize("name", ["ome-tiff", "imagej"])
def test_pixels_sizes_and_interval_of_a_stack(java: Any, name: str, tmp_path: Path) -> None:
    result = make_result("odd")
    path = export(result, tmp_path / ("a.ome.tif" if name == "ome-tiff" else "a.tif"), format=name).path
    with opened(java, path) as (reader, metadata):
        assert (reader.getSizeT(), reader.getSizeZ(), reader.getSizeC()) == (4, 1, 1)
        assert np.array_equal(pixels(java, reader), all_labels(result))
        assert size(metadata.getPixelsPhysicalSizeX(0)) == (0.5, "µm")
        assert size(metadata.getPixelsPhysicalSizeY(0)) == (0.25, "µm")
        assert size(metadata.getPixelsTimeIncrement(0)) == (0.05, "s")


def test_slices_of_a_volume_have_their_distance(java: Any, tmp_path: Path) -> None:
    result = make_result(walk_axis="Z", step=2.0, units=("mm", "mm", "mm"))
    with opened(java, export(result, tmp_path / "a.ome.tif").path) as (reader, metadata):
        assert (reader.getSizeT(), reader.getSizeZ()) == (1, 5)
        assert size(metadata.getPixelsPhysicalSizeZ(0)) == (2.0, "mm")


def test_ids_beyond_16_bits_are_there(java: Any, tmp_path: Path) -> None:
    result = high_ids()
    with opened(java, export(result, tmp_path / "a.ome.tif").path) as (reader, _):
        assert np.array_equal(pixels(java, reader), all_labels(result))


def test_times_that_vary_are_those_of_the_planes(java: Any, tmp_path: Path) -> None:
    times = np.array([0, 0.03, 0.1, 0.2, 0.75])
    with opened(java, export(make_result(times=times), tmp_path / "a.ome.tif").path) as (_, metadata):
        found = [size(metadata.getPlaneDeltaT(0, plane)) for plane in range(5)]
    assert found == [(pytest.approx(time), "s") for time in times]


def test_a_clip_has_the_place_of_each_frame(java: Any, tmp_path: Path) -> None:
    report = export(make_result(), tmp_path / "clips", format="clips-tiff", options={"masks": True})
    path = report.path / "002_cell_é_2_mask.ome.tif"
    rows = [row.split(",") for row in (report.path / "positions.csv").read_text().splitlines()]
    corners = [(int(y), int(x)) for object_id, _, _, y, x in rows[1:] if object_id == "2"]
    with opened(java, path) as (reader, _):
        assert np.array_equal(pixels(java, reader), tifffile.imread(path))
    with opened(java, report.path / "002_cell_é_2.ome.tif") as (reader, metadata):
        assert (reader.getSizeC(), reader.isRGB(), reader.getSizeT()) == (3, True, 5)
        for plane, (y, x) in enumerate(corners):
            assert size(metadata.getPlanePositionY(0, plane)) == (pytest.approx(y * 0.25), "µm")
            assert size(metadata.getPlanePositionX(0, plane)) == (pytest.approx(x * 0.5), "µm")


def test_slices_of_a_nifti_are_those_of_the_labels(java: Any, tmp_path: Path) -> None:
    affine = np.diag([0.5, 0.25, 3.0, 1.0])
    known = {"walk_axis": "Z", "step": 3.0, "pixel_size": (0.25, 0.5), "units": ("mm",) * 3, "affine": affine}
    result = make_result(**known)
    with opened(java, export(result, tmp_path / "a.nii").path) as (reader, metadata):
        assert np.array_equal(pixels(java, reader), all_labels(result))
        assert size(metadata.getPixelsPhysicalSizeX(0))[0] == pytest.approx(0.5)
