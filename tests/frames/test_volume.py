from __future__ import annotations

import gzip
import os
import random
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from napari_sam2_video.errors import FrameError, RecordingError
from napari_sam2_video.frames import volume
from napari_sam2_video.frames.open import open_recording
from napari_sam2_video.frames.view import FrameView, default_view
from napari_sam2_video.frames.volume import is_dicom
from napari_sam2_video.types import CT_WINDOWS

nibabel = pytest.importorskip("nibabel")
pydicom = pytest.importorskip("pydicom")

if TYPE_CHECKING:
    from pathlib import Path

VOXELS = np.random.default_rng(0).integers(-1000, 2000, (9, 8, 7)).astype(np.int16)
OBLIQUE = np.array([[0.5, 0.1, -0.2, 11.0], [-0.1, 0.6, 0.3, -7.25], [0.2, -0.3, 2.5, 3.125], [0, 0, 0, 1.0]])


def save_nifti(path: Path, voxels: np.ndarray, affine: np.ndarray, kind: Any = None, **header: Any) -> Path:
    image = (kind or nibabel.Nifti1Image)(voxels, affine)
    for name, values in header.items():
        getattr(image.header, name)(*values)
    nibabel.save(image, path)
    return path


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.hdr"])
def test_nifti_keeps_voxels_and_affine_to_the_last_digit(tmp_path: Path, name: str) -> None:
    kind = nibabel.Nifti1Pair if name == "a.hdr" else None
    path = save_nifti(tmp_path / name, VOXELS, OBLIQUE, kind, set_xyzt_units=("mm", "sec"))
    with open_recording(path) as recording:
        assert (recording.name, recording.axes, recording.shape) == ("a", "ZYX", (7, 8, 9))
        np.testing.assert_array_equal(recording.read({}), VOXELS.T)
        np.testing.assert_array_equal(recording.read({"Z": 3, "Y": slice(1, 7, 2)}), VOXELS.T[3, 1:7:2])
        assert recording.affine is not None
        assert recording.affine.tobytes() == nibabel.load(path).affine.tobytes()
        assert recording.units["Z"] == "mm"
        assert recording.scale["Z"] == pytest.approx(np.linalg.norm(OBLIQUE[:3, 2]))


@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, 1), (1, -1, -1)])
def test_nifti_of_any_orientation_stays_in_its_own_order(tmp_path: Path, signs: tuple[int, int, int]) -> None:
    path = save_nifti(tmp_path / "a.nii", VOXELS, np.diag([*signs, 1.0]))
    with open_recording(path) as recording:
        np.testing.assert_array_equal(recording.read({}), VOXELS.T)
        letters = "".join(pair[sign < 0] for pair, sign in zip(("RL", "AP", "SI"), signs, strict=True))
        assert recording.metadata["orientation"] == letters


def test_nifti_series_of_volumes(tmp_path: Path) -> None:
    voxels = np.arange(5 * 6 * 4 * 3, dtype=np.uint16).reshape(5, 6, 4, 3)
    path = save_nifti(tmp_path / "a.nii", voxels, np.eye(4), set_xyzt_units=("mm", "msec"), set_zooms=((1, 1, 2, 500),))
    with open_recording(path) as recording:
        assert (recording.axes, recording.scale["T"], recording.units["T"]) == ("TZYX", 500, "ms")
        np.testing.assert_array_equal(recording.read({"T": 2, "Z": 1}), voxels[:, :, 1, 2].T)
        view = FrameView(recording, default_view(recording))
        assert (view.walk_axis, view.settings.at) == ("T", {"Z": 2})


