"""Where an object is expected on a frame, judging by earlier frames, and whether a mask can be that object.

If a cell touches a neighbour, its mask often spreads over both, and later follows the neighbour alone. If it leaves the
frame, its mask jumps to another cell. In both cases area and position change by more than motion and growth explain.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_video.engine.framing import SEEN, motion_of, without_jumps
from napari_sam2_video.engine.windows import area_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_sam2_video.engine.windows import Place

STEADY = 1.2
"""Frames on which an object is larger than this multiple of its usual area are ignored."""

LARGER, SMALLER = 1.15, 0.5
"""Largest and smallest area that can be the object, as fractions of the expected one."""

APART = 0.4
"""Largest distance from the expected place, in sizes of the object."""

FAR = 0.75
"""Distance, in sizes, beyond which a mask is not an object that was last seen at the edge of the frame."""

STALE = 6
"""Number of frames after which nothing is expected any more."""

ENTERING = 1.15
"""How many times farther than usual an object reaches into the frame while it enters."""

LEAVING = 0.8
"""Largest fraction of its reach into the frame that remains of an object that leaves."""

GROWTH = 1.35
"""How many times larger, beyond `LARGER`, an object may become per frame while it enters."""

_EDGE = 3.0


@dataclass(frozen=True)
class Expected:
    """An object where it should be.

    Parameters
    ----------
    centre_yx : tuple of float
        Its middle in frame pixels.
    extent_yx : tuple of float
        Height and width.
    area : float
        Its area, of which only the part `within` is within the frame.
    within : float
        0 to 1.
    """

    centre_yx: tuple[float, float]
    extent_yx: tuple[float, float]
    area: float
    within: float

    def corners(self, shape_yx: tuple[int, int]) -> npt.NDArray[np.float32]:
        """First and last corner ``(2, 2)`` of the box around its part of the frame."""
        half = np.asarray(self.extent_yx) / 2
        corners = np.stack([np.asarray(self.centre_yx) - half, np.asarray(self.centre_yx) + half])
        return corners.clip(0, np.asarray(shape_yx) - 1).astype(np.float32)

    def fits(self, place: Place) -> bool:
        """Whether an object found at a place can be it."""
        if place.extent_yx is None:
            return False
        apart = math.dist(place.centre_yx, self.centre_yx) / max(self.extent_yx)
        return not self.is_hidden(place) and self._ratio(place) <= LARGER and apart <= APART

    def is_hidden(self, place: Place) -> bool:
        """Whether so little of it was found that something may hide it."""
        return place.extent_yx is None or self._ratio(place) < SMALLER

    def _ratio(self, place: Place) -> float:
        return area_of(place) / (self.area * max(self.within, 0.05))


def expected(seen: Sequence[tuple[int, Place]], shape_yx: tuple[int, int]) -> Expected | None:
    """Where an object should be; None if that is unknown.

    Parameters
    ----------
    seen : sequence of (int, Place)
        How many frames ago it was seen, and where; the nearest first. Frames on which it was larger than usual do not
        count: a mask that spread to a neighbour moves with the neighbour.
    shape_yx : tuple of int
        Shape of the frame.
    """
    if not seen or seen[0][1].extent_yx is None:
        return None
    places = [place for _, place in seen]
    usual = median(area_of(place) for place in places)
    enters = _enters(places, shape_yx)
    steady = [one for one in seen if enters or area_of(one[1]) <= STEADY * usual]
    age, last = steady[0]
    if age > STALE or last.extent_yx is None:
        return None
    motion = motion_of(without_jumps(steady)[:SEEN])
    centre = (last.centre_yx[0] + age * motion[0], last.centre_yx[1] + age * motion[1])
    within = 1.0
    for middle, extent, length in zip(centre, last.extent_yx, shape_yx, strict=True):
        within *= max(0.0, min(length, middle + extent / 2) - max(0.0, middle - extent / 2)) / extent
    area = GROWTH * area_of(last) if enters else min(area_of(last), usual)
    return Expected(centre, last.extent_yx, area, within)


def has_left(found: Place, before: Place, seen: Sequence[tuple[int, Place]], shape_yx: tuple[int, int]) -> bool:
    """Whether an object left over an edge of the frame, and what was found is too far from there to be it.

    Parameters
    ----------
    found : Place
        What was found.
    before : Place
        Where the object was on the frame before; where it was last seen, if it was absent.
    seen, shape_yx
        As for `expected`.
    """
    places = [place for _, place in seen if place.extent_yx is not None]
    last = places[0] if places else before
    if (
        found.extent_yx is None
        or last.size == 0
        or not (_leaves(places, shape_yx) if places else any(_edges(last, shape_yx)))
    ):
        return False
    usual = median(area_of(place) for place in places) if places else 0.0
    size = max([last.size, *(place.size for place in places if area_of(place) <= STEADY * usual)])
    there = expected(seen, shape_yx)
    points = [last.centre_yx] if there is None else [last.centre_yx, there.centre_yx]
    return min(math.dist(found.centre_yx, point) for point in points) > FAR * size


def _edges(place: Place, shape_yx: tuple[int, int]) -> tuple[bool, bool]:
    """Whether an object reaches an edge of the frame along the first and along the second axis."""
    extents = place.extent_yx or (place.size, place.size)
    y, x = (
        middle - extent / 2 < _EDGE or middle + extent / 2 > length - 1 - _EDGE
        for middle, extent, length in zip(place.centre_yx, extents, shape_yx, strict=True)
    )
    return y, x


def _enters(places: Sequence[Place], shape_yx: tuple[int, int]) -> bool:
    """Whether an object enters over an edge of the frame: it reaches farther into it than before."""
    edges = _edges(places[0], shape_yx)
    if len(places) < SEEN // 2:
        return any(edges)
    reaches = _reaches(places)
    return any(edge and reach[0] > ENTERING * median(reach) for edge, reach in zip(edges, reaches, strict=True))


def _leaves(places: Sequence[Place], shape_yx: tuple[int, int]) -> bool:
    """Whether an object leaves over an edge of the frame: it reaches less far into it than before."""
    edges = _edges(places[0], shape_yx)
    return any(edge and reach[0] < LEAVING * max(reach) for edge, reach in zip(edges, _reaches(places), strict=True))


def _reaches(places: Sequence[Place]) -> list[list[float]]:
    """Extents of an object along both axes."""
    return [[place.extent_yx[axis] for place in places if place.extent_yx is not None] for axis in (0, 1)]
