"""Combine several channels into one colour image: each with its own contrast window and colour, added up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.frames.window import WindowMap

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_sam2_video.types import ChannelColor


class Composite:
    """Makes colour images from planes of several channels.

    Attributes
    ----------
    channels : tuple of int
        Indices along ``C``, in the order in which planes are passed.
    key : list
        Everything that determines the pixels, JSON-serializable.
    """

    def __init__(self, channels: Sequence[ChannelColor], dtype: npt.DTypeLike) -> None:
        self.channels = tuple(one.channel for one in channels)
        self.key: list[Any] = []
        self._maps: list[WindowMap] = []
        self._tables: list[npt.NDArray[np.uint16]] = []
        for one in channels:
            assert one.window is not None
            self.key.append([one.channel, list(one.color), float(one.window.low), float(one.window.high)])
            self._maps.append(WindowMap(one.window, dtype))
            grey = np.arange(256)[:, None] * np.array(one.color)
            self._tables.append(np.rint(grey / 255).astype(np.uint16))

    def __call__(self, planes: Sequence[npt.NDArray[Any]]) -> npt.NDArray[np.uint8]:
        """Colour image of the raw planes of the channels, uint8 ``(Y, X, 3)``; sums above 255 become 255."""
        total = np.zeros((*planes[0].shape, 3), np.uint16)
        for plane, window, table in zip(planes, self._maps, self._tables, strict=True):
            total += table[window(plane)]
        return np.minimum(total, 255).astype(np.uint8)
