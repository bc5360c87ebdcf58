"""Segments as a DICOM SEG object that refers to the source series."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_sam2_video import __version__
from napari_sam2_video.errors import ExportError
from napari_sam2_video.export.format import ExportFormat, ExportJob, ExportOption, need
from napari_sam2_video.frames.dicom_files import DICOM_HEAD, is_dicom

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_sam2_video.results import Array, TrackedObject

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
HALF_A_VOXEL = 0.5


def write(job: ExportJob) -> None:
    """Write one binary segment an object; the label volume is held in memory."""
    highdicom, pydicom = need("highdicom", "dicom-seg"), need("pydicom", "dicom-seg")
    with complete_headers():
        instances = source_instances(pydicom, job)
        series = series_affine(instances)
    volume_zyx, present = numbered_volume(job)
    if job.result.affine is not None:
        volume_zyx = onto_series(volume_zyx, job.result.affine, series)
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
    with warnings.catch_warnings(), complete_headers():
        warnings.filterwarnings("ignore", module="highdicom|pydicom")
        segmentation = make_segmentation(highdicom, instances, volume_zyx, present)
        segmentation.SpecificCharacterSet = "ISO_IR 192"
        segmentation.save_as(job.path)


@contextmanager
def complete_headers() -> Iterator[None]:
    """Say in one sentence what the headers of the source lack."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ExportError(
            f"The headers of the source series lack what a DICOM SEG needs ({error}); choose nifti instead."
        ) from error


def make_segmentation(highdicom: Any, instances: list[Any], volume_zyx: Array, present: list[TrackedObject]) -> Any:
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


def series_affine(instances: list[Any]) -> npt.NDArray[np.float64]:
    """Affine from (column, row, slice) of a series to the world in mm (RAS+)."""
    first, last = (np.array(instance.ImagePositionPatient, float) for instance in (instances[0], instances[-1]))
    across, down = np.array(instances[0].ImageOrientationPatient, float).reshape(2, 3)
    row_spacing, column_spacing = (float(size) for size in instances[0].PixelSpacing)
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = across * column_spacing, down * row_spacing
    affine[:3, 2] = (last - first) / (len(instances) - 1) if len(instances) > 1 else slice_normal(instances[0])
    affine[:3, 3] = first
    return LPS_TO_RAS @ affine


def onto_series(volume_zyx: Array, affine: npt.NDArray[np.float64], series: npt.NDArray[np.float64]) -> Array:
    """Labels in the voxel order of a series: their axes turned to where both affines, of ``(x, y, z)``, say they lie.

    Raises
    ------
    ExportError
        If the voxels of the two do not lie on one another.
    """
    between = np.linalg.solve(series, np.asarray(affine, float))
    sources = np.abs(between[:3, :3]).argmax(axis=1)
    volume_xyz = volume_zyx.T
    backward = [axis for axis in range(3) if between[axis, sources[axis]] < 0]
    expected = np.zeros((3, 4))
    expected[range(3), sources] = 1
    for axis in backward:
        expected[axis] = -expected[axis]
        expected[axis, 3] = volume_xyz.shape[sources[axis]] - 1
    ends = np.indices((2, 2, 2)).reshape(3, -1) * (np.array(volume_xyz.shape)[:, None] - 1)
    corners = np.vstack([ends, np.ones((1, 8))])
    if len(set(sources.tolist())) < 3 or np.abs((between[:3] - expected) @ corners).max() >= HALF_A_VOXEL:
        raise ExportError(
            "The labels do not lie on the slices of the series: their voxels have other sizes, or another place in the "
            "body; choose the series that the recording was made of, or nifti."
        )
    turned: Array = np.flip(volume_xyz.transpose(sources), tuple(backward)).T
    return np.ascontiguousarray(turned)


def numbered_volume(job: ExportJob) -> tuple[Array, list[TrackedObject]]:
    """Volume ``(Z, Y, X)`` with segment numbers from 1 for the objects that have pixels, and these objects."""
    result = job.result
    letters = (result.walk_axis, *result.plane_axes)
    if set(letters) != set("ZYX"):
        raise ExportError(f"A DICOM SEG needs a volume, but this recording was walked along {result.walk_axis}.")
    volume = np.zeros((result.n_frames, *result.shape_yx), result.dtype)
    for frame in job.frames():
        volume[frame] = result.labels(frame)
    volume_zyx = volume.transpose([letters.index(letter) for letter in "ZYX"])
    ids = np.unique(volume_zyx)
    ids = ids[ids > 0]
    numbers = np.searchsorted(ids, volume_zyx, side="right")
    dtype = np.uint8 if len(ids) <= 0xFF else np.uint16
    return np.ascontiguousarray(numbers, dtype), [result.entry(i) for i in ids.tolist()]


def describe(highdicom: Any, number: int, entry: TrackedObject) -> Any:
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
        "was tracked) and turned into its order by where both lie. The label volume is held in memory."
    ),
    options=(ExportOption("source", "path", None, "folder of the source series; the recording's own if not given"),),
)
