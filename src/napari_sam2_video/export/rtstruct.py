"""Outlines of objects as a DICOM RT structure set that refers to the source series."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_sam2_video import __version__
from napari_sam2_video.export.dicom_source import SOURCE, SourceVolume, complete_headers, on_slices, read_source
from napari_sam2_video.export.format import ExportFormat, ExportJob, need

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_sam2_video.frames.dicom_slices import Slice
    from napari_sam2_video.results import Array
    from napari_sam2_video.types.tracked_object import TrackedObject

TITLE = "RTSTRUCT"
STORAGE = "1.2.840.10008.5.1.4.1.1.481.3"
COPIED = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyDate", "StudyTime"),
    *("StudyID", "AccessionNumber", "ReferringPhysicianName", "FrameOfReferenceUID", "PositionReferenceIndicator"),
)
NEEDED = ("StudyInstanceUID", "FrameOfReferenceUID", "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID")


def write(job: ExportJob) -> None:
    """Write one region of interest per object, closed outlines on every slice; the label volume is held in memory."""
    pydicom = need("pydicom", "rtstruct")
    source = read_source(job, TITLE)
    volumes, present = on_slices(job, source)
    with complete_headers(TITLE):
        for name in NEEDED:
            if not source.instances[0].get(name):
                raise KeyError(name)
        structures = empty_set(pydicom, source)
        structures.ReferencedFrameOfReferenceSequence = [referenced(pydicom, source)]
        structures.StructureSetROISequence = []
        structures.ROIContourSequence = []
        structures.RTROIObservationsSequence = []
        for number, entry in enumerate(present, start=1):
            masks = object_masks(volumes, entry.id)
            add_region(pydicom, structures, source, number, entry, masks)
        pydicom.dcmwrite(job.path, structures, enforce_file_format=True)


def object_masks(volumes: list[Array], object_id: int) -> npt.NDArray[np.bool_]:
    """Mask of an object ``(Z, Y, X)``."""
    return np.asarray(np.logical_or.reduce([volume == object_id for volume in volumes]), np.bool_)


def empty_set(pydicom: Any, source: SourceVolume) -> Any:
    """Structure set of the patient and study of the source, without a region."""
    uid, header, now = pydicom.uid, source.instances[0], datetime.datetime.now()
    structures = pydicom.Dataset()
    structures.file_meta = pydicom.dataset.FileMetaDataset()
    structures.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    structures.file_meta.MediaStorageSOPClassUID = structures.SOPClassUID = STORAGE
    structures.file_meta.MediaStorageSOPInstanceUID = structures.SOPInstanceUID = uid.generate_uid()
    for name in COPIED:
        setattr(structures, name, header.get(name, ""))
    structures.SpecificCharacterSet = "ISO_IR 192"
    structures.Modality, structures.SeriesInstanceUID = "RTSTRUCT", uid.generate_uid()
    structures.SeriesNumber, structures.InstanceNumber = int(header.get("SeriesNumber") or 0) + 2000, 1
    structures.SeriesDescription = "napari-sam2-video outlines"
    structures.Manufacturer = structures.ManufacturerModelName = "napari-sam2-video"
    structures.SoftwareVersions, structures.OperatorsName = __version__, ""
    structures.StructureSetLabel, structures.StructureSetName = "OUTLINES", "Objects tracked through the series"
    structures.StructureSetDate, structures.StructureSetTime = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
    structures.ApprovalStatus = "UNAPPROVED"
    return structures


def dataset(pydicom: Any, **values: Any) -> Any:
    """An item of a sequence."""
    item = pydicom.Dataset()
    for name, value in values.items():
        setattr(item, name, value)
    return item


def image_of(pydicom: Any, source: SourceVolume, part: Slice) -> Any:
    """Reference to the image of a slice."""
    alone = len(source.instances) == len(source.slices)
    header = source.instances[source.slices.index(part) if alone else 0]
    item = dataset(pydicom, ReferencedSOPClassUID=header.SOPClassUID, ReferencedSOPInstanceUID=header.SOPInstanceUID)
    if not alone:
        item.ReferencedFrameNumber = part.frame + 1
    return item


def referenced(pydicom: Any, source: SourceVolume) -> Any:
    """The images of the source, in the sequences that a structure set lists them in."""
    header = source.instances[0]
    images = [image_of(pydicom, source, part) for part in source.slices]
    series = dataset(pydicom, SeriesInstanceUID=header.SeriesInstanceUID, ContourImageSequence=images)
    study = dataset(
        pydicom,
        ReferencedSOPClassUID="1.2.840.10008.3.1.2.3.1",
        ReferencedSOPInstanceUID=header.StudyInstanceUID,
        RTReferencedSeriesSequence=[series],
    )
    return dataset(pydicom, FrameOfReferenceUID=header.FrameOfReferenceUID, RTReferencedStudySequence=[study])


def add_region(
    pydicom: Any, structures: Any, source: SourceVolume, number: int, entry: TrackedObject, masks: npt.NDArray[np.bool_]
) -> None:
    """Add one object to a structure set."""
    name = (entry.name.strip() or f"object {entry.id}").replace("\\", "/")[:64]
    contours = []
    for part, mask in zip(source.slices, masks, strict=True):
        for outline_yx in outlines(mask):
            places = world(part, outline_yx)
            contours.append(
                dataset(
                    pydicom,
                    ContourImageSequence=[image_of(pydicom, source, part)],
                    ContourGeometricType="CLOSED_PLANAR",
                    NumberOfContourPoints=len(places),
                    ContourData=[f"{value:.6f}" for value in places.ravel()],
                )
            )
    structures.StructureSetROISequence.append(
        dataset(
            pydicom,
            ROINumber=number,
            ReferencedFrameOfReferenceUID=structures.FrameOfReferenceUID,
            ROIName=name,
            ROIGenerationAlgorithm="SEMIAUTOMATIC",
        )
    )
    structures.ROIContourSequence.append(
        dataset(pydicom, ROIDisplayColor=list(entry.color), ContourSequence=contours, ReferencedROINumber=number)
    )
    structures.RTROIObservationsSequence.append(
        dataset(
            pydicom, ObservationNumber=number, ReferencedROINumber=number, RTROIInterpretedType="", ROIInterpreter=""
        )
    )


def outlines(mask: npt.NDArray[np.bool_]) -> Iterator[npt.NDArray[np.float64]]:
    """Closed outlines of a mask, ``(n, 2)`` of rows and columns halfway between pixels, the first not repeated.

    A hole is connected to its outer outline by a channel of zero width, because readers fill outlines.
    """
    from scipy import ndimage
    from skimage.measure import find_contours

    parts, _ = ndimage.label(mask)
    for number, window in enumerate(ndimage.find_objects(parts), start=1):
        corner = np.array([side.start for side in window]) - 1
        found = find_contours(np.pad(parts[window] == number, 1).astype(np.float32), 0.5)  # type: ignore[no-untyped-call]
        loops = sorted((loop[:-1] + corner for loop in found), key=area, reverse=True)
        whole = loops[0]
        for hole in loops[1:]:
            whole = joined(whole, hole)
        yield whole


def area(loop: npt.NDArray[np.float64]) -> float:
    """Area that a polygon ``(n, 2)`` encloses."""
    y, x = loop.T
    return abs(float(y @ np.roll(x, 1) - x @ np.roll(y, 1))) / 2


def joined(outer: npt.NDArray[np.float64], hole: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """One polygon from an outline and a hole in it, joined where they are nearest."""
    apart = ((outer[:, None] - hole[None]) ** 2).sum(axis=2)
    start, end = np.unravel_index(int(apart.argmin()), apart.shape)
    around = np.roll(hole, -end, axis=0)
    return np.concatenate([outer[: start + 1], around, around[:1], outer[start:]])


def world(part: Slice, outline_yx: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Points ``(n, 3)`` in mm (left, posterior, superior) of rows and columns of a slice."""
    assert part.spacing is not None
    along = np.array(part.orientation, np.float64).reshape(2, 3)
    steps = np.stack([along[1] * part.spacing[0], along[0] * part.spacing[1]])
    return np.asarray(np.array(part.position, np.float64) + outline_yx @ steps)


FORMAT = ExportFormat(
    name="rtstruct",
    title="DICOM structure set (RTSTRUCT)",
    suffixes=(".dcm",),
    write=write,
    about=(
        "One region of interest per object with its name and colour: closed outlines on every slice of the source "
        "series (given, or the tracked one), complete even where objects overlap. The label volume is held in memory."
    ),
    options=(SOURCE,),
    overlaps=True,
    guess=False,
)
