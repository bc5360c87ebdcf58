from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from napari_sam2_video.api.options import SessionOptions
from napari_sam2_video.api.sessions import window_of
from napari_sam2_video.errors import FrameError, RecordingError, SessionError
from napari_sam2_video.frames import dicom_files
from napari_sam2_video.frames.dicom_files import is_dicom
from napari_sam2_video.frames.open import open_recording
from napari_sam2_video.frames.view import FrameView, default_view
from napari_sam2_video.session import Session
from napari_sam2_video.types import CT_WINDOWS
from tests.frames.dicoms import CT, item, remove_mark, save_dicom, save_series

nibabel = pytest.importorskip("nibabel.testing") and pytest.importorskip("nibabel")
pydicom = pytest.importorskip("pydicom")

if TYPE_CHECKING:
    from pathlib import Path


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


def test_a_ct_scan_is_seen_in_the_window_of_soft_tissue_unless_told_otherwise(tmp_path: Path) -> None:
    save_series(tmp_path, [2.5 * n for n in range(10)], RescaleSlope=1, RescaleIntercept=-1024, BitsStored=12)
    with open_recording(tmp_path) as recording:
        assert default_view(recording, window="percentile").window.source == "percentile"
        assert default_view(recording, window=CT_WINDOWS["lung"]).window == CT_WINDOWS["lung"]
        assert recording.notes == ()
        assert default_view(recording).window == CT_WINDOWS["abdomen"]
        assert len(recording.notes) == 1
        assert "soft-tissue window (-160 to 240 HU)" in recording.notes[0]


def test_a_session_of_a_ct_scan_keeps_its_window(tmp_path: Path) -> None:
    (tmp_path / "scan").mkdir()
    save_series(tmp_path / "scan", [2.5 * n for n in range(10)], RescaleSlope=1, RescaleIntercept=-1024, BitsStored=12)
    all_values = SessionOptions.from_text({"contrast": "percentile"})
    with open_recording(tmp_path / "scan") as recording:
        assert window_of("Percentile") == "percentile"
        with Session.create(tmp_path / "a.sam2v", recording, all_values.view_of(recording)) as session:
            assert session.view.settings.window.source == "percentile"
            all_values.settle(session)
            SessionOptions().settle(session)
            with pytest.raises(SessionError, match="with contrast -160,240"):
                SessionOptions.from_text({"contrast": "abdomen"}).settle(session)
        with Session.create(tmp_path / "b.sam2v", recording, SessionOptions().view_of(recording)) as session:
            assert session.provenance()["view"]["window"]["source"] == "preset:abdomen"
            SessionOptions.from_text({"contrast": "abdomen"}).settle(session)
            with pytest.raises(SessionError, match="with contrast percentile: the session has preset:abdomen"):
                all_values.settle(session)


@pytest.mark.parametrize(
    "values",
    [
        {"Modality": "MR"},
        {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
        {"RescaleType": "US"},
        {"RescaleIntercept": 0},
    ],
    ids=["another modality", "a scout view", "other units", "nothing as low as air"],
)
def test_what_is_not_in_hounsfield_units_is_seen_by_percentiles(values: dict[str, Any], tmp_path: Path) -> None:
    about = {"RescaleSlope": 1, "RescaleIntercept": -1024, "BitsStored": 12} | values
    save_series(tmp_path, [2.5 * n for n in range(10)], **about)
    with open_recording(tmp_path) as recording:
        assert default_view(recording).window.source == "percentile"
        assert recording.notes == ()


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


def test_a_coloured_clip_without_the_mark(tmp_path: Path) -> None:
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
    monkeypatch.setattr(dicom_files, "holds_dicom", lambda path: bool(asked.append(path)))
    assert not dicom_files.is_dicom_folder(tmp_path)
    assert len(asked) == len(set(asked)) <= 160
    assert asked[-1].name > "a0980.txt"


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="permissions do not bind this user")
def test_a_file_that_may_not_be_read_does_not_spoil_a_folder_of_images(tmp_path: Path) -> None:
    for number in range(3):
        Image.fromarray(np.full((6, 8), number, np.uint8)).save(tmp_path / f"b{number:02d}.png")
    (tmp_path / "a.txt").touch(mode=0)
    with open_recording(tmp_path) as recording:
        assert recording.shape == (3, 6, 8)


def test_fractional_rescaling_gives_real_numbers(tmp_path: Path) -> None:
    save_series(tmp_path, [1.0 * n for n in range(10)], RescaleSlope=0.5, RescaleIntercept=3, Modality="PT")
    with open_recording(tmp_path) as recording:
        assert recording.dtype == np.float32
        np.testing.assert_allclose(recording.read({}), CT * 0.5 + 3)


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
    nibabel.save(nibabel.Nifti1Image(CT, np.eye(4)), tmp_path / "a.nii")
    source = tmp_path / ("a.nii" if package == "nibabel" else "a.dcm")
    monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(RecordingError, match=rf"needs the package {package}; install it with: pip install"):
        open_recording(source)


