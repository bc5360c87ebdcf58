"""Where a user would click on a mask, and on an error in one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import distance_transform_edt, label

if TYPE_CHECKING:
    from numpy.typing import NDArray


def middle(mask: NDArray[np.bool_]) -> tuple[int, int]:
    """(y, x) of the pixel of a (Y, X) mask that is farthest from its edge.

    Raises
    ------
    ValueError
        If the mask is empty.
    """
    rows, columns = np.nonzero(mask)
    if not rows.size:
        raise ValueError("An empty mask has no middle.")
    y0, x0 = rows.min(), columns.min()
    depth = distance_transform_edt(np.pad(mask[y0 : rows.max() + 1, x0 : columns.max() + 1], 1))
    y, x = np.unravel_index(np.argmax(depth), depth.shape)
    return int(y0 + y - 1), int(x0 + x - 1)


def error_middle(wrong: NDArray[np.bool_]) -> tuple[int, int]:
    """(y, x) in the middle of the largest connected region of a (Y, X) mask of wrong pixels.

    Raises
    ------
    ValueError
        If nothing is wrong.
    """
    regions, count = label(wrong)
    if not count:
        raise ValueError("No pixel is wrong.")
    return middle(regions == np.argmax(np.bincount(regions.ravel())[1:]) + 1)
