"""The images of one DICOM file: where each lies, how large its pixels are, what its values mean, when it was taken."""

from __future__ import annotations

import importlib
import math
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.errors import RecordingError
from napari_sam2_video.frames.dicom_files import DICOM_HEAD, is_dicom
from napari_sam2_video.frames.dicom_times import date_seconds

if TYPE_CHECKING:
    from pathlib import Path

TAGS: tuple[str | int, ...] = (
    *("Rows", "Columns", "SamplesPerPixel", "BitsAllocated", "BitsStored", "PixelRepresentation", "NumberOfFrames"),
    *("PhotometricInterpretation", "Modality", "ImageType", "SOPClassUID", "SOPInstanceUID", "ConcatenationUID"),
    *("SeriesInstanceUID", "SeriesDescription", "InstanceNumber", "EchoTime", "DiffusionBValue"),
    *("TemporalPositionIdentifier", "TriggerTime", "FrameReferenceTime", "AcquisitionNumber"),
    *("AcquisitionDateTime", "AcquisitionDate", "AcquisitionTime"),
    *("FrameIncrementPointer", "FrameTime", "FrameTimeVector", "CineRate", "RecommendedDisplayFrameRate"),
    *("ActualFrameDuration", "SliceVector", "GridFrameOffsetVector", "DetectorInformationSequence"),
    *("ImagePositionPatient", "ImageOrientationPatient", "SpacingBetweenSlices", "PixelSpacing"),
    *("ImagerPixelSpacing", "NominalScannedPixelSpacing", "EstimatedRadiographicMagnificationFactor"),
    *("SequenceOfUltrasoundRegions", "RescaleSlope", "RescaleIntercept", "ModalityLUTSequence", "DoseGridScaling"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
)
_CM, _FLAT = 3, 1
_MOST_BITS = 64
_WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
_SERIES_INSTANCE_UID = 0x0020000E


@dataclass(frozen=True)
class Slice:
    """One image of a series.

    Parameters
    ----------
    file, frame
        Where its values are: a file, and which of the file's images.
    size : tuple of int
        Rows, columns and samples of a pixel.
    values : tuple of float, optional
        Lowest and highest value that can be stored; None for real numbers.
    slope, intercept : float
        From stored values to those they mean.
    spacing : tuple of float, optional
        Distance of rows and of columns in mm; None where unknown.
    taken : tuple of float
        Order in which the images were taken.
    kind : tuple of str
        What tells apart images of one place that were not taken for their time: type, echo, segment.
    passes : tuple of float
        Numbers that count passes over a volume; NaN where missing.
    moments : tuple of float
        Seconds by the clocks that a file may tell the time with; NaN where missing.
    position, orientation : tuple of float, optional
        Centre of the first pixel in mm (left, posterior, superior); directions along a row and along a column.
    step : float, optional
        Distance to the next slice in mm as the file has it.
    syntax : str
        Transfer syntax, which is how the values are encoded.
    photometric, allocated : str and int
        What the values are of (``PALETTE COLOR``: places in a palette), and bits that each takes.
    lookup : bool
        Whether stored values are places in a table of the file.
    tile : tuple of int, optional
        Row and column of the first pixel, of an image that is part of a mosaic.
    """

    file: Path
    frame: int
    size: tuple[int, int, int]
    values: tuple[float, float] | None
    slope: float
    intercept: float
    spacing: tuple[float, float] | None
    taken: tuple[float, ...]
    kind: tuple[str, ...]
    passes: tuple[float, ...]
    moments: tuple[float, ...]
    syntax: str
    photometric: str
    allocated: int
    position: tuple[float, ...] | None = None
    orientation: tuple[float, ...] | None = None
    step: float | None = None
    lookup: bool = False
    tile: tuple[int, int] | None = None


def read_header(file: Path) -> Any:
    """Header of a DICOM file that holds an image, without the pixels; None for any other file.

    Raises
    ------
    Exception
        Of any kind, if the file is damaged.
    """
    pydicom: Any = importlib.import_module("pydicom")
    with file.open("rb") as stream:
        if not is_dicom(stream.read(DICOM_HEAD)):
            return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=list(TAGS), force=True)
        if "Rows" not in header or "Columns" not in header:
            return None
        if "MOSAIC" in (header.get("ImageType") or ()):
            header.mosaic = _mosaic(pydicom.dcmread(file, stop_before_pixels=True, force=True))
    return header


