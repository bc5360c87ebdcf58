"""What one walk of a volume gives to the others: sections of the object on planes that cross its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import label

from napari_sam2_video.geometry import region_of
from napari_sam2_video.types import MaskPrompt

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy.typing as npt

    from napari_sam2_video.frames.crossing import PlaneStack
    from napari_sam2_video.types import ObjectMask

SECTIONS = 3
LEAST_PIXELS = 4


def planes_across(settled_yx: npt.NDArray[np.bool_], along: int, count: int = SECTIONS) -> list[int]:
    """Evenly spaced planes across a settled mask, on which to prompt another walk.

    Parameters
    ----------
    settled_yx : ndarray of bool, shape (Y, X)
        The mask.
    along : int
        Axis of the mask that counts the crossing planes.
    count : int
        Number of planes.

    Returns
    -------
    list of int
        Ascending, without repetition; empty for an empty mask.
    """
    filled = np.flatnonzero(settled_yx.any(axis=1 - along))
    if not filled.size:
        return []
    places = (np.arange(count) + 0.5) / count * filled.size
    return sorted({int(filled[int(place)]) for place in places})


def section_masks(
    read: Callable[[int], Sequence[ObjectMask]],
    n_planes: int,
    shape_yx: tuple[int, int],
    stack: PlaneStack,
    other: PlaneStack,
    wanted: Mapping[int, Sequence[int]],
    settled: Mapping[int, int],
) -> dict[int, dict[int, MaskPrompt]]:
    """Sections of objects on planes of another walk, as prompts.

    Only the part of a section that is connected to the settled plane is used.

    Parameters
    ----------
    read : callable
        Returns the masks of a plane of the walk.
    n_planes, shape_yx : int and tuple of int
        Number of its planes, and their shape.
    stack, other : PlaneStack
        Its planes, and those to prompt.
    wanted : mapping of int to sequence of int
        Planes of `other` by object.
    settled : mapping of int to int
        For each object, the plane of the walk that the user settled.

    Returns
    -------
    dict of int to dict of int to MaskPrompt
        By object and plane of `other`; planes with hardly anything on them are omitted.
    """
    along = stack.axes.index(other.walk) - 1
    across = shape_yx[1 - along]
    found = {(i, p): np.zeros((n_planes, across), bool) for i, planes in wanted.items() for p in planes}
    for plane in range(n_planes):
        for mask in read(plane):
            rows, columns = region_of(mask.origin_yx, mask.levels.shape)
            own, rest = (rows, columns) if along == 0 else (columns, rows)
            for at in wanted.get(mask.object_id, ()):
                if own.start <= at < own.stop:
                    line = mask.levels[at - own.start] if along == 0 else mask.levels[:, at - own.start]
                    found[mask.object_id, at][plane, rest] = line > 0
    prompts: dict[int, dict[int, MaskPrompt]] = {}
    own_order = stack.axes.index(stack.walk) == 0 and other.rows == stack.walk
    for (object_id, at), section in found.items():
        kept = _connected(section, settled[object_id])
        if int(kept.sum()) >= LEAST_PIXELS:
            turned = kept if own_order else np.ascontiguousarray(kept.T)
            prompts.setdefault(object_id, {})[at] = MaskPrompt(object_id, at, turned)
    return prompts


def _connected(section: npt.NDArray[np.bool_], row: int) -> npt.NDArray[np.bool_]:
    """Parts of a section that have a pixel on a row."""
    parts, _ = label(section)
    touching = np.unique(parts[row][section[row]])
    return np.isin(parts, touching[touching > 0])
