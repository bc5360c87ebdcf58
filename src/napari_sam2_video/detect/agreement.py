"""Check whether clicks anywhere on an object select the same object, unlike on chance shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_video.detect.overlap import holds
from napari_sam2_video.linking.shapes import Shape

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

    from napari_sam2_video.types import SegmentedMask

_MARGIN = 0.7


class Clicks:
    """Clicked points, and the masks each of them selected."""

    def __init__(self) -> None:
        self._points: list[npt.NDArray[np.float32]] = []
        self._selected: dict[int, list[Shape]] = {}
        self._count = 0

    def add(self, points_yx: npt.NDArray[np.float32], masks: Iterable[SegmentedMask]) -> None:
        """Add points ``(N, 2)`` and the masks they selected; the prompts of `masks` are row numbers."""
        for mask in masks:
            if mask.mask.size:
                selected = self._selected.setdefault(self._count + mask.prompt, [])
                selected.append(Shape(mask.mask, mask.origin_yx))
        self._points.append(points_yx)
        self._count += len(points_yx)

    def on(self, shape: Shape) -> list[int]:
        """Which clicks are on a shape."""
        if not self._points:
            return []
        return np.flatnonzero(holds(shape, np.concatenate(self._points))).tolist()

    def agreement(self, shape: Shape) -> float:
        """Mean over the clicks on a shape of the largest IoU with a mask that the click selected; 0 without any."""
        on = self.on(shape)
        best = [max((shape.iou(other) for other in self._selected.get(click, ())), default=0.0) for click in on]
        return float(np.mean(best)) if best else 0.0


def points_in(shape: Shape, count: int) -> npt.NDArray[np.float32]:
    """Points spread over the inside of a mask, away from its edge.

    Parameters
    ----------
    shape : Shape
        The mask.
    count : int
        Number of points; fewer if the mask has fewer pixels.

    Returns
    -------
    ndarray of float32, shape (N, 2)
        Pixels of the frame as ``(y, x)``: the deepest one inside, then repeatedly the one farthest from all others.
    """
    from scipy import ndimage

    if count < 1:
        return np.zeros((0, 2), np.float32)
    depth = ndimage.distance_transform_edt(np.pad(shape.mask, 1))[1:-1, 1:-1]
    deepest = np.unravel_index(int(depth.argmax()), depth.shape)
    inner = np.argwhere(depth >= max(1.0, (1 - _MARGIN) * depth.max()))
    chosen = [np.array(deepest)]
    away = np.full(len(inner), np.inf)
    while len(chosen) < min(count, len(inner)):
        away = np.minimum(away, ((inner - chosen[-1]) ** 2).sum(axis=1))
        chosen.append(inner[int(away.argmax())])
    return (np.array(chosen) + shape.origin_yx).astype(np.float32)


def spread(points_yx: Sequence[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
    """Combine several lists of points ``(N, 2)``."""
    return np.concatenate([np.zeros((0, 2), np.float32), *points_yx])
