"""Costs of linking masks of two frames as one object, or as a mother and her daughters."""

from __future__ import annotations

from dataclasses import replace
from math import inf, log
from typing import TYPE_CHECKING

from napari_sam2_video.linking.shapes import union

if TYPE_CHECKING:
    from napari_sam2_video.linking.candidates import Story
    from napari_sam2_video.linking.settings import LinkSettings
    from napari_sam2_video.linking.shapes import Shape

CUT_OFF = 0.35
FARTHEST = 4.0
MOST_UNEQUAL = 5.0
FARTHEST_DAUGHTER = 2.5
MOST_MISSED = 2
"""Frames at an end of the recording on which an object may be missing."""


class LinkCosts:
    """Costs of links, divisions, beginnings and ends.

    Parameters
    ----------
    settings : LinkSettings
        Costs of events.
    shape_yx : tuple of int
        Shape of the frames.
    n_frames : int
        Number of frames.
    radius : float
        Typical object radius in pixels.
    """

    def __init__(self, settings: LinkSettings, shape_yx: tuple[int, int], n_frames: int, radius: float) -> None:
        self.settings = settings
        self._links: dict[tuple[Shape, Shape], float] = {}
        self._divisions: dict[tuple[Shape, Shape, Shape], float] = {}
        self._at_edge: dict[Shape, bool] = {}
        self._shape_yx = shape_yx
        self._least_radius = max(radius / 2, 1.0)
        self.n_frames = n_frames

    def learn(self, *, missing: float, merged: float, split: float) -> None:
        """Set the costs of wrong labels."""
        self.settings = replace(self.settings, missing=missing, merged=merged, split=split)

    def story(self, story: Story) -> float:
        """Cost of an interpretation of labels."""
        joined, cut = len(story.labels) - 1, len(story.candidates) - 1
        return self.settings.split * joined + self.settings.merged * cut

    def link(self, first: Shape, second: Shape, frames: int) -> float:
        """Cost of both shapes being one object, `frames` apart."""
        key = (first, second)
        if key not in self._links:
            self._links[key] = self._link(first, second, frames)
        return self._links[key] + self.settings.missing * (frames - 1)

    def _link(self, first: Shape, second: Shape, frames: int) -> float:
        settings = self.settings
        radius = max(first.radius, second.radius, self._least_radius)
        ratio = abs(log(first.area / second.area))
        if first.distance(second) > (FARTHEST * settings.reach * frames + 1) * radius:
            return inf
        smaller = first if first.area < second.area else second
        shift = [abs(a - b) / radius for a, b in zip(first.centre, second.centre, strict=True)]
        cut = self._cut(smaller)
        if not any(cut) and ratio > log(MOST_UNEQUAL):
            return inf
        unlike = 1 - first.likeness(second)
        if any(cut):
            # Being cut off by an edge changes shape, size and centre of a correct mask.
            inside = first.overlap(second) / smaller.area
            unlike, ratio = CUT_OFF * min(unlike, 1 - inside), CUT_OFF * min(ratio, log(MOST_UNEQUAL))
            shift = [moved * (1 - CUT_OFF) if away else moved for moved, away in zip(shift, cut, strict=True)]
        moved = shift[0] ** 2 + shift[1] ** 2
        return settings.shape * unlike + settings.size * ratio + moved / (2 * settings.reach**2 * frames)

    def may_be_daughter(self, mother: Shape, shape: Shape) -> bool:
        """Whether a shape is near and small enough to be a daughter of another one."""
        radius = max(mother.radius, self._least_radius)
        return shape.area < 2 * mother.area and shape.distance(mother) <= FARTHEST_DAUGHTER * radius

    def division(self, mother: Shape, daughters: tuple[Shape, Shape], missing: int) -> float:
        """Cost of a shape becoming two, with the daughters missing on this many frames in total."""
        key = (mother, *daughters)
        if key not in self._divisions:
            self._divisions[key] = self._division(mother, *daughters)
        return self._divisions[key] + self.settings.divides + self.settings.missing * missing

    def _division(self, mother: Shape, one: Shape, other: Shape) -> float:
        settings = self.settings
        total = one.area + other.area
        if not 0.5 < total / mother.area < 2 or not 1 / MOST_UNEQUAL < one.area / other.area < MOST_UNEQUAL:
            return inf
        radius = max(mother.radius, self._least_radius)
        ratio, uneven = abs(log(total / mother.area)), abs(log(one.area / other.area))
        middle = [(one.area * one.centre[n] + other.area * other.centre[n]) / total - mother.centre[n] for n in (0, 1)]
        moved = (middle[0] ** 2 + middle[1] ** 2) / radius**2
        unlike = (1 - mother.likeness(union((one, other)))) / 2
        alike = settings.shape * unlike + settings.size * (ratio + uneven / 2)
        certain = CUT_OFF if any(any(self._cut(shape)) for shape in (mother, one, other)) else 1.0
        return certain * alike + moved / (2 * settings.reach**2)

    def begin(self, shape: Shape, frame: int) -> float:
        """Cost of a track beginning."""
        return self._comes(shape, frame)

    def is_missed(self, shape: Shape, frames: int) -> bool:
        """Whether an object was missed on this many frames up to an end of the recording, rather than absent."""
        settings = self.settings
        known = 0 < frames <= min(MOST_MISSED, settings.gap) and not self._is_at_edge(shape)
        return known and settings.missing * frames < settings.appears

    def end(self, shape: Shape, frame: int) -> float:
        """Cost of a track ending."""
        return self._comes(shape, self.n_frames - 1 - frame)

    def _comes(self, shape: Shape, frames: int) -> float:
        """Cost of appearing or disappearing, this many frames from the end of the recording."""
        if frames == 0 or self.is_missed(shape, frames):
            return self.settings.missing * frames
        return self.settings.appears_at_edge if self._is_at_edge(shape) else self.settings.appears

    def _is_at_edge(self, shape: Shape) -> bool:
        """Whether a shape is near enough to the edge of the frame to have crossed it."""
        if shape not in self._at_edge:
            self._at_edge[shape] = shape.edge_distance(self._shape_yx) <= shape.radius
        return self._at_edge[shape]

    def _cut(self, shape: Shape) -> tuple[bool, bool]:
        """Whether the edge of the frame cuts a shape along y, and along x."""
        ends = [(at, at + size) for at, size in zip(shape.origin_yx, shape.mask.shape, strict=True)]
        first, second = (low <= 0 or high >= size for (low, high), size in zip(ends, self._shape_yx, strict=True))
        return first, second
