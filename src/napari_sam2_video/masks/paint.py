"""Paint on a frame: strokes over each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.errors import StoreError
from napari_sam2_video.geometry import bounding_box, region_of
from napari_sam2_video.masks.codec import CLEARED, MAX_ID, PAINTED, UNTOUCHED, Stroke

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt


@dataclass(frozen=True)
class PaintLayer:
    """Painted pixels of a frame: those where `painted` is True, starting at `origin_yx`."""

    origin_yx: tuple[int, int]
    painted: npt.NDArray[np.bool_]
    values: npt.NDArray[np.uint32]

    @property
    def region(self) -> tuple[slice, slice]:
        """Part of the frame that the layer covers."""
        return region_of(self.origin_yx, self.painted.shape)


EMPTY = PaintLayer((0, 0), np.zeros((0, 0), bool), np.zeros((0, 0), np.uint32))


def over(layer: PaintLayer, number: int, stroke: Stroke, removed: Mapping[int, int]) -> PaintLayer:
    """Add a stroke to a layer; pixels of objects removed since are returned to the model."""
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


def cut(stroke: Stroke) -> Stroke | None:
    """Stroke cropped to the pixels it touches, or None if there are none."""
    box = bounding_box(stroke.kind)
    if box is None:
        return None
    origin = (stroke.origin_yx[0] + box[0].start, stroke.origin_yx[1] + box[1].start)
    return Stroke(origin, stroke.kind[box], stroke.values[box])


def check_painted(
    frame: int,
    origin_yx: tuple[int, int],
    labels: npt.NDArray[Any],
    mask: npt.NDArray[np.bool_],
    shape_yx: tuple[int, int],
) -> None:
    """Refuse painted pixels that do not fit a frame of `shape_yx`.

    Raises
    ------
    StoreError
        If they are outside, are not ids, or differ in shape from their mask.
    """
    (top, left), shape = origin_yx, labels.shape
    inside = len(shape) == 2 and top >= 0 and left >= 0
    if not inside or top + shape[0] > shape_yx[0] or left + shape[1] > shape_yx[1]:
        raise StoreError(f"Pixels of shape {shape} at {origin_yx} do not fit a frame of {shape_yx} pixels.")
    if labels.dtype.kind not in "buif" or not (labels == np.floor(labels)).all():
        raise StoreError(f"Labels on frame {frame} must be whole numbers; convert them.")
    if labels.size and (int(labels.min()) < 0 or int(labels.max()) > MAX_ID):
        raise StoreError(f"Labels on frame {frame} must lie between 0 and {MAX_ID}.")
    if mask.shape != shape:
        raise StoreError(
            f"The painted pixels of frame {frame} and their mask differ in shape; give them the same shape."
        )
