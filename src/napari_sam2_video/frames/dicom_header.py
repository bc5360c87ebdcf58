"""The header of a DICOM file, and what it says about each of its images."""

from __future__ import annotations

import importlib
import math
import warnings
from typing import TYPE_CHECKING, Any

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
    *(
        "PixelAspectRatio",
        "ImagerPixelSpacing",
        "NominalScannedPixelSpacing",
        "EstimatedRadiographicMagnificationFactor",
    ),
    *("SequenceOfUltrasoundRegions", "RescaleSlope", "RescaleIntercept", "RescaleType", "ModalityLUTSequence"),
    "DoseGridScaling",
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
)
_SERIES_INSTANCE_UID = 0x0020000E
_NAMES = (
    *("SOPClassUID", "SOPInstanceUID", "ConcatenationUID", "SeriesInstanceUID", "SeriesDescription", "Modality"),
    *("ImageType", "PhotometricInterpretation", "FrameIncrementPointer"),
)
PASSES = ("TemporalPositionIdentifier", "TriggerTime", "FrameReferenceTime", "AcquisitionNumber", "DiffusionBValue")
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
    "ImagePositionVolume": ("PlanePositionVolumeSequence", "ImagePositionVolume"),
    "ImageOrientationVolume": ("PlaneOrientationVolumeSequence", "ImageOrientationVolume"),
    "AcquisitionDateTime": ("FrameContentSequence", "FrameAcquisitionDateTime"),
    "FrameReferenceDateTime": ("FrameContentSequence", "FrameReferenceDateTime"),
    "TemporalPositionTimeOffset": ("TemporalPositionSequence", "TemporalPositionTimeOffset"),
    "ReferencedSegmentNumber": ("SegmentIdentificationSequence", "ReferencedSegmentNumber"),
}


def read_header(file: Path) -> Any:
    """Header of a DICOM image file, with the length of the rest as `pixel_bytes`; None for any other file.

    Raises
    ------
    Exception
        Of any type, if the file is damaged.
    """
    pydicom: Any = importlib.import_module("pydicom")
    with file.open("rb") as stream, warnings.catch_warnings():
        if not is_dicom(stream.read(DICOM_HEAD)):
            return None
        warnings.simplefilter("ignore")
        stream.seek(0)
        header = pydicom.dcmread(stream, stop_before_pixels=True, specific_tags=list(TAGS), force=True)
        header.pixel_bytes = file.stat().st_size - stream.tell()
        if "Rows" not in header or "Columns" not in header:
            return None
        for name in _NAMES:  # converted now, so that a damaged one is an error of this file
            header.get(name)
        if "MOSAIC" in (header.get("ImageType") or ()):
            header.whole = pydicom.dcmread(file, stop_before_pixels=True, force=True)
    return header


def series_uid(file: Path) -> str | None:
    """UID of the series that a file belongs to, without reading further; None for any other file.

    Raises
    ------
    Exception
        Of any type, if the file is damaged.
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
    """Number of images in the file with that header."""
    return int(header.get("NumberOfFrames") or 1)


class FrameHeader:
    """Elements for one image: from the image's own functional group, the shared one, or the header itself."""

    def __init__(self, header: Any, frame: int, common: dict[str, Any]) -> None:
        """Keep the header; `common` caches what is the same for all images of the file."""
        self.header, self.common = header, common
        own = header.get("PerFrameFunctionalGroupsSequence") or ()
        if own and frame >= len(own):
            raise ValueError(f"it describes {len(own)} of its {frame_count(header)} images")
        self.own = own[frame] if own else None

    def get(self, name: str) -> Any:
        """Value of an element; None if it is missing, its text if it violates the standard."""
        found = _in_group(self.own, name)
        if found is not None:
            return found
        if name not in self.common:
            shared = (self.header.get("SharedFunctionalGroupsSequence") or (None,))[0]
            found = _in_group(shared, name)
            self.common[name] = _in_header(self.header, name) if found is None else found
        return self.common[name]

    def number(self, name: str, missing: float) -> float:
        """Value of an element as a number, or `missing`; a rescale value that is not a number raises."""
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
        """Type, echo time and segment, which distinguish images at one position."""
        types = self.get("ImageType") or ()
        for group in self.own or ():
            if str(group.keyword).endswith("FrameTypeSequence") and group.value:
                types = group.value[0].get("FrameType") or types
        values = ("EchoTime", "ReferencedSegmentNumber")
        return ("/".join(str(part) for part in types[2:]), *(str(self.get(name) or "") for name in values))

    def moments(self) -> tuple[float, ...]:
        """Acquisition times in seconds, one for each clock that DICOM knows; NaN where missing."""
        day, clock = str(self.get("AcquisitionDate") or "20000101"), str(self.get("AcquisitionTime") or "")
        return (
            date_seconds(self.get("FrameReferenceDateTime")),
            self.number("TemporalPositionTimeOffset", math.nan),
            self.number("TriggerTime", math.nan) / 1000,
            self.number("FrameReferenceTime", math.nan) / 1000,
            date_seconds(self.get("AcquisitionDateTime")),
            date_seconds(day + clock if clock else ""),
        )


def _in_group(part: Any, name: str) -> Any:
    group, inner = _GROUPS.get(name, ("", ""))
    if part is None or group not in part or not part[group].value:
        return None
    value = part[group].value[0].get(inner)
    return None if value == "" else value


def _in_header(header: Any, name: str) -> Any:
    try:
        return header.get(name)
    except (TypeError, ValueError):  # a decimal with a comma, or a comma between two of them
        tag_for_keyword: Any = importlib.import_module("pydicom.datadict").tag_for_keyword
        return header.get_item(tag_for_keyword(name)).value.decode("latin-1")


def transfer_syntax(header: Any) -> str:
    """How the values are encoded; in a file that does not say, as its elements are."""
    if "TransferSyntaxUID" in header.file_meta:
        return str(header.file_meta.TransferSyntaxUID)
    uid: Any = importlib.import_module("pydicom.uid")
    implicit, little = header.original_encoding
    if implicit:
        return str(uid.ImplicitVRLittleEndian)
    return str(uid.ExplicitVRLittleEndian if little in (True, None) else uid.ExplicitVRBigEndian)


def vector(values: Any, length: int) -> tuple[float, ...] | None:
    """`values` as that many numbers; None if they are not. Text may have decimal commas, or commas between numbers."""
    if isinstance(values, str):
        values = values.split("," if "." in values and "\\" not in values else "\\")
    try:
        found = tuple(float(str(value).replace(",", ".")) for value in values) if values is not None else ()
    except (TypeError, ValueError):
        return None
    return found if len(found) == length else None


def pair(values: Any) -> tuple[float, float] | None:
    """`values` as two positive numbers; None if they are not."""
    found = vector(values, 2)
    return (found[0], found[1]) if found is not None and min(found) > 0 else None