def test_an_interval_of_zero_has_no_unit(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(np.zeros((5, 6, 4, 3), np.int16), np.diag([0.5, 0.5, 2, 1]))
    image.header.set_zooms((0.5, 0.5, 2, 0))
    image.header.set_xyzt_units("mm", "sec")
    nibabel.save(image, tmp_path / "a.nii")
    with open_recording(tmp_path / "a.nii") as recording:
        assert (recording.scale["T"], recording.units["T"]) == (None, None)
        assert (recording.scale["Z"], recording.units["Z"]) == (2.0, "mm")


def test_scaled_nifti_gives_the_values_it_means(tmp_path: Path) -> None:
    path = save_nifti(tmp_path / "a.nii", VOXELS, np.eye(4))
    data = bytearray(path.read_bytes())
    data[112:120] = np.array([0.5, -1024], "<f4").tobytes()
    path.write_bytes(data)
    with open_recording(path) as recording:
        assert recording.dtype == np.float32
        np.testing.assert_array_equal(recording.read({}), nibabel.load(path).get_fdata().T)


def test_big_endian_nifti(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(VOXELS, np.eye(4), nibabel.Nifti1Header(endianness=">"))
    image.set_data_dtype(np.int16)
    nibabel.save(image, tmp_path / "a.nii")
    with open_recording(tmp_path / "a.nii") as recording:
        np.testing.assert_array_equal(recording.read({}), VOXELS.T)


def test_coloured_nifti(tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (9, 8, 7, 3)).astype(np.uint8)
    voxels = colours.view([("R", "u1"), ("G", "u1"), ("B", "u1")])[..., 0]
    with open_recording(save_nifti(tmp_path / "a.nii", voxels, np.eye(4))) as recording:
        assert recording.axes == "ZYXS"
        np.testing.assert_array_equal(recording.read({}), colours.transpose(2, 1, 0, 3))


def test_large_compressed_nifti_goes_to_a_file_and_leaves_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_sam2_video.frames.nifti._IN_MEMORY", 100)
    with open_recording(save_nifti(tmp_path / "a.nii.gz", VOXELS, np.eye(4))) as recording:
        np.testing.assert_array_equal(recording.read({"Z": 6}), VOXELS.T[6])


def test_truncated_nifti_opens_what_is_there(tmp_path: Path) -> None:
    path = save_nifti(tmp_path / "a.nii", VOXELS, np.eye(4))
    path.write_bytes(path.read_bytes()[:-200])
    with open_recording(path) as recording:
        np.testing.assert_array_equal(recording.read({}), VOXELS.T[:5])
        assert "5 of 7 frames are readable" in recording.notes[0]


def test_truncated_compressed_nifti_is_an_error_of_the_planes_that_are_gone(tmp_path: Path) -> None:
    path = save_nifti(tmp_path / "a.nii", VOXELS, np.eye(4))
    packed = tmp_path / "a.nii.gz"
    packed.write_bytes(gzip.compress(path.read_bytes())[:-150])
    with open_recording(packed) as recording:
        np.testing.assert_array_equal(recording.read({"Z": 0}), VOXELS.T[0])
        with pytest.raises(FrameError, match=r"Plane 6 of .*cut short or damaged"):
            recording.read({"Z": 6})


def save_dicom(path: Path, pixels: np.ndarray, **values: Any) -> None:
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = pydicom.uid.CTImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = pydicom.uid.generate_uid()
    colour = pixels.shape[-1] == 3 and pixels.ndim > 2
    dataset.Rows, dataset.Columns = pixels.shape[-3:-1] if colour else pixels.shape[-2:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = (3, "RGB") if colour else (1, "MONOCHROME2")
    if colour:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = dataset.BitsStored = pixels.dtype.itemsize * 8
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.Modality, dataset.SeriesInstanceUID, dataset.SeriesDescription = "CT", "1.2.3", "chest"
    dataset.PixelSpacing, dataset.ImageOrientationPatient = [0.75, 0.5], [1, 0, 0, 0, 1, 0]
    for name, value in values.items():
        if value is None:
            dataset.pop(name, None)
        else:
            setattr(dataset, name, value)
    dataset.PixelData = pixels.tobytes()
    dataset.save_as(path, enforce_file_format=True)


def remove_mark(path: Path, kind: str) -> None:
    """Make a file one of a data set alone, as old scanners and some archives write them."""
    if kind == "header without preamble":
        path.write_bytes(path.read_bytes()[132:])
        return
    dataset = pydicom.Dataset(pydicom.dcmread(path))
    implicit = kind == "implicit"
    pydicom.dcmwrite(path, dataset, implicit_vr=implicit, little_endian=True, enforce_file_format=False)


CT = np.random.default_rng(0).integers(0, 4096, (10, 6, 8)).astype(np.uint16)


def save_series(folder: Path, places: list[float], stack: np.ndarray = CT, first: int = 0, **values: Any) -> None:
    """One file a slice, the names in no order."""
    names = random.Random(1).sample(range(first, first + 1000), len(places))
    for number, (name, place) in enumerate(zip(names, places, strict=True)):
        about = {"ImagePositionPatient": [-10, -20, place], "InstanceNumber": number + 1} | values
        save_dicom(folder / f"IM{name}", stack[number], **about)


def test_series_is_sorted_by_position_in_hounsfield_units(tmp_path: Path) -> None:
    save_series(tmp_path, [30 - 2.5 * n for n in range(10)], RescaleSlope=1, RescaleIntercept=-1024, BitsStored=12)
    (tmp_path / "notes.txt").write_text("hello")
    with open_recording(tmp_path) as recording:
        assert (recording.name, recording.axes, recording.dtype) == ("chest", "ZYX", np.int16)
        np.testing.assert_array_equal(recording.read({}), CT[::-1].astype(int) - 1024)
        assert recording.scale == {"Z": 2.5, "Y": 0.75, "X": 0.5}
        assert set(recording.units.values()) == {"mm"}
        expected = [[-0.5, 0, 0, 10], [0, -0.75, 0, 20], [0, 0, 2.5, 7.5], [0, 0, 0, 1]]
        np.testing.assert_allclose(recording.affine, expected)
        assert recording.notes == ()
        view = FrameView(recording, default_view(recording, window=CT_WINDOWS["lung"]))
        assert view.read(0).shape == (6, 8, 3)
        assert recording.metadata["SeriesInstanceUID"] == "1.2.3"


@pytest.mark.parametrize("kind", ["header without preamble", "implicit", "explicit"])
def test_files_without_the_mark_are_a_series(kind: str, tmp_path: Path) -> None:
    save_series(tmp_path, [2.5 * n for n in range(10)], RescaleSlope=1, RescaleIntercept=-1024, BitsStored=12)
    for path in tmp_path.iterdir():
        remove_mark(path, kind)
        assert path.read_bytes()[128:132] != b"DICM"
    for source in (tmp_path, next(tmp_path.iterdir())):
        with open_recording(source) as recording:
            assert (recording.axes, recording.name, recording.scale["Z"]) == ("ZYX", "chest", 2.5)
            np.testing.assert_array_equal(recording.read({}), CT.astype(int) - 1024)


def test_a_coloured_film_without_the_mark(tmp_path: Path) -> None:
    film = np.random.default_rng(0).integers(0, 256, (4, 6, 8)).astype(np.uint8)
    tables: dict[str, Any] = {}
    for name in ("Red", "Green", "Blue"):
        tables[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, 8]
        tables[f"{name}PaletteColorLookupTableData"] = bytes(reversed(range(256)))
    about = {"PhotometricInterpretation": "PALETTE COLOR", "NumberOfFrames": 4, "Modality": "US"}
    save_dicom(tmp_path / "film", film, **about, **tables)
    remove_mark(tmp_path / "film", "implicit")
    with open_recording(tmp_path / "film") as recording:
        np.testing.assert_array_equal(recording.read({}), np.repeat(255 - film[..., None], 3, axis=3))


@pytest.mark.parametrize(
    "content",
    [
        bytes(600),
        b"\x08\0" * 300,
        np.arange(300, dtype="<u2").tobytes(),
        np.array([8, 22, 0, 0, 9, 1, 0, 0] * 40, "<u2").tobytes(),
        b"\x08\0\x16\0UI\x1a\0" + b"1.2.840.10008.5.1.4.1.1.2\0" + b"and so on" * 60,
        b"\x08\0\x16\0\xff\xff\xff\xff" + bytes(600),
        b"\x08\0\x16\0",
        b"",
    ],
)
def test_other_files_are_not_taken_for_dicom(content: bytes) -> None:
    assert not is_dicom(content)


@pytest.mark.parametrize("others", ["txt", "png"])
def test_a_series_behind_many_other_files_is_found(others: str, tmp_path: Path) -> None:
    save_series(tmp_path, [2.5 * n for n in range(10)])
    for number in range(300):
        target = tmp_path / f"A{number:03d}.{others}"
        if others == "txt":
            target.write_text("a line of a report")
        else:
            Image.fromarray(np.zeros((6, 8), np.uint8)).save(target)
    with open_recording(tmp_path) as recording:
        assert (recording.axes, recording.shape) == ("ZYX", (10, 6, 8))


def test_one_dicom_file_behind_many_images_is_not_meant(tmp_path: Path) -> None:
    for number in range(40):
        Image.fromarray(np.full((6, 8), number, np.uint8)).save(tmp_path / f"a{number:02d}.png")
    save_dicom(tmp_path / "scout", CT[0])
    with open_recording(tmp_path) as recording:
        assert (recording.axes, recording.shape) == ("TYX", (40, 6, 8))


def test_few_files_of_a_large_folder_are_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(1000):
        (tmp_path / f"a{number:04d}.txt").touch()
    asked: list[Path] = []
    monkeypatch.setattr(volume, "holds_dicom", lambda path: bool(asked.append(path)))
    assert not volume.is_dicom_folder(tmp_path)
    assert len(asked) == len(set(asked)) <= 160
    assert asked[-1].name > "a0980.txt"


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="permissions do not bind this user")
def test_a_file_that_may_not_be_read_does_not_spoil_a_folder_of_images(tmp_path: Path) -> None:
    for number in range(3):
        Image.fromarray(np.full((6, 8), number, np.uint8)).save(tmp_path / f"b{number:02d}.png")
    (tmp_path / "a.txt").touch(mode=0)
    with open_recording(tmp_path) as recording:
        assert recording.shape == (3, 6, 8)


def test_gap_in_a_series_is_said(tmp_path: Path) -> None:
    save_series(tmp_path, [2.0 * n for n in range(11) if n != 4])
    with open_recording(tmp_path) as recording:
        assert recording.shape[0] == 10
        assert recording.scale["Z"] == 2.0
        assert "Slices are missing between IM" in recording.notes[0]
        assert "4 mm apart, where 2 mm is usual" in recording.notes[0]


def test_two_series_in_one_folder_are_named_and_each_opens_by_a_file(tmp_path: Path) -> None:
    save_series(tmp_path, [1.0 * n for n in range(10)])
    save_series(
        tmp_path, [3.0 * n for n in range(4)], CT[:4], 2000, SeriesInstanceUID="1.2.4", SeriesDescription="head"
    )
    with pytest.raises(RecordingError, match=r"2 series \((chest: 10|head: 4) images, .*; open one file of the one"):
        open_recording(tmp_path)
    one = next(file for file in tmp_path.iterdir() if pydicom.dcmread(file).SeriesDescription == "head")
    with open_recording(one) as recording:
        assert (recording.name, recording.shape[0]) == ("head", 4)


def test_single_scout_image_is_left_out(tmp_path: Path) -> None:
    save_series(tmp_path, [1.0 * n for n in range(10)])
    save_dicom(tmp_path / "scout", np.zeros((3, 3), np.uint16), SeriesInstanceUID="9", SeriesDescription="scout")
    with open_recording(tmp_path) as recording:
        assert recording.shape[0] == 10
        assert any("scout: 1 images, such as scout" in note for note in recording.notes)


def test_repeated_volumes_become_time(tmp_path: Path) -> None:
    places = [1.0 * n for n in range(5)] * 2
    save_series(tmp_path, places)
    with open_recording(tmp_path) as recording:
        assert (recording.axes, recording.shape[:2]) == ("TZYX", (2, 5))
        np.testing.assert_array_equal(recording.read({}), CT.reshape(2, 5, 6, 8))


@pytest.mark.parametrize("size", [0.002, 0.01, 0.05])
def test_slices_of_micro_tomography_are_slices(size: float, tmp_path: Path) -> None:
    save_series(tmp_path, [round(size * n, 6) for n in range(10)], PixelSpacing=[size, size])
    with open_recording(tmp_path) as recording:
        assert (recording.axes, recording.shape) == ("ZYX", CT.shape)
        np.testing.assert_array_equal(recording.read({}), CT)
        assert recording.scale["Z"] == pytest.approx(size)


def test_repeated_volumes_whose_places_differ_a_little_keep_their_order_in_time(tmp_path: Path) -> None:
    places = [1.005, 2.005, 3.005, 4.005, 5.005]
    save_series(tmp_path, [place + 1e-4 for place in places] + [place - 1e-4 for place in places])
    with open_recording(tmp_path) as recording:
        assert (recording.axes, recording.shape[:2]) == ("TZYX", (2, 5))
        np.testing.assert_array_equal(recording.read({}), CT.reshape(2, 5, 6, 8))


def test_overlapping_passes_are_refused(tmp_path: Path) -> None:
    save_series(tmp_path, [0, 1, 2, 3, 4, 5, 6, 7, 3, 4])
    with pytest.raises(RecordingError, match=r"lies where other images of .* lie"):
        open_recording(tmp_path)


def test_tilted_image_is_named(tmp_path: Path) -> None:
    save_series(tmp_path, [1.0 * n for n in range(9)], CT[:9])
    about = {"ImagePositionPatient": [0, 0, 50], "ImageOrientationPatient": [0, 1, 0, 0, 0, -1]}
    save_dicom(tmp_path / "zz", CT[9], **about)
    with pytest.raises(RecordingError, match=r"zz is tilted against IM"):
        open_recording(tmp_path)


def test_image_of_another_size_is_named(tmp_path: Path) -> None:
    save_series(tmp_path, [1.0 * n for n in range(9)], CT[:9])
    save_dicom(tmp_path / "zz", CT[9, :5, :5], ImagePositionPatient=[0, 0, 50])
    with pytest.raises(RecordingError, match=r"zz is 5 × 5, but IM\d+ of the same series is 6 × 8"):
        open_recording(tmp_path)


def test_fractional_rescaling_gives_real_numbers(tmp_path: Path) -> None:
    save_series(tmp_path, [1.0 * n for n in range(10)], RescaleSlope=0.5, RescaleIntercept=3, Modality="PT")
    with open_recording(tmp_path) as recording:
        assert recording.dtype == np.float32
        np.testing.assert_allclose(recording.read({}), CT * 0.5 + 3)


def test_images_without_a_place_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    save_series(tmp_path, [0.0] * 10, ImagePositionPatient=None)
    with open_recording(tmp_path) as recording:
        np.testing.assert_array_equal(recording.read({}), CT)
        assert "in the order of their numbers" in recording.notes[0]
        assert recording.affine is None


def test_colour_film_in_one_file(tmp_path: Path) -> None:
    film = np.random.default_rng(0).integers(0, 256, (5, 6, 8, 3)).astype(np.uint8)
    about = {"NumberOfFrames": 5, "FrameTime": 40, "Modality": "US", "ImageOrientationPatient": None}
    save_dicom(tmp_path / "film.dcm", film, **about)
    with open_recording(tmp_path / "film.dcm") as recording:
        assert (recording.axes, recording.scale["T"], recording.units["T"]) == ("TYXS", 0.04, "s")
        np.testing.assert_array_equal(recording.read({"T": 3}), film[3])


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("Rows", "", "is 0 × 8"),
        ("BitsStored", 60000, "damaged header"),
        ("RescaleSlope", "1e400", "damaged header"),
        ("RescaleIntercept", "nan", "damaged header"),
        ("ImagePositionPatient", ["-10", "-20", "nan"], "damaged header"),
    ],
)
def test_a_header_of_wild_values_is_one_sentence(name: str, value: Any, sentence: str, tmp_path: Path) -> None:
    save_series(tmp_path, [0.0, 1.0, 2.0], RescaleSlope=1, RescaleIntercept=0)
    for path in sorted(tmp_path.iterdir())[: 1 if name == "Rows" else 3]:
        image = pydicom.dcmread(path)
        with pydicom.config.disable_value_validation():
            element = image[name]
            if name.startswith("Rescale"):
                image[name] = pydicom.DataElement(element.tag, "UN", value.encode().ljust(8))
            else:
                element.value = value
            pydicom.dcmwrite(path, image, enforce_file_format=True)
    with pytest.raises(RecordingError, match=sentence):
        open_recording(tmp_path)


