"""Cut a mask into parts."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.errors import StoreError

if TYPE_CHECKING:
    import numpy.typing as npt


def parts_of(mask_yx: npt.NDArray[np.bool_], line_yx: npt.ArrayLike | None = None) -> list[npt.NDArray[np.bool_]]:
    """Connected parts of a mask, the largest first.

    Parameters
    ----------
    mask_yx : ndarray of bool, shape (Y, X)
        The mask. Pixels that touch at a corner are connected.
    line_yx : array-like of shape (n, 2), optional
        Corners ``(y, x)`` of a line along which the mask is cut first; pixels on the line go to the nearest part.

    Returns
    -------
    list of ndarray of bool, shape (Y, X)
        The parts, which together are the mask; parts of equal size in the order of their first pixel.

    Raises
    ------
    StoreError
        If the line is invalid.
    """
    from scipy import ndimage

    cut = np.zeros(mask_yx.shape, bool) if line_yx is None else _drawn(line_yx, mask_yx.shape)
    # corners must not connect across a line one pixel wide
    structure = np.ones((3, 3), bool) if line_yx is None else None
    labels, count = ndimage.label(mask_yx & ~cut, structure)
    if not count:
        return [mask_yx] if mask_yx.any() else []
    _, (rows, columns) = ndimage.distance_transform_edt(labels == 0, return_indices=True)
    nearest = np.where(mask_yx, labels[rows, columns], 0)
    order = np.argsort(-np.bincount(nearest.ravel(), minlength=count + 1)[1:], kind="stable") + 1
    return [nearest == label for label in order]


def _drawn(line_yx: npt.ArrayLike, shape_yx: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    from skimage.draw import line

    try:
        corners: npt.NDArray[Any] = np.asarray(line_yx, np.float64)
    except (TypeError, ValueError) as error:
        raise StoreError("A line needs two or more points (y, x).") from error
    if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 2 or not np.isfinite(corners).all():
        raise StoreError(f"A line needs two or more points (y, x), not an array of shape {corners.shape}.")
    pixels = np.round(corners).astype(np.int64)
    drawn = np.zeros(shape_yx, bool)
    for start, end in pairwise(pixels):
        y, x = line(*start, *end)  # type: ignore[no-untyped-call]
        inside = (y >= 0) & (y < shape_yx[0]) & (x >= 0) & (x < shape_yx[1])
        drawn[y[inside], x[inside]] = True
    return drawn
