"""Label volumes as NIfTI and DICOM SEG: the right voxel in the right place of the world."""

from __future__ import annotations

import json
import shutil
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import highdicom
import nibabel
import numpy as np
import pydicom
import pytest
from nibabel.affines import from_matvec
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from napari_sam2_video.errors import ExportError
from napari_sam2_video.export.registry import export
from napari_sam2_video.frames.open import open_recording
from napari_sam2_video.frames.view import FrameView, default_view
from napari_sam2_video.results import TrackingResult
from napari_sam2_video.session import Session
from tests.export.made import PROVENANCE, discs, make_result
from tests.fakes import fake_factory

if TYPE_CHECKING:
    from pathlib import Path

SHAPE_ZYX = (6, 13, 17)
SPACING_XYZ = (0.7, 0.9, 2.5)


def rotation(*angles: float) -> np.ndarray:
    turned = np.eye(3)
    for axis, angle in enumerate(angles):
        a, b = [(1, 2), (0, 2), (0, 1)][axis]
        step = np.eye(3)
        step[a, a] = step[b, b] = np.cos(angle)
        step[a, b], step[b, a] = -np.sin(angle), np.sin(angle)
        turned = turned @ step
    return turned


OBLIQUE = from_matvec(rotation(0.3, -0.2, 0.5) @ np.diag(SPACING_XYZ), (-31.25, 12.5, 7.75))
FLIPPED = from_matvec(np.diag([-0.7, -0.9, 2.5]), (90.0, 80.0, -100.0))


def volume_zyx() -> np.ndarray:
    return discs(SHAPE_ZYX, [1, 2, 7]).astype(np.uint8)


def walked(axis: str, **known: Any) -> TrackingResult:
    """The volume as it is when it was walked along `axis`, its planes in the order of the recording's axes."""
    letters = [axis, *(letter for letter in "ZYX" if letter != axis)]
    sizes = dict(zip("XYZ", SPACING_XYZ, strict=True))
    return TrackingResult.from_arrays(
        volume_zyx().transpose(["ZYX".index(letter) for letter in letters]),
        walk_axis=axis,
        plane_axes=(letters[1], letters[2]),
        step=sizes[axis],
        pixel_size=(sizes[letters[1]], sizes[letters[2]]),
        units=("mm", "mm", "mm"),
        provenance=PROVENANCE,
        **known,
    )


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("axis", ["Z", "Y", "X"])
@pytest.mark.parametrize("affine", [OBLIQUE, FLIPPED], ids=["oblique", "flipped"])
def test_nifti_has_every_voxel_at_its_place(axis: str, suffix: str, affine: np.ndarray, tmp_path: Path) -> None:
    image = nibabel.load(export(walked(axis, affine=affine), tmp_path / f"labels{suffix}").path)
    assert (np.asanyarray(image.dataobj) == volume_zyx().T).all()
    assert np.asanyarray(image.dataobj).dtype == np.uint8
    assert (image.affine == affine.astype(np.float32)).all()
    assert image.header.get_zooms() == pytest.approx(SPACING_XYZ)
    assert image.header.get_xyzt_units()[0] == "mm"
    assert np.allclose(image.header.get_qform(), affine, atol=1e-4)


def test_nifti_keeps_the_sources_header_and_affine_to_the_last_digit(tmp_path: Path) -> None:
    header = nibabel.Nifti1Header()
    header["descrip"] = b"scan"
    source = nibabel.Nifti1Image(np.zeros(SHAPE_ZYX[::-1], np.int16), OBLIQUE, header)
    source.set_sform(OBLIQUE, 2)
    source.set_qform(OBLIQUE, 1)
    source.header.set_intent("z score")
    source.header.set_slope_inter(2, 1)
    source.header.set_xyzt_units("mm", "sec")
    path = tmp_path / "scan.nii.gz"
    nibabel.save(source, path)
    opened = nibabel.load(path)
    result = walked("Z", affine=opened.affine, source_path=path)
    stored = nibabel.load(export(result, tmp_path / "labels.nii.gz").path)
    assert stored.affine.tobytes() == opened.affine.tobytes()
    for name in ("srow_x", "srow_y", "srow_z", "quatern_b", "qoffset_x", "sform_code", "qform_code", "pixdim"):
        assert (stored.header[name] == opened.header[name]).all(), name
    assert stored.header.get_intent()[0] == "label"
    assert (stored.dataobj.slope, stored.dataobj.inter) == (1, 0)
    assert (np.asanyarray(stored.dataobj) == volume_zyx().T).all()


