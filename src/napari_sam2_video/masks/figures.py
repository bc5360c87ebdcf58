"""Figures of each mask that the journal keeps: scores, area, centre and box.

In the journal, rows are stored with the names and types of their columns, so that a version with other columns reads
those it knows and ignores the rest.
"""

from __future__ import annotations

import base64
import math
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.geometry import bounding_box

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_sam2_video.types import FrameMasks

FIGURES = np.dtype(
    [
        ("object_score", "<f4"),
        ("predicted_iou", "<f4"),
        ("area", "<i8"),
        ("y", "<f4"),
        ("x", "<f4"),
        ("y0", "<i4"),
        ("x0", "<i4"),
        ("y1", "<i4"),
        ("x1", "<i4"),
        ("prompted", "?"),
    ]
)
NAMES = FIGURES.names or ()
_COLUMN = re.compile(r"([a-z][a-z0-9_]*):([<|][fiub][1248])")


def figures_of(masks: FrameMasks) -> npt.NDArray[Any]:
    """Figures of masks, one row of `FIGURES` each; an empty mask has NaN as its centre and an empty box."""
    rows = np.zeros(len(masks.objects), FIGURES)
    for row, mask in zip(rows, masks.objects, strict=True):
        row["object_score"], row["predicted_iou"] = finite(mask.object_score), finite(mask.predicted_iou)
        row["prompted"] = mask.prompted
        measure_mask(row, mask.levels > 0, mask.origin_yx)
    return rows


def measure_mask(row: Any, inside: npt.NDArray[np.bool_], origin_yx: tuple[int, int]) -> None:
    """Fill area, centre and box of a row of `FIGURES`, in place.

    Parameters
    ----------
    row : numpy.void of `FIGURES`
        The row.
    inside : ndarray of bool, shape (h, w)
        The object.
    origin_yx : tuple of int
        Pixel of the frame at which `inside` begins.
    """
    row["area"] = 0
    row["y"] = row["x"] = math.nan
    row["y0"] = row["x0"] = row["y1"] = row["x1"] = 0
    box = bounding_box(inside)
    if box is None:
        return
    by_row, by_column = inside.sum(axis=1), inside.sum(axis=0)
    area = int(by_row.sum())
    row["area"] = area
    row["y"] = origin_yx[0] + float(by_row @ np.arange(by_row.size)) / area
    row["x"] = origin_yx[1] + float(by_column @ np.arange(by_column.size)) / area
    row["y0"], row["y1"] = origin_yx[0] + box[0].start, origin_yx[0] + box[0].stop
    row["x0"], row["x1"] = origin_yx[1] + box[1].start, origin_yx[1] + box[1].stop


def figures_to_json(figures: npt.NDArray[Any]) -> dict[str, str]:
    """Form in the journal: the columns as ``name:type``, and the bytes of the rows in base64."""
    columns = " ".join(f"{name}:{figures.dtype[name].str}" for name in figures.dtype.names or ())
    return {"columns": columns, "rows": base64.b64encode(figures.tobytes()).decode()}


def figures_from_json(value: Any, count: int) -> npt.NDArray[Any]:
    """Rows of `FIGURES` from their journal form.

    Unknown columns are ignored. Missing ones are NaN, or 0 if they hold whole numbers.

    Raises
    ------
    ValueError, TypeError, KeyError
        If it is anything else, or does not have `count` rows.
    """
    stored = _stored_type(str(value["columns"]))
    rows = np.frombuffer(base64.b64decode(value["rows"], validate=True), stored)
    if len(rows) != count:
        raise ValueError("one row of figures per object")
    if stored == FIGURES:
        return rows
    figures = np.zeros(count, FIGURES)
    for name in NAMES:
        if name in (stored.names or ()):
            figures[name] = rows[name]
        elif FIGURES[name].kind == "f":
            figures[name] = np.nan
    return figures


@lru_cache(maxsize=16)
def _stored_type(columns: str) -> np.dtype[Any]:
    fields = []
    for column in columns.split(" "):
        match = _COLUMN.fullmatch(column)
        if match is None:
            raise ValueError("a column that cannot be read")
        fields.append((match[1], match[2]))
    return np.dtype(fields)


def finite(value: float) -> float:
    """The number; 0 if it is infinite or NaN."""
    return float(value) if math.isfinite(value) else 0.0