def series_uid(file: Path) -> str | None:
    """What DICOM calls the series of a file by, without reading further; None for any other file.

    Raises
    ------
    Exception
        Of any kind, if the file is damaged.
    """
    reader: Any = importlib.import_module("pydicom.filereader")
    with file.open("rb") as stream:
        if not is_dicom(stream.read(DICOM_HEAD)):
            return None
        stream.seek(0)
        beyond = _SERIES_INSTANCE_UID + 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            about = reader.read_partial(
                stream, lambda tag, kind, length: tag >= beyond, force=True, specific_tags=[_SERIES_INSTANCE_UID]
            )
            return str(about.get("SeriesInstanceUID", ""))


def frame_count(header: Any) -> int:
    """Number of images in the file of that header."""
    return int(header.get("NumberOfFrames") or 1)


def slices_of(file: Path, header: Any) -> list[Slice]:
    """Images of one file: one, or as many as a multi-frame file or a mosaic has.

    Raises
    ------
    RecordingError
        If it is a whole-slide image.
    Exception
        Of any other kind, if the header is damaged.
    """
    if str(header.get("SOPClassUID", "")) == _WHOLE_SLIDE:
        raise RecordingError(f"{file} is a whole-slide image, which is stored in tiles; export the region of interest.")
    count = frame_count(header)
    size = int(header.Rows or 0), int(header.Columns or 0), int(header.get("SamplesPerPixel") or 1)
    if min(size) < 1 or count < 1 or size[2] not in (1, 3):
        raise ValueError(f"its images are {size[0]} × {size[1]} with {size[2]} samples")
    places = _places(header, count)
    return [part for frame in range(count) for part in _images(file, header, frame, size, places)]


def _images(file: Path, header: Any, frame: int, size: tuple[int, int, int], places: Any) -> list[Slice]:
    about = _Frame(header, frame)
    slope, intercept = about.number("RescaleSlope", 1.0), about.number("RescaleIntercept", 0.0)
    if header.get("DoseGridScaling") not in (None, ""):
        slope = float(header.DoseGridScaling)
    if not math.isfinite(slope) or not math.isfinite(intercept):
        raise ValueError("its rescaling is not a number")
    position, orientation = places[frame]
    if position is not None and not np.isfinite([*position, *(orientation or ())]).all():
        raise ValueError("the place of an image is not a number")
    lookup = bool(header.get("ModalityLUTSequence"))
    image = Slice(
        file=file,
        frame=frame,
        size=size,
        values=_table_range(header) if lookup else _stored_range(header),
        slope=1.0 if lookup else slope,
        intercept=0.0 if lookup else intercept,
        spacing=_spacing(about),
        taken=(*(about.number(name, 0.0) for name in (*_PASSES, "AcquisitionTime", "InstanceNumber")), float(frame)),
        kind=about.kind(),
        passes=tuple(about.number(name, math.nan) for name in _PASSES),
        moments=about.moments(),
        syntax=transfer_syntax(header),
        photometric=str(header.get("PhotometricInterpretation", "")),
        allocated=int(header.get("BitsAllocated") or 0),
        position=position,
        orientation=orientation,
        step=abs(about.number("SpacingBetweenSlices", 0.0)) or None,
        lookup=lookup,
    )
    mosaic = getattr(header, "mosaic", None)
    return [image] if mosaic is None else mosaic(image)


