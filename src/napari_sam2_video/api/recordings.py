"""Describe a recording."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from napari_sam2_video.api.options import SessionOptions
from napari_sam2_video.api.sessions import window_of
from napari_sam2_video.frames.times import summary_of_times
from napari_sam2_video.frames.view import FrameView
from napari_sam2_video.types import OpenSettings
from napari_sam2_video.types.calls import public
from napari_sam2_video.types.contrast import checked_channels

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from napari_sam2_video.frames.recording import Recording
    from napari_sam2_video.types import ChannelColor, ContrastWindow, PixelSize


@public
def info(
    recording: str | Path | Recording | npt.ArrayLike,
    *,
    axes: str | None = None,
    pixel_size: str | PixelSize | None = None,
    interval: str | float | None = None,
    series: int | str | None = None,
    axis: str | None = None,
    at: Mapping[str, int] | None = None,
    channel: int | None = None,
    channels: str | Sequence[ChannelColor] = (),
    contrast: str | tuple[float, float] | ContrastWindow | None = None,
) -> dict[str, Any]:
    """Describe a recording and how it would be viewed; reads a few frames at most.

    Parameters
    ----------
    recording : str, Path, Recording or array-like
        What `open_recording` takes.
    axes, pixel_size, interval, series, axis, at, channel, channels, contrast
        As for `create_session`.

    Returns
    -------
    dict
        ``name``, ``axes``, ``shape``, ``dtype``, ``scale`` (None where unknown), ``units``, ``calibration_source``
        (``"file"``, ``"person"`` or ``"unknown"`` by axis), ``times`` (None where frames are evenly spaced, else the
        ``duration`` and the ``shortest`` and ``longest`` interval in seconds), ``bytes``, ``notes``, and ``view`` with
        the walked axis, the number of frames, the shape of a frame, the contrast window and the channels of a
        composite.

    Raises
    ------
    Sam2VideoError
        If it cannot be opened, or the options do not fit.
    """
    options = SessionOptions(
        OpenSettings.of(axes=axes, pixel_size=pixel_size, interval=interval, series=series),
        axis,
        {} if at is None else at,
        channel,
        window_of(contrast),
        channels=checked_channels(channels),
    )
    return describe(recording, options)


def describe(recording: Any, options: SessionOptions) -> dict[str, Any]:
    """See `info`."""
    source = options.open(recording)
    try:
        settings = options.view_of(source)
        view = FrameView(source, settings)
        return {
            "name": source.name,
            "axes": source.axes,
            "shape": tuple(source.shape),
            "dtype": str(source.dtype),
            "bytes": math.prod(source.shape) * source.dtype.itemsize,
            "scale": dict(source.scale),
            "units": dict(source.units),
            "calibration_source": dict(source.calibration_source),
            "times": summary_of_times(source.times),
            "notes": tuple(source.notes),
            "view": {
                "axis": settings.axis,
                "n_frames": view.n_frames,
                "shape_yx": view.shape_yx,
                "channel": settings.channel,
                "channels": tuple(one.text() for one in settings.channels),
                "at": dict(settings.at),
                "window": (settings.window.low, settings.window.high, settings.window.source),
            },
        }
    finally:
        if source is not recording:
            source.close()
