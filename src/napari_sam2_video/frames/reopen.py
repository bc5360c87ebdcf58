"""Describe how a recording was opened, and open it in the same way again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam2_video.frames.open import open_recording
from napari_sam2_video.frames.times import summary_of_times

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_sam2_video.frames.recording import Recording


def described(recording: Recording) -> dict[str, Any]:
    """JSON-serializable description of a recording: name, axes, shape, dtype, series, sizes and their source."""
    return {
        "name": recording.name,
        "axes": recording.axes,
        "shape": list(recording.shape),
        "dtype": recording.dtype.str,
        "series": recording.series,
        "scale": dict(recording.scale),
        "units": dict(recording.units),
        "calibration_source": dict(recording.calibration_source),
        "times": summary_of_times(recording.times),
    }


def open_described(source: Any, description: Mapping[str, Any]) -> Recording:
    """Open a file, a folder or an array with the axes and sizes that a recording had.

    Parameters
    ----------
    source : str, Path or array-like
        What `open_recording` takes.
    description : mapping
        As `described` gives it; older ones may lack ``series`` and ``calibration_source``.

    Raises
    ------
    RecordingError
        If it cannot be opened that way.
    KeyError, TypeError, ValueError
        If the description is damaged.
    """
    recording = open_recording(
        source, axes=description["axes"], series=description.get("series"), name=description["name"]
    )
    try:
        recording.set_calibration(dict(description["scale"]), dict(description["units"]))
        sources = dict(description.get("calibration_source") or {})
        recording.calibration_source |= {
            letter: "person" for letter, size in recording.scale.items() if size and sources.get(letter) == "person"
        }
        if recording.calibration_source.get("T") == "person":
            recording.set_times(None)
    except BaseException:
        if recording is not source:
            recording.close()
        raise
    return recording
