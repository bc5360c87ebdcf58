"""The format of decoded video frames: their size, the shape of their pixels, and their layout."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.frames.alpha import on_white

if TYPE_CHECKING:
    import numpy.typing as npt

_DEEP_GREY = re.compile(r"gray(?:9|10|12|14|16)(?:le|be)?$")
_COLOUR_16 = re.compile(r"(?:9|10|12|14|16|32|64|48)(?:le|be)$|^[px]2?[0124]1[0246](?:le|be)?$|^xyz12")
_ALPHA = re.compile(r"^yuva|^rgba|^bgra|^argb|^abgr|^gbrap|^ya8|^ya16|^pal8|^ayuv|^vuya$")
_SAMPLES = {"rgb24": 3, "rgb48le": 3, "rgba": 4, "rgba64le": 4}
_DTYPES = {"gray": "u1", "rgb24": "u1", "rgba": "u1", "grayf32le": "<f4"}


@dataclass(frozen=True)
class PictureFormat:
    """Layout of decoded frames.

    Parameters
    ----------
    height, width : int
        Size as displayed, after any rotation that the file demands.
    name : str
        ffmpeg's name for the pixel format of decoded frames.
    source : str
        ffmpeg's name for the video's own pixel format.
    sample_aspect : Fraction
        Width of a displayed pixel over its height.
    """

    height: int
    width: int
    name: str
    source: str
    sample_aspect: Fraction = Fraction(1)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        return np.dtype(_DTYPES.get(self.name, "<u2"))

    @property
    def shape(self) -> tuple[int, ...]:
        """``(Y, X)`` or ``(Y, X, 3)``."""
        return (self.height, self.width, 3) if self.name in _SAMPLES else (self.height, self.width)

    @property
    def alpha(self) -> bool:
        """Whether frames have an alpha channel, which is blended with white."""
        return _SAMPLES.get(self.name) == 4

    @property
    def palette(self) -> bool:
        """Whether the values are indices into a palette, which comes with the first packet."""
        return self.source == "pal8"

    @property
    def deep(self) -> bool:
        """Whether colours have more than 8 bits."""
        return self.name in ("rgb48le", "rgba64le")

    @property
    def frame_bytes(self) -> int:
        """Bytes per frame from ffmpeg."""
        return self.height * self.width * _SAMPLES.get(self.name, 1) * self.dtype.itemsize

    def frame_of(self, piece: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        """Image of shape `shape` from the bytes of one frame."""
        values = piece.view(self.dtype).reshape(self.height, self.width, -1)
        return on_white(values) if self.alpha else values.reshape(self.shape)


def picture_format(source: str, height: int, width: int, sample_aspect: Fraction = Fraction(1)) -> PictureFormat:
    """Pixel format that keeps everything in the video's own format `source`.

    Grey stays grey with all its bits, 8-bit colour becomes 8-bit RGB, and deeper colour 16-bit RGB.
    """
    if source in ("gray", "monow", "monob"):
        name = "gray"
    elif _DEEP_GREY.match(source):
        name = source.removesuffix("be").removesuffix("le") + "le"
    elif source.startswith("grayf32"):
        name = "grayf32le"
    elif _ALPHA.search(source):
        name = "rgba64le" if _COLOUR_16.search(source) else "rgba"
    else:
        name = "rgb48le" if _COLOUR_16.search(source) else "rgb24"
    return PictureFormat(height, width, name, source, sample_aspect)