def test_damaged_image_is_an_error_of_that_slice_only(tmp_path: Path) -> None:
    save_series(tmp_path, [1.0 * n for n in range(10)])
    with open_recording(tmp_path) as recording:
        victim = recording._slices[4].file
        victim.write_bytes(victim.read_bytes()[:-30])
        with pytest.raises(FrameError, match=f"The image .*{victim.name} cannot be decoded"):
            recording.read({"Z": 4})
        np.testing.assert_array_equal(recording.read({"Z": 5}), CT[5])


def test_fingerprint_of_a_series_sees_another_slice(tmp_path: Path) -> None:
    save_series(tmp_path, [1.0 * n for n in range(9)], CT[:9])
    with open_recording(tmp_path) as recording:
        before = recording.fingerprint()["sample"]
    save_dicom(tmp_path / "zz", CT[9], ImagePositionPatient=[-10, -20, 9])
    with open_recording(tmp_path) as recording:
        assert recording.fingerprint()["sample"] != before


@pytest.mark.parametrize("package", ["nibabel", "pydicom"])
def test_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    save_dicom(tmp_path / "a.dcm", CT[0])
    source = save_nifti(tmp_path / "a.nii", VOXELS, np.eye(4)) if package == "nibabel" else tmp_path / "a.dcm"
    monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(RecordingError, match=rf"needs the package {package}; install it with: pip install"):
        open_recording(source)


