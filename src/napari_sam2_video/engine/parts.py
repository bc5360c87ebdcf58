"""Divide a mask of two objects that touch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

NECK = 0.5
"""Thickness below which a mask falls into parts, relative to its largest."""

SHARE = 0.2
"""Smallest share of the area for the smaller part."""

LONGEST = 256
"""Longer masks are divided at a lower resolution, to save time."""


def two_parts(mask: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]] | None:
    """The plane ``(Y, X)`` divided between the two largest parts of a mask, the larger first; None if it has only one.

    A mask falls into parts where it is less than half as thick as at its thickest place, such as where two cells touch.
    """
    from scipy import ndimage

    step = max(1, -(-max(mask.shape) // LONGEST))
    if step > 1:
        found = two_parts(mask[::step, ::step])
        height, width = mask.shape
        return found and (_enlarged(found[0], step)[:height, :width], _enlarged(found[1], step)[:height, :width])
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    cores, count = ndimage.label(depth > NECK * depth.max(initial=0.0))
    if count < 2:
        return None
    _, (rows, columns) = ndimage.distance_transform_edt(cores == 0, return_indices=True)
    nearest = cores[rows, columns]
    areas = np.bincount(nearest[mask], minlength=count + 1)[1:]
    first, second = (np.argsort(-areas, kind="stable")[:2] + 1).tolist()
    if areas[second - 1] < SHARE * areas.sum():
        return None
    return nearest == first, nearest == second


def _enlarged(part: npt.NDArray[np.bool_], step: int) -> npt.NDArray[np.bool_]:
    return part.repeat(step, axis=0).repeat(step, axis=1)
