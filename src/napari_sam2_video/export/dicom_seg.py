"""Segments as a DICOM SEG object that refers to the source series."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_sam2_video import __version__
from napari_sam2_video.errors import ExportError
from napari_sam2_video.export.job import ExportFormat, ExportJob, ExportOption, need
from napari_sam2_video.frames.volume import DICOM_HEAD, is_dicom

if TYPE_CHECKING:
    from napari_sam2_video.export.source import Array, ObjectEntry, TrackingResult

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])


def write(job: ExportJob) -> None:
    """Write one binary segment an object; the label volume is held in memory."""
    highdicom, pydicom = need("highdicom", "dicom-seg"), need("pydicom", "dicom-seg")
    instances = source_instances(pydicom, job)
    volume_zyx, present = numbered_volume(job)
    rows_columns = (int(instances[0].Rows), int(instances[0].Columns))
    if volume_zyx.shape != (len(instances), *rows_columns):
        raise ExportError(
            f"The source series has {len(instances)} slices of {rows_columns[1]} x {rows_columns[0]} pixels, which "
            f"does not fit these labels of shape {volume_zyx.shape} (Z, Y, X); choose the series that was tracked."
        )
    if not present:
        raise ExportError("No object has a pixel, and a DICOM SEG needs at least one segment; choose nifti instead.")
    if len(present) < len(job.result.objects):
        job.note(f"{len(job.result.objects) - len(present)} objects without a pixel are not in the file.")
    if uses_last_first(instances, job.result):
        instances = instances[::-1]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="highdicom|pydicom")
        try:
            segmentation = make_segmentation(highdicom, instances, volume_zyx, present)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ExportError(
                f"The headers of the source series lack what a DICOM SEG needs ({error}); choose nifti instead."
            ) from error
        segmentation.SpecificCharacterSet = "ISO_IR 192"
        segmentation.save_as(job.path)


def make_segmentation(highdicom: Any, instances: list[Any], volume_zyx: Array, present: list[ObjectEntry]) -> Any:
    """The SEG object, not yet written."""
    return highdicom.seg.Segmentation(
        source_images=instances,
        pixel_array=volume_zyx,
        segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[describe(highdicom, n, entry) for n, entry in enumerate(present, start=1)],
        series_instance_uid=highdicom.UID(),
        series_number=int(getattr(instances[0], "SeriesNumber", None) or 0) + 1000,
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer="napari-sam2-video",
        manufacturer_model_name="napari-sam2-video",
        software_versions=__version__,
        device_serial_number="0",
        content_label="SEGMENTATION",
        content_description="Objects tracked through the series",
        series_description="napari-sam2-video segmentation",
    )


def source_instances(pydicom: Any, job: ExportJob) -> list[Any]:
    """Instances of the source series (without pixels), ordered along the slice normal."""
    folder = job.options["source"] or job.result.source_path
    if folder is None:
        raise ExportError("A DICOM SEG refers to its source; name the folder of the source series with source=FOLDER.")
    folder = Path(folder)
    folder = folder if folder.is_dir() else folder.parent
    if not folder.is_dir():
        raise ExportError(f"{folder} is not a folder; name the folder of the source series with source=FOLDER.")
    series: dict[str, list[Any]] = {}
    multi_frame: list[str] = []
    for path in sorted(folder.iterdir()):
        if not path.is_file():
            continue
        with path.open("rb") as stream:
            if not is_dicom(stream.read(DICOM_HEAD)):
                continue
        instance = pydicom.dcmread(path, stop_before_pixels=True, force=True)
        if int(getattr(instance, "NumberOfFrames", None) or 1) > 1:
            multi_frame.append(path.name)
        elif "ImagePositionPatient" in instance and "Rows" in instance:
            series.setdefault(str(instance.SeriesInstanceUID), []).append(instance)
    wanted = job.result.metadata.get("SeriesInstanceUID")
    if wanted in series:
        return by_position(series[str(wanted)])
    if not series and multi_frame:
        raise ExportError(f"{multi_frame[0]} holds many frames in one file, which is not supported here; choose nifti.")
    if len(series) != 1:
        found = f"{len(series)} series" if series else "no DICOM image"
        raise ExportError(
            f"{folder} holds {found}, so the source series is not clear; name the folder of just that one."
        )
    return by_position(next(iter(series.values())))


def slice_normal(instance: Any) -> npt.NDArray[np.float64]:
    """Direction in which the slices follow each other."""
    across, down = np.array(instance.ImageOrientationPatient, float).reshape(2, 3)
    return np.asarray(np.cross(across, down))


def by_position(instances: list[Any]) -> list[Any]:
    """Instances in the order of their places along the slice normal."""
    normal = slice_normal(instances[0])
    return sorted(instances, key=lambda instance: float(normal @ np.array(instance.ImagePositionPatient, float)))


def uses_last_first(instances: list[Any], result: TrackingResult) -> bool:
    """True where the labels' first slice is the series' last one, as the affine's origin tells."""
    if result.affine is None:
        return False
    origin = np.asarray(result.affine, float)[:3, 3]
    places = [LPS_TO_RAS @ np.array(instance.ImagePositionPatient, float) for instance in (instances[0], instances[-1])]
    return bool(np.linalg.norm(places[1] - origin) < np.linalg.norm(places[0] - origin))


def numbered_volume(job: ExportJob) -> tuple[Array, list[ObjectEntry]]:
    """Volume ``(Z, Y, X)`` with segment numbers from 1 for the objects that have pixels, and these objects."""
    result = job.result
    letters = (result.walk_axis, *result.plane_axes)
    if set(letters) != set("ZYX"):
        raise ExportError(f"A DICOM SEG needs a volume, but this recording was walked along {result.walk_axis}.")
    volume = np.stack([result.labels(frame) for frame in job.frames()])
    volume_zyx = volume.transpose([letters.index(letter) for letter in "ZYX"])
    ids = np.unique(volume_zyx)
    ids = ids[ids > 0]
    numbers = np.searchsorted(ids, volume_zyx, side="right")
    dtype = np.uint8 if len(ids) <= 0xFF else np.uint16
    return np.ascontiguousarray(numbers, dtype), [result.entry(i) for i in ids.tolist()]


def describe(highdicom: Any, number: int, entry: ObjectEntry) -> Any:
    """Description of one segment: its label, colour and that a model made it."""
    red, green, blue = entry.color
    codes = highdicom.sr.CodedConcept
    return highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=(entry.name.strip() or f"object {entry.id}").replace("\\", "/")[:64],
        segmented_property_category=codes("85756007", "SCT", "Tissue"),
        segmented_property_type=codes("85756007", "SCT", "Tissue"),
        algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.SEMIAUTOMATIC,
        algorithm_identification=highdicom.AlgorithmIdentificationSequence(
            name="napari-sam2-video",
            version=__version__,
            family=highdicom.sr.CodedConcept("123110", "DCM", "Artificial Intelligence"),
        ),
        tracking_uid=highdicom.UID(),
        tracking_id=f"object-{entry.id}",
        display_color=highdicom.color.CIELabColor.from_rgb(red, green, blue),
    )


FORMAT = ExportFormat(
    name="dicom-seg",
    title="DICOM segmentation (SEG)",
    suffixes=(".dcm",),
    kind="file",
    write=write,
    about=(
        "One binary segment an object with its name and colour, referring to the source series (given, or the one that "
        "was tracked). The label volume is held in memory."
    ),
    options=(ExportOption("source", "path", None, "folder of the source series; the recording's own if not given"),),
)