def test_nifti_of_a_slice_of_a_volume_stands_at_that_slice(tmp_path: Path) -> None:
    result = TrackingResult.from_arrays(discs((4, 9, 11), [1]), affine=OBLIQUE, at={"Z": 3}, units=("s", "mm", "mm"))
    image = nibabel.load(export(result, tmp_path / "labels.nii").path)
    assert image.shape == (11, 9, 1, 4)
    assert np.allclose(image.affine @ [2, 5, 0, 1], OBLIQUE @ [2, 5, 3, 1], atol=1e-4)


def test_nifti_of_a_time_series_has_the_interval(tmp_path: Path) -> None:
    result = make_result(step=50.0, units=("ms", "µm", "µm"))
    image = nibabel.load(export(result, tmp_path / "labels.nii").path)
    assert image.shape == (48, 32, 1, 5)
    assert image.header.get_zooms() == pytest.approx((0.5e-3, 0.25e-3, 1.0, 50.0))
    assert image.header.get_xyzt_units() == ("mm", "msec")


def test_nifti_takes_70000_ids_and_says_how_it_was_made(tmp_path: Path) -> None:
    result = make_result("ids_70000", pictures=False)
    image = nibabel.load(export(result, tmp_path / "labels.nii.gz").path)
    assert np.asanyarray(image.dataobj).max() == 70000
    (extension,) = image.header.extensions
    assert json.loads(extension.text) == PROVENANCE


def test_nifti_of_any_case(any_result: TrackingResult, tmp_path: Path) -> None:
    image = nibabel.load(export(any_result, tmp_path / "labels.nii.gz").path)
    expected = np.stack([any_result.labels(n).T[..., None] for n in range(any_result.n_frames)], axis=-1)
    assert (np.asanyarray(image.dataobj).reshape(expected.shape) == expected).all()


def write_series(folder: Path, affine: np.ndarray, seed: int = 0, pixels: np.ndarray | None = None) -> str:
    """Write a CT series whose voxels lie as `affine` (RAS) says, the files in shuffled order; gives its UID."""
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    sizes = np.linalg.norm(lps[:3, :3], axis=0)
    series, study, frame = generate_uid(), generate_uid(), generate_uid()
    folder.mkdir(exist_ok=True)
    for place, z in enumerate(np.random.default_rng(seed).permutation(SHAPE_ZYX[0])):
        item = pydicom.Dataset()
        item.file_meta = FileMetaDataset()
        item.file_meta.MediaStorageSOPClassUID = item.SOPClassUID = CTImageStorage
        item.file_meta.MediaStorageSOPInstanceUID = item.SOPInstanceUID = generate_uid()
        item.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        item.SeriesInstanceUID, item.StudyInstanceUID, item.FrameOfReferenceUID = series, study, frame
        item.PatientID, item.PatientName, item.PatientBirthDate, item.PatientSex = "7", "Nobody", "", ""
        item.StudyDate = item.StudyTime = item.AccessionNumber = item.StudyID = item.ReferringPhysicianName = ""
        item.Modality, item.SeriesNumber, item.InstanceNumber = "CT", 3, int(z) + 1
        item.Rows, item.Columns = SHAPE_ZYX[1:]
        item.ImagePositionPatient = [format(v, ".9g") for v in (lps @ [0, 0, z, 1])[:3]]
        item.ImageOrientationPatient = [format(v, ".9g") for v in (lps[:3, :2] / sizes[:2]).T.ravel()]
        item.PixelSpacing = [format(sizes[1], ".9g"), format(sizes[0], ".9g")]
        item.SliceThickness = format(sizes[2], ".9g")
        item.SamplesPerPixel, item.PhotometricInterpretation, item.PixelRepresentation = 1, "MONOCHROME2", 1
        item.BitsAllocated = item.BitsStored = 16
        item.HighBit = 15
        item.PixelData = (np.zeros(SHAPE_ZYX[1:]) if pixels is None else pixels[z]).astype(np.int16).tobytes()
        item.save_as(folder / f"{seed}-{place:03d}.dcm", enforce_file_format=True)
    return series


