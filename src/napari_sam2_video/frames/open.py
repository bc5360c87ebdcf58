"""Open anything that holds frames; its content, not its name, decides what it is."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam2_video.errors import RecordingError
from napari_sam2_video.frames.array import ArrayRecording
from napari_sam2_video.frames.array_like import described_array
from napari_sam2_video.frames.folder import open_files
from napari_sam2_video.frames.ome_zarr import ZARR_METADATA, zarr_recording
from napari_sam2_video.frames.recording import Recording
from napari_sam2_video.frames.registry import reader_of
from napari_sam2_video.types import OpenSettings
from napari_sam2_video.types.calls import public

if TYPE_CHECKING:
    from napari_sam2_video.frames.array_like import DescribedArray
    from napari_sam2_video.types import PixelSize


@public
def open_recording(
    source: str | Path | Any,
    *,
    axes: str | None = None,
    pixel_size: str | PixelSize | None = None,
    interval: str | float | None = None,
    series: int | str | None = None,
    name: str | None = None,
) -> Recording:
    """Open a recording without reading it.

    Parameters
    ----------
    source : str, Path or array-like
        A file (TIFF, video, image, NIfTI, DICOM, ``.npy``), a folder (images, OME-Zarr, zarr, a DICOM series), a list
        of files of one frame each, or an array (numpy, dask, zarr, h5py, xarray, torch; a list of arrays is a stack, or
        a multiscale image, of which the first is used). A single image is a recording of one frame.
    axes : str, optional
        Names of the axes, to replace those found or guessed: for instance ``"ZYX"``.
    pixel_size : str or tuple, optional
        To replace a missing or wrong one: ``"0.25 um"``, ``"0.3,0.25 um"`` (Y, X), ``"2,0.5,0.5 mm"`` (Z, Y, X),
        or a tuple of the numbers and the unit.
    interval : str or float, optional
        Time from one frame to the next: ``"2.5 s"``, ``"5 min"``, or seconds.
    series : int or str, optional
        Which image series, by its index from 0 or its name, of a file or folder that holds several.
    name : str, optional
        Its name.

    Returns
    -------
    Recording
        Close it with `close`, or use it as a context manager.

    Raises
    ------
    RecordingError
        If it does not exist, is of an unknown kind or damaged, or the axes, sizes or series do not fit.
    """
    settings = OpenSettings.of(axes=axes, pixel_size=pixel_size, interval=interval, series=series)
    if isinstance(source, Recording):
        recording = source
    elif isinstance(source, str | os.PathLike):
        try:
            recording = _open_path(Path(source), str(source), settings.series)
        except OSError as error:
            raise RecordingError(
                f"{error.filename or source} cannot be read ({error.strerror or error}); check the disk and the "
                "permissions."
            ) from error
    else:
        recording = _open_array(source, settings.axes)
        settings = replace(settings, axes=None)
    try:
        recording.apply(settings)
        recording.ensure_frames()
    except BaseException:
        if recording is not source:
            recording.close()
        raise
    if name is not None:
        recording.name = name
    return recording


def _open_path(path: Path, text: str, series: int | str | None) -> Recording:
    if "://" in text:
        raise RecordingError(f"{text} is a web address; download it and open the file.")
    if not path.exists():
        raise RecordingError(f"There is no file or folder {path}; check the name.")
    if not (path.is_dir() or path.is_file()):
        raise RecordingError(f"{path} is neither a file nor a folder; copy its content into a file.")
    if path.name in ZARR_METADATA:
        path = path.parent
    reader = reader_of(path)
    if series not in (None, 0) and not reader.has_series:
        raise RecordingError(f"{path} ({reader.name}) holds one series; leave out series {series!r}.")
    recording = reader.open(path, series)
    if recording.series is None and recording.path == path:
        recording.series = series
    return recording


def _open_array(source: Any, axes: str | None) -> Recording:
    if isinstance(source, list | tuple) and source and all(isinstance(one, str | os.PathLike) for one in source):
        found: Recording = open_files(source, lambda path: reader_of(path).open(path, None))
    elif type(source).__module__.partition(".")[0] == "zarr":
        found = zarr_recording(source, str(getattr(source, "name", "")).strip("/") or "zarr")
    else:
        return _from_array(described_array(source), axes)
    if axes is not None:
        found.apply(OpenSettings(axes=axes))
    return found


def _from_array(about: DescribedArray, axes: str | None) -> Recording:
    single = axes is not None and len(axes) == len(about.array.shape) + 1
    inner = axes[1:] if axes is not None and single else axes or about.axes
    known = inner == about.axes or axes is None
    recording = ArrayRecording(
        about.array,
        name=about.name,
        axes=inner,
        scale=about.scale if known else None,
        units=about.units,
        times=about.times if known else None,
        notes=about.notes,
    )
    if axes is not None and single:
        recording.apply(OpenSettings(axes=axes))
    return recording
