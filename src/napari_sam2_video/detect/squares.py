"""Divide a frame into squares for the network, so that small objects keep their resolution."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from napari_sam2_video.detect.overlap import box_of

if TYPE_CHECKING:
    from napari_sam2_video.linking.shapes import Shape

Square: TypeAlias = tuple[int, int, int]
_ENLARGED = 1.5
_COMMON = 0.25
_SMALL = 0.12


@dataclass(frozen=True)
class Look:
    """A look at the whole frame, or at a square part of it.

    Parameters
    ----------
    square : tuple of int, optional
        First row, first column and side in pixels; None for the whole frame.
    shape_yx : tuple of int
        Shape of the frame.
    pixels : float
        Frame pixels per pixel of the network's input, along the longer side.
    least_size : float
        Minimum height or width of an object for this look, in pixels of the network's input; smaller ones need a closer
        look.
    """

    square: Square | None
    shape_yx: tuple[int, int]
    pixels: float
    least_size: float = 0.0

    @property
    def box(self) -> tuple[int, int, int, int]:
        """First row and column, and those after the last, inside the frame."""
        if self.square is None:
            return 0, 0, *self.shape_yx
        top, left, side = self.square
        return max(top, 0), max(left, 0), min(top + side, self.shape_yx[0]), min(left + side, self.shape_yx[1])

    def shows(self, shape: Shape) -> bool:
        """Whether this look should find an object: it is not cut off, and no closer look sees it better."""
        box = box_of(shape)
        first, last = box[:2], box[2:]
        if max(last[0] - first[0], last[1] - first[1]) < self.least_size * self.pixels:
            return False
        if self.square is None:
            return True
        begin, end = self.box[:2], self.box[2:]
        return all(
            (low > start or start == 0) and (high < stop or stop == length)
            for low, high, start, stop, length in zip(first, last, begin, end, self.shape_yx, strict=True)
        )


def looks(shape_yx: tuple[int, int], image_size: int, side: int | None = None) -> list[Look]:
    """Looks at a frame: the whole and, if it is reduced much, overlapping squares.

    Parameters
    ----------
    shape_yx : tuple of int
        Shape of the frame.
    image_size : int
        Side of the network's input.
    side : int, optional
        Side of the squares; `image_size` if not given.
    """
    longest = max(shape_yx)
    side = image_size if side is None else side
    if longest <= _ENLARGED * side:
        return [Look(None, shape_yx, longest / image_size)]
    whole = Look(None, shape_yx, longest / image_size, _SMALL * image_size)
    rows, columns = (_begins(length, side) for length in shape_yx)
    return [whole, *(Look((y, x, side), shape_yx, side / image_size) for y in rows for x in columns)]


def _begins(length: int, side: int) -> list[int]:
    """First pixels of squares that cover an axis evenly with a minimum overlap."""
    if length <= side:
        return [0]
    count = math.ceil((length - side) / (side * (1 - _COMMON))) + 1
    return [round(n * (length - side) / (count - 1)) for n in range(count)]
