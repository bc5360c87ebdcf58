"""Masks cropped to their boxes, and their similarity."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.geometry import bounding_box, region_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy.typing as npt

    from napari_sam2_video.geometry import Region


@dataclass(frozen=True, eq=False)
class Shape:
    """A nonempty set of pixels of a frame.

    Parameters
    ----------
    mask : ndarray of bool, shape (h, w)
        The pixels, cropped to their bounding box.
    origin_yx : tuple of int
        Where the box begins.
    """

    mask: npt.NDArray[np.bool_] = field(repr=False)
    origin_yx: tuple[int, int]

    @classmethod
    def cut(cls, mask: npt.NDArray[np.bool_], origin_yx: tuple[int, int] = (0, 0)) -> Shape | None:
        """Shape of a mask that begins at `origin_yx`; None if it is empty."""
        box = bounding_box(mask)
        if box is None:
            return None
        return cls(np.ascontiguousarray(mask[box]), (origin_yx[0] + box[0].start, origin_yx[1] + box[1].start))

    @cached_property
    def area(self) -> int:
        """Number of pixels."""
        return int(np.count_nonzero(self.mask))

    @cached_property
    def centre(self) -> tuple[float, float]:
        """Mean (y, x) of the pixels."""
        rows, columns = self.mask.sum(1), self.mask.sum(0)
        y = float(rows @ np.arange(rows.size)) / self.area
        x = float(columns @ np.arange(columns.size)) / self.area
        return y + self.origin_yx[0], x + self.origin_yx[1]

    def moved(self, shift_yx: tuple[int, int], shape_yx: tuple[int, int]) -> Shape | None:
        """The shape shifted and clipped to the frame; None if nothing of it is left."""
        top, left = self.origin_yx[0] + shift_yx[0], self.origin_yx[1] + shift_yx[1]
        rows = slice(max(-top, 0), max(shape_yx[0] - top, 0))
        columns = slice(max(-left, 0), max(shape_yx[1] - left, 0))
        return Shape.cut(self.mask[rows, columns], (max(top, 0), max(left, 0)))

    @cached_property
    def radius(self) -> float:
        """Radius in pixels of a disc of the same area."""
        return float(np.sqrt(self.area / np.pi))

    @property
    def region(self) -> Region:
        """Slices of the frame that the box covers."""
        return region_of(self.origin_yx, self.mask.shape)

    def edge_distance(self, shape_yx: tuple[int, int]) -> int:
        """Pixels between the box and the nearest edge of the frame."""
        (top, left), height, width = self.origin_yx, len(self.mask), self.mask.shape[1]
        return int(min(top, left, shape_yx[0] - top - height, shape_yx[1] - left - width))

    def overlap(self, other: Shape, shift_yx: tuple[int, int] = (0, 0)) -> int:
        """Number of pixels that both cover, after shifting the other one."""
        top = max(self.origin_yx[0], other.origin_yx[0] + shift_yx[0])
        left = max(self.origin_yx[1], other.origin_yx[1] + shift_yx[1])
        bottom = min(self.origin_yx[0] + self.mask.shape[0], other.origin_yx[0] + shift_yx[0] + other.mask.shape[0])
        right = min(self.origin_yx[1] + self.mask.shape[1], other.origin_yx[1] + shift_yx[1] + other.mask.shape[1])
        if top >= bottom or left >= right:
            return 0
        y, x = self.origin_yx
        own = self.mask[top - y : bottom - y, left - x : right - x]
        y, x = other.origin_yx[0] + shift_yx[0], other.origin_yx[1] + shift_yx[1]
        return int(np.count_nonzero(own & other.mask[top - y : bottom - y, left - x : right - x]))

    def iou(self, other: Shape) -> float:
        """Intersection over union."""
        both = self.overlap(other)
        return both / (self.area + other.area - both)

    def likeness(self, other: Shape) -> float:
        """Intersection over union after aligning the centres."""
        (y, x), (other_y, other_x) = self.centre, other.centre
        both = self.overlap(other, (round(y - other_y), round(x - other_x)))
        return both / (self.area + other.area - both)

    def distance(self, other: Shape) -> float:
        """Distance between the centres in pixels."""
        (y, x), (other_y, other_x) = self.centre, other.centre
        return float(np.hypot(y - other_y, x - other_x))


def overlaps(some: Mapping[int, Shape], others: Mapping[int, Shape]) -> dict[int, dict[int, int]]:
    """Number of pixels that shapes of one frame share with those of another, for each pair that shares any."""
    found: dict[int, dict[int, int]] = {}
    if not some or not others:
        return found
    ours, theirs = (np.array([_corners(one) for one in each.values()]) for each in (some, others))
    apart = (ours[:, None, :2] >= theirs[None, :, 2:]) | (ours[:, None, 2:] <= theirs[None, :, :2])
    names, other_names = list(some), list(others)
    for row, column in np.argwhere(~apart.any(-1)).tolist():
        shared = some[names[row]].overlap(others[other_names[column]])
        if shared:
            found.setdefault(names[row], {})[other_names[column]] = shared
    return found


def _corners(shape: Shape) -> tuple[int, int, int, int]:
    (top, left), mask = shape.origin_yx, shape.mask
    return top, left, top + mask.shape[0], left + mask.shape[1]


def union(shapes: Iterable[Shape]) -> Shape:
    """All pixels of one or more shapes."""
    given = list(shapes)
    top, left = (min(one.origin_yx[axis] for one in given) for axis in (0, 1))
    bottom, right = (max(one.origin_yx[axis] + one.mask.shape[axis] for one in given) for axis in (0, 1))
    mask = np.zeros((bottom - top, right - left), bool)
    for one in given:
        mask[region_of((one.origin_yx[0] - top, one.origin_yx[1] - left), one.mask.shape)] |= one.mask
    return Shape(mask, (top, left))


def shapes_of(labels_yx: npt.NDArray[Any]) -> dict[int, Shape]:
    """Shape of every label above 0 of a label image ``(Y, X)``."""
    from scipy.ndimage import find_objects

    values, flat = np.unique(labels_yx, return_inverse=True)
    ranks = flat.reshape(labels_yx.shape)
    ranks = ranks + 1 if values[0] > 0 else ranks
    labels = values[values > 0].tolist()
    boxes = find_objects(ranks if values[0] >= 0 else np.where(labels_yx > 0, ranks, 0))
    found = {}
    for label, box in zip(labels, boxes[len(boxes) - len(labels) :], strict=True):
        found[int(label)] = Shape(np.ascontiguousarray(labels_yx[box] == label), (box[0].start, box[1].start))
    return found
