"""Combine image layers of one shape into one with a channel axis, so that the model sees them together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.plugin.layer_source import shown_window
from napari_sam2_video.plugin.layers import level_zero
from napari_sam2_video.types import ChannelColor

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari.layers import Image

JOINED_BY = " + "
CHANNELS = "napari_sam2_video_channels"
"""Metadata key for the colours and windows of the layers in a stacked layer."""


def stackable(layer: Image | None, others: Iterable[Image]) -> list[Image]:
    """The layer and the others that can be combined with it, in order; empty if there are none."""
    if layer is None or layer.rgb or CHANNELS in layer.metadata:
        return []
    shape, dtype = level_zero(layer).shape, level_zero(layer).dtype
    found = [
        other
        for other in others
        if other is layer
        or (
            not other.rgb
            and CHANNELS not in other.metadata
            and level_zero(other).shape == shape
            and level_zero(other).dtype == dtype
            and np.allclose(other.scale, layer.scale)
            and np.allclose(other.translate, layer.translate)
        )
    ]
    return found if len(found) > 1 else []


def stacked(layers: Sequence[Image], axes: str) -> Image:
    """Combine several layers into one; their arrays are read frame by frame on demand."""
    import dask.array as da
    from napari.layers import Image

    first = layers[0]
    arrays = [da.asarray(level_zero(layer)) for layer in layers]  # type: ignore[no-untyped-call]
    limits = np.array([layer.contrast_limits for layer in layers])
    # Channels come first: napari aligns the axes of layers from the last one. The layers themselves stay visible.
    return Image(
        da.stack(arrays),  # type: ignore[no-untyped-call]
        name=JOINED_BY.join(layer.name for layer in layers),
        axis_labels=["c", *axes.lower()],
        scale=[1, *first.scale],
        translate=[0, *first.translate],
        units=["pixel", *(str(unit) for unit in first.units)],
        contrast_limits=(float(limits[:, 0].min()), float(limits[:, 1].max())),
        metadata={CHANNELS: tuple(_as_shown(number, layer) for number, layer in enumerate(layers))},
        visible=False,
    )


def stacked_again(name: str, images: Sequence[Image], axes: str) -> Image | None:
    """Rebuild a stacked layer from its parts; None if any is missing."""
    wanted = name.split(JOINED_BY)
    by_name = {layer.name: layer for layer in images}
    if len(wanted) < 2 or not by_name.keys() >= set(wanted):
        return None
    layers = [by_name[one] for one in wanted]
    return stacked(layers, axes[1:]) if len(stackable(layers[0], layers)) == len(wanted) else None


def _as_shown(number: int, layer: Image) -> ChannelColor:
    """The colour and the window in which a layer is shown."""
    brightest: Any = layer.colormap.colors[-1]
    red, green, blue = (round(255 * float(part)) for part in brightest[:3])
    return ChannelColor(number, (red, green, blue), shown_window(layer))
