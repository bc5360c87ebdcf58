"""Where a person would click."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import distance_transform_edt, label

if TYPE_CHECKING:
    from numpy.typing import NDArray


def middle(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(x, y) of the pixel of a (Y, X) mask that is farthest from its edge; the mask has at least one pixel."""
    rows, columns = np.nonzero(mask)
    y0, x0 = rows.min(), columns.min()
    depth = distance_transform_edt(np.pad(mask[y0 : rows.max() + 1, x0 : columns.max() + 1], 1))
    y, x = np.unravel_index(np.argmax(depth), depth.shape)
    return np.array([x0 + x - 1, y0 + y - 1])


def error_middle(wrong: NDArray[Any]) -> NDArray[np.int64]:
    """(x, y) of the middle of the largest connected region of a (Y, X) mask of wrong pixels."""
    regions, _ = label(wrong)
    return middle(regions == np.argmax(np.bincount(regions.ravel())[1:]) + 1)
