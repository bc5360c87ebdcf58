"""Fuse the masks of walks along several axes of a volume, voxel by voxel.

A plane of a walk has a vote if it agrees with the settled planes that it crosses by at least `TRUSTED`. If all three
walks have a vote, the outline is a mean in which the walk along the first axis has the largest weight, and voxels
beyond that outline belong to the object if two walks say so; parts that look unlike the object are left out
(`napari_sam2_video.analysis.likeness`), and the image moves the outline to its edges
(`napari_sam2_video.analysis.outline`). If the walk along the first axis has no vote, the larger weight of the others
decides: the network's predicted IoU, reduced with the distance from a prompted plane. Two walks without a third must
agree. If the two other walks disagree with each other, they outvote nobody. If both find hardly anything of the mask
along the first axis, it has overrun the end of the object, and only voxels in both count. The caller overlays the
result with paint and accepted planes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from scipy.ndimage import binary_opening, binary_propagation

from napari_sam2_video.analysis.likeness import unlike
from napari_sam2_video.analysis.outline import toward_edges, votes_of
from napari_sam2_video.geometry import cut_to_box
from napari_sam2_video.types import ObjectMask
from napari_sam2_video.types.masks import LEVEL_STEP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import numpy.typing as npt

    from napari_sam2_video.analysis.likeness import Look

Box: TypeAlias = tuple[slice, slice, slice]
ROOM = 192 << 20
"""Maximum bytes for the votes of a slab."""
BYTES_A_VOXEL = 2
SUREST = 1 / 64
TRUSTED = 0.6
"""Minimum agreement with settled planes for a plane to vote on which voxels belong to the object."""
PRESENT = 0.5
"""Minimum agreement for a plane to vote on whether the object is present at all."""
ENDED = 0.1
"""If another walk has less than this fraction of a mask, it votes for absence."""
CROSSED = 0.25
"""Fraction of a mask that planes with a vote have to cross for that."""
VOTES = 3
OTHERS = 0.5
"""Weight in an outline of each of the two other walks, where the one along the first axis has weight 1."""
LARGEST_VOTE = 0.5
"""Maximum weight of another walk in an outline, so that one that leaks or lacks a part does not dominate."""
AGREED = 0.6
"""Minimum Dice of the two other walks on a plane across the first axis to outvote it beyond an outline."""
FOUND = 0.4
"""Minimum Dice of the two other walks on a plane across the first axis to restore an object that it lost."""
MARGIN = 6
"""Margin around an object, in pixels, in which its outline is searched."""
OUTLINE = np.ones((3, 3), bool)
"""Differences narrower than this many pixels everywhere count as no wider than an outline."""


@dataclass(frozen=True)
class Walk:
    """The masks of some objects along one axis of a volume.

    Parameters
    ----------
    axis : int
        The axis of the volume's grid that counts the planes.
    swapped : bool
        True if the rows of a plane come after its columns in the grid.
    read : callable
        Returns the masks of a plane.
    boxes : mapping of int to ndarray of int, shape (planes, 4)
        For each object and plane, first and last-but-one row and column: ``(y0, x0, y1, x1)``; all 0 if it is absent.
    weights : mapping of int to ndarray of float, shape (planes,)
        For each object, the weight of each plane, 0 to 1; 0 for planes that were not walked.
    agreement : mapping of int to ndarray of float, shape (planes,)
        For each object, the agreement of each plane with settled planes that it crosses, 0 to 1; by default 1.
    """

    axis: int
    swapped: bool
    read: Callable[[int], Sequence[ObjectMask]] = field(repr=False)
    boxes: Mapping[int, npt.NDArray[np.int64]] = field(repr=False)
    weights: Mapping[int, npt.NDArray[np.float64]] = field(repr=False)
    agreement: Mapping[int, npt.NDArray[np.float64]] = field(default_factory=dict, repr=False)

    def voxel_weights(self, object_id: int) -> npt.NDArray[np.float64]:
        """Weight of each plane for which voxels belong to an object."""
        weights = self.weights[object_id]
        agreement = self.agreement.get(object_id, np.ones(len(weights)))
        return np.where(agreement < TRUSTED, 0, weights * agreement)

    def presence_votes(self, object_id: int) -> npt.NDArray[np.bool_]:
        """Planes with a vote on whether an object is present."""
        weights = self.weights[object_id]
        agreement = self.agreement.get(object_id, np.ones(len(weights)))
        return np.asarray((agreement >= PRESENT) & (weights > 0))

    @property
    def plane_axes(self) -> tuple[int, int]:
        """Axes of the grid along the rows and the columns of a plane."""
        first, second = (axis for axis in range(3) if axis != self.axis)
        return (second, first) if self.swapped else (first, second)

    def box(self, object_id: int) -> list[tuple[int, int]] | None:
        """First voxel and the one after the last, along each axis of the grid, of an object; None if it has none."""
        boxes = self.boxes.get(object_id)
        if boxes is None:
            return None
        planes = np.flatnonzero((boxes[:, 2] > boxes[:, 0]) & (self.voxel_weights(object_id) > 0))
        if not planes.size:
            return None
        rows, columns = self.plane_axes
        found = [(0, 0)] * 3
        found[self.axis] = (int(planes[0]), int(planes[-1]) + 1)
        found[rows] = (int(boxes[planes, 0].min()), int(boxes[planes, 2].max()))
        found[columns] = (int(boxes[planes, 1].min()), int(boxes[planes, 3].max()))
        return found


@dataclass(frozen=True)
class FusedPlane:
    """Fused masks on one plane along the first axis of the grid.

    Parameters
    ----------
    plane : int
        The plane.
    masks : tuple of ObjectMask
        One for each object: certainty of the walks, as levels of a logit.
    disputed : tuple of ObjectMask
        One for each object: voxels on which walks with a vote disagree, wider than an outline. The level is the number
        of walks that include the voxel.
    """

    plane: int
    masks: tuple[ObjectMask, ...]
    disputed: tuple[ObjectMask, ...]


def plane_weights(
    predicted_iou: npt.NDArray[np.float64],
    walked: npt.NDArray[np.bool_],
    settled: Sequence[int],
    spacing: float,
    reach: float,
) -> npt.NDArray[np.float64]:
    """Weight of each plane of a walk, before comparison with settled planes.

    Parameters
    ----------
    predicted_iou : ndarray of float, shape (planes,)
        The network's own estimate, 0 to 1.
    walked : ndarray of bool, shape (planes,)
        Planes that the walk computed.
    settled : sequence of int
        Prompted or settled planes of the walk.
    spacing, reach : float
        Distance between planes, and the distance over which trust halves, in the same unit.
    """
    planes = np.arange(len(walked))
    anchors = np.asarray(sorted(settled), np.int64)
    distance = np.abs(planes[:, None] - anchors).min(axis=1) if anchors.size else np.full(len(walked), len(walked))
    near = 1 / (1 + distance * spacing / reach)
    weights = np.clip(predicted_iou, 0.05, 1) * near
    return np.asarray(np.where(walked, weights, 0.0), np.float64)


def consensus(
    shape: tuple[int, int, int],
    walks: Sequence[Walk],
    object_ids: Sequence[int],
    *,
    grey: Callable[[int], npt.NDArray[np.float32]] | None = None,
    looks: Mapping[int, Look] | None = None,
    room: int = ROOM,
) -> Iterator[FusedPlane]:
    """Fuse the masks of walks, slab by slab along the first axis of the grid.

    Parameters
    ----------
    shape : tuple of int
        Voxels of the volume along each axis of the grid.
    walks : sequence of Walk
        Walks along different axes.
    object_ids : sequence of int
        Objects to fuse.
    grey : callable, optional
        Returns the image of a plane along the first axis, to whose edges outlines are moved, and the same with less
        noise, shape ``(2, Y, X)``.
    looks : mapping of int to (float, float), optional
        Smallest and largest grey value of objects; parts that have others are left out.
    room : int
        Maximum bytes for the votes of a slab, which is as thick as this allows, at least one plane.

    Yields
    ------
    FusedPlane
        Every plane, in ascending order, with a mask (empty if there is none) of every object.
    """
    boxes = {i: box for i in object_ids if (box := _union([walk.box(i) for walk in walks], shape)) is not None}
    area = sum((b[1].stop - b[1].start) * (b[2].stop - b[2].start) for b in boxes.values())
    thick = max(1, room // max(1, area * BYTES_A_VOXEL))
    for start in range(0, shape[0], thick):
        stop = min(shape[0], start + thick)
        votes = {
            i: _Votes((slice(max(start, b[0].start), min(stop, b[0].stop)), b[1], b[2]), walks, i)
            for i, b in boxes.items()
            if b[0].start < stop and b[0].stop > start
        }
        for walk in walks:
            _count(walk, votes, start, stop)
        for plane in range(start, stop):
            image = grey(plane) if grey is not None and votes else None
            found = [
                votes[i].plane(plane, image, (looks or {}).get(i)) if i in votes else (no_mask(i), no_mask(i))
                for i in object_ids
            ]
            yield FusedPlane(plane, tuple(mask for mask, _ in found), tuple(disputed for _, disputed in found))


class _Votes:
    """Votes for one object in a slab, one bit for each walk."""

    def __init__(self, box: Box, walks: Sequence[Walk], object_id: int) -> None:
        self.box = box
        self._id = object_id
        self._walks = [walk for walk in walks if object_id in walk.weights]
        self._first = [walk.axis == 0 for walk in self._walks]
        self._bits = np.zeros(tuple(part.stop - part.start for part in box), np.uint8)
        self._voxel_weights = [_along(walk.voxel_weights(object_id), walk, box) for walk in self._walks]
        self._presence_votes = [_along(walk.presence_votes(object_id), walk, box) for walk in self._walks]

    def add(self, walk: Walk, plane: int, mask: ObjectMask) -> None:
        """Add a plane of a walk."""
        levels, origin = (mask.levels.T, mask.origin_yx[::-1]) if walk.swapped else (mask.levels, mask.origin_yx)
        others = [axis for axis in range(3) if axis != walk.axis]
        to: list[slice | int] = [0, 0, 0]
        to[walk.axis] = plane - self.box[walk.axis].start
        part = []
        for axis, first, length in zip(others, origin, levels.shape, strict=True):
            low = max(first, self.box[axis].start)
            high = min(first + length, self.box[axis].stop)
            if low >= high:
                return
            part.append(slice(low - first, high - first))
            to[axis] = slice(low - self.box[axis].start, high - self.box[axis].start)
        self._bits[tuple(to)] |= (levels[tuple(part)] > 0).view(np.uint8) << self._walks.index(walk)

    def plane(
        self, plane: int, grey_nyx: npt.NDArray[np.float32] | None, look: Look | None
    ) -> tuple[ObjectMask, ObjectMask]:
        """Mask and disputed voxels on one plane along the first axis."""
        at = plane - self.box[0].start
        if not 0 <= at < self._bits.shape[0]:
            return no_mask(self._id), no_mask(self._id)
        inside = [(self._bits[at] >> number) & 1 for number in range(len(self._walks))]
        shape = inside[0].shape
        weights = [
            np.broadcast_to(one[at if one.shape[0] > 1 else 0], shape).astype(np.float32) for one in self._voxel_weights
        ]
        voting = [np.broadcast_to(one[at if one.shape[0] > 1 else 0], shape) for one in self._presence_votes]
        share = self._votes(inside, weights)
        image = None if grey_nyx is None else grey_nyx[:, *self.box[1:]]
        chosen = share > 0
        if image is not None and chosen.any():
            if look is not None:
                share[unlike(chosen, image[1], look)] = -1
            chosen = toward_edges(share, *image)
        others = self._if_not_found(inside, voting)
        if others is None:
            others = self._if_ended(inside, voting)
        if others is not None:
            chosen = others
        sure = np.clip((share + 1) / 2, SUREST, 1 - SUREST)
        levels = np.where(chosen, np.maximum(1, 1 + np.log(sure / (1 - sure)) / LEVEL_STEP), 0).astype(np.uint8)
        n_voting = sum((h.astype(np.uint8) for h in voting), np.zeros(shape, np.uint8))
        n_inside = sum((h * i for h, i in zip(voting, inside, strict=True)), np.zeros(shape, np.uint8))
        disputed = binary_opening((n_inside > 0) & (n_inside < n_voting), OUTLINE)
        return self._mask(levels), self._mask(np.where(disputed, n_inside, 0).astype(np.uint8))

    def _votes(
        self, inside: Sequence[npt.NDArray[np.uint8]], weights: Sequence[npt.NDArray[np.float32]]
    ) -> npt.NDArray[np.float32]:
        """Votes for and against each pixel, -1 to 1; -1 if no walk has a vote."""
        votes = [votes_of(there > 0) for there in inside]
        if len(votes) < VOTES:
            certain = [np.where(weight > 0, vote, 1) for vote, weight in zip(votes, weights, strict=True)]
            silent = np.logical_and.reduce([weight <= 0 for weight in weights])
            return np.where(silent, -1, np.minimum.reduce(certain)).astype(np.float32)
        if not any(self._first) or not (weights[self._first.index(True)] > 0).all():
            return _weighted(votes, weights)
        bounded = [np.clip(vote, -LARGEST_VOTE, LARGEST_VOTE) for vote in votes]
        limited = [vote if own else within for own, vote, within in zip(self._first, votes, bounded, strict=True)]
        shares = [(w > 0) * np.float32(1 if own else OTHERS) for own, w in zip(self._first, weights, strict=True)]
        mean = _weighted(limited, shares)
        lower, upper = np.minimum(votes[0], votes[1]), np.maximum(votes[0], votes[1])
        median = np.maximum(lower, np.minimum(upper, votes[2]))
        found = inside[self._first.index(True)] > 0
        differ = ((median > 0) ^ found) & np.logical_and.reduce([w > 0 for w in weights])
        others = [there > 0 for there, own in zip(inside, self._first, strict=True) if not own]
        if not differ.any() or _dice(*others) < AGREED:
            return mean
        wide = binary_propagation(binary_opening(differ, OUTLINE), mask=differ)
        return np.where(wide, median, mean)

    def _if_not_found(
        self, inside: Sequence[npt.NDArray[np.uint8]], voting: Sequence[npt.NDArray[np.bool_]]
    ) -> npt.NDArray[np.bool_] | None:
        """Voxels in both other walks if the walk along the first axis has not found the object."""
        if len(inside) < VOTES or not any(self._first) or inside[self._first.index(True)].any():
            return None
        found = [(there > 0) & one for there, one, own in zip(inside, voting, self._first, strict=True) if not own]
        return np.asarray(found[0] & found[1] & (_dice(*found) >= FOUND))

    def _if_ended(
        self, inside: Sequence[npt.NDArray[np.uint8]], voting: Sequence[npt.NDArray[np.bool_]]
    ) -> npt.NDArray[np.bool_] | None:
        """Voxels in both other walks if they show that the walk along the first axis overran the object's end."""
        own = next((there for there, is_first in zip(inside, self._first, strict=True) if is_first), None)
        if own is None or not own.any() or len(inside) < VOTES:
            return None
        both = np.ones(own.shape, bool)
        for there, one, is_first in zip(inside, voting, self._first, strict=True):
            if is_first:
                continue
            crossed = (own > 0) & one
            count = int(np.count_nonzero(crossed))
            if count < CROSSED * np.count_nonzero(own) or np.count_nonzero(there[crossed]) >= ENDED * count:
                return None
            both &= (there > 0) & one
        return both

    def _mask(self, levels: npt.NDArray[np.uint8]) -> ObjectMask:
        rows, columns = self.box[1:]
        return ObjectMask(self._id, *cut_to_box(levels, (rows.start, columns.start)))