def test_enhanced_file_of_many_slices_is_sorted_by_position(tmp_path: Path) -> None:
    def item(**values: Any) -> Any:
        dataset = pydicom.Dataset()
        for name, value in values.items():
            setattr(dataset, name, value)
        return dataset

    places = [9.0, 3.0, 6.0, 0.0]
    shared = item(
        PixelMeasuresSequence=[item(PixelSpacing=[2, 1])],
        PlaneOrientationSequence=[item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
        PixelValueTransformationSequence=[item(RescaleSlope=2, RescaleIntercept=-10)],
    )
    frames = [item(PlanePositionSequence=[item(ImagePositionPatient=[0, 0, place])]) for place in places]
    about = {
        "NumberOfFrames": 4,
        "SharedFunctionalGroupsSequence": [shared],
        "PerFrameFunctionalGroupsSequence": frames,
        "PixelSpacing": None,
        "ImageOrientationPatient": None,
    }
    save_dicom(tmp_path / "enhanced.dcm", CT[:4], **about)
    for source in (tmp_path / "enhanced.dcm", tmp_path):
        with open_recording(source) as recording:
            assert (recording.axes, recording.shape) == ("ZYX", (4, 6, 8))
            assert recording.scale == {"Z": 3.0, "Y": 2.0, "X": 1.0}
            np.testing.assert_array_equal(recording.read({}), CT[[3, 1, 2, 0]].astype(int) * 2 - 10)


def test_compressed_series(tmp_path: Path) -> None:
    save_series(tmp_path, [1.0 * n for n in range(4)], CT[:4])
    for file in tmp_path.iterdir():
        dataset = pydicom.dcmread(file)
        dataset.compress(pydicom.uid.RLELossless)
        dataset.save_as(file)
    with open_recording(tmp_path) as recording:
        np.testing.assert_array_equal(recording.read({}), CT[:4])


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("name", ["scan.dat", "scan", "scan.nii.gz", "packed.nii"])
def test_nifti_is_told_by_its_content_not_its_name(name: str, kind: Any, tmp_path: Path) -> None:
    nibabel.save(kind(VOXELS, np.eye(4)), tmp_path / "a.nii")
    content = (tmp_path / "a.nii").read_bytes()
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if name == "packed.nii" else content)
    with open_recording(path) as recording:
        np.testing.assert_array_equal(recording.read({}), VOXELS.T)


