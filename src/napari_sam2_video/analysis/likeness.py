"""The grey values that an object has where it is settled, and parts of its mask elsewhere that do not look like it.

All walks of a volume follow an object into a neighbour that one of them took for it, so that a vote does not help. But
the neighbour often looks different from everything in the object on the planes that the user prompted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import binary_erosion, binary_opening, binary_propagation

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    Masks = npt.NDArray[np.bool_]
    Look = tuple[float, float]

EDGE = 2
"""Width of the outline, in pixels, whose grey values are left out."""
FEWEST = 10
OUTLYING = 2.0
"""Per cent of the darkest and of the brightest values that are left out."""
BEYOND = 3.0
"""Distance from all grey values of an object at which others are not part of it, as a multiple of their deviation."""
EVEN = 4.0
"""Minimum deviation that is assumed, of 255."""
WIDE = np.ones((3, 3), bool)
"""Smallest part of a mask that is judged."""


def look_of(planes: Iterable[tuple[Masks, npt.NDArray[np.float32]]]) -> Look | None:
    """Smallest and largest grey value that an object may have, from masks on settled planes and their images.

    None if the masks have too few pixels away from their outlines. The more varied an object is there, the wider is the
    range.
    """
    found = []
    for mask_yx, grey_yx in planes:
        core = binary_erosion(mask_yx, iterations=EDGE)
        found.append(grey_yx[core])
    values = np.concatenate(found) if found else np.zeros(0, np.float32)
    if values.size < FEWEST:
        return None
    low, middle, high = np.percentile(values, (OUTLYING, 50, 100 - OUTLYING))
    deviation = 1.4826 * float(np.median(np.abs(values - middle)))
    room = BEYOND * max(deviation, EVEN)
    return float(low) - room, float(high) + room


def unlike(mask_yx: Masks, grey_yx: npt.NDArray[np.float32], look: Look) -> Masks:
    """Parts of a mask, wider than an outline, whose grey values an object does not have; see `look_of`."""
    odd = mask_yx & ((grey_yx < look[0]) | (grey_yx > look[1]))
    if not odd.any():
        return odd
    return np.asarray(binary_propagation(binary_opening(odd, WIDE), mask=odd))
