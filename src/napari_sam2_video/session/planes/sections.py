"""Sections of an object's masks from one walk of a volume, cut along the planes of another walk."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import distance_transform_edt, label

from napari_sam2_video.geometry import bounding_box
from napari_sam2_video.types import BoxPrompt, MaskPrompt, PointPrompt

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy.typing as npt

    from napari_sam2_video.frames.crossing import PlaneStack
    from napari_sam2_video.types import ObjectMask, Prompt

LEAST_PIXELS = 4
LEAST_PART = 0.25
"""Minimum size of a part of a section, as a fraction of its largest part, to count as the object."""
GAP = 2
"""Number of empty planes across which parts of an object are still connected."""


@dataclass(frozen=True)
class Sections:
    """Sections of an object, found by one walk, on the planes of another walk.

    Parameters
    ----------
    shape : tuple of int
        Number of planes of the walk that found it, and their rows and columns.
    origin_yx : tuple of int
        Row and column at which `bits` begin.
    bits : ndarray of uint8, shape (planes, rows, bytes)
        The object, with eight columns per byte, so that many large objects fit in memory.
    along : int
        0 if the planes of the other walk cut the rows of these planes, 1 if they cut the columns.
    turned : bool
        True if the planes of this walk count the columns of the other's planes.
    settled : int
        The plane of this walk that the object was connected to.
    """

    shape: tuple[int, int, int]
    origin_yx: tuple[int, int]
    bits: npt.NDArray[np.uint8] = field(repr=False)
    along: int
    turned: bool
    settled: int

    @property
    def n_planes(self) -> int:
        """Number of planes of the other walk."""
        return self.shape[1 + self.along]

    @property
    def plane_shape(self) -> tuple[int, int]:
        """Rows and columns of the planes of the other walk."""
        n_planes, height, width = self.shape
        across = width if self.along == 0 else height
        return (across, n_planes) if self.turned else (n_planes, across)

    def on(self, plane: int) -> npt.NDArray[np.bool_]:
        """Section on a plane of the other walk, as a mask of that plane."""
        n_planes, height, width = self.shape
        top, left = self.origin_yx
        at = plane - (top if self.along == 0 else left)
        section = np.zeros((n_planes, width if self.along == 0 else height), bool)
        if self.along == 0 and 0 <= at < self.bits.shape[1]:
            row = np.unpackbits(self.bits[:, at], axis=1)[:, : width - left]
            section[:, left : left + row.shape[1]] = row
        elif self.along == 1 and 0 <= at < 8 * self.bits.shape[2]:
            section[:, top : top + self.bits.shape[1]] = self.bits[:, :, at // 8] >> (7 - at % 8) & 1
        return np.ascontiguousarray(section.T) if self.turned else section

    def crossing(self, count: int) -> list[int]:
        """Evenly spaced planes of the other walk, ascending, that cross the object on the settled plane."""
        row_yx = np.unpackbits(self.bits[self.settled], axis=1)
        filled = np.flatnonzero(row_yx.any(axis=1 - self.along)) + self.origin_yx[self.along]
        places = (np.arange(count) + 0.5) / count * filled.size
        return sorted({int(filled[int(place)]) for place in places}) if filled.size else []

    def prompts(self, object_id: int, plane: int) -> tuple[Prompt, ...]:
        """The section as prompts of a plane: its mask, its box and its centre; empty if there is no section.

        The network answers them together, so the result may differ from the mask where the plane shows another outline.
        """
        mask = main_part(self.on(plane))
        box = bounding_box(mask)
        if box is None or int(np.count_nonzero(mask)) < LEAST_PIXELS:
            return ()
        rows, columns = box
        depth = distance_transform_edt(np.pad(mask[box], 1))[1:-1, 1:-1]
        y, x = np.unravel_index(int(depth.argmax()), depth.shape)
        return (
            MaskPrompt(object_id, plane, mask),
            BoxPrompt(object_id, plane, rows.start - 0.5, columns.start - 0.5, rows.stop - 0.5, columns.stop - 0.5),
            PointPrompt(object_id, plane, int(y) + rows.start, int(x) + columns.start),
        )


def sections_of(
    read: Callable[[int], Sequence[ObjectMask]],
    shape: tuple[int, int, int],
    stack: PlaneStack,
    other: PlaneStack,
    settled: Mapping[int, int],
) -> dict[int, Sections]:
    """Sections of objects on the planes of another walk.

    Parts that are not connected to the settled plane are dropped: there the walk lost the object and followed something
    else.

    Parameters
    ----------
    read : callable
        Returns the masks of a plane of the walk.
    shape : tuple of int
        Number of its planes, and their rows and columns.
    stack, other : PlaneStack
        Its planes, and those that cut the objects.
    settled : mapping of int to int
        The settled plane of the walk for each object.

    Returns
    -------
    dict of int to Sections
        By object, without those that the walk did not find.
    """
    along = stack.axes.index(other.walk) - 1
    turned = other.rows != stack.walk
    parts: dict[int, list[tuple[int, tuple[int, int], tuple[int, int], npt.NDArray[np.uint8]]]] = {}
    for plane in range(shape[0]):
        for mask in read(plane):
            if mask.object_id in settled and mask.levels.size:
                height, width = mask.levels.shape
                found = (plane, mask.origin_yx, (height, width), np.packbits(mask.levels > 0, axis=1))
                parts.setdefault(mask.object_id, []).append(found)
    made = {}
    for object_id, found_on in parts.items():
        top, left = (min(origin[axis] for _, origin, _, _ in found_on) for axis in (0, 1))
        bottom, right = (max(origin[axis] + size[axis] for _, origin, size, _ in found_on) for axis in (0, 1))
        bits = np.zeros((shape[0], bottom - top, -(-(right - left) // 8)), np.uint8)
        for plane, (y, x), (height, width), packed in found_on:
            row = np.zeros((height, right - left), np.uint8)
            row[:, x - left : x - left + width] = np.unpackbits(packed, axis=1, count=width)
            bits[plane, y - top : y - top + height] = np.packbits(row, axis=1)
        keep_connected(bits, settled[object_id])
        made[object_id] = Sections(shape, (top, left), bits, along, turned, settled[object_id])
    return made


def keep_connected(bits: npt.NDArray[np.uint8], settled: int) -> None:
    """Remove, in place, the parts of an object on the planes of a walk that are not connected to one of them.

    Parts are connected if they overlap on neighbouring planes, or across a gap of `GAP` planes.
    """
    found = np.zeros_like(bits)
    found[settled] = bits[settled]
    n_planes = len(bits)
    changed = True
    while changed:
        changed = False
        for planes in (range(n_planes), range(n_planes - 1, -1, -1)):
            recent: list[npt.NDArray[np.uint8]] = []
            for plane in planes:
                near = np.bitwise_or.reduce([found[plane], *(bits[plane] & other for other in recent)])
                if near.any() and not np.array_equal(found[plane], bits[plane]):
                    grown = _grown(near, bits[plane])
                    changed |= not np.array_equal(grown, found[plane])
                    found[plane] = grown
                recent = [*recent[-GAP:], found[plane]]
    bits[:] = found


def _grown(seeds: npt.NDArray[np.uint8], bits: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Parts of a packed mask that contain a pixel of another one."""
    parts, _ = label(np.unpackbits(bits, axis=1))
    kept = np.unique(parts[np.unpackbits(seeds, axis=1) > 0])
    return np.packbits(np.isin(parts, kept[kept > 0]), axis=1)


def main_part(section: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The largest part of a section, and others that are not much smaller."""
    parts, count = label(section)
    if count < 2:
        return section
    areas = np.bincount(parts.ravel())
    areas[0] = 0
    return np.asarray((areas >= LEAST_PART * areas.max())[parts] & section)