def test_compressed_series(tmp_path: Path) -> None:
    save_series(tmp_path, [1.0 * n for n in range(4)], CT[:4])
    for file in tmp_path.iterdir():
        dataset = pydicom.dcmread(file)
        dataset.compress(pydicom.uid.RLELossless)
        dataset.save_as(file)
    with open_recording(tmp_path) as recording:
        np.testing.assert_array_equal(recording.read({}), CT[:4])


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


def test_a_file_with_a_tiff_preamble_is_dicom(tmp_path: Path) -> None:
    save_series(tmp_path, [0.0, 1.0, 2.0])
    for path in tmp_path.iterdir():
        path.write_bytes(b"II*\0\x08\0\0\0" + bytes(120) + path.read_bytes()[128:])
    for source in (tmp_path, path):
        with open_recording(source) as recording:
            np.testing.assert_array_equal(recording.read({}), CT[:3])


def encapsulated(path: Path, syntax: str, frames: list[bytes], **values: Any) -> None:
    """Write compressed images in place of the pixels of a file."""
    image = pydicom.dcmread(path)
    image.file_meta.TransferSyntaxUID = syntax
    for name, value in values.items():
        setattr(image, name, value)
    image.PixelData = pydicom.encaps.encapsulate(frames)
    image["PixelData"].VR, image["PixelData"].is_undefined_length = "OB", True
    image.save_as(path)


@pytest.mark.parametrize(
    ("syntax", "signed", "bits"),
    [
        ("JPEGLossless", False, 16),
        ("JPEGLosslessSV1", False, 16),
        ("JPEGLosslessSV1", True, 16),
        ("JPEGLosslessSV1", False, 12),
        ("JPEGLosslessSV1", True, 12),
    ],
)
def test_lossless_jpeg_is_decoded(syntax: str, signed: bool, bits: int, tmp_path: Path) -> None:
    imagecodecs = pytest.importorskip("imagecodecs")
    stored = CT[0]
    meant = stored.astype(np.int32) - 2**bits * (signed & (stored >= 2 ** (bits - 1)))
    save_dicom(tmp_path / "a.dcm", stored, PixelRepresentation=int(signed), BitsStored=bits, HighBit=bits - 1)
    packed = imagecodecs.ljpeg_encode(stored, bitspersample=bits)
    encapsulated(tmp_path / "a.dcm", getattr(pydicom.uid, syntax), [packed])
    with open_recording(tmp_path / "a.dcm") as recording:
        np.testing.assert_array_equal(recording.read({})[0], meant)


def test_jpeg_of_twelve_bits_is_decoded(tmp_path: Path) -> None:
    imagecodecs = pytest.importorskip("imagecodecs")
    packed = imagecodecs.jpeg_encode(CT[0] % 4096, level=100, bitspersample=12)
    save_dicom(tmp_path / "a.dcm", CT[0], BitsStored=12, HighBit=11)
    encapsulated(tmp_path / "a.dcm", pydicom.uid.JPEGExtended12Bit, [packed])
    with open_recording(tmp_path / "a.dcm") as recording:
        np.testing.assert_array_equal(recording.read({})[0], imagecodecs.jpeg_decode(packed))


