"""Match detections and tracked objects one to one by overlap."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_sam2_video.linking.shapes import Shape

LEAST_IOU = 0.4


def matched(
    found: Sequence[Shape], tracked: Mapping[int, Shape], least_iou: float = LEAST_IOU
) -> dict[int, tuple[int, float]]:
    """Pair detections with tracked objects so that the sum of IoU is largest.

    Parameters
    ----------
    found : sequence of Shape
        Detections of a frame.
    tracked : mapping of int to Shape
        Masks of the tracked objects on it, by id.
    least_iou : float
        Pairs with less are dropped.

    Returns
    -------
    dict of int to (int, float)
        By index in `found`: the object, and the IoU.
    """
    from scipy.optimize import linear_sum_assignment

    if not found or not tracked:
        return {}
    ids = list(tracked)
    ious = np.array([[one.iou(tracked[i]) for i in ids] for one in found])
    rows, columns = linear_sum_assignment(np.where(ious >= least_iou, ious, 0.0), maximize=True)
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return {row: (ids[column], float(ious[row, column])) for row, column in pairs if ious[row, column] >= least_iou}


def covered(shape: Shape, tracked: Mapping[int, Shape]) -> tuple[int | None, float]:
    """The object that covers most of a detection, and the fraction of it that all objects cover."""
    parts = {object_id: shape.overlap(mask) for object_id, mask in tracked.items()}
    most = max(parts, key=parts.__getitem__, default=None)
    if most is None or not parts[most]:
        return None, 0.0
    return most, min(sum(parts.values()) / shape.area, 1.0)
