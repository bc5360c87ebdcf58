"""Outlines as a DICOM structure set: filled again, they are the voxels of the objects, in their place in the world."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest
from skimage.draw import polygon2mask

from napari_sam2_video.errors import ExportError
from napari_sam2_video.export.registry import export
from napari_sam2_video.export.rtstruct import joined, outlines
from napari_sam2_video.results import TrackingResult
from tests.export.test_volumes import FLIPPED, OBLIQUE, SHAPE_ZYX, overlapping, volume_zyx, walked, write_series

if TYPE_CHECKING:
    from pathlib import Path


def filled(path: Path, affine: np.ndarray) -> dict[str, np.ndarray]:
    """Masks ``(Z, Y, X)`` of the regions by name, from the outlines alone and the affine (RAS) of the series."""
    structures = pydicom.dcmread(path)
    names = {region.ROINumber: region.ROIName for region in structures.StructureSetROISequence}
    found = {}
    for region in structures.ROIContourSequence:
        mask = np.zeros(SHAPE_ZYX, bool)
        for contour in region.ContourSequence:
            places = np.array(contour.ContourData, float).reshape(-1, 3) * (-1, -1, 1)
            columns, rows, slices = np.linalg.solve(affine[:3, :3], (places - affine[:3, 3]).T)
            assert np.ptp(slices) < 1e-3
            mask[round(slices.mean())] |= polygon2mask(SHAPE_ZYX[1:], np.stack([rows, columns], 1))
        found[names[region.ReferencedROINumber]] = mask
    return found


@pytest.mark.parametrize("affine", [OBLIQUE, FLIPPED])
@pytest.mark.parametrize("axis", "ZYX")
def test_outlines_enclose_the_voxels_of_their_object(axis: str, affine: np.ndarray, tmp_path: Path) -> None:
    series = write_series(tmp_path / "scan", affine)
    result = walked(axis, affine=affine)
    path = export(result, tmp_path / "a.dcm", format="rtstruct", options={"source": tmp_path / "scan"}).path
    stored = filled(path, affine)
    for number in (1, 2, 7):
        np.testing.assert_array_equal(stored[f"object {number}"], volume_zyx() == number)
    structures = pydicom.dcmread(path)
    study = structures.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0]
    assert study.RTReferencedSeriesSequence[0].SeriesInstanceUID == series
    images = {pydicom.dcmread(file).SOPInstanceUID for file in (tmp_path / "scan").iterdir()}
    named = {
        contour.ContourImageSequence[0].ReferencedSOPInstanceUID
        for region in structures.ROIContourSequence
        for contour in region.ContourSequence
    }
    assert named <= images
    assert (structures.PatientID, structures.Modality) == ("7", "RTSTRUCT")
    assert [list(region.ROIDisplayColor) for region in structures.ROIContourSequence] == [
        list(entry.color) for entry in result.objects
    ]


def test_objects_that_overlap_are_outlined_whole(tmp_path: Path) -> None:
    write_series(tmp_path / "scan", OBLIQUE)
    result, masks = overlapping(affine=OBLIQUE)
    path = export(result, tmp_path / "a.dcm", format="rtstruct", options={"source": tmp_path / "scan"}).path
    for number, mask in masks.items():
        np.testing.assert_array_equal(filled(path, OBLIQUE)[f"object {number}"], mask)


@pytest.mark.parametrize("seed", range(5))
def test_masks_of_any_form_with_holes_are_outlined(seed: int) -> None:
    mask = np.random.default_rng(seed).random((24, 30)) < 0.7
    again = np.zeros_like(mask)
    for outline in outlines(mask):
        again ^= polygon2mask(mask.shape, outline)
    np.testing.assert_array_equal(again, mask)


def test_a_hole_is_joined_where_it_is_nearest() -> None:
    outer = np.array([[0.0, 0.0], [0, 10], [10, 10], [10, 0]])
    hole = np.array([[7.0, 7.0], [9, 9], [7, 9]])
    assert joined(outer, hole).tolist() == [
        [0, 0],
        [0, 10],
        [10, 10],
        [9, 9],
        [7, 9],
        [7, 7],
        [9, 9],
        [10, 10],
        [10, 0],
    ]


def test_a_series_without_a_frame_of_reference_is_refused(tmp_path: Path) -> None:
    write_series(tmp_path / "scan", OBLIQUE)
    for path in (tmp_path / "scan").iterdir():
        image = pydicom.dcmread(path)
        del image.FrameOfReferenceUID
        image.save_as(path)
    with pytest.raises(ExportError, match=r"lack what RTSTRUCT needs .*FrameOfReferenceUID"):
        export(walked("Z"), tmp_path / "a.dcm", format="rtstruct", options={"source": tmp_path / "scan"})


def test_a_time_series_has_no_structure_set(tmp_path: Path) -> None:
    write_series(tmp_path / "scan", OBLIQUE)
    result = TrackingResult.from_arrays(volume_zyx())
    with pytest.raises(ExportError, match="needs a volume, but this recording was tracked along T"):
        export(result, tmp_path / "a.dcm", format="rtstruct", options={"source": tmp_path / "scan"})
