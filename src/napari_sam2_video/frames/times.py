"""When the frames of a recording were taken: their times if the interval varies, else the interval."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_sam2_video.errors import RecordingError

if TYPE_CHECKING:
    import numpy.typing as npt

_ROUNDED_SECONDS = 0.0015
_JITTER = 0.1
_COARSE, _MOSTLY = 0.2, 0.9
_DIGITS = 12


class FrameTimes(NamedTuple):
    """Times of the frames in seconds.

    Parameters
    ----------
    times : ndarray of float64, shape (T,), or None
        Seconds from the first frame to each, strictly increasing; None if the interval is constant or unknown.
    interval : float or None
        The constant interval, or the median one where it varies; None if it is unknown.
    """

    times: npt.NDArray[np.float64] | None
    interval: float | None


UNKNOWN = FrameTimes(None, None)


def frame_times(seconds: npt.ArrayLike, *, tick: float = 0.0) -> FrameTimes:
    """Distinguish a constant interval from times that vary.

    Parameters
    ----------
    seconds : array-like of float, shape (T,)
        Time of each frame, from any origin.
    tick : float
        Time resolution of the file, by which times of a constant rate may be off.

    Returns
    -------
    FrameTimes
        Both unknown if the times of two or more frames do not strictly increase.
    """
    found = np.asarray(seconds, np.float64)
    if found.size < 2 or not np.isfinite(found).all() or not (np.diff(found) > 0).all():
        return UNKNOWN
    times = found - found[0]
    interval = round(float(times[-1] / (times.size - 1)), _DIGITS)
    usual = float(np.median(np.diff(times)))
    gaps = np.diff(found)
    if tick > _COARSE * usual and (np.abs(gaps - usual) < _COARSE * tick).mean() >= _MOSTLY:
        tick = 0.0  # a clock that ticks once per frame: gaps are dropped frames, not rounding
    rounded = max(1.5 * tick, min(_ROUNDED_SECONDS, _JITTER * usual)) + 1e-9 * float(np.abs(found).max())
    if np.abs(times - interval * np.arange(times.size)).max() <= rounded:
        return FrameTimes(None, interval)
    return FrameTimes(times, usual)


def checked_times(times: npt.ArrayLike | None, count: int, name: str) -> npt.NDArray[np.float64] | None:
    """Check times, and return them from the first frame as a read-only array.

    Raises
    ------
    RecordingError
        If there is not one time for each of `count` frames, or they do not increase.
    """
    if times is None:
        return None
    found = np.array(times, np.float64)
    if found.shape != (count,) or not np.isfinite(found).all() or not (np.diff(found) > 0).all():
        raise RecordingError(f"The times of {name} must be {count} increasing numbers, one for each frame along T.")
    found -= found[0]
    found.flags.writeable = False
    return found


def summary_of_times(times: npt.NDArray[np.float64] | None) -> dict[str, float] | None:
    """Seconds from the first to the last frame, and the shortest and longest interval; None if it is constant."""
    if times is None:
        return None
    gaps = np.diff(times)
    return {"duration": float(times[-1]), "shortest": float(gaps.min()), "longest": float(gaps.max())}
