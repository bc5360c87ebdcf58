"""When the images of a DICOM file were taken."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from napari_sam2_video.frames.times import UNKNOWN, FrameTimes, frame_times

_PLAYBACK = ("RecommendedDisplayFrameRate", "CineRate")


def clip_times(header: Any, count: int) -> tuple[FrameTimes, list[str]]:
    """Acquisition times in seconds of the images of a multi-frame file, in file order, and notes about them.

    Taken from the increments (FrameTimeVector) or the constant interval (FrameTime, ActualFrameDuration). Only if both
    are missing is the recommended playback rate used, which the note reports.
    """
    steps = header.get("FrameTimeVector")
    if steps is not None and len(steps := np.atleast_1d(np.array(steps, np.float64))) in (count, count - 1):
        seconds = np.cumsum(steps if len(steps) == count else [0.0, *steps]) / 1000
        times = frame_times(seconds)
        if times.interval is not None:
            return times, []
    for name in ("FrameTime", "ActualFrameDuration"):
        interval = _positive(header.get(name))
        if interval is not None:
            return FrameTimes(None, interval / 1000), []
    for name in _PLAYBACK:
        rate = _positive(header.get(name))
        if rate is not None:
            note = f"The interval is taken from the recommended playback rate ({name}: {rate:g} per second)."
            return FrameTimes(None, 1 / rate), [note]
    return UNKNOWN, []


def date_seconds(text: Any) -> float:
    """Seconds of a DICOM date and time (YYYYMMDDHHMMSS.FFFFFF); NaN if there is none."""
    whole, _, fraction = str(text or "").split("+")[0].split("-")[0].partition(".")
    if len(whole) < 10 or not whole.isdecimal():
        return math.nan
    try:
        day = int(np.datetime64(f"{whole[:4]}-{whole[4:6]}-{whole[6:8]}", "D").astype(np.int64))
        hours, minutes, seconds = (int(whole[at : at + 2] or 0) for at in (8, 10, 12))
        return day * 86400.0 + hours * 3600 + minutes * 60 + seconds + float(f"0.{fraction or 0}")
    except ValueError:
        return math.nan


def _positive(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and number > 0 else None
