"""Masks and strokes as bytes, and the figures of each mask.

A frame record is a line of JSON that describes its objects, followed by their levels, each compressed by zlib. A
stroke is a line of JSON followed by one compressed block of values and one of which pixels they are for.
"""

from __future__ import annotations

import base64
import json
import math
import zlib
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from napari_sam2_video.errors import StoreError
from napari_sam2_video.storage.packs import ref_from_json
from napari_sam2_video.types import FrameMasks, ObjectMask

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_sam2_video.storage.packs import BlobRef

Origin: TypeAlias = tuple[int, int]
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
MAX_ID = 0xFFFFFFFF
UNTOUCHED, PAINTED, CLEARED = 0, 1, 2


@dataclass(frozen=True, slots=True)
class RecordInfo:
    """A frame record as the journal knows it.

    Parameters
    ----------
    ref : BlobRef
        Where it lies.
    frame : int
        The frame.
    walk : int
        1 where it was computed forward, -1 backward.
    ids : tuple of int
        Its objects.
    figures : ndarray of `FIGURES`, shape (len(ids),)
        One row an object.
    """

    ref: BlobRef
    frame: int
    walk: int
    ids: tuple[int, ...]
    figures: npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class StrokeInfo:
    """A stroke as the journal knows it.

    Parameters
    ----------
    ref : BlobRef
        Where it lies.
    frame : int
        The frame.
    below : int
        Number of the stroke it lies on, 0 for none.
    newest : dict of int to int
        For every object that the person's pixels of this frame touch, the newest stroke that touched it.
    ids : frozenset of int
        Objects that this stroke gives pixels.
    """

    ref: BlobRef
    frame: int
    below: int
    newest: dict[int, int]
    ids: frozenset[int]


@dataclass(frozen=True)
class Stroke:
    """Pixels of a person: `kind` is 0 untouched, 1 painted with `values`, 2 given back to the model."""

    origin_yx: Origin
    kind: npt.NDArray[np.uint8]
    values: npt.NDArray[np.uint32]


def encode_masks(masks: FrameMasks) -> bytes:
    """Frame record of masks."""
    blocks, objects = [], []
    for mask in masks.objects:
        block = zlib.compress(np.ascontiguousarray(mask.levels).tobytes(), 1)
        blocks.append(block)
        objects.append(
            {
                "id": mask.object_id,
                "origin": list(mask.origin_yx),
                "shape": list(mask.levels.shape),
                "bytes": len(block),
                "score": _number(mask.object_score),
                "iou": _number(mask.predicted_iou),
                "prompted": mask.prompted,
            }
        )
    head = {
        "frame": masks.frame,
        "shape_yx": list(masks.shape_yx),
        "direction": masks.direction,
        "objects": objects,
    }
    return json.dumps(head, separators=(",", ":")).encode() + b"\n" + b"".join(blocks)


def decode_masks(data: bytes, shape_yx: tuple[int, int]) -> FrameMasks:
    """Masks of a frame record of frames of `shape_yx`.

    Raises
    ------
    StoreError
        If the record is damaged or claims more pixels than a frame has.
    """
    try:
        end = data.index(b"\n")
        head = json.loads(data[:end])
        if tuple(head["shape_yx"]) != shape_yx:
            raise ValueError("another shape of frame")
        at = end + 1
        objects = []
        for item in head["objects"]:
            origin, shape = _box(item["origin"], item["shape"], shape_yx)
            length = int(item["bytes"])
            levels = np.frombuffer(_inflate(data[at : at + length], shape[0] * shape[1]), np.uint8).reshape(shape)
            at += length
            objects.append(
                ObjectMask(
                    int(item["id"]), origin, levels, float(item["score"]), float(item["iou"]), bool(item["prompted"])
                )
            )
        return FrameMasks(int(head["frame"]), shape_yx, tuple(objects), head["direction"])
    except (ValueError, TypeError, KeyError, zlib.error, RecursionError) as error:
        raise StoreError(f"The masks of a frame are damaged ({error}); track that frame again.") from error


def encode_stroke(stroke: Stroke) -> bytes:
    """Bytes of a stroke."""
    kind = zlib.compress(np.ascontiguousarray(stroke.kind).tobytes(), 1)
    values = np.ascontiguousarray(stroke.values[stroke.kind == PAINTED])
    single = bool(values.size) and bool((values == values[0]).all())
    body = b"" if single else zlib.compress(values.astype("<u4").tobytes(), 1)
    head = {
        "origin": list(stroke.origin_yx),
        "shape": list(stroke.kind.shape),
        "bytes": [len(kind), len(body)],
        "value": int(values[0]) if single else None,
    }
    return json.dumps(head, separators=(",", ":")).encode() + b"\n" + kind + body


def decode_stroke(data: bytes, shape_yx: tuple[int, int]) -> Stroke:
    """Stroke of its bytes, on frames of `shape_yx`.

    Raises
    ------
    StoreError
        If it is damaged or claims more pixels than a frame has.
    """
    try:
        end = data.index(b"\n")
        head = json.loads(data[:end])
        origin, shape = _box(head["origin"], head["shape"], shape_yx)
        first, second = (int(n) for n in head["bytes"])
        at = end + 1
        kind = np.frombuffer(_inflate(data[at : at + first], shape[0] * shape[1]), np.uint8).reshape(shape)
        painted = kind == PAINTED
        values = np.zeros(shape, np.uint32)
        if head["value"] is not None:
            values[painted] = int(head["value"])
        else:
            count = int(painted.sum())
            values[painted] = np.frombuffer(_inflate(data[at + first : at + first + second], 4 * count), "<u4")
        return Stroke(origin, kind, values)
    except (ValueError, TypeError, KeyError, OverflowError, zlib.error, RecursionError) as error:
        raise StoreError(f"A paint stroke is damaged ({error}); paint it again.") from error


