"""Files that other packages test themselves with: each opens as its own library reads it, or is refused truly."""

from __future__ import annotations

import importlib
import importlib.util
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_sam2_video.errors import FrameError, RecordingError
from napari_sam2_video.frames.alpha import on_white
from napari_sam2_video.frames.dicom import DicomRecording
from napari_sam2_video.frames.open import open_recording

NO_DATA = {".py", ".pyc", ".pyi", ".typed"}
Check = Callable[[Path], None]


def shipped(package: str, *folders: str) -> list[Path]:
    """Files of a package's folder; empty if the package is not installed or ships none."""
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        return []
    root = Path(found.origin).parent.joinpath(*folders)
    return sorted(path for path in root.rglob("*") if path.is_file() and path.suffix not in NO_DATA)


def wrong_ones(files: list[Path], check: Check) -> dict[str, str]:
    """What is wrong with each file that does not pass."""
    wrong = {}
    for path in files:
        try:
            check(path)
        except Exception as error:
            wrong[path.name] = f"{type(error).__name__}: {error}"[:500]
    return wrong


def refusal_of(path: Path) -> str:
    try:
        with open_recording(path) as recording:
            return f"it opens, {recording.shape}"
    except RecordingError as error:
        return str(error)


def assert_refused(path: Path) -> None:
    """Opening a file fails with one sentence that names it."""
    text = refusal_of(path)
    assert "\n" not in text
    assert text.endswith(".")
    assert path.name in text


