"""Overlap of masks on a frame, and which of several overlapping ones to keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_sam2_video.linking.shapes import Shape


Box: TypeAlias = tuple[int, int, int, int]
"""First row and column, and those after the last."""


def box_of(shape: Shape) -> Box:
    """Bounding box of a shape on the frame."""
    rows, columns = shape.region
    return rows.start, columns.start, rows.stop, columns.stop


def holds(shape: Shape, points_yx: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """Which of the points ``(N, 2)`` of the frame are on a shape."""
    places = np.floor(points_yx + 0.5).astype(int) - shape.origin_yx
    inside = ((places >= 0) & (places < shape.mask.shape)).all(axis=1)
    rows, columns = np.where(inside[:, None], places, 0).T
    return np.asarray(inside & shape.mask[rows, columns])


class Kept:
    """Shapes on a frame, without duplicates of an object.

    Parameters
    ----------
    most_iou : float
        Maximum IoU of two shapes.
    most_inside : float
        Maximum fraction of the smaller of two shapes inside the larger one.
    """

    def __init__(self, most_iou: float, most_inside: float) -> None:
        self._most_iou = most_iou
        self._most_inside = most_inside
        self._boxes = np.zeros((16, 4), np.int64)
        self.shapes: list[Shape] = []

    def near(self, shape: Shape) -> list[int]:
        """The kept shapes whose bounding box overlaps that of another shape."""
        top, left, bottom, right = box_of(shape)
        boxes = self._boxes[: len(self.shapes)]
        meets = (boxes[:, 0] < bottom) & (boxes[:, 2] > top) & (boxes[:, 1] < right) & (boxes[:, 3] > left)
        return np.flatnonzero(meets).tolist()

    def add(self, shape: Shape) -> bool:
        """Keep a shape unless it overlaps a kept one too much; True if it is kept."""
        for i in self.near(shape):
            other = self.shapes[i]
            common = shape.overlap(other)
            if common > self._most_inside * min(shape.area, other.area):
                return False
            if common > self._most_iou * (shape.area + other.area - common):
                return False
        if len(self.shapes) == len(self._boxes):
            self._boxes = np.concatenate([self._boxes, np.zeros_like(self._boxes)])
        self._boxes[len(self.shapes)] = box_of(shape)
        self.shapes.append(shape)
        return True
