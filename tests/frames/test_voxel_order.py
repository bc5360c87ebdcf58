"""Label volumes with an affine lie where the recording does, in whatever order their voxels are."""

from __future__ import annotations

from itertools import permutations, product

import nibabel
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt
from scipy.spatial.transform import Rotation

from napari_sam2_video.errors import PromptError, RecordingError
from napari_sam2_video.frames.label_series import LabelSeries
from napari_sam2_video.frames.open import open_recording
from napari_sam2_video.frames.voxel_order import in_order_of, place_of
from napari_sam2_video.prompt_text import parse_seeds

OBLIQUE = np.eye(4)
OBLIQUE[:3, :3] = Rotation.from_euler("xyz", [12, -20, 33], degrees=True).as_matrix() @ np.diag([-0.7, 0.8, 3.1])
OBLIQUE[:3, 3] = 31.5, -12.25, 88
LABELS_XYZ = np.zeros((7, 6, 5), np.int16)
LABELS_XYZ[1:3, 2:5, 0:2] = 1
LABELS_XYZ[5, 1, 4] = 2
LABELS_ZYX = LABELS_XYZ.transpose(2, 1, 0)
CODES = [
    "".join(pair[way] for pair, way in zip(order, ways, strict=True))
    for order in permutations(("LR", "PA", "IS"))
    for ways in product((0, 1), repeat=3)
]


def turned(codes: str) -> nibabel.Nifti1Image:
    """The labels with their voxels in another order, at the same places in the world."""
    image = nibabel.Nifti1Image(LABELS_XYZ, OBLIQUE)
    now = nibabel.io_orientation(OBLIQUE)
    return image.as_reoriented(nibabel.orientations.ornt_transform(now, axcodes2ornt(codes)))


@pytest.mark.parametrize("codes", CODES)
def test_every_order_of_the_voxels_comes_back(codes):
    image = turned(codes)
    volume_zyx = np.asarray(image.dataobj).transpose(2, 1, 0)
    assert np.array_equal(in_order_of(volume_zyx, image.affine, OBLIQUE, "labels"), LABELS_ZYX)


@pytest.mark.parametrize(
    "moved",
    [
        nibabel.affines.from_matvec(np.eye(3), [0.6, 0, 0]),
        nibabel.affines.from_matvec(np.eye(3), [0, -1, 0]),
        nibabel.affines.from_matvec(np.diag([1, 1, 2])),
        nibabel.affines.from_matvec(Rotation.from_euler("z", 20, degrees=True).as_matrix()),
    ],
)
def test_labels_that_lie_elsewhere_are_refused(moved):
    with pytest.raises(RecordingError, match="labels lies elsewhere than the recording"):
        in_order_of(LABELS_ZYX, OBLIQUE @ moved, OBLIQUE, "labels")


def test_labels_less_than_half_a_voxel_away_are_taken():
    moved = OBLIQUE @ nibabel.affines.from_matvec(np.eye(3), [0.4, 0, -0.4])
    assert np.array_equal(in_order_of(LABELS_ZYX, moved, OBLIQUE, "labels"), LABELS_ZYX)


@pytest.mark.parametrize("axis", ["Z", "Y", "X"])
def test_a_series_of_labels_is_cut_as_the_recording_is(tmp_path, axis):
    nibabel.save(turned("SLP"), tmp_path / "labels.nii.gz")
    series = LabelSeries(tmp_path / "labels.nii.gz")
    series.align(OBLIQUE)
    planes = np.moveaxis(LABELS_ZYX, "ZYX".index(axis), 0)
    assert all(np.array_equal(series.read(i, axis), plane) for i, plane in enumerate(planes))


def test_seeds_are_read_in_the_order_of_the_recording(tmp_path):
    nibabel.save(turned("RAS"), tmp_path / "labels.nii.gz")
    labels, which = parse_seeds(f"{tmp_path / 'labels.nii.gz'}@all", affine=lambda: OBLIQUE)
    assert (np.array_equal(labels, LABELS_ZYX), which) == (True, "all")
    one, frame = parse_seeds(f"{tmp_path / 'labels.nii.gz'}@1", affine=lambda: OBLIQUE)
    assert (np.array_equal(one, LABELS_ZYX[1]), frame) == (True, 1)
    unplaced, _ = parse_seeds(f"{tmp_path / 'labels.nii.gz'}@all", affine=lambda: None)
    assert unplaced.sum() == LABELS_ZYX.sum()
    elsewhere = OBLIQUE @ nibabel.affines.from_matvec(np.eye(3), [3, 0, 0])
    with pytest.raises(PromptError, match="lies elsewhere"):
        parse_seeds(f"{tmp_path / 'labels.nii.gz'}@all", affine=lambda: elsewhere)


@pytest.mark.parametrize("unplaced", ["labels", "recording"])
def test_a_nifti_without_a_place_is_taken_as_it_is(tmp_path, unplaced):
    for name in ("labels", "recording"):
        image = nibabel.Nifti1Image(LABELS_XYZ, None if name == unplaced else OBLIQUE)
        nibabel.save(image, tmp_path / f"{name}.nii")
    with open_recording(tmp_path / "recording.nii") as recording:
        assert (place_of(recording) is None) == (unplaced == "recording")
        labels, _ = parse_seeds(f"{tmp_path / 'labels.nii'}@all", affine=lambda: place_of(recording))
    assert np.array_equal(labels, LABELS_ZYX)


def test_an_affine_that_does_not_span_space_places_nothing(tmp_path):
    flat = OBLIQUE.copy()
    flat[2] = 0
    image = nibabel.Nifti1Image(LABELS_XYZ, OBLIQUE)
    image.header.set_sform(flat, 2)
    image.header["qform_code"] = 0
    nibabel.save(nibabel.Nifti1Image(LABELS_XYZ, None, image.header), tmp_path / "labels.nii")
    with open_recording(tmp_path / "labels.nii") as recording:
        assert recording.metadata["placed"]
        assert place_of(recording) is None
