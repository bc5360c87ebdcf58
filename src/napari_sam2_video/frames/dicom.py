"""DICOM series: slices sorted by position, values in Hounsfield units if the files define them."""

from __future__ import annotations

import threading
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.errors import FrameError, RecordingError, first_line
from napari_sam2_video.frames.compressed_file import GZIP_MAGIC, unpacked_head
from napari_sam2_video.frames.dicom_codecs import check_decodable, register
from napari_sam2_video.frames.dicom_files import DICOM_HEAD, is_dicom, is_dicom_folder
from napari_sam2_video.frames.dicom_order import arrange
from napari_sam2_video.frames.dicom_pixels import PALETTE, read_values, value_type
from napari_sam2_video.frames.dicom_series import Series, damage, find_series
from napari_sam2_video.frames.dicom_times import clip_times
from napari_sam2_video.frames.fingerprint import files_fingerprint
from napari_sam2_video.frames.planes_recording import PlanesRecording
from napari_sam2_video.frames.reader import Reader, need
from napari_sam2_video.frames.window import HOUNSFIELD

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from napari_sam2_video.frames.dicom_slices import Slice

_VOLUMES = ("CT", "MR", "PT", "NM", "RTDOSE")
_AIR = -900
"""Hounsfield units must allow values as low as this: that of air, apart from noise."""
_SLICE_VECTOR, _CHANNEL_VECTORS = 0x00540080, {0x00540010, 0x00540020}


def open_dicom(path: Path, series: int | str | None = None) -> DicomRecording:
    """Open a series of a folder or DICOMDIR, or the one that a file belongs to.

    Parameters
    ----------
    path : Path
        Folder, or a file in it.
    series : int or str, optional
        Index or name of the series, if there are several.

    Raises
    ------
    RecordingError
        If there is no series, there are several and none was chosen, no installed package decodes it, or pydicom is
        missing.
    """
    need("pydicom", path)
    if path.is_file():
        with path.open("rb") as stream:
            packed = stream.read(2) == GZIP_MAGIC
        if packed:
            raise RecordingError(f"{path} is a compressed DICOM file; unpack it (gunzip), then open it or its folder.")
    register()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = find_series(path, series)
        for syntax, file in {part.syntax: part.file for part in found.slices}.items():
            check_decodable(syntax, file.name)
        try:
            return DicomRecording(path, found)
        except Exception as error:
            raise RecordingError(damage(found.files[0], error)) from error


class DicomRecording(PlanesRecording):
    """A series: ``ZYX``; ``TZYX`` if each position was imaged several times; ``TYX`` if positions are unknown.

    `affine` maps (column, row, slice) to the world in mm with axes right, anterior and superior, as in NIfTI.
    """

    def __init__(self, path: Path, series: Series) -> None:
        header = series.header
        times, timing = clip_times(header, len(series.slices))
        order = arrange(series.slices, _letter(header, times.interval), times)
        self._slices = order.slices
        rows, columns, samples = series.slices[0].size
        palette = series.slices[0].photometric == PALETTE
        colour = samples == 3 or palette
        plane: tuple[int, ...] = (rows, columns, 3) if colour else (rows, columns)
        self.plane_ndim = len(plane)
        timing = timing if "T" in order.axes and order.scale.get("T") == times.interval else []
        super().__init__(
            name=series.title or path.stem,
            axes=order.axes + ("YXS" if colour else "YX"),
            shape=(*order.shape, *plane),
            dtype="u1" if palette else value_type(series.slices),
            scale=order.scale,
            units={
                letter: "s" if letter == "T" else "mm" if letter == "Z" or series.slices[0].spacing else None
                for letter in order.scale
            },
            times=order.times,
            path=path,
            notes=(*series.notes, *order.notes, *timing, *_value_notes(header)),
            affine=order.affine,
            metadata={
                "format": "dicom",
                "Modality": str(header.get("Modality", "")),
                "SeriesInstanceUID": series.uid,
                HOUNSFIELD: _is_in_hounsfield(header, series.slices[0]),
            },
        )
        self._lock = threading.Lock()

    def _plane(self, number: int, rows: slice) -> npt.NDArray[Any]:
        part = self._slices[number]
        if part is None:
            raise FrameError(f"Image {number} of {self.name} is missing: its file is not in {self._folder}.")
        try:
            with self._lock, warnings.catch_warnings():
                warnings.simplefilter("ignore")
                values: npt.NDArray[np.generic] = read_values(part, self.dtype)
        except Exception as error:
            raise FrameError(
                f"The image {part.file} cannot be decoded ({first_line(error)}); copy it again."
            ) from error
        if values.shape != self.shape[-self.plane_ndim :]:
            raise FrameError(f"The image {part.file} has changed size since it was opened; open the series again.")
        return values[rows]

    @property
    def _folder(self) -> Path:
        assert self.path is not None
        return self.path if self.path.is_dir() else self.path.parent

    def _source(self) -> dict[str, Any]:
        assert self.path is not None
        files = list(dict.fromkeys(part.file for part in self._slices if part is not None))
        return files_fingerprint(self._folder, files) | {"path": str(self.path.absolute())}


def _is_in_hounsfield(header: Any, first: Slice) -> bool:
    """Whether values are Hounsfield units: from a CT scan, not its scout view, with a range that includes air."""
    kinds = {str(kind).upper() for kind in np.atleast_1d(np.array(header.get("ImageType") or [], object))}
    unit = str(header.get("RescaleType") or "HU").strip().upper()
    if header.get("Modality") != "CT" or unit != "HU" or "LOCALIZER" in kinds or first.lookup:
        return False
    return first.values is not None and first.values[0] * first.slope + first.intercept <= _AIR


def _value_notes(header: Any) -> list[str]:
    notes = []
    if header.get("PhotometricInterpretation") == "MONOCHROME1":
        notes.append("The values are stored inverted (MONOCHROME1): X-ray viewers show high values dark.")
    if header.get("PixelSpacing") is None and header.get("ImagerPixelSpacing") is not None:
        notes.append(
            "The pixel size applies at the detector: structures nearer to the X-ray source are smaller than it "
            "suggests."
        )
    return notes


def _letter(header: Any, interval: float | None) -> str:
    """Axis of images that do not state their position."""
    pointer = header.get("FrameIncrementPointer")
    pointers = {int(tag) for tag in np.atleast_1d(np.array(pointer or [], np.int64))}
    if _SLICE_VECTOR in pointers:
        return "Z"
    if pointers and pointers <= _CHANNEL_VECTORS:
        return "C"
    if interval is not None:
        return "T"
    return "Z" if header.get("Modality") in _VOLUMES else "T"


READER = Reader(
    name="DICOM",
    patterns=("*.dcm", "*.dicom"),
    matches=lambda head, path: is_dicom_folder(path) if head is None else is_dicom(unpacked_head(head, DICOM_HEAD)),
    open=open_dicom,
    has_series=True,
)