_PASSES = ("TemporalPositionIdentifier", "TriggerTime", "FrameReferenceTime", "AcquisitionNumber", "DiffusionBValue")
_GROUPS = {
    "TemporalPositionIdentifier": ("FrameContentSequence", "TemporalPositionIndex"),
    "TriggerTime": ("CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime"),
    "EchoTime": ("MREchoSequence", "EffectiveEchoTime"),
    "DiffusionBValue": ("MRDiffusionSequence", "DiffusionBValue"),
    "RescaleSlope": ("PixelValueTransformationSequence", "RescaleSlope"),
    "RescaleIntercept": ("PixelValueTransformationSequence", "RescaleIntercept"),
    "PixelSpacing": ("PixelMeasuresSequence", "PixelSpacing"),
    "SpacingBetweenSlices": ("PixelMeasuresSequence", "SpacingBetweenSlices"),
    "ImagePositionPatient": ("PlanePositionSequence", "ImagePositionPatient"),
    "ImageOrientationPatient": ("PlaneOrientationSequence", "ImageOrientationPatient"),
    "AcquisitionDateTime": ("FrameContentSequence", "FrameAcquisitionDateTime"),
    "FrameReferenceDateTime": ("FrameContentSequence", "FrameReferenceDateTime"),
    "TemporalPositionTimeOffset": ("TemporalPositionSequence", "TemporalPositionTimeOffset"),
    "ReferencedSegmentNumber": ("SegmentIdentificationSequence", "ReferencedSegmentNumber"),
}


class _Frame:
    """What a header says of one image: in the image's own group, in that of all images, or in the header itself."""

    def __init__(self, header: Any, frame: int) -> None:
        self.header = header
        own = header.get("PerFrameFunctionalGroupsSequence") or ()
        shared = header.get("SharedFunctionalGroupsSequence") or ()
        self.groups = [*own[frame : frame + 1], *shared[:1]]
        if own and frame >= len(own):
            raise ValueError(f"it describes {len(own)} of its {frame_count(header)} images")

    def get(self, name: str) -> Any:
        group, inner = _GROUPS.get(name, ("", ""))
        for part in self.groups:
            for found in (part.get(group) or ())[:1]:
                if found.get(inner) not in (None, ""):
                    return found.get(inner)
        return self.header.get(name)

    def number(self, name: str, missing: float) -> float:
        value = self.get(name)
        if value in (None, ""):
            return missing
        try:
            return float(value)
        except (TypeError, ValueError):
            if name.startswith("Rescale"):
                raise
            return missing

    def kind(self) -> tuple[str, ...]:
        types = self.header.get("ImageType") or ()
        for part in self.groups:
            for group in part:
                if str(group.keyword).endswith("FrameTypeSequence") and group.value:
                    types = group.value[0].get("FrameType") or types
        values = ("EchoTime", "ReferencedSegmentNumber")
        return ("/".join(str(part) for part in types[2:]), *(str(self.get(name) or "") for name in values))

    def moments(self) -> tuple[float, ...]:
        day = str(self.header.get("AcquisitionDate") or "20000101")
        clock = str(self.header.get("AcquisitionTime") or "")
        return (
            date_seconds(self.get("FrameReferenceDateTime")),
            self.number("TemporalPositionTimeOffset", math.nan),
            self.number("TriggerTime", math.nan) / 1000,
            self.number("FrameReferenceTime", math.nan) / 1000,
            date_seconds(self.get("AcquisitionDateTime")),
            date_seconds(day + clock if clock else ""),
        )


def transfer_syntax(header: Any) -> str:
    """How the values are encoded; of a file without that mark, as its elements are."""
    if "TransferSyntaxUID" in header.file_meta:
        return str(header.file_meta.TransferSyntaxUID)
    uid: Any = importlib.import_module("pydicom.uid")
    implicit, little = header.original_encoding
    if implicit:
        return str(uid.ImplicitVRLittleEndian)
    return str(uid.ExplicitVRLittleEndian if little in (True, None) else uid.ExplicitVRBigEndian)