@pytest.mark.parametrize("axis", ["Z", "X"])
@pytest.mark.parametrize("reverse", [False, True])
def test_dicom_seg_has_every_voxel_at_its_place(axis: str, reverse: bool, tmp_path: Path) -> None:
    affine = OBLIQUE @ from_matvec(np.diag([1, 1, -1]), (0, 0, SHAPE_ZYX[0] - 1)) if reverse else OBLIQUE
    series = write_series(tmp_path / "scan", affine)
    path = export(walked(axis, affine=affine), tmp_path / "labels.dcm", options={"source": tmp_path / "scan"}).path
    segmentation = highdicom.seg.segread(path)
    volume = segmentation.get_volume(combine_segments=True)
    names = {n: segmentation.get_segment_description(n).segment_label for n in segmentation.segment_numbers}
    assert names == {1: "object 1", 2: "object 2", 3: "object 7"}
    stored = np.asarray(volume.array)
    expected = np.searchsorted([1, 2, 7], volume_zyx(), side="right") * (volume_zyx() > 0)
    for z, y, x in np.argwhere(stored > 0):
        world = (volume.affine @ [z, y, x, 1])[:3] * (-1, -1, 1)
        i, j, k = np.linalg.solve(affine[:3, :3], world - affine[:3, 3]).round().astype(int)
        assert expected[k, j, i] == stored[z, y, x]
    assert (stored > 0).sum() == (expected > 0).sum()
    plain = pydicom.dcmread(path)
    assert {item.SeriesInstanceUID for item in plain.ReferencedSeriesSequence} == {series}
    assert (plain.SegmentationType, plain.PatientID) == ("BINARY", "7")
    rgb = highdicom.color.CIELabColor.from_dicom_value(plain.SegmentSequence[0].RecommendedDisplayCIELabValue).to_rgb()
    assert np.abs(np.subtract(rgb, walked("Z").objects[0].color)).max() <= 3


TURNS = {
    "as dcm2niix flips rows": ((0, 1, 2), (1,)),
    "turned to RAS": ((0, 1, 2), (0, 1)),
    "axes in another order": ((2, 0, 1), ()),
    "all of it": ((1, 2, 0), (0, 2)),
}