def _count(walk: Walk, votes: Mapping[int, _Votes], start: int, stop: int) -> None:
    """Add the votes of a walk in a slab."""
    wanted: dict[int, set[int]] = {}
    for object_id, one in votes.items():
        boxes = walk.boxes.get(object_id)
        if boxes is None:
            continue
        span = one.box[walk.axis]
        here = (boxes[:, 2] > boxes[:, 0]) & ((walk.voxel_weights(object_id) > 0) | walk.presence_votes(object_id))
        if walk.axis != 0:
            low, high = (1, 3) if walk.swapped else (0, 2)
            here &= (boxes[:, low] < stop) & (boxes[:, high] > start)
        for plane in np.flatnonzero(here[span]) + span.start:
            wanted.setdefault(int(plane), set()).add(object_id)
    for plane, objects in sorted(wanted.items()):
        for mask in walk.read(plane):
            if mask.object_id in objects:
                votes[mask.object_id].add(walk, plane, mask)


def _along(values: npt.NDArray[Any], walk: Walk, box: Box) -> npt.NDArray[Any]:
    """Values of planes as an array that broadcasts over a box."""
    return np.expand_dims(values[box[walk.axis]], [axis for axis in range(3) if axis != walk.axis])


def _union(boxes: Sequence[list[tuple[int, int]] | None], shape: tuple[int, int, int]) -> Box | None:
    """Box around all, with room for outlines on the planes along the first axis."""
    known = [box for box in boxes if box is not None]
    if not known:
        return None
    low, high = ([end(box[axis][side] for box in known) for axis in range(3)] for side, end in ((0, min), (1, max)))
    rows, columns = (slice(max(0, low[a] - MARGIN), min(shape[a], high[a] + MARGIN)) for a in (1, 2))
    return slice(low[0], high[0]), rows, columns


def _weighted(
    votes: Sequence[npt.NDArray[np.float32]], shares: Sequence[npt.NDArray[np.float32]]
) -> npt.NDArray[np.float32]:
    """Weighted mean of votes; -1 if no weight is above 0."""
    total = sum(shares, np.zeros(votes[0].shape, np.float32))
    weighted = sum((s * v for s, v in zip(shares, votes, strict=True)), np.zeros(votes[0].shape, np.float32))
    return np.where(total > 0, weighted / np.maximum(total, 1e-6), -1).astype(np.float32)


def _dice(one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> float:
    """Dice's coefficient; 1 where both are empty."""
    both = int(np.count_nonzero(one)) + int(np.count_nonzero(other))
    return 2 * int(np.count_nonzero(one & other)) / both if both else 1.0


def no_mask(object_id: int) -> ObjectMask:
    """The empty mask of an object that is absent from a plane."""
    return ObjectMask(object_id, (0, 0), np.zeros((0, 0), np.uint8))
