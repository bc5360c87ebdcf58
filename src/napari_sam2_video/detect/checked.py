"""Check the output of a detector, and turn invalid output into a clear error."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np

from napari_sam2_video.detect.protocol import Detection
from napari_sam2_video.errors import DetectorError
from napari_sam2_video.geometry import cut_to_box

MOST_MASKS = 20_000
MOST_BOXES = 2_000
_MOST_LETTERS = 200


def checked(detections: Any, shape_yx: tuple[int, int], name: str) -> list[Detection]:
    """Valid detections of a frame.

    Returns
    -------
    list of Detection
        Those that are not empty, in the same order. Masks are cropped to their bounding box, boxes to the frame.

    Raises
    ------
    DetectorError
        If one of them is not a detection, has no valid score, or is outside the frame, or if there are too many.
    """
    if not isinstance(detections, Iterable) or isinstance(detections, str | bytes | np.ndarray):
        raise _wrong(name, f"a {type(detections).__name__} where a list of detections was expected")
    found = list(islice(detections, MOST_MASKS + 1))
    if len(found) > MOST_MASKS:
        raise _wrong(name, f"more than {MOST_MASKS} objects on one frame")
    boxes = sum(isinstance(one, Detection) and one.mask is None for one in found)
    if boxes > MOST_BOXES:
        raise _wrong(name, f"{boxes} boxes on one frame, but at most {MOST_BOXES} can be segmented")
    good = (_good(one, shape_yx, name, number) for number, one in enumerate(found, start=1))
    return [one for one in good if one is not None]


def _good(one: Any, shape_yx: tuple[int, int], name: str, number: int) -> Detection | None:
    if not isinstance(one, Detection):
        raise _wrong(name, f"a {type(one).__name__} where detection {number} was expected")
    score = _number(one.score)
    if score is None or not 0 <= score <= 1:
        raise _wrong(name, f"the score {one.score!r} for detection {number}, which should be 0 to 1")
    if one.label is not None and not (isinstance(one.label, str) and len(one.label) <= _MOST_LETTERS):
        raise _wrong(name, f"a label for detection {number} that is not text of up to {_MOST_LETTERS} letters")
    if one.mask is None:
        box = _box(one.box_yxyx, shape_yx)
        if box is None:
            raise _wrong(name, f"neither a mask nor a box inside the frame for detection {number}")
        return replace(one, score=score, box_yxyx=box)
    origin = _origin(one.origin_yx)
    mask = one.mask
    if not isinstance(mask, np.ndarray) or mask.ndim != 2 or mask.dtype != bool:
        kind = f"{mask.dtype} of shape {mask.shape}" if isinstance(mask, np.ndarray) else type(mask).__name__
        raise _wrong(name, f"a mask for detection {number} that is {kind} where bool of shape (h, w) was expected")
    if origin is None or any(o < 0 or o + n > s for o, n, s in zip(origin, mask.shape, shape_yx, strict=True)):
        raise _wrong(
            name,
            f"a mask of shape {mask.shape} at {one.origin_yx!r} for detection {number}, which is not inside the frame "
            f"of shape {shape_yx}",
        )
    first, inside = cut_to_box(mask, origin)
    return replace(one, score=score, mask=inside, origin_yx=first, box_yxyx=None) if inside.size else None


def _box(box: Any, shape_yx: tuple[int, int]) -> tuple[float, float, float, float] | None:
    """The part of a box inside the frame; None if it is invalid or outside."""
    try:
        numbers = [_number(value) for value in box]
    except TypeError:
        return None
    if len(numbers) != 4 or any(value is None for value in numbers):
        return None
    y0, x0, y1, x1 = (value for value in numbers if value is not None)
    y0, x0 = max(y0, 0.0), max(x0, 0.0)
    y1, x1 = min(y1, shape_yx[0] - 1.0), min(x1, shape_yx[1] - 1.0)
    return (y0, x0, y1, x1) if y1 > y0 and x1 > x0 else None


def _origin(origin: Any) -> tuple[int, int] | None:
    try:
        y, x = origin
        return (int(y), int(x)) if int(y) == y and int(x) == x else None
    except (TypeError, ValueError, OverflowError):
        return None


def _number(value: Any) -> float | None:
    """A number as a float; None for anything else, and for non-finite numbers."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        return None
    return float(value) if math.isfinite(value) else None


def _wrong(name: str, what: str) -> DetectorError:
    return DetectorError(f"The detector {name} returned {what}; its output is ignored.")
