"""Masks and strokes come back from their bytes, and damaged bytes are refused."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam2_video.errors import StoreError
from napari_sam2_video.masks.codec import (
    Stroke,
    decode_mask,
    decode_masks,
    decode_stroke,
    encode_mask,
    encode_masks,
    encode_stroke,
)
from napari_sam2_video.types import FrameMasks, ObjectMask

SHAPE = (20, 24)


def patch(object_id, top, left, level, side=6):
    return ObjectMask(object_id, (top, left), np.full((side, side), level, np.uint8), 2.5, 0.75)


crops = st.tuples(st.integers(0, 12), st.integers(0, 12), st.integers(0, 8), st.integers(0, 8), st.integers(0, 255))


@settings(max_examples=50, deadline=None)
@given(st.lists(crops, min_size=1, max_size=4))
def test_masks_come_back_as_they_were(boxes):
    objects = tuple(
        ObjectMask(i + 1, (y, x), np.arange(h * w, dtype=np.uint8).reshape(h, w) ^ v, -1.25, 0.5, bool(v % 2))
        for i, (y, x, h, w, v) in enumerate(boxes)
    )
    back = decode_masks(encode_masks(FrameMasks(3, SHAPE, objects, "backward")), SHAPE)
    assert (back.frame, back.direction) == (3, "backward")
    for given_mask, mask in zip(objects, back.objects, strict=True):
        assert np.array_equal(given_mask.levels, mask.levels)
        assert (given_mask.origin_yx, given_mask.prompted) == (mask.origin_yx, mask.prompted)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_strokes_and_masks_come_back_as_they_were(seed, single):
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 3, (7, 9)).astype(np.uint8)
    values = np.where(kind == 1, 5 if single else rng.integers(0, 2**32, (7, 9)), 0).astype(np.uint32)
    back = decode_stroke(encode_stroke(Stroke((3, 4), kind, values)), SHAPE)
    assert back.origin_yx == (3, 4)
    assert np.array_equal(back.kind, kind)
    assert np.array_equal(back.values, values)
    mask = rng.random(SHAPE) < 0.3
    assert np.array_equal(decode_mask(encode_mask(mask), SHAPE), mask)


def read_or_refuse(decode, data):
    try:
        return decode(data, SHAPE)
    except StoreError as error:
        return str(error)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 2**20), st.integers(0, 255))
def test_damaged_bytes_give_one_sentence_or_masks_that_fit(noise, at, flip):
    whole = bytearray(encode_masks(FrameMasks(3, SHAPE, (patch(1, 2, 3, 9), patch(2, 5, 5, 20)))))
    whole[at % len(whole)] ^= flip
    for data in (bytes(whole), noise, bytes(whole[: at % len(whole)])):
        for decode in (decode_masks, decode_stroke, decode_mask):
            found = read_or_refuse(decode, data)
            if isinstance(found, str):
                assert "\n" not in found
            for mask in getattr(found, "objects", ()):
                assert mask.origin_yx[0] + mask.levels.shape[0] <= SHAPE[0]
                assert mask.origin_yx[1] + mask.levels.shape[1] <= SHAPE[1]