def encode_mask(mask: npt.NDArray[np.bool_]) -> bytes:
    """Bytes of a person's mask of a whole frame."""
    head = json.dumps({"shape": list(mask.shape)}, separators=(",", ":")).encode()
    return head + b"\n" + zlib.compress(np.packbits(mask).tobytes(), 6)


def decode_mask(data: bytes, shape_yx: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Mask of its bytes.

    Raises
    ------
    StoreError
        If it is damaged or has another shape.
    """
    try:
        end = data.index(b"\n")
        if tuple(json.loads(data[:end])["shape"]) != shape_yx:
            raise ValueError("another shape of frame")
        pixels = shape_yx[0] * shape_yx[1]
        bits = np.frombuffer(_inflate(data[end + 1 :], (pixels + 7) // 8), np.uint8)
        return np.unpackbits(bits, count=pixels).reshape(shape_yx).astype(bool)
    except (ValueError, TypeError, KeyError, zlib.error, RecursionError) as error:
        raise StoreError(f"A mask prompt is damaged ({error}); draw it again.") from error


def figures_of(masks: FrameMasks) -> npt.NDArray[Any]:
    """Figures of every mask, one row of `FIGURES` each; an empty mask has NaN as its centre and an empty box."""
    rows = np.zeros(len(masks.objects), FIGURES)
    for row, mask in zip(rows, masks.objects, strict=True):
        row["object_score"], row["predicted_iou"] = _number(mask.object_score), _number(mask.predicted_iou)
        row["prompted"] = mask.prompted
        measure(row, mask.levels > 0, mask.origin_yx)
    return rows


def measure(row: Any, inside: npt.NDArray[np.bool_], origin_yx: Origin) -> None:
    """Fill area, centre and box of a row of `FIGURES`, in place."""
    by_row, by_column = inside.sum(axis=1), inside.sum(axis=0)
    area = int(by_row.sum())
    row["area"] = area
    row["y"] = row["x"] = math.nan
    row["y0"] = row["x0"] = row["y1"] = row["x1"] = 0
    if area:
        rows, columns = np.flatnonzero(by_row), np.flatnonzero(by_column)
        row["y"] = origin_yx[0] + float(by_row @ np.arange(by_row.size)) / area
        row["x"] = origin_yx[1] + float(by_column @ np.arange(by_column.size)) / area
        row["y0"], row["y1"] = origin_yx[0] + int(rows[0]), origin_yx[0] + int(rows[-1]) + 1
        row["x0"], row["x1"] = origin_yx[1] + int(columns[0]), origin_yx[1] + int(columns[-1]) + 1


def record_to_json(ref: BlobRef, masks: FrameMasks, figures: npt.NDArray[Any]) -> dict[str, Any]:
    """Journal form of a frame record; the figures are the bytes of their rows in base64, which is quick to read."""
    return {
        "ref": ref.to_json(),
        "frame": masks.frame,
        "walk": -1 if masks.direction == "backward" else 1,
        "ids": [m.object_id for m in masks.objects],
        "figures": base64.b64encode(figures.tobytes()).decode(),
    }


def record_from_json(value: Any) -> RecordInfo:
    """Frame record of its journal form; raises ValueError, TypeError or KeyError for anything else."""
    ids = _ids(tuple(value["ids"]))
    figures = np.frombuffer(base64.b64decode(value["figures"], validate=True), FIGURES)
    if len(figures) != len(ids):
        raise ValueError("one row of figures an object")
    walk = -1 if value["walk"] == -1 else 1
    return RecordInfo(ref_from_json(value["ref"]), _whole(value["frame"]), walk, ids, figures)


@lru_cache(maxsize=256)
def _ids(values: tuple[Any, ...]) -> tuple[int, ...]:
    """Ids of a record; most frames of a session share one tuple."""
    ids = tuple(_whole(i) for i in values)
    if len(set(ids)) != len(ids) or not all(1 <= i <= MAX_ID for i in ids):
        raise ValueError("ids that cannot be")
    return ids


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("a whole number from 0 was expected")
    return value


def _number(value: float) -> float:
    return float(value) if math.isfinite(value) else 0.0


def _box(origin: Any, shape: Any, shape_yx: tuple[int, int]) -> tuple[Origin, tuple[int, int]]:
    top, left = (_whole(n) for n in origin)
    height, width = (_whole(n) for n in shape)
    if top + height > shape_yx[0] or left + width > shape_yx[1]:
        raise ValueError("a mask larger than the frame")
    return (top, left), (height, width)


def _inflate(data: bytes, expected: int) -> bytes:
    """Decompress to exactly `expected` bytes, without ever making more."""
    engine = zlib.decompressobj()
    result = engine.decompress(data, expected + 1)
    if len(result) != expected or not engine.eof:
        raise ValueError("not as many pixels as it says")
    return result
