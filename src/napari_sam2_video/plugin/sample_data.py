"""Sample recordings, generated when opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam2_video.plugin.waiting import while_window_draws

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Layer

    from napari_sam2_video.plugin.recording_layers import LayerData


SAMPLE = "napari_sam2_video_sample"
"""Key in a sample layer's metadata for the name of the sample."""


def is_sample(layer: Layer) -> bool:
    """Whether a layer shows a sample."""
    return SAMPLE in layer.metadata


def cells() -> list[LayerData]:
    """Cells in a time series, uint16 ``(T, Y, X)``."""

    def make() -> Any:
        from napari_sam2_video.synthetic import sample_time_series

        return sample_time_series().frames

    return [_layer(make, "cells", "tyx")]


def abdomen() -> list[LayerData]:
    """A CT-like volume in Hounsfield units, int16 ``(Z, Y, X)``, in the abdominal window."""
    from napari_sam2_video.types import CT_WINDOWS

    def make() -> Any:
        from napari_sam2_video.synthetic import sample_ct_volume

        return sample_ct_volume().frames

    window = CT_WINDOWS["abdomen"]
    return [_layer(make, "abdomen", "zyx", contrast_limits=(window.low, window.high))]


def colour_video() -> list[LayerData]:
    """Coloured shapes that cross each other, uint8 ``(T, Y, X, 3)``."""

    def make() -> Any:
        from napari_sam2_video.synthetic import sample_video

        return sample_video().frames

    return [_layer(make, "video", "tyx", rgb=True)]


def sample_layer(name: str) -> LayerData | None:
    """The sample whose layer has this name, None if there is none."""
    make = {"cells": cells, "abdomen": abdomen, "video": colour_video}.get(name)
    return None if make is None else make()[0]


def _layer(make: Callable[[], Any], name: str, axes: str, **arguments: Any) -> LayerData:
    frames = while_window_draws(make, f"Making the sample {name}…")
    return frames, {"name": name, "axis_labels": list(axes), "metadata": {SAMPLE: name}, **arguments}, "image"
