"""Exports opened by ImageJ."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_sam2_video.export.registry import export
from tests.export.made import PROVENANCE, all_labels, make_result
from tests.export.test_matrix import overlapping

if TYPE_CHECKING:
    from pathlib import Path


def opened(java: Any, path: Path) -> Any:
    image = java.JClass("ij.io.Opener")().openImage(str(path))
    assert image is not None
    return image


def pixels(image: Any) -> np.ndarray:
    stack = image.getStack()
    shape = (image.getHeight(), image.getWidth())
    planes = [np.array(stack.getPixels(index + 1), copy=True).reshape(shape) for index in range(stack.getSize())]
    return np.stack(planes)


def test_a_hyperstack_has_its_pixels_sizes_interval_and_provenance(java: Any, tmp_path: Path) -> None:
    result = make_result("ids_300")
    image = opened(java, export(result, tmp_path / "a.tif", format="imagej").path)
    assert [int(n) for n in image.getDimensions()] == [60, 40, 1, 1, 2]
    assert np.array_equal(pixels(image).view(np.uint16), all_labels(result))
    sizes = image.getCalibration()
    assert (sizes.pixelWidth, sizes.pixelHeight, str(sizes.getUnit())) == (0.5, 0.25, "micron")
    assert (sizes.frameInterval, str(sizes.getTimeUnit())) == (0.05, "sec")
    assert PROVENANCE["sha256"] in str(image.getProperty("Info"))


def test_a_volume_is_a_stack_of_slices(java: Any, tmp_path: Path) -> None:
    result = make_result(walk_axis="Z", step=2.0, units=("mm", "mm", "mm"))
    image = opened(java, export(result, tmp_path / "a.tif", format="imagej").path)
    assert [int(n) for n in image.getDimensions()] == [48, 32, 1, 5, 1]
    assert (image.getCalibration().pixelDepth, str(image.getCalibration().getUnit())) == (2.0, "mm")


def test_a_folder_of_tiffs_opens_one_by_one(java: Any, tmp_path: Path) -> None:
    result = make_result()
    folder = export(result, tmp_path / "labels", format="tiff-folder").path
    for frame, path in enumerate(sorted(folder.glob("*.tif"))):
        assert np.array_equal(pixels(opened(java, path))[0].view(np.uint8), result.labels(frame))


def test_regions_are_the_masks_and_lie_on_their_frames(java: Any, tmp_path: Path) -> None:
    result = overlapping()
    path = export(result, tmp_path / "a.zip").path
    image = opened(java, export(result, tmp_path / "a.tif", format="imagej").path)
    decoder = java.JClass("ij.io.RoiDecoder")
    found = set()
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            roi = decoder.openFromByteArray(archive.read(name))
            frame, object_id = int(roi.getTPosition()) - 1, int(str(roi.getProperty("object")))
            image.setPositionWithoutUpdate(1, 1, frame + 1)
            mask = np.zeros(result.shape_yx, bool)
            for point in roi.getContainedPoints():
                mask[point.y, point.x] = True
            assert np.array_equal(mask, next(iter(result.read_masks(frame, [object_id]))))
            found.add((frame, object_id))
    assert found == {(frame, i) for frame in range(3) for i in (1, 2)}


@pytest.mark.parametrize("name", ["cutout-png", "matte-png"])
def test_images_open(java: Any, name: str, tmp_path: Path) -> None:
    folder = export(make_result(), tmp_path / "a", format=name).path
    image = opened(java, folder / "00000.png")
    assert (image.getWidth(), image.getHeight()) == (48, 32)
