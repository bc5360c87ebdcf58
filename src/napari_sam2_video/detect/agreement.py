"""Whether clicks anywhere on an object select the same object: what tells objects from chance shapes."""

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
    """Points that were clicked, and what each of them selected."""

    def __init__(self) -> None:
        self._points: list[npt.NDArray[np.float32]] = []
        self._selected: dict[int, list[Shape]] = {}
        self._count = 0

    def add(self, points_yx: npt.NDArray[np.float32], masks: Iterable[SegmentedMask]) -> None:
        """Note what points ``(N, 2)`` selected; the prompts of `masks` are their rows."""
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
        """Mean over the clicks on a shape of the largest IoU of it and a mask that the click selected; 0 if none."""
        on = self.on(shape)
        best = [max((shape.iou(other) for other in self._selected.get(click, ())), default=0.0) for click in on]
        return float(np.mean(best)) if best else 0.0


def points_in(shape: Shape, count: int) -> npt.NDArray[np.float32]:
    """Points that are spread over the inside of a mask, away from its rim.

    Parameters
    ----------
    shape : Shape
        The mask.
    count : int
        How many points; fewer where the mask has fewer pixels.

    Returns
    -------
    ndarray of float32, shape (N, 2)
        Pixels of the frame as ``(y, x)``: the one that is deepest inside, then always the one farthest from all others.
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
    """Several lists of points ``(N, 2)`` as one."""
    return np.concatenate([np.zeros((0, 2), np.float32), *points_yx])
