"""How well label images agree with a truth: overlap, edges, presence, and whether objects were mixed up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import binary_erosion, distance_transform_edt

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

VISIBLE = 30
"""Pixels of an object from which on its overlap counts."""

TOLERANCE = 2.0
"""Pixels by which two outlines may differ and still agree."""

WRONG = 0.5
"""IoU below which a frame is wrong."""


@dataclass(frozen=True)
class Agreement:
    """What was found and what is true of N objects on T frames.

    Parameters
    ----------
    iou, boundary : (N, T) float array
        Intersection over union and boundary F; NaN where the object is on neither image.
    area, found_area : (N, T) integer array
        Pixels of the truth and of what was found.
    other : (N, T) float array
        Largest IoU of what was found with the truth of any other object.
    prompted : int
        The prompted frame.
    """

    iou: NDArray[np.float64]
    boundary: NDArray[np.float64]
    area: NDArray[np.int64]
    found_area: NDArray[np.int64]
    other: NDArray[np.float64]
    prompted: int


def compare(
    labels: NDArray[np.uint16], truth: NDArray[np.uint16], object_ids: Sequence[int], prompted: int
) -> Agreement:
    """Compare label images (T, Y, X) whose ids are those of the truth (T, Y, X)."""
    rows = [_compare_frame(found, true, object_ids) for found, true in zip(labels, truth, strict=True)]
    iou, boundary, area, found_area, other = (np.stack(each, 1) for each in zip(*rows, strict=True))
    return Agreement(iou, boundary, area.astype(np.int64), found_area.astype(np.int64), other, prompted)


def _compare_frame(
    found: NDArray[np.uint16], true: NDArray[np.uint16], object_ids: Sequence[int]
) -> tuple[NDArray[Any], ...]:
    ids = np.asarray(object_ids)
    both, area, found_area = overlaps(found, true, int(ids.max()))
    union = area[None, :] + found_area[:, None] - both
    iou = np.divide(both, union, out=np.full(both.shape, np.nan), where=union > 0)
    own = iou[ids, ids]
    others = np.nan_to_num(iou[ids])
    others[:, 0] = 0
    others[np.arange(ids.size), ids] = 0
    edges = np.array(
        [np.nan if np.isnan(v) else boundary_f(found == i, true == i) for i, v in zip(ids, own, strict=True)]
    )
    return own, edges, area[ids], found_area[ids], others.max(1)


def overlaps(
    found: NDArray[np.uint16], true: NDArray[np.uint16], highest: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Pixels that each label found shares with each true one, and the pixels of the true ones and of those found.

    Returns
    -------
    both : (L, L) array
        Rows are labels found, columns true ones, both from 0 on and at least to `highest`.
    area, found_area : (L,) array
    """
    size = int(max(found.max(initial=0), true.max(initial=0), highest)) + 1
    pairs = found.astype(np.int64).ravel() * size + true.ravel()
    both = np.bincount(pairs, minlength=size * size).reshape(size, size)
    return both, both.sum(0), both.sum(1)


def boundary_f(mask: NDArray[np.bool_], truth: NDArray[np.bool_], tolerance: float = TOLERANCE) -> float:
    """F measure of the outlines of two (Y, X) masks, as in the DAVIS benchmark but with a distance in pixels.

    The outline is the outermost pixels of a mask. Precision is the part of the mask's outline within `tolerance` of the
    truth's, recall the part of the truth's within `tolerance` of the mask's. 0 where one of them is empty.
    """
    if not mask.any() or not truth.any():
        return 0.0
    rows, columns = np.nonzero(mask | truth)
    window = slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)
    outlines = [_outline(np.pad(each[window], 1)) for each in (mask, truth)]
    near = [distance_transform_edt(~outline) <= tolerance for outline in outlines]
    precision = float(near[1][outlines[0]].mean())
    recall = float(near[0][outlines[1]].mean())
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _outline(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.asarray(mask & ~binary_erosion(mask))


def switches(agreement: Agreement) -> int:
    """How often an object's mask passes onto another object.

    A mask is on another object where its IoU with that one is at least 0.5. Frames on which it is on none are left out.
    """
    total = 0
    for iou, other in zip(np.nan_to_num(agreement.iou), agreement.other, strict=True):
        placed = np.maximum(iou, other) >= WRONG
        elsewhere = (other > iou)[placed]
        total += int((elsewhere[1:] & ~elsewhere[:-1]).sum()) + int(elsewhere[:1].sum())
    return total


def summary(agreements: Iterable[Agreement]) -> dict[str, float]:
    """Figures of recordings of a kind, each object and frame counting alike.

    Returns
    -------
    dict
        ``iou`` and ``boundary``, means over frames on which the object is seen; ``wrong``, the share of all but the
        prompted frames with an IoU below 0.5; ``switches``; ``presence``, the share of frames on which it is right
        that there is a mask or none; ``absence``, the same on the frames without the object; ``drift``, the mean IoU of
        the first quarter of the frames less that of the last, of objects that are seen in both; ``objects`` and
        ``frames``.
    """
    iou, boundary, wrong, right, absent, first, last = ([] for _ in range(7))
    switched = objects = 0
    for one in agreements:
        seen = one.area >= VISIBLE
        iou.append(one.iou[seen])
        boundary.append(one.boundary[seen])
        free = np.arange(one.iou.shape[1]) != one.prompted
        wrong.append((one.iou < WRONG)[:, free].ravel())
        decided = ((one.area == 0) | seen) & free
        agrees = (one.area > 0) == (one.found_area > 0)
        right.append(agrees[decided])
        absent.append(agrees[(one.area == 0) & free])
        quarter = max(one.iou.shape[1] // 4, 1)
        early, late = (np.where(seen, one.iou, np.nan)[:, part] for part in (slice(quarter), slice(-quarter, None)))
        both = np.isfinite(early).any(1) & np.isfinite(late).any(1)
        first.append(early[both][np.isfinite(early[both])])
        last.append(late[both][np.isfinite(late[both])])
        switched += switches(one)
        objects += len(one.iou)
    return {
        "iou": _mean(iou),
        "boundary": _mean(boundary),
        "wrong": _mean(wrong),
        "switches": switched,
        "presence": _mean(right),
        "absence": _mean(absent),
        "drift": _mean(first) - _mean(last),
        "objects": objects,
        "frames": sum(part.size for part in wrong),
    }


def _mean(parts: list[NDArray[Any]]) -> float:
    values = np.concatenate(parts)
    return float(values.mean()) if values.size else float("nan")
