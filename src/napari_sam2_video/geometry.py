"""Parts of a frame: bounding boxes and regions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

Region: TypeAlias = tuple[slice, slice]
_Scalar = TypeVar("_Scalar", bound=np.generic)


def region_of(origin_yx: tuple[int, int], shape_yx: tuple[int, ...]) -> Region:
    """Slices along y and x of a part that begins at `origin_yx`."""
    (top, left), (height, width) = origin_yx, shape_yx[:2]
    return slice(top, top + height), slice(left, left + width)


def bounding_box(image_yx: npt.NDArray[Any]) -> Region | None:
    """Slices along y and x of the smallest box around all pixels that are not 0, None if there are none.

    Parameters
    ----------
    image_yx : ndarray, shape (Y, X)
        A mask, levels or labels.
    """
    rows = np.flatnonzero(image_yx.any(axis=1))
    if not rows.size:
        return None
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    columns = np.flatnonzero(image_yx[top:bottom].any(axis=0))
    return slice(top, bottom), slice(int(columns[0]), int(columns[-1]) + 1)


def cut_to_box(
    part_yx: npt.NDArray[_Scalar], origin_yx: tuple[int, int] = (0, 0)
) -> tuple[tuple[int, int], npt.NDArray[_Scalar]]:
    """The pixels of a part of a frame that are not 0, cut to the box around them.

    Parameters
    ----------
    part_yx : ndarray, shape (h, w)
        A mask, levels or labels.
    origin_yx : tuple of int
        Pixel of the frame at which it begins.

    Returns
    -------
    origin_yx : tuple of int
        Pixel of the frame at which the box begins; ``(0, 0)`` if all pixels are 0.
    box_yx : ndarray
        A copy, of shape ``(0, 0)`` if all pixels are 0.
    """
    box = bounding_box(part_yx)
    if box is None:
        return (0, 0), part_yx[:0, :0].copy()
    return (origin_yx[0] + box[0].start, origin_yx[1] + box[1].start), part_yx[box].copy()


def whole_mask(
    origin_yx: tuple[int, int], part_yx: npt.NDArray[_Scalar], shape_yx: tuple[int, int]
) -> npt.NDArray[_Scalar]:
    """Mask or levels of a whole frame, from the part of it that begins at `origin_yx`; 0 elsewhere."""
    whole = np.zeros(shape_yx, part_yx.dtype)
    whole[region_of(origin_yx, part_yx.shape)] = part_yx
    return whole


def mask_iou(one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> float:
    """Intersection over union of two masks of one shape, 1 if both are empty."""
    union = np.count_nonzero(one | other)
    return float(np.count_nonzero(one & other) / union) if union else 1.0
