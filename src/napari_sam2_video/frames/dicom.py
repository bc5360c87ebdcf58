"""DICOM series: sorted by where the slices lie, in Hounsfield units where the files say how."""

from __future__ import annotations

import threading
import warnings
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.errors import FrameError, RecordingError
from napari_sam2_video.frames.dicom_order import Slice, arrange, slices_of
from napari_sam2_video.frames.fingerprint import files_fingerprint
from napari_sam2_video.frames.folder import natural_key
from napari_sam2_video.frames.recording import PlanesRecording
from napari_sam2_video.frames.volume import DICOM_HEAD, is_dicom

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

_TAGS = [
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "BitsStored",
    "BitsAllocated",
    "PixelRepresentation",
    "PhotometricInterpretation",
    "NumberOfFrames",
    "SeriesInstanceUID",
    "SeriesDescription",
    "Modality",
    "InstanceNumber",
    "AcquisitionNumber",
    "TemporalPositionIdentifier",
    "TriggerTime",
    "AcquisitionTime",
    "FrameTime",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "ImagerPixelSpacing",
    "RescaleSlope",
    "RescaleIntercept",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
]
_PALETTE = [
    *(0x00281101 + n for n in range(3)),
    *(0x00281201 + n for n in range(3)),
    *(0x00281221 + n for n in range(3)),
]
_WHOLE_NUMBERS = {*_TAGS[:6], "NumberOfFrames"}


def open_series(path: Path) -> DicomRecording:
    """Open the one series of a folder, or the one that a file belongs to.

    Raises
    ------
    RecordingError
        If there are several, or their images do not fit together.
    """
    folder = path if path.is_dir() else path.parent
    wanted = None if path.is_dir() else _header(path)
    if wanted is not None and int(getattr(wanted, "NumberOfFrames", 1) or 1) > 1:
        return _recording(path, [(path, wanted)])
    series: dict[str, list[tuple[Path, Any]]] = defaultdict(list)
    for file in sorted(folder.iterdir(), key=lambda item: natural_key(item.name)):
        header = _header(file) if file.is_file() else None
        if header is not None:
            series[str(getattr(header, "SeriesInstanceUID", ""))].append((file, header))
    if wanted is not None:
        return _recording(path, series[str(getattr(wanted, "SeriesInstanceUID", ""))])
    if not series:
        raise RecordingError(f"The DICOM files of {folder} hold no images; choose the folder of an image series.")
    images = [files for files in series.values() if getattr(files[0][1], "Modality", "") != "SEG"] or [*series.values()]
    several = [files for files in images if _frames(files) > 1] or images
    if len(several) > 1:
        found = "; ".join(_described(files) for files in several)
        raise RecordingError(f"{folder} holds {len(several)} series ({found}); open one file of the one you want.")
    recording = _recording(path, several[0])
    others = [files for files in series.values() if files is not several[0]]
    if others:
        left_out = "; ".join(_described(files) for files in others)
        recording.notes = (
            *recording.notes,
            f"Single images and segmentations of other series are left out: {left_out}.",
        )
    return recording


def _header(file: Path) -> Any:
    import pydicom

    with file.open("rb") as stream:
        if not is_dicom(stream.read(DICOM_HEAD)):
            return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=_TAGS, force=True)
            for name in _TAGS:
                value = getattr(header, name, None)
                if name in _WHOLE_NUMBERS:
                    int(value or 0)
    except Exception as error:
        raise RecordingError(f"{file} is a damaged DICOM file ({error}); remove it or copy it again.") from error
    return header if "Rows" in header and "Columns" in header else None


def _frames(files: list[tuple[Path, Any]]) -> int:
    return sum(int(getattr(header, "NumberOfFrames", 1) or 1) for _, header in files)


def _described(files: list[tuple[Path, Any]]) -> str:
    file, header = files[0]
    title = str(getattr(header, "SeriesDescription", "") or getattr(header, "Modality", "") or "unnamed")
    return f"{title}: {_frames(files)} images, such as {file.name}"


def _recording(path: Path, files: list[tuple[Path, Any]]) -> DicomRecording:
    header = files[0][1]
    for file, other in files:
        kind = _Kind.of(other)
        if kind != _Kind.of(header):
            raise RecordingError(
                f"{file} is {kind}, but {files[0][0].name} of the same series is {_Kind.of(header)}; put them into "
                "folders of their own."
            )
    try:
        slices = [part for file, other in files for part in slices_of(file, other)]
        return DicomRecording(path, header, slices)
    except (ValueError, TypeError, AttributeError, IndexError, OverflowError) as error:
        raise RecordingError(f"The DICOM series {path} has a damaged header ({error}); export it again.") from error


