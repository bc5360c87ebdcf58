"""Sample recordings, made when they are opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_sam2_video.plugin.recording_layers import LayerData


def cells() -> list[LayerData]:
    """Cells in a time series, uint16 ``(T, Y, X)``."""
    from napari_sam2_video.synthetic import sample_time_series

    return [_layer(sample_time_series().frames, "cells", "tyx")]


def abdomen() -> list[LayerData]:
    """A CT-like volume in Hounsfield units, int16 ``(Z, Y, X)``, in the window for the abdomen."""
    from napari_sam2_video.synthetic import sample_ct_volume
    from napari_sam2_video.types import CT_WINDOWS

    window = CT_WINDOWS["abdomen"]
    limits = (window.low, window.high)
    return [_layer(sample_ct_volume().frames, "abdomen", "zyx", contrast_limits=limits)]


def colour_video() -> list[LayerData]:
    """Coloured shapes that cross, uint8 ``(T, Y, X, 3)``."""
    from napari_sam2_video.synthetic import sample_video

    return [_layer(sample_video().frames, "video", "tyx", rgb=True)]


def _layer(frames: Any, name: str, axes: str, **arguments: Any) -> LayerData:
    return frames, {"name": name, "axis_labels": list(axes), **arguments}, "image"
