"""How well label images agree with a truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt


def iou_of_objects(
    labels_yx: npt.NDArray[Any], truth_yx: npt.NDArray[Any], object_ids: Sequence[int]
) -> npt.NDArray[np.float64]:
    """Intersection over union of each object on one frame.

    Parameters
    ----------
    labels_yx, truth_yx : ndarray of integers, shape (Y, X)
        Label images with the same ids.
    object_ids : sequence of int
        Objects to compare.

    Returns
    -------
    ndarray of float, shape (len(object_ids),)
        IoU (the Jaccard index); NaN where the object is on neither image, which is right but no overlap.
    """
    ids = np.asarray(object_ids)
    size = int(max(labels_yx.max(initial=0), truth_yx.max(initial=0), ids.max(initial=0))) + 1
    ours = np.bincount(labels_yx.ravel(), minlength=size)[ids]
    theirs = np.bincount(truth_yx.ravel(), minlength=size)[ids]
    both = np.bincount(labels_yx[labels_yx == truth_yx].ravel(), minlength=size)[ids]
    union = ours + theirs - both
    iou = np.full(len(ids), np.nan)
    np.divide(both, union, out=iou, where=union > 0)
    return iou