def _stored_range(header: Any) -> tuple[float, float] | None:
    bits = int(header.get("BitsStored") or 0)
    if bits == 0:  # only images of real numbers do not say
        return None
    if not 1 <= bits <= _MOST_BITS:
        raise ValueError(f"its values have {bits} bits")
    signed = bool(int(header.get("PixelRepresentation") or 0))
    return (-(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1) if signed else (0.0, 2.0**bits - 1)


def _table_range(header: Any) -> tuple[float, float]:
    return 0.0, 2.0 ** int(header.ModalityLUTSequence[0].LUTDescriptor[2]) - 1


def _spacing(about: _Frame) -> tuple[float, float] | None:
    """Distance of rows and of columns in mm: in the body, in ultrasound, at the detector, of scanned film."""
    for name in ("PixelSpacing", "", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        found = _vector(about.get(name), 2) if name else _ultrasound_spacing(about.header)
        if found is not None and min(found) > 0:
            enlarged = about.number("EstimatedRadiographicMagnificationFactor", 1.0) or 1.0
            factor = enlarged if name == "ImagerPixelSpacing" else 1.0
            return found[0] / factor, found[1] / factor
    return None


def _ultrasound_spacing(header: Any) -> tuple[float, ...] | None:
    """Size of a pixel in mm where all regions of two-dimensional ultrasound agree on it."""
    sizes = {
        (abs(float(region.PhysicalDeltaY)) * 10, abs(float(region.PhysicalDeltaX)) * 10)
        for region in header.get("SequenceOfUltrasoundRegions") or ()
        if region.get("RegionSpatialFormat") == _FLAT
        and region.get("PhysicalUnitsXDirection") == region.get("PhysicalUnitsYDirection") == _CM
    }
    return sizes.pop() if len(sizes) == 1 else None


def _places(header: Any, count: int) -> list[tuple[tuple[float, ...] | None, tuple[float, ...] | None]]:
    """Position and orientation of every image of a file."""
    places = []
    for frame in range(count):
        about = _Frame(header, frame)
        place = _vector(about.get("ImagePositionPatient"), 3), _vector(about.get("ImageOrientationPatient"), 6)
        places.append(place if None not in place else (None, None))
    if count > 1 and all(places[0] == place for place in places):
        first, steps = places[0], _frame_steps(header, count)
        if first[0] is None and header.get("DetectorInformationSequence"):
            detector = header.DetectorInformationSequence[0]
            first = (
                _vector(detector.get("ImagePositionPatient"), 3),
                _vector(detector.get("ImageOrientationPatient"), 6),
            )
        if first[0] is None or first[1] is None or steps is None:
            return places
        start, direction = np.array(first[0]), np.cross(first[1][:3], first[1][3:])
        return [(tuple((start + step * direction).tolist()), first[1]) for step in steps]
    return places


def _frame_steps(header: Any, count: int) -> list[float] | None:
    """Distance in mm of each image of a dose grid or of a nuclear tomogram from the first; None where unknown."""
    offsets = _vector(header.get("GridFrameOffsetVector"), count)
    if offsets is not None:  # from the first plane, or absolute along z
        return [offset - offsets[0] for offset in offsets]
    numbers = _vector(header.get("SliceVector"), count)
    if numbers is not None and header.get("SpacingBetweenSlices"):
        return [(number - numbers[0]) * float(header.SpacingBetweenSlices) for number in numbers]
    return None


def _vector(values: Any, length: int) -> tuple[float, ...] | None:
    try:
        found = tuple(float(value) for value in values) if values is not None else ()
    except TypeError:
        return None
    return found if len(found) == length else None


def _mosaic(header: Any) -> Any:
    """Function that cuts a mosaic of Siemens, one volume in one picture, into its slices; None of other pictures.

    Raises
    ------
    ValueError
        If the picture cannot be cut into equal tiles.
    """
    try:
        wrapper = importlib.import_module("nibabel.nicom.dicomwrappers").wrapper_from_data(header)
        rows, columns, count = (int(n) for n in wrapper.image_shape)
        first, normal, step = wrapper.image_position, wrapper.slice_normal, float(wrapper.voxel_sizes[2])
        across = int(wrapper.mosaic_size)
    except Exception:
        return None
    if (rows * across, columns * across) != (int(header.Rows), int(header.Columns)):
        raise ValueError(f"its mosaic of {count} slices does not divide into {across} × {across} equal tiles")
    starts = [(n // across * rows, n % across * columns) for n in range(count)]

    def cut(image: Slice) -> list[Slice]:
        return [
            replace(
                image,
                size=(rows, columns, 1),
                tile=start,
                position=tuple(float(part) for part in first + normal * step * number),
                taken=(*image.taken, float(number)),
            )
            for number, start in enumerate(starts)
        ]

    return cut
