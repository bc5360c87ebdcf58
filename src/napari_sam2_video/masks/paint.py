"""What a person painted on a frame: strokes laid over each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.masks.codec import CLEARED, PAINTED, UNTOUCHED, Stroke

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy.typing as npt


@dataclass(frozen=True)
class PaintLayer:
    """The person's pixels of a frame: those where `painted` is True, starting at `origin_yx`."""

    origin_yx: tuple[int, int]
    painted: npt.NDArray[np.bool_]
    values: npt.NDArray[np.uint32]

    @property
    def region(self) -> tuple[slice, slice]:
        """Part of the frame that the layer covers."""
        return region_of(self.origin_yx, self.painted.shape)


EMPTY = PaintLayer((0, 0), np.zeros((0, 0), bool), np.zeros((0, 0), np.uint32))


def region_of(origin_yx: tuple[int, int], shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Slices of a crop."""
    return (
        slice(origin_yx[0], origin_yx[0] + shape[0]),
        slice(origin_yx[1], origin_yx[1] + shape[1]),
    )


def over(layer: PaintLayer, number: int, stroke: Stroke, removed: Mapping[int, int]) -> PaintLayer:
    """Lay a stroke over a layer; pixels of objects that were removed since go back to the model."""
    kind = stroke.kind
    gone = [i for i, since in removed.items() if number <= since]
    if gone:
        kind = np.where((kind == PAINTED) & np.isin(stroke.values, gone), CLEARED, kind)
    top, left = stroke.origin_yx
    bottom, right = top + kind.shape[0], left + kind.shape[1]
    if layer.painted.size:
        top, left = min(top, layer.origin_yx[0]), min(left, layer.origin_yx[1])
        bottom = max(bottom, layer.origin_yx[0] + layer.painted.shape[0])
        right = max(right, layer.origin_yx[1] + layer.painted.shape[1])
    painted = np.zeros((bottom - top, right - left), bool)
    values = np.zeros(painted.shape, np.uint32)
    if layer.painted.size:
        inner = region_of((layer.origin_yx[0] - top, layer.origin_yx[1] - left), layer.painted.shape)
        painted[inner], values[inner] = layer.painted, layer.values
    outer = region_of((stroke.origin_yx[0] - top, stroke.origin_yx[1] - left), kind.shape)
    touched = kind != UNTOUCHED
    painted[outer][touched] = (kind == PAINTED)[touched]
    values[outer][touched] = np.where(kind == PAINTED, stroke.values, 0)[touched]
    return PaintLayer((top, left), painted, values)


def fold(strokes: Iterable[tuple[int, Stroke]], removed: Mapping[int, int], base: PaintLayer = EMPTY) -> PaintLayer:
    """Lay numbered strokes, oldest first, over a layer."""
    for number, stroke in strokes:
        base = over(base, number, stroke, removed)
    return base


def apply(layer: PaintLayer, labels_yx: npt.NDArray[Any]) -> None:
    """Put a layer onto a label image, in place."""
    target = labels_yx[layer.region]
    target[layer.painted] = layer.values[layer.painted]


def cut(stroke: Stroke) -> Stroke | None:
    """Stroke cut to the pixels it touches, or None if there are none."""
    rows = np.flatnonzero(stroke.kind.any(axis=1))
    if not rows.size:
        return None
    columns = np.flatnonzero(stroke.kind.any(axis=0))
    part = (slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1))
    origin = (stroke.origin_yx[0] + part[0].start, stroke.origin_yx[1] + part[1].start)
    return Stroke(origin, stroke.kind[part], stroke.values[part])
