"""Label stacks as TIFF, read back by other readers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageSequence

from napari_sam2_video.errors import ExportError
from napari_sam2_video.export.registry import export
from napari_sam2_video.results import TrackingResult
from tests.export.made import PROVENANCE, all_labels, make_result

if TYPE_CHECKING:
    from pathlib import Path

OME = {"ome": "http://www.openmicroscopy.org/Schemas/OME/2016-06"}


def pillow_pages(path: Path) -> np.ndarray:
    with Image.open(path) as stack:
        return np.stack([np.asarray(page) for page in ImageSequence.Iterator(stack)])


def ome_pixels(path: Path) -> ElementTree.Element:
    with tifffile.TiffFile(path) as stack:
        root = ElementTree.fromstring(stack.ome_metadata)
    found = root.find("ome:Image/ome:Pixels", OME)
    assert found is not None
    return found


def test_ome_tiff_gives_every_pixel_back(any_result: TrackingResult, tmp_path: Path) -> None:
    path = export(any_result, tmp_path / "labels.ome.tif").path
    expected = all_labels(any_result)
    assert (pillow_pages(path) == expected).all()
    stored = tifffile.imread(path)
    assert stored.dtype == expected.dtype
    assert (stored.reshape(expected.shape) == expected).all()


def test_ome_tiff_takes_70000_ids(tmp_path: Path) -> None:
    result = make_result("ids_70000", pictures=False)
    path = export(result, tmp_path / "labels.ome.tif").path
    assert result.dtype == np.uint32
    assert (tifffile.imread(path) == all_labels(result)).all()
    assert tifffile.imread(path).max() == 70000


def test_ome_tiff_keeps_axes_sizes_and_units(result: TrackingResult, tmp_path: Path) -> None:
    pixels = ome_pixels(export(result, tmp_path / "labels.ome.tif").path)
    assert (pixels.get("SizeT"), pixels.get("SizeZ"), pixels.get("SizeC")) == ("5", "1", "1")
    assert (pixels.get("SizeY"), pixels.get("SizeX")) == ("32", "48")
    assert (float(pixels.get("PhysicalSizeY")), pixels.get("PhysicalSizeYUnit")) == (0.25, "µm")
    assert (float(pixels.get("PhysicalSizeX")), pixels.get("PhysicalSizeXUnit")) == (0.5, "µm")
    assert (float(pixels.get("TimeIncrement")), pixels.get("TimeIncrementUnit")) == (0.05, "s")


def test_ome_tiff_of_a_volume_has_slices_and_their_distance(tmp_path: Path) -> None:
    result = make_result(walk_axis="Z", step=2.5, units=("mm", "mm", "mm"))
    pixels = ome_pixels(export(result, tmp_path / "labels.ome.tif").path)
    assert (pixels.get("SizeT"), pixels.get("SizeZ")) == ("1", "5")
    assert (float(pixels.get("PhysicalSizeZ")), pixels.get("PhysicalSizeZUnit")) == (2.5, "mm")


def test_ome_tiff_invents_no_sizes(tmp_path: Path) -> None:
    result = make_result(pixel_size=(1.0, 1.0), step=1.0, units=(None, None, None))
    pixels = ome_pixels(export(result, tmp_path / "labels.ome.tif").path)
    assert not {"PhysicalSizeX", "PhysicalSizeY", "TimeIncrement"} & set(pixels.keys())


def test_ome_tiff_holds_provenance_and_names(result: TrackingResult, tmp_path: Path) -> None:
    report = export(result, tmp_path / "labels.ome.tif")
    with tifffile.TiffFile(report.path) as stack:
        root = ElementTree.fromstring(stack.ome_metadata)
    pairs = {pair.get("K"): pair.text for pair in root.iterfind(".//ome:MapAnnotation/ome:Value/ome:M", OME)}
    assert json.loads(pairs["json"]) == PROVENANCE
    assert pairs["2"] == "cell é 2"
    assert report.provenance_path is None


def test_ome_tiff_is_bigtiff(result: TrackingResult, tmp_path: Path) -> None:
    path = export(result, tmp_path / "labels.tif").path
    assert path.read_bytes()[2:4] == b"\x2b\x00"


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    hnp.arrays(st.sampled_from([np.uint8, np.uint16, np.uint32]), hnp.array_shapes(min_dims=3, max_dims=3, max_side=9))
)
def test_any_labels_survive_ome_tiff(tmp_path: Path, labels: np.ndarray) -> None:
    result = TrackingResult.from_arrays(labels)
    path = export(result, tmp_path / "labels.ome.tif", overwrite=True).path
    stored = tifffile.imread(path).reshape(labels.shape)
    assert (stored == labels).all()


@pytest.mark.parametrize("case", ["plain", "odd", "ids_300", "one_frame", "nothing"])
def test_imagej_gives_every_pixel_back(case: str, tmp_path: Path) -> None:
    result = make_result(case)
    path = export(result, tmp_path / "labels.tif", format="imagej").path
    assert (pillow_pages(path) == all_labels(result)).all()


def test_imagej_has_its_own_fields(result: TrackingResult, tmp_path: Path) -> None:
    path = export(result, tmp_path / "labels.tif", format="imagej").path
    with tifffile.TiffFile(path) as stack:
        fields = stack.imagej_metadata
        numbers = [stack.pages[0].tags[name].value for name in ("XResolution", "YResolution")]
    assert (fields["frames"], fields["images"], fields["unit"]) == (5, 5, "micron")
    assert fields["finterval"] == pytest.approx(0.05)
    assert [top / bottom for top, bottom in numbers] == pytest.approx([2, 4])
    assert json.loads(fields["Info"]) == PROVENANCE
    with Image.open(path) as page:
        assert page.tag_v2[270].startswith("ImageJ=")


def test_imagej_volume_has_slices_and_spacing(tmp_path: Path) -> None:
    result = make_result(walk_axis="Z", step=2.5, units=("mm", "mm", "mm"))
    with tifffile.TiffFile(export(result, tmp_path / "labels.tif", format="imagej").path) as stack:
        assert stack.series[0].axes == "ZYX"
        assert (stack.imagej_metadata["slices"], stack.imagej_metadata["spacing"]) == (5, 2.5)


def test_imagej_has_one_unit_for_all_axes(tmp_path: Path) -> None:
    result = make_result(walk_axis="Z", step=500.0, pixel_size=(0.002, 0.5), units=("nm", "mm", "µm"))
    with tifffile.TiffFile(export(result, tmp_path / "labels.tif", format="imagej").path) as stack:
        fields, page = stack.imagej_metadata, stack.pages[0]
        across, down = (bottom / top for top, bottom in (page.tags[name].value for name in (282, 283)))
    size = {"mm": 1.0, "micron": 1e-3}[fields["unit"]]
    assert (fields["spacing"] * size, down * size, across * size) == pytest.approx((0.0005, 0.002, 0.0005))


def test_imagej_invents_no_distance_of_slices(tmp_path: Path) -> None:
    result = make_result(walk_axis="Z", step=None, units=(None, "µm", "µm"))
    with tifffile.TiffFile(export(result, tmp_path / "labels.tif", format="imagej").path) as stack:
        assert "spacing" not in stack.imagej_metadata


def test_one_tiff_a_frame_has_one_unit_for_both_sides(tmp_path: Path) -> None:
    result = make_result(pixel_size=(0.002, 0.5), units=("s", "mm", "µm"))
    folder = export(result, tmp_path / "labels", format="tiff-folder").path
    with tifffile.TiffFile(folder / "labels_00000.tif") as stack:
        about = json.loads(stack.pages[0].description)
        across, down = (bottom / top for top, bottom in (stack.pages[0].tags[name].value for name in (282, 283)))
    size = {"mm": 1.0, "µm": 1e-3}[about["unit"]]
    assert [side * size for side in about["pixel_size_yx"]] == pytest.approx([0.002, 0.0005])
    assert (down * size, across * size) == pytest.approx((0.002, 0.0005))


def test_one_tiff_a_frame(any_result: TrackingResult, tmp_path: Path) -> None:
    folder = export(any_result, tmp_path / "labels", format="tiff-folder").path
    files = sorted(folder.glob("labels_*.tif"))
    stored = np.stack([np.asarray(Image.open(file)) for file in files])
    assert (stored == all_labels(any_result)).all()
    with Image.open(files[0]) as page:
        assert [float(page.tag_v2[tag]) for tag in (282, 283)] == [2.0, 4.0]


def test_labels_missing_from_the_table_are_refused(tmp_path: Path) -> None:
    result = make_result(objects=[])
    with pytest.raises(ExportError, match="Frame 0 holds the id 3"):
        export(result, tmp_path / "labels.ome.tif")
    assert list(tmp_path.iterdir()) == []
