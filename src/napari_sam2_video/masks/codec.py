"""Masks and strokes as bytes.

A frame record is a line of JSON that describes its objects, followed by their levels, each compressed with zlib. A
stroke is a line of JSON followed by one compressed block of values and one of the pixels they are for.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from napari_sam2_video.errors import StoreError
from napari_sam2_video.masks.figures import finite
from napari_sam2_video.types import FrameMasks, ObjectMask

if TYPE_CHECKING:
    from collections.abc import Collection

    import numpy.typing as npt

Origin: TypeAlias = tuple[int, int]
MAX_ID = 0xFFFFFFFF
UNTOUCHED, PAINTED, CLEARED = 0, 1, 2


@dataclass(frozen=True)
class Stroke:
    """Painted pixels: `kind` is 0 for untouched, 1 for painted with `values`, 2 for returned to the model."""

    origin_yx: Origin
    kind: npt.NDArray[np.uint8]
    values: npt.NDArray[np.uint32]


def encode_masks(masks: FrameMasks, level: int = 1) -> bytes:
    """Frame record of masks; zlib's `level` trades time for size."""
    blocks, objects = [], []
    for mask in masks.objects:
        block = zlib.compress(np.ascontiguousarray(mask.levels).tobytes(), level)
        blocks.append(block)
        objects.append(
            {
                "id": mask.object_id,
                "origin": list(mask.origin_yx),
                "shape": list(mask.levels.shape),
                "bytes": len(block),
                "score": finite(mask.object_score),
                "iou": finite(mask.predicted_iou),
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


def decode_masks(
    data: bytes,
    shape_yx: tuple[int, int],
    *,
    most_pixels: int | None = None,
    objects: Collection[int] | None = None,
) -> FrameMasks:
    """Masks from a frame record, on frames of `shape_yx`; only those of some objects if `objects` is given.

    Raises
    ------
    StoreError
        If the record is damaged, or claims more pixels than a frame has, or than `most_pixels` for all masks together.
    """
    try:
        end = data.index(b"\n")
        head = json.loads(data[:end])
        if tuple(head["shape_yx"]) != shape_yx:
            raise ValueError("another shape of frame")
        at = end + 1
        masks, pixels = [], 0
        for item in head["objects"]:
            if objects is not None and item["id"] not in objects:
                at += int(item["bytes"])
                continue
            origin, shape = _box(item["origin"], item["shape"], shape_yx)
            pixels += shape[0] * shape[1]
            if most_pixels is not None and pixels > most_pixels:
                raise ValueError(f"more than {most_pixels} pixels")
            length = int(item["bytes"])
            levels = np.frombuffer(_inflate(data[at : at + length], shape[0] * shape[1]), np.uint8).reshape(shape)
            at += length
            masks.append(
                ObjectMask(
                    int(item["id"]), origin, levels, float(item["score"]), float(item["iou"]), bool(item["prompted"])
                )
            )
        return FrameMasks(int(head["frame"]), shape_yx, tuple(masks), head["direction"])
    except (ValueError, TypeError, KeyError, zlib.error, RecursionError) as error:
        raise StoreError(f"The masks of a frame are damaged ({error}); track that frame again.") from error


def encode_stroke(stroke: Stroke) -> bytes:
    """A stroke as bytes."""
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
    """Stroke from its bytes, on frames of `shape_yx`.

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
    """A mask prompt of a whole frame as bytes."""
    head = json.dumps({"shape": list(mask.shape)}, separators=(",", ":")).encode()
    return head + b"\n" + zlib.compress(np.packbits(mask).tobytes(), 6)


def decode_mask(data: bytes, shape_yx: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Mask from its bytes.

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


def whole_number(value: Any) -> int:
    """The value if it is a whole number from 0; raises ValueError for anything else."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("a whole number from 0 was expected")
    return value


def _box(origin: Any, shape: Any, shape_yx: tuple[int, int]) -> tuple[Origin, tuple[int, int]]:
    top, left = (whole_number(n) for n in origin)
    height, width = (whole_number(n) for n in shape)
    if top + height > shape_yx[0] or left + width > shape_yx[1]:
        raise ValueError("a mask larger than the frame")
    return (top, left), (height, width)


def _inflate(data: bytes, expected: int) -> bytes:
    """Decompress to exactly `expected` bytes, and never to more."""
    engine = zlib.decompressobj()
    result = engine.decompress(data, expected + 1)
    if len(result) != expected or not engine.eof:
        raise ValueError("fewer or more pixels than it states")
    return result