def turned(order_xyz: tuple[int, ...], flipped: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The volume ``(X, Y, Z)`` with its axes in another order and direction, and the affine that keeps its place."""
    volume = np.flip(volume_zyx().T.transpose(order_xyz), flipped)
    moved = np.eye(4)[[*order_xyz, 3]].T
    for axis in flipped:
        moved = moved @ from_matvec(
            np.diag([-1 if n == axis else 1 for n in range(3)]),
            [volume.shape[axis] - 1 if n == axis else 0 for n in range(3)],
        )
    return volume, OBLIQUE @ moved


@pytest.mark.parametrize("turn", TURNS.values(), ids=TURNS)
def test_dicom_seg_of_a_converted_volume_lies_where_the_series_does(turn: Any, tmp_path: Path) -> None:
    write_series(tmp_path / "scan", OBLIQUE, pixels=volume_zyx())
    volume, affine = turned(*turn)
    nibabel.save(nibabel.Nifti1Image(volume, affine), tmp_path / "scan.nii")
    with open_recording(tmp_path / "scan.nii") as recording:
        result = track(recording, tmp_path, "Z")
        path = export(result, tmp_path / "labels.dcm", options={"source": tmp_path / "scan"}).path
    images = {}
    for file in (tmp_path / "scan").iterdir():
        image = pydicom.dcmread(file)
        images[image.SOPInstanceUID] = image.pixel_array > 0
    segmentation = highdicom.seg.segread(path)
    stored = segmentation.get_pixels_by_source_instance(
        list(images), ignore_spatial_locations=True, assert_missing_frames_are_empty=True
    )[..., 0]
    assert (stored.astype(bool) == np.stack(list(images.values()))).all()


@pytest.mark.parametrize("moved", [from_matvec(np.eye(3), (0, 2, 0)), from_matvec(np.diag([1, 1.2, 1]), (0, 0, 0))])
def test_dicom_seg_refuses_labels_that_lie_elsewhere_than_the_series(moved: np.ndarray, tmp_path: Path) -> None:
    write_series(tmp_path / "scan", OBLIQUE)
    with pytest.raises(ExportError, match="do not lie on the slices of the series"):
        export(walked("Z", affine=OBLIQUE @ moved), tmp_path / "labels.dcm", options={"source": tmp_path / "scan"})


def test_dicom_seg_finds_its_series_among_two(tmp_path: Path) -> None:
    wanted = write_series(tmp_path / "scan", OBLIQUE, seed=0)
    write_series(tmp_path / "scan", OBLIQUE, seed=1)
    (tmp_path / "scan" / "notes.txt").write_text("not an image")
    with pytest.raises(ExportError, match="holds 2 series"):
        export(walked("Z"), tmp_path / "labels.dcm", options={"source": str(tmp_path / "scan")})
    result = walked("Z", metadata={"SeriesInstanceUID": wanted}, source_path=tmp_path / "scan")
    stored = pydicom.dcmread(export(result, tmp_path / "labels.dcm").path)
    assert stored.ReferencedSeriesSequence[0].SeriesInstanceUID == wanted


def track(recording: Any, folder: Path, axis: str) -> TrackingResult:
    """Labels of bright voxels, as a session on the recording has them."""
    view = FrameView(recording, default_view(recording, axis=axis))
    labels = np.stack([(view.raw(frame) > 0) * np.uint8(2) for frame in range(view.n_frames)])
    with Session.create(folder / "run.sam2v", recording, view.settings, tracker_factory=fake_factory()) as session:
        session.add_object(object_id=2, name="bright")
        return replace(session.result(), read_labels=lambda frame: labels[frame])


@pytest.mark.parametrize("axis", ["Z", "Y", "X"])
def test_nifti_that_was_opened_and_tracked_lies_on_its_source(axis: str, tmp_path: Path) -> None:
    values = np.where(volume_zyx().T == 1, 100, -100).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(values, OBLIQUE), tmp_path / "scan.nii.gz")
    with open_recording(tmp_path / "scan.nii.gz") as recording:
        report = export(track(recording, tmp_path, axis), tmp_path / "labels.nii.gz")
    source, labels = nibabel.load(tmp_path / "scan.nii.gz"), nibabel.load(report.path)
    assert labels.affine.tobytes() == source.affine.tobytes()
    assert np.asanyarray(labels.dataobj).any()
    assert ((np.asanyarray(labels.dataobj) == 2) == (np.asanyarray(source.dataobj) > 0)).all()


def test_dicom_seg_of_files_without_the_mark_of_dicom(tmp_path: Path) -> None:
    write_series(tmp_path / "scan", OBLIQUE, pixels=np.where(volume_zyx() == 1, 100, -100))
    for path in (tmp_path / "scan").iterdir():
        path.write_bytes(path.read_bytes()[132:])
    with open_recording(tmp_path / "scan") as recording:
        report = export(track(recording, tmp_path, "Z"), tmp_path / "labels.dcm")
    assert highdicom.seg.segread(report.path).number_of_segments == 1


@pytest.mark.parametrize("axis", ["Z", "Y"])
def test_dicom_series_that_was_opened_and_tracked_gets_segments_on_its_slices(axis: str, tmp_path: Path) -> None:
    write_series(tmp_path / "scan", OBLIQUE, pixels=np.where(volume_zyx() == 1, 100, -100))
    with open_recording(tmp_path / "scan") as recording:
        report = export(track(recording, tmp_path, axis), tmp_path / "labels.dcm")
    images = {}
    for path in (tmp_path / "scan").iterdir():
        image = pydicom.dcmread(path)
        images[image.SOPInstanceUID] = image.pixel_array > 0
    segmentation = highdicom.seg.segread(report.path)
    stored = segmentation.get_pixels_by_source_instance(list(images), ignore_spatial_locations=True)[..., 0]
    assert (stored.astype(bool) == np.stack(list(images.values()))).all()


@pytest.mark.parametrize(
    ("known", "sentence"),
    [
        ({}, "name the folder of the source series"),
        ({"source_path": "scan"}, "refers to a DICOM series, which .*scan is not; name the folder"),
        ({"source_path": "cells.tif"}, "refers to a DICOM series, which .*cells.tif is not; name the folder"),
    ],
)
def test_dicom_seg_without_its_source_says_what_it_needs(known: dict, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "scan").mkdir()
    (tmp_path / "cells.tif").write_bytes(b"II*\0")
    known = {name: tmp_path / value for name, value in known.items()}
    with pytest.raises(ExportError, match=sentence):
        export(walked("Z", **known), tmp_path / "labels.dcm")


def test_dicom_seg_refuses_a_series_of_another_shape(tmp_path: Path) -> None:
    write_series(tmp_path / "scan", OBLIQUE)
    result = TrackingResult.from_arrays(volume_zyx()[:-1], walk_axis="Z")
    with pytest.raises(ExportError, match="has 6 slices of 17 x 13 pixels"):
        export(result, tmp_path / "labels.dcm", options={"source": tmp_path / "scan"})
    with warnings.catch_warnings(), pytest.raises(ExportError, match="tracked along T"):
        export(make_result(), tmp_path / "labels.dcm", options={"source": tmp_path / "scan"})


@pytest.mark.parametrize("name", ["细胞 é", "a\\b", " ", "x" * 70])
def test_dicom_seg_keeps_the_letters_of_names(name: str, tmp_path: Path) -> None:
    write_series(tmp_path / "scan", OBLIQUE)
    result = replace(walked("Z"), objects=tuple(replace(entry, name=name) for entry in walked("Z").objects))
    stored = pydicom.dcmread(export(result, tmp_path / "labels.dcm", options={"source": tmp_path / "scan"}).path)
    expected = name.strip().replace("\\", "/")[:64] or "object 1"
    assert stored.SegmentSequence[0].SegmentLabel == expected


@pytest.mark.parametrize("name", ["StudyInstanceUID", "PixelSpacing", "ImageOrientationPatient"])
def test_dicom_seg_of_a_series_without_the_headers_that_it_needs_says_so(name: str, tmp_path: Path) -> None:
    write_series(tmp_path / "scan", OBLIQUE)
    for path in (tmp_path / "scan").iterdir():
        image = pydicom.dcmread(path)
        delattr(image, name)
        image.save_as(path)
    with pytest.raises(ExportError, match=rf"lack what DICOM SEG needs .*{name}.*; choose nifti"):
        export(walked("Z"), tmp_path / "labels.dcm", options={"source": tmp_path / "scan"})


def test_dicom_seg_beside_its_slices_leaves_the_series_openable(tmp_path: Path) -> None:
    write_series(tmp_path / "scan", OBLIQUE, pixels=np.where(volume_zyx() == 1, 100, -100))
    with open_recording(tmp_path / "scan") as recording:
        before = recording.fingerprint()
        export(track(recording, tmp_path, "Z"), tmp_path / "scan" / "labels.dcm")
    with open_recording(tmp_path / "scan") as recording:
        assert recording.fingerprint()["sample"] == before["sample"]
        assert "segmentations of other series are left out: napari-sam2-video segmentation" in recording.notes[0]


@pytest.mark.parametrize(("unit", "millimetres"), [("micron", 1e-3), ("meter", 1e3), ("mm", 1)])
def test_nifti_of_another_kind_of_nifti_is_as_large_as_its_source(
    unit: str, millimetres: float, tmp_path: Path
) -> None:
    source = nibabel.Nifti2Image(np.zeros(SHAPE_ZYX[::-1], np.int16), OBLIQUE)
    source.header.set_xyzt_units(unit)
    nibabel.save(source, tmp_path / "scan.nii")
    with open_recording(tmp_path / "scan.nii") as recording:
        stored = nibabel.load(export(track(recording, tmp_path, "Z"), tmp_path / "labels.nii").path)
    assert stored.header.get_xyzt_units()[0] == "mm"
    assert np.allclose(stored.affine[:3] / millimetres, OBLIQUE[:3], rtol=1e-5)
    assert np.allclose(stored.header.get_zooms(), np.multiply(SPACING_XYZ, millimetres), rtol=1e-5)
    assert np.allclose(stored.header.get_qform()[:3] / millimetres, OBLIQUE[:3], atol=1e-4)


def test_nifti_of_a_source_with_another_name_keeps_its_header(tmp_path: Path) -> None:
    source = nibabel.Nifti1Image(np.zeros(SHAPE_ZYX[::-1], np.int16), OBLIQUE)
    source.header["aux_file"] = b"kept"
    nibabel.save(source, tmp_path / "scan.nii.gz")
    nibabel.save(source, tmp_path / "copy.nii")
    named = (tmp_path / "scan.nii.gz").rename(tmp_path / "scan.nii")
    with open_recording(named) as recording:
        stored = nibabel.load(export(track(recording, tmp_path, "Y"), tmp_path / "labels.nii").path)
    assert stored.header["aux_file"].item() == b"kept"
    assert (stored.affine == nibabel.Nifti1Image.from_filename(tmp_path / "copy.nii").affine).all()


def overlapping(**known: Any) -> tuple[TrackingResult, dict[int, np.ndarray]]:
    """Two boxes of which each has voxels of the other."""
    masks = {number: np.zeros(SHAPE_ZYX, bool) for number in (1, 2)}
    masks[1][1:5, 2:9, 2:9], masks[2][2:6, 5:12, 5:15] = True, True
    result = TrackingResult.from_arrays(
        np.where(masks[2], 2, masks[1]).astype(np.uint8),
        walk_axis="Z",
        read_masks=lambda frame, ids: [masks[i][frame] for i in ids],
        read_scores=lambda i: {"frame": np.arange(SHAPE_ZYX[0]), "area": masks[i].sum(axis=(1, 2))},
        **known,
    )
    return result, masks


def segments_of(path: Path) -> dict[str, np.ndarray]:
    """Masks ``(Z, Y, X)`` of the segments of a file by their labels, in the order of the slices."""
    segmentation = highdicom.seg.segread(path)
    volume = segmentation.get_volume()
    return {
        segmentation.get_segment_description(n).segment_label: np.asarray(volume.array)[..., n - 1].astype(bool)
        for n in segmentation.segment_numbers
    }


def test_dicom_seg_keeps_objects_that_overlap_whole(tmp_path: Path) -> None:
    write_series(tmp_path / "scan", OBLIQUE)
    result, masks = overlapping(affine=OBLIQUE)
    path = export(result, tmp_path / "labels.dcm", options={"source": tmp_path / "scan"}).path
    stored = segments_of(path)
    assert [stored[f"object {number}"].sum() for number in masks] == [mask.sum() for mask in masks.values()]
    assert pydicom.dcmread(path).SegmentsOverlap == "YES"


def test_dicom_seg_has_a_code_for_every_segment(tmp_path: Path) -> None:
    write_series(tmp_path / "scan", OBLIQUE)
    names = {1: "Liver", 2: "left kidney", 7: "thing"}
    objects = tuple(replace(entry, name=names[entry.id]) for entry in walked("Z").objects)
    options = {"source": tmp_path / "scan", "codes": "2=SCT:18639004:Left kidney"}
    path = export(replace(walked("Z"), objects=objects), tmp_path / "labels.dcm", options=options).path
    kinds = [part.SegmentedPropertyTypeCodeSequence[0] for part in pydicom.dcmread(path).SegmentSequence]
    assert [(kind.CodeValue, kind.CodeMeaning) for kind in kinds] == [
        ("10200004", "Liver"),
        ("18639004", "Left kidney"),
        ("85756007", "Tissue"),
    ]
    with pytest.raises(ExportError, match="The code '2=Liver' must have the form ID=SCHEME:VALUE:MEANING"):
        export(walked("Z"), tmp_path / "b.dcm", options=options | {"codes": "2=Liver"})


def test_dicom_seg_of_a_series_of_volumes_refers_to_the_time_that_was_tracked(tmp_path: Path) -> None:
    series = write_series(tmp_path / "scan", OBLIQUE, seed=0)
    write_series(tmp_path / "scan", OBLIQUE, seed=1)
    later = set()
    for path in (tmp_path / "scan").iterdir():
        image = pydicom.dcmread(path)
        image.TemporalPositionIdentifier = 1 + int(image.SeriesInstanceUID != series)
        if image.TemporalPositionIdentifier == 2:
            later.add(image.SOPInstanceUID)
        image.SeriesInstanceUID = series
        image.save_as(path)
    result = walked("Z", affine=OBLIQUE, at={"T": 1}, metadata={"SeriesInstanceUID": series})
    path = export(result, tmp_path / "labels.dcm", options={"source": tmp_path / "scan"}).path
    used = pydicom.dcmread(path).ReferencedSeriesSequence[0].ReferencedInstanceSequence
    assert {part.ReferencedSOPInstanceUID for part in used} <= later


def test_dicom_seg_is_exported_by_scripts_and_by_the_command_line(tmp_path: Path) -> None:
    from napari_sam2_video import api
    from napari_sam2_video.cli import main

    write_series(tmp_path / "scan", OBLIQUE)
    run, mask = tmp_path / "run.sam2v", volume_zyx() == 1
    with (
        open_recording(tmp_path / "scan") as recording,
        Session.create(run, recording, tracker_factory=fake_factory()) as session,
    ):
        session.add_object(name="bright")
        for z in range(len(mask)):
            session.paint(z, (0, 0), mask[z].astype(np.uint8))
    source = str(shutil.copytree(tmp_path / "scan", tmp_path / "copy"))
    api.export(run, tmp_path / "a.dcm", options={"source": source})
    with pytest.raises(SystemExit) as ended:
        main(["export", str(run), str(tmp_path / "b.dcm"), "--option", f"source={source}"])
    assert not ended.value.code
    for name in ("a.dcm", "b.dcm"):
        assert segments_of(tmp_path / name)["bright"].sum() == mask.sum()
