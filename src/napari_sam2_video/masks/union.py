"""Masks combined from several, or made from pixels without the model's levels."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_video.geometry import bounding_box, region_of
from napari_sam2_video.types import ObjectMask

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    import numpy.typing as npt

FULL = 255


def union_of(object_id: int, parts: Sequence[ObjectMask]) -> ObjectMask:
    """Combine masks on the same frame: the higher level at each pixel, the higher object score, the lower IoU."""
    filled = [part for part in parts if part.levels.size] or parts[:1]
    first = replace(filled[0], object_id=object_id)
    if len(filled) == 1:
        return first
    corners = np.array([(*p.origin_yx, *np.add(p.origin_yx, p.levels.shape)) for p in filled])
    (top, left), (bottom, right) = corners[:, :2].min(axis=0), corners[:, 2:].max(axis=0)
    levels = np.zeros((bottom - top, right - left), np.uint8)
    for part in filled:
        inside = levels[region_of((part.origin_yx[0] - top, part.origin_yx[1] - left), part.levels.shape)]
        np.maximum(inside, part.levels, out=inside)
    return replace(
        first,
        origin_yx=(int(top), int(left)),
        levels=levels,
        object_score=max(part.object_score for part in filled),
        predicted_iou=min(part.predicted_iou for part in filled),
        prompted=any(part.prompted for part in filled),
    )


def highest_levels(
    masks: Iterable[ObjectMask], object_ids: Collection[int], shape_yx: tuple[int, int]
) -> npt.NDArray[np.uint8]:
    """Highest level of the given objects at each pixel of a frame, shape ``(Y, X)``."""
    levels_yx = np.zeros(shape_yx, np.uint8)
    for mask in masks:
        if mask.object_id in object_ids:
            inside = levels_yx[region_of(mask.origin_yx, mask.levels.shape)]
            np.maximum(inside, mask.levels, out=inside)
    return levels_yx


def full_mask(object_id: int, mask_yx: npt.NDArray[np.bool_], like: ObjectMask | None = None) -> ObjectMask:
    """Drawn pixels as a prompted mask, with the levels of `like` where it has some, else the highest.

    Parameters
    ----------
    object_id : int
        The object.
    mask_yx : ndarray of bool, shape (Y, X)
        Its pixels, at least one.
    like : ObjectMask, optional
        The model's mask.
    """
    levels = np.where(mask_yx, np.uint8(FULL), np.uint8(0))
    if like is not None and like.levels.size:
        inside = levels[region_of(like.origin_yx, like.levels.shape)]
        np.copyto(inside, like.levels, where=(inside > 0) & (like.levels > 0))
    box = bounding_box(levels)
    if box is None:
        return ObjectMask(object_id, (0, 0), np.zeros((0, 0), np.uint8), prompted=True)
    score, iou = (10.0, 1.0) if like is None else (like.object_score, like.predicted_iou)
    return ObjectMask(object_id, (box[0].start, box[1].start), levels[box].copy(), score, iou, prompted=True)
