"""Read the DICOM series that an export refers to, and bring labels into the order of its slices."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_sam2_video.errors import ExportError, RecordingError
from napari_sam2_video.export.format import ExportOption, need
from napari_sam2_video.frames.dicom_files import holds_dicom, is_dicom_folder
from napari_sam2_video.frames.dicom_order import arrange
from napari_sam2_video.frames.dicom_series import find_series

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_sam2_video.export.format import ExportJob
    from napari_sam2_video.frames.dicom_slices import Slice
    from napari_sam2_video.results import Array, TrackingResult
    from napari_sam2_video.types.tracked_object import TrackedObject

HALF_A_VOXEL = 0.5
SOURCE = ExportOption("source", "path", None, "folder of the source series; by default the recording's own")


@dataclass(frozen=True)
class SourceVolume:
    """A volume of a series.

    Parameters
    ----------
    slices : list of Slice
        Slices in spatial order.
    instances : list
        pydicom's data sets without pixels: one for each slice, or one for all.
    affine : ndarray, shape (4, 4)
        From ``(column, row, slice)`` to the world in mm (RAS+).
    """

    slices: list[Slice]
    instances: list[Any]
    affine: npt.NDArray[np.float64]


@contextmanager
def complete_headers(title: str) -> Iterator[None]:
    """Raise an error that names what the source's headers lack for an export with that title."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="highdicom|pydicom")
        try:
            yield
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ExportError(
                f"The headers of the source series lack what {title} needs ({error}); choose nifti instead."
            ) from error


def read_source(job: ExportJob, title: str) -> SourceVolume:
    """The named series, or the tracked one.

    Raises
    ------
    ExportError
        If there is none, several but not the tracked one, or its headers lack the position.
    """
    pydicom = need("pydicom", title)
    named = job.options["source"] or job.result.source_path
    advice = "name the folder of the source series with source=FOLDER"
    if named is None:
        raise ExportError(f"{title} refers to its source; {advice}.")
    path, wanted = Path(named), job.result.metadata.get("SeriesInstanceUID")
    if not path.exists():
        raise ExportError(f"There is no folder {path}; {advice}.")
    if not (is_dicom_folder(path) if path.is_dir() else holds_dicom(path)):
        raise ExportError(f"{title} refers to a DICOM series, which {path} is not; {advice}.")
    try:
        try:
            found = find_series(path, str(wanted)) if wanted and path.is_dir() else find_series(path)
        except RecordingError:
            if not wanted:
                raise
            found = find_series(path)
    except RecordingError as error:
        raise ExportError(f"The source series cannot be used: {error}") from error
    with complete_headers(title):
        order = arrange(found.slices, "Z")
        for name, value in (("ImageOrientationPatient", order.affine), ("PixelSpacing", found.slices[0].spacing)):
            if value is None:
                raise KeyError(name)
        assert order.affine is not None
        count = order.shape[-1]
        first = int(job.result.at.get("T", 0)) * count if len(order.slices) > count else 0
        slices = [part for part in order.slices[first : first + count] if part is not None]
        if len(slices) < count:
            raise ExportError("The source series lacks a slice at the tracked time; choose nifti instead.")
        files = list(dict.fromkeys(part.file for part in slices))
        instances = [pydicom.dcmread(file, stop_before_pixels=True, force=True) for file in files]
    return SourceVolume(slices, instances, order.affine)


def object_volumes(result: TrackingResult, frames: Iterator[int]) -> tuple[list[Array], list[TrackedObject]]:
    """Label volumes ``(Z, Y, X)`` in which all objects are complete, and the objects with voxels.

    Raises
    ------
    ExportError
        If the recording was not tracked through space.
    """
    letters = (result.walk_axis, *result.plane_axes)
    if set(letters) != set("ZYX"):
        raise ExportError(f"This format needs a volume, but this recording was tracked along {result.walk_axis}.")
    volumes: list[Array] = []
    for frame in frames:
        for number, layer_yx in enumerate(result.layers(frame)):
            if number == len(volumes):
                volumes.append(np.zeros((result.n_frames, *result.shape_yx), result.dtype))
            volumes[number][frame] = layer_yx
    ids = sorted({int(i) for volume in volumes for i in np.unique(volume) if i > 0})
    order = [letters.index(letter) for letter in "ZYX"]
    return [volume.transpose(order) for volume in volumes], [result.entry(i) for i in ids]


def on_slices(job: ExportJob, source: SourceVolume) -> tuple[list[Array], list[TrackedObject]]:
    """Label volumes of the result in the slice order of a series, and the objects with voxels.

    Raises
    ------
    ExportError
        If no object has voxels, or the voxel grids do not match.
    """
    volumes, present = object_volumes(job.result, job.frames())
    if job.result.affine is not None:
        volumes = [onto_series(volume, job.result.affine, source.affine) for volume in volumes]
    rows, columns = source.slices[0].size[:2]
    if volumes and volumes[0].shape != (len(source.slices), rows, columns):
        raise ExportError(
            f"The source series has {len(source.slices)} slices of {columns} x {rows} pixels, which does not fit these "
            f"labels of shape {volumes[0].shape} (Z, Y, X); choose the series that was tracked."
        )
    if not present:
        raise ExportError("No object has a pixel, and this format needs at least one; choose nifti instead.")
    if len(present) < len(job.result.objects):
        job.note(f"{len(job.result.objects) - len(present)} objects without a pixel are not in the file.")
    return volumes, present


def onto_series(volume_zyx: Array, affine: npt.NDArray[np.float64], series: npt.NDArray[np.float64]) -> Array:
    """Labels in the voxel order of a series, with axes matched by both affines of ``(x, y, z)``.

    Raises
    ------
    ExportError
        If the two voxel grids do not match.
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
            "The labels do not lie on the slices of the series: their voxels differ in size or in position in the "
            "body; choose the series that was tracked, or nifti."
        )
    turned: Array = np.flip(volume_xyz.transpose(sources), tuple(backward)).T
    return np.ascontiguousarray(turned)