def test_dicom_of_real_numbers_keeps_them(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(3, 6, 8)).astype(np.float32)
    save_series(tmp_path, [0.0, 1.0, 2.0])
    for path in tmp_path.iterdir():
        image = pydicom.dcmread(path)
        image.FloatPixelData, image.BitsAllocated = values[image.InstanceNumber - 1].tobytes(), 32
        for name in ("PixelData", "BitsStored", "HighBit", "PixelRepresentation"):
            delattr(image, name)
        image.save_as(path)
    with open_recording(tmp_path) as recording:
        assert recording.dtype == np.float32
        np.testing.assert_array_equal(recording.read({}), values)


@pytest.mark.parametrize("bits", [8, 16])
def test_dicom_with_a_palette_has_its_colours(bits: int, tmp_path: Path) -> None:
    stored = np.random.default_rng(0).integers(0, 256, (4, 6, 8)).astype(np.uint8)
    palette = np.random.default_rng(1).integers(0, 2**bits, (3, 256)).astype(f"<u{bits // 8}")
    tables = {}
    for name, column in zip(("Red", "Green", "Blue"), palette, strict=True):
        tables[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, bits]
        tables[f"{name}PaletteColorLookupTableData"] = column.tobytes()
    about = {"PhotometricInterpretation": "PALETTE COLOR", "NumberOfFrames": 4, "Modality": "US"}
    save_dicom(tmp_path / "film.dcm", stored, **about, **tables)
    with open_recording(tmp_path / "film.dcm") as recording:
        assert (recording.axes, recording.dtype) == ("TYXS", np.uint8)
        np.testing.assert_array_equal(recording.read({}), np.moveaxis(palette, 0, -1)[stored] >> (bits - 8))


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_nifti_pair_is_one_recording_whichever_file_is_named(suffix: str, tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Pair(VOXELS, np.eye(4)), tmp_path / f"a.img{suffix}")
    prints = []
    for name in (f"a.hdr{suffix}", f"a.img{suffix}"):
        with open_recording(tmp_path / name) as recording:
            np.testing.assert_array_equal(recording.read({}), VOXELS.T)
            prints.append(recording.fingerprint())
    assert prints[0] == prints[1]
    nibabel.save(nibabel.Nifti1Pair(VOXELS + 1, np.eye(4)), tmp_path / f"a.img{suffix}")
    with open_recording(tmp_path / f"a.hdr{suffix}") as recording:
        assert recording.fingerprint()["sample"] != prints[0]["sample"]