def spread(count: int) -> list[int]:
    return sorted({0, count // 2, count - 1})


def dicom_frame(path: Path, header: Any, frame: int) -> np.ndarray:
    """One image as pydicom reads it, in the values that the header says it means."""
    import pydicom
    from pydicom.pixels.processing import apply_color_lut, apply_modality_lut
    from pydicom.pixels.utils import pixel_array

    syntax = header.file_meta.get("TransferSyntaxUID", pydicom.uid.ImplicitVRLittleEndian)
    source = pydicom.dcmread(path) if syntax == pydicom.uid.DeflatedExplicitVRLittleEndian else path
    values = pixel_array(source, index=frame, transfer_syntax_uid=syntax)
    if header.PhotometricInterpretation == "PALETTE COLOR":
        values = apply_color_lut(values, header)
        return values >> 8 if values.dtype == np.uint16 else values
    own, shared = header.get("PerFrameFunctionalGroupsSequence"), header.get("SharedFunctionalGroupsSequence")
    for group in [*(own or [])[frame : frame + 1], *(shared or [])]:
        for about in group.get("PixelValueTransformationSequence") or []:
            return values * float(about.RescaleSlope) + float(about.RescaleIntercept)
    if header.get("Modality") == "RTDOSE":
        return values * float(header.DoseGridScaling)
    return apply_modality_lut(values, header)


def check_dicom(path: Path) -> None:
    pydicom = importlib.import_module("pydicom")
    header = pydicom.dcmread(path, force=True, stop_before_pixels=True)
    if path.name.startswith("DICOMDIR") and header.DirectoryRecordSequence:
        listed = any(record.get("ReferencedFileID") for record in header.DirectoryRecordSequence)
        assert re.search(
            r"holds \d series|lists are not images" if listed else "lists are not images", refusal_of(path)
        )
        return
    try:
        frames = int(header.get("NumberOfFrames") or 1)
    except ValueError:
        frames = 0
    if "Rows" not in header or frames == 0:
        assert_refused(path)
        return
    with open_recording(path) as recording:
        assert isinstance(recording, DicomRecording)
        own = {part.frame: n for n, part in enumerate(recording._slices) if part is not None and part.file == path}
        assert sorted(own) == list(range(frames))
        leading = recording.shape[: -recording.plane_ndim]
        for frame in spread(frames):
            at = dict(zip(recording.axes, map(int, np.unravel_index(own[frame], leading)), strict=False))
            try:
                expected = dicom_frame(path, header, frame)
            except Exception:
                assert path.name in frame_refusal(recording, at)
            else:
                np.testing.assert_allclose(recording.read(at), expected, rtol=1e-6)
        if header.get("PixelSpacing") and min(header.PixelSpacing) > 0:
            assert [recording.scale["Y"], recording.scale["X"]] == [float(size) for size in header.PixelSpacing]


def frame_refusal(recording: DicomRecording, at: dict[str, int]) -> str:
    try:
        recording.read(at)
    except FrameError as error:
        return str(error)
    return "it can be read"


def is_dicom_image(path: Path) -> bool:
    from napari_sam2_video.frames.dicom_files import holds_dicom

    return holds_dicom(path)


PYDICOM = [*shipped("pydicom", "data", "test_files"), *shipped("data_store")]
SKIMAGE = shipped("skimage", "data")
NIBABEL = shipped("nibabel", "tests", "data")
OTHERS = shipped("imageio")


def need(package: str, files: list[Path]) -> None:
    pytest.importorskip(package)
    if not files:
        pytest.skip(f"this {package} ships no files")


@pytest.mark.parametrize("part", range(6))
def test_the_files_of_pydicom_open_as_pydicom_reads_them(part: int) -> None:
    need("pydicom", PYDICOM)
    pytest.importorskip("pylibjpeg")
    files = [path for path in PYDICOM if is_dicom_image(path)][part::6]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert wrong_ones(files, check_dicom) == {}


def test_the_other_files_of_pydicom_are_refused() -> None:
    need("pydicom", PYDICOM)
    assert wrong_ones([path for path in PYDICOM if not is_dicom_image(path)], assert_refused) == {}


def check_nibabel(path: Path) -> None:
    nibabel = importlib.import_module("nibabel")
    if path.suffix == ".dcm":  # mosaics that nibabel cannot cut either
        assert_refused(path)
        return
    about: dict[str, Any] = {"permit_truncated": True} if path.suffix in (".PAR", ".REC") else {}
    try:
        image = nibabel.ecat.load(path) if path.suffix == ".v" else nibabel.load(path, **about)
        voxels = np.asanyarray(image.dataobj)
        assert not isinstance(image, nibabel.Cifti2Image)
        affine = image.affine
    except Exception:
        assert_refused(path)
        return
    minc = isinstance(image, nibabel.minc1.Minc1Image)
    sizes = nibabel.affines.voxel_sizes(affine)
    expected = voxels if minc else voxels.T
    while expected.ndim > 3 and expected.shape[0] == 1:
        expected = expected[0]
    with open_recording(path) as recording:
        assert recording.shape == expected.shape
        np.testing.assert_allclose(recording.read({}), expected, rtol=1e-5)
        assert [recording.scale[letter] for letter in ("ZYX" if minc else "XYZ")] == pytest.approx(sizes, rel=1e-6)
        assert recording.affine is not None
        np.testing.assert_array_equal(recording.affine, affine[:, [2, 1, 0, 3]] if minc else affine)
    if minc and hasattr(image.dataobj.minc_file._mincfile, "close"):
        image.dataobj.minc_file._mincfile.close()


def test_the_files_of_nibabel_open_as_nibabel_reads_them() -> None:
    need("nibabel", NIBABEL)
    pytest.importorskip("h5py")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert wrong_ones(NIBABEL, check_nibabel) == {}


def check_picture(path: Path) -> None:
    if path.suffix in (".txt", ".xml", ".npz"):
        assert_refused(path)
        return
    if path.suffix == ".npy":
        expected = np.load(path)
    elif path.suffix == ".tif":
        expected = importlib.import_module("tifffile").imread(path)
        expected = np.moveaxis(expected, 1, -1) if expected.ndim > 3 else expected
    elif path.suffix == ".png":
        expected = importlib.import_module("imagecodecs").png_decode(path.read_bytes())
    else:
        expected = importlib.import_module("imageio.v3").imread(path)
    with open_recording(path) as recording:
        found = recording.read({})
    if expected.ndim > 2 and expected.shape[-1] in (2, 4):
        expected = on_white(expected)
    np.testing.assert_array_equal(found[0] if found.ndim > expected.ndim else found, expected)


def test_the_files_of_skimage_open_as_their_libraries_read_them() -> None:
    need("skimage", SKIMAGE)
    pytest.importorskip("imageio")
    assert wrong_ones(SKIMAGE, check_picture) == {}


def test_the_files_of_imageio_open_as_their_libraries_read_them() -> None:
    need("imageio", OTHERS)
    assert wrong_ones(OTHERS, check_picture) == {}
