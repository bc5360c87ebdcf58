"""Exact outlines of masks: polygons along the pixels' borders."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from napari_sam2_video.results import Array

Corner: TypeAlias = tuple[int, int]
EAST, SOUTH, WEST, NORTH = range(4)
STEPS = ((0, 1), (1, 0), (0, -1), (-1, 0))


def outlines(mask_yx: Array) -> list[npt.NDArray[np.int64]]:
    """Closed outlines of a mask and of its holes.

    Filled by the even-odd rule they give the mask back exactly.

    Parameters
    ----------
    mask_yx : ndarray of bool, shape (Y, X)
        The mask.

    Returns
    -------
    list of ndarray of int, shape (n, 2)
        Corners ``(x, y)`` in units of pixel borders: the pixel ``(y, x)`` covers ``x`` to ``x + 1``. The outside runs
        clockwise on the screen, holes run the other way; the first corner is not repeated.
    """
    edges = border_edges(mask_yx)
    return [
        np.array([(x, y) for y, x in _follow(edges, start)], np.int64)
        for start in sorted(edges[EAST])
        if start in edges[EAST]
    ]


def border_edges(mask_yx: Array) -> tuple[set[Corner], ...]:
    """Starting corners ``(y, x)`` of the pixel sides on the border, by heading, with the mask at their right."""
    padded = np.pad(mask_yx.astype(bool), 1)
    here, above, left = padded[1:, 1:], padded[:-1, 1:], padded[1:, :-1]

    def corners(sides: Array, dy: int = 0, dx: int = 0) -> set[Corner]:
        y, x = np.nonzero(sides)
        return set(zip((y + dy).tolist(), (x + dx).tolist(), strict=True))

    return (
        corners(here & ~above),
        corners(left & ~here),
        corners(above & ~here, dx=1),
        corners(here & ~left, dy=1),
    )


def _follow(edges: tuple[set[Corner], ...], start: Corner) -> list[Corner]:
    place, heading, corners = start, EAST, [start]
    while True:
        place = (place[0] + STEPS[heading][0], place[1] + STEPS[heading][1])
        right, left = (heading + 1) % 4, (heading + 3) % 4
        turn = next(way for way in (right, heading, left) if place in edges[way])
        edges[turn].remove(place)
        if (place, turn) == (start, EAST):
            return corners
        if turn != heading:
            corners.append(place)
            heading = turn
