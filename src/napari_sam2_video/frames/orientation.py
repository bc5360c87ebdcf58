"""Turn images upright by their EXIF or TIFF orientation tag."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

UPRIGHT = 1
TAG = 274
"""Number of the tag in TIFF and in EXIF."""


def valid(value: object) -> int:
    """Orientation from 1 to 8; 1 (upright) for any other `value`."""
    return value if isinstance(value, int) and 1 <= value <= 8 else UPRIGHT


def swaps(orientation: int) -> bool:
    """Whether rows become columns."""
    return orientation >= 5


def upright(image_yx: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """Image of shape (Y, X) or (Y, X, S), turned and mirrored so that it stands upright."""
    if orientation in (5, 6, 7, 8):
        image_yx = image_yx.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        image_yx = image_yx[::-1]
    if orientation in (2, 3, 6, 7):
        image_yx = image_yx[:, ::-1]
    return np.ascontiguousarray(image_yx)