@pytest.mark.parametrize(
    ("syntax", "remedy"),
    [
        ("HTJ2KLossless", "pip install pylibjpeg pylibjpeg-openjpeg"),
        ("JPEG2000Lossless", "pip install pylibjpeg pylibjpeg-openjpeg"),
        ("JPEGLSLossless", "pip install pyjpegls"),
        ("JPEGXLLossless", "convert it to an uncompressed file"),
        ("MPEG4HP41", "holds a video .*; extract it"),
    ],
)
def test_a_compression_that_nothing_installed_decodes_names_the_package_that_does(
    syntax: str, remedy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uid = getattr(pydicom.uid, syntax, pydicom.uid.HTJ2KLossless)
    save_dicom(tmp_path / "a.dcm", CT[0])
    encapsulated(tmp_path / "a.dcm", uid, [b"abcd"])
    if syntax == "JPEGXLLossless":  # which pydicom does not know yet
        content = (tmp_path / "a.dcm").read_bytes()
        (tmp_path / "a.dcm").write_bytes(content.replace(uid.encode(), b"1.2.840.10008.1.2.4.110"))
    elif syntax != "MPEG4HP41":
        monkeypatch.setattr(type(pydicom.pixels.get_decoder(uid)), "is_available", False)
    with pytest.raises(RecordingError, match=remedy):
        open_recording(tmp_path / "a.dcm")


def test_values_of_twelve_bits_without_gaps(tmp_path: Path) -> None:
    stored = (CT[:3] % 4096).reshape(3, -1)
    low, high = stored[:, ::2], stored[:, 1::2]
    packed = np.stack([low & 255, low >> 8 | (high & 15) << 4, high >> 4], -1).astype(np.uint8)
    save_dicom(tmp_path / "a.dcm", CT[:3], NumberOfFrames=3, BitsAllocated=12, BitsStored=12, HighBit=11)
    image = pydicom.dcmread(tmp_path / "a.dcm")
    image.PixelData = packed.tobytes()
    image.save_as(tmp_path / "a.dcm")
    with open_recording(tmp_path / "a.dcm") as recording:
        np.testing.assert_array_equal(recording.read({}), CT[:3] % 4096)


def test_values_of_a_table_are_looked_up(tmp_path: Path) -> None:
    table = np.arange(255, -1, -1, dtype=np.uint16) * 257
    lookup = item(LUTDescriptor=[256, 0, 16], ModalityLUTType="HU", LUTData=table.tobytes())
    stored = (CT[:3] % 256).astype(np.uint8)
    save_dicom(tmp_path / "a.dcm", stored, NumberOfFrames=3, ModalityLUTSequence=[lookup])
    with open_recording(tmp_path / "a.dcm") as recording:
        assert recording.dtype == np.uint16
        np.testing.assert_array_equal(recording.read({}), table[stored])


@pytest.mark.parametrize("syntax", ["ExplicitVRBigEndian", "DeflatedExplicitVRLittleEndian", "ImplicitVRLittleEndian"])
def test_every_encoding_of_a_data_set(syntax: str, tmp_path: Path) -> None:
    save_series(tmp_path, [0.0, 1.0, 2.0], CT[:3].astype(np.int16), PixelRepresentation=1, RescaleIntercept=-5)
    for path in tmp_path.iterdir():
        image = pydicom.dcmread(path)
        if syntax == "ExplicitVRBigEndian":
            image.PixelData = image.pixel_array.astype(">i2").tobytes()
        image.file_meta.TransferSyntaxUID = getattr(pydicom.uid, syntax)
        implicit, little = syntax.startswith("Implicit"), not syntax.endswith("BigEndian")
        pydicom.dcmwrite(path, image, implicit_vr=implicit, little_endian=little, force_encoding=True)
    with open_recording(tmp_path) as recording:
        np.testing.assert_array_equal(recording.read({}), CT[:3].astype(int) - 5)


def test_files_of_one_series_that_store_their_values_differently(tmp_path: Path) -> None:
    save_dicom(tmp_path / "a", CT[0], ImagePositionPatient=[0, 0, 0])
    signed = CT[1].astype(np.int16) - 3000
    save_dicom(tmp_path / "b", signed, ImagePositionPatient=[0, 0, 1], RescaleSlope=2, RescaleIntercept=1)
    with open_recording(tmp_path) as recording:
        np.testing.assert_array_equal(recording.read({}), [CT[0], signed.astype(int) * 2 + 1])


def test_a_file_without_pixels_is_an_error_of_that_slice_only(tmp_path: Path) -> None:
    save_series(tmp_path, [0.0, 1.0, 2.0])
    victim = next(path for path in tmp_path.iterdir() if pydicom.dcmread(path).InstanceNumber == 2)
    image = pydicom.dcmread(victim)
    del image.PixelData
    image.save_as(victim)
    with open_recording(tmp_path) as recording:
        np.testing.assert_array_equal(recording.read({"Z": 2}), CT[2])
        with pytest.raises(FrameError, match=f"{victim.name} cannot be decoded"):
            recording.read({"Z": 1})


def test_a_mosaic_is_cut_into_the_slices_of_a_volume(tmp_path: Path) -> None:
    dicomwrappers = pytest.importorskip("nibabel.nicom.dicomwrappers")
    source = nibabel.testing.data_path / "0.dcm" if hasattr(nibabel, "testing") else None
    if source is None or not source.is_file():
        pytest.skip("this nibabel ships no mosaic")
    for number in range(2):
        image = pydicom.dcmread(source)
        image.Rows = image.Columns = 7 * 36
        pixels = np.random.default_rng(number).integers(0, 4096, (7 * 36, 7 * 36)).astype(np.uint16)
        image.PixelData, image.InstanceNumber, image.SOPInstanceUID = pixels.tobytes(), number + 1, f"1.2.{number}"
        image.save_as(tmp_path / f"{number}.dcm")
    with open_recording(tmp_path) as recording:
        assert (recording.axes, recording.shape) == ("TZYX", (2, 48, 36, 36))
        for number in range(2):
            wrapper = dicomwrappers.wrapper_from_file(tmp_path / f"{number}.dcm")
            np.testing.assert_array_equal(recording.read({"T": number}), wrapper.get_data().transpose(2, 0, 1))
        assert [recording.scale[letter] for letter in "YXZ"] == pytest.approx(wrapper.voxel_sizes, rel=1e-5)
        assert recording.affine is not None
        expected = np.diag([-1.0, -1, 1, 1]) @ wrapper.affine
        np.testing.assert_allclose(recording.affine, expected[:, [1, 0, 2, 3]], atol=1e-3)


def test_a_whole_slide_image_is_refused_truly(tmp_path: Path) -> None:
    save_dicom(tmp_path / "a.dcm", CT[:3], NumberOfFrames=3, SOPClassUID="1.2.840.10008.5.1.4.1.1.77.1.6")
    with pytest.raises(RecordingError, match=r"a\.dcm is a whole-slide image"):
        open_recording(tmp_path / "a.dcm")
