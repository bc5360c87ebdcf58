"""The frame rate of exported videos, and the interval in formats that hold only one."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_video.errors import ExportError

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_sam2_video.export.format import ExportJob

CLOCK = 90_000
"""Ticks per second for the frame times passed to ffmpeg."""

_DEFAULT_RATE = Fraction(10)
_SLOWEST, _FASTEST = 1, 240
_TICKS = {".mkv": 0.001, ".webm": 0.001, ".gif": 0.01}
_WIDEST = 65_535


@dataclass(frozen=True)
class Pace:
    """Speed of a video.

    Parameters
    ----------
    rate : Fraction
        Frames per second.
    ticks : ndarray of int64, shape (n_frames,), optional
        Time of each frame in units of 1 / `CLOCK` seconds, if the video keeps varying times.
    """

    rate: Fraction
    ticks: npt.NDArray[np.int64] | None = None


def pace_of(job: ExportJob) -> Pace:
    """Choose the speed of a video, with a note if it is not the recording's own.

    Raises
    ------
    ExportError
        If the option ``fps`` is not a valid frame rate.
    """
    times, asked = job.result.frame_times, job.options["fps"]
    if times is None or asked is not None:
        rate, note = frame_rate(job.result.frame_seconds, asked)
        if note is None and asked is None and job.result.frame_seconds is None and job.result.walk_axis == "T":
            note = f"The frame interval of the recording is unknown; the video plays {rate} frames per second."
        if times is not None:
            note = f"The frame rate varies; the video plays {float(rate):g} frames per second as requested."
        if note:
            job.note(note)
        return Pace(rate)
    gaps = np.diff(times)
    rate, note = frame_rate(float(np.median(gaps)), None)
    too_close = gaps.min() < _TICKS.get(job.target.suffix.lower(), 2 / CLOCK)
    if note or too_close or max(job.result.shape_yx) > _WIDEST:
        job.note(
            f"The frame rate of the recording varies, by {gaps.min():g} to {gaps.max():g} s a frame; the video plays "
            f"{float(rate):g} frames per second instead."
        )
        return Pace(rate)
    job.note("The video keeps the recording's own times, which vary; choose fps for a constant rate.")
    return Pace(rate, np.rint(times * CLOCK).astype(np.int64))


def frame_rate(frame_seconds: float | None, asked: float | None) -> tuple[Fraction, str | None]:
    """Frames per second for a video, and a note if it is not the recording's own.

    Returns
    -------
    rate : Fraction
        Frames per second.
    note : str or None
        A note if the recording's rate is known but not watchable.

    Raises
    ------
    ExportError
        If the requested rate is invalid.
    """
    if asked is not None:
        if not 0.01 <= asked <= 1000:
            raise ExportError(f"{asked:g} frames per second cannot be written; choose a rate from 0.01 to 1000.")
        return Fraction(asked).limit_denominator(1001), None
    if frame_seconds is None:
        return _DEFAULT_RATE, None
    rate = Fraction(1 / frame_seconds).limit_denominator(1001)
    if _SLOWEST <= rate <= _FASTEST:
        return rate, None
    return _DEFAULT_RATE, (
        f"The recording has a frame every {frame_seconds:g} s; the video plays {_DEFAULT_RATE} frames per second "
        "instead."
    )


def single_interval(job: ExportJob) -> float | None:
    """Interval of frames along the walked axis for formats that hold only one; adds a note if it varies.

    Returns
    -------
    float or None
        In the result's own unit of the walked axis; the mean if the interval varies, None if it is unknown.
    """
    result = job.result
    if result.frame_times is None:
        return result.step
    calibration = result.calibration
    job.note(
        "The frame rate of the recording varies and this format holds one frame interval: the mean is written; "
        "choose ome-tiff or measurements-csv for the time of every frame."
    )
    first, last = calibration.position([result.frames.start, result.frames[-1]])
    return float(last - first) / (len(result.frames) - 1)
