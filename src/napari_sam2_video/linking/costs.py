"""What it costs to take masks of two frames for one object, or for a mother and her daughters."""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_video.linking.shapes import union

if TYPE_CHECKING:
    from napari_sam2_video.linking.settings import LinkSettings
    from napari_sam2_video.linking.shapes import Shape

CUT_OFF = 0.35
FARTHEST = 4.0
MOST_UNEQUAL = 5.0
FARTHEST_DAUGHTER = 2.5


class Costs:
    """Costs of links, divisions, beginnings and ends.

    Parameters
    ----------
    settings : LinkSettings
        What is likely.
    shape_yx : tuple of int
        Shape of the frames.
    n_frames : int
        Number of frames.
    radius : float
        Radius in pixels of a usual object.
    """

    def __init__(self, settings: LinkSettings, shape_yx: tuple[int, int], n_frames: int, radius: float) -> None:
        self._settings = settings
        self._shape_yx = shape_yx
        self._least_radius = max(radius / 2, 1.0)
        self.n_frames = n_frames

    def link(self, first: Shape, second: Shape, frames: int) -> float:
        """Cost of one object being the first shape, and `frames` later the second one."""
        said = self._settings
        radius = max(first.radius, second.radius, self._least_radius)
        ratio = abs(log(first.area / second.area))
        if first.distance(second) > (FARTHEST * said.reach * frames + 1) * radius:
            return float("inf")
        smaller = first if first.area < second.area else second
        shift = [abs(a - b) / radius for a, b in zip(first.centre, second.centre, strict=True)]
        unlike = 1 - first.likeness(second)
        cut = self._cut(smaller)
        if any(cut):
            # What an edge cuts off changes shape, size and centre without anything being wrong.
            inside = first.overlap(second) / smaller.area
            unlike, ratio = CUT_OFF * min(unlike, 1 - inside), CUT_OFF * min(ratio, log(MOST_UNEQUAL))
            shift = [moved * (1 - CUT_OFF) if away else moved for moved, away in zip(shift, cut, strict=True)]
        elif ratio > log(MOST_UNEQUAL):
            return float("inf")
        moved = shift[0] ** 2 + shift[1] ** 2
        return (
            said.missing * (frames - 1) + said.shape * unlike + said.size * ratio + moved / (2 * said.reach**2 * frames)
        )

    def division(self, mother: Shape, daughters: tuple[Shape, Shape], missing: int) -> float:
        """Cost of a shape becoming two, the daughters being missing on so many frames together."""
        said = self._settings
        one, other = daughters
        total = one.area + other.area
        ratio = abs(log(total / mother.area))
        uneven = abs(log(one.area / other.area))
        if ratio > log(2) or uneven > log(MOST_UNEQUAL):
            return float("inf")
        radius = max(mother.radius, self._least_radius)
        if max(shape.distance(mother) for shape in daughters) > FARTHEST_DAUGHTER * radius:
            return float("inf")
        middle = [(one.area * one.centre[n] + other.area * other.centre[n]) / total - mother.centre[n] for n in (0, 1)]
        moved = float(np.hypot(middle[0], middle[1])) / radius
        unlike = (1 - mother.likeness(union(daughters))) / 2
        alike = said.shape * unlike + said.size * (ratio + uneven / 2)
        certain = CUT_OFF if any(any(self._cut(shape)) for shape in (mother, *daughters)) else 1.0
        return said.divides + said.missing * missing + certain * alike + moved**2 / (2 * said.reach**2)

    def begin(self, shape: Shape, frame: int) -> float:
        """Cost of a track beginning."""
        return self._comes(shape, frame)

    def is_missed(self, shape: Shape, frames: int) -> bool:
        """Whether an object was there on so many frames up to an end of the recording, rather than not yet or gone."""
        said = self._settings
        return 0 < frames <= said.gap and said.missing * frames < self._edge_cost(shape)

    def end(self, shape: Shape, frame: int) -> float:
        """Cost of a track ending."""
        return self._comes(shape, self.n_frames - 1 - frame)

    def _comes(self, shape: Shape, frames: int) -> float:
        """Cost of coming or going, with so many frames up to the end of the recording."""
        if frames == 0 or self.is_missed(shape, frames):
            return self._settings.missing * frames
        return self._edge_cost(shape)

    def _edge_cost(self, shape: Shape) -> float:
        said = self._settings
        return said.appears_at_edge if self._from_edge(shape) <= shape.radius else said.appears

    def _from_edge(self, shape: Shape) -> int:
        return shape.edge_distance(self._shape_yx)

    def _cut(self, shape: Shape) -> tuple[bool, bool]:
        """Whether the frame ends at a shape along y, and along x."""
        ends = [(at, at + size) for at, size in zip(shape.origin_yx, shape.mask.shape, strict=True)]
        first, second = (low <= 0 or high >= size for (low, high), size in zip(ends, self._shape_yx, strict=True))
        return first, second