@dataclass(frozen=True)
class _Kind:
    """What all images of a series must share."""

    rows: int
    columns: int
    samples: int

    @classmethod
    def of(cls, header: Any) -> _Kind:
        rows, columns = int(header.Rows or 0), int(header.Columns or 0)
        return cls(rows, columns, int(getattr(header, "SamplesPerPixel", 1) or 1))

    def __str__(self) -> str:
        return f"{self.rows} × {self.columns}{' RGB' if self.samples == 3 else ''}"


class DicomRecording(PlanesRecording):
    """A series: ``ZYX``; ``TZYX`` where each place was imaged several times; ``TYX`` where the place is unknown.

    `affine` maps (column, row, slice) to the world in mm with axes right, anterior and superior, as in NIfTI.
    """

    def __init__(self, path: Path, header: Any, slices: list[Slice]) -> None:
        order = arrange(path, slices, str(getattr(header, "Modality", "")))
        self._slices = order.slices
        kind = _Kind.of(header)
        photometric = str(getattr(header, "PhotometricInterpretation", ""))
        self._palette = photometric == "PALETTE COLOR"
        colour = kind.samples == 3 or self._palette
        plane: tuple[int, ...] = (kind.rows, kind.columns, 3) if colour else (kind.rows, kind.columns)
        self.plane_ndim = len(plane)
        notes = list(order.notes)
        if photometric == "MONOCHROME1":
            notes.append("The values are stored inverted (MONOCHROME1): high ones are dark in a viewer of X-rays.")
        super().__init__(
            name=str(getattr(header, "SeriesDescription", "") or "").strip() or path.stem,
            axes=order.axes + ("YXS" if colour else "YX"),
            shape=(*order.shape, *plane),
            dtype=np.uint8 if self._palette else _value_type(header, slices),
            scale=order.scale,
            units=order.units,
            path=path,
            notes=tuple(notes),
            affine=order.affine,
            metadata={
                "format": "dicom",
                "Modality": str(getattr(header, "Modality", "")),
                "SeriesInstanceUID": str(getattr(header, "SeriesInstanceUID", "")),
            },
        )
        self._lock = threading.Lock()

    def _plane(self, number: int, rows: slice) -> npt.NDArray[Any]:
        part = self._slices[number]
        try:
            with self._lock, warnings.catch_warnings():
                warnings.simplefilter("ignore")
                values = _coloured(part) if self._palette else _pixels(part)
        except Exception as error:
            first = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise FrameError(
                f"The image {part.file} cannot be decoded ({first}); copy it again, or install pylibjpeg for "
                "its compression."
            ) from error
        if values.shape != self.shape[-self.plane_ndim :]:
            raise FrameError(f"The image {part.file} changed its size since it was opened; open the series again.")
        values = values[rows]
        if self._palette or (part.slope, part.intercept) == (1.0, 0.0):
            return np.asarray(values)
        if self.dtype.kind == "f":
            return values * np.float32(part.slope) + np.float32(part.intercept)
        return values.astype(np.int64) * int(part.slope) + int(part.intercept)

    def _source(self) -> dict[str, Any]:
        assert self.path is not None
        files = list(dict.fromkeys(part.file for part in self._slices))
        folder = self.path if self.path.is_dir() else self.path.parent
        return files_fingerprint(folder, files) | {"path": str(self.path.absolute())}


def _pixels(part: Slice, about: Any = None) -> npt.NDArray[Any]:
    """Stored values of one image; `about` takes what its file says of them."""
    from pydicom.pixels.utils import pixel_array

    unsaid: dict[str, Any] = {} if part.syntax is None else {"transfer_syntax_uid": part.syntax}
    return pixel_array(part.file, index=part.frame, ds_out=about, specific_tags=_PALETTE, **unsaid)


def _coloured(part: Slice) -> npt.NDArray[np.uint8]:
    """Colours of an image whose values are places in a palette, 8 bits each."""
    import pydicom
    from pydicom.pixels.processing import apply_color_lut

    about = pydicom.Dataset()
    values = apply_color_lut(_pixels(part, about), about)
    return np.asarray(values >> 8 if values.dtype == np.uint16 else values, np.uint8)


def _value_type(header: Any, slices: list[Slice]) -> np.dtype[Any]:
    """Smallest type that holds every value after rescaling."""
    bits = int(getattr(header, "BitsStored", 0) or 0)
    if bits == 0:  # only images of real numbers do not say
        return np.dtype(np.float64 if int(getattr(header, "BitsAllocated", 0) or 0) == 64 else np.float32)
    signed = bool(int(getattr(header, "PixelRepresentation", 0) or 0))
    rescalings = {(part.slope, part.intercept) for part in slices}
    if any(slope != int(slope) or intercept != int(intercept) for slope, intercept in rescalings):
        return np.dtype(np.float32)
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    ends = [slope * end + intercept for slope, intercept in rescalings for end in (low, high)]
    for name in ("u1", "u2", "i2", "i4"):
        limits = np.iinfo(name)
        if limits.min <= min(ends) and max(ends) <= limits.max:
            return np.dtype(name)
    return np.dtype(np.float32)
