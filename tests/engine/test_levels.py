"""Only the part of a frame where an object is is brought to full size."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_sam2_video.engine.levels import cut_levels
from napari_sam2_video.types import LEVEL_STEP


def blobs(side, count=6):
    """Logits of blobs of several sizes, some at the edges, one absent, one everywhere."""
    rng = np.random.default_rng(side)
    yy, xx = np.mgrid[:side, :side]
    planes = [np.full((side, side), -3.0), np.full((side, side), 5.0)]
    for n in range(count):
        y, x = rng.uniform(0, side, 2) if n else (0, side - 1)
        planes.append(rng.uniform(1, side / 3) - np.hypot(yy - y, xx - x) + rng.normal(0, 1, (side, side)))
    single = np.full((side, side), -0.1)
    single[side // 2, side - 1] = 0.01
    return torch.from_numpy(np.stack([*planes, single]).astype(np.float32))[:, None]


def whole(logits, shape_yx):
    """Origin and levels of each mask, by way of all of the frame."""
    found = []
    for plane in torch.nn.functional.interpolate(logits, size=shape_yx, mode="bilinear", align_corners=False)[:, 0]:
        levels = (plane.div(LEVEL_STEP).add(1).clamp(0, 255).byte() * (plane > 0)).numpy()
        rows, columns = levels.any(1).nonzero()[0], levels.any(0).nonzero()[0]
        origin = (int(rows[0]), int(columns[0])) if rows.size else (0, 0)
        end = (rows[-1] + 1, columns[-1] + 1) if rows.size else (0, 0)
        found.append((origin, levels[origin[0] : end[0], origin[1] : end[1]]))
    return found


def same(ours, theirs):
    assert [origin for origin, _ in ours] == [origin for origin, _ in theirs]
    for (_, one), (_, other) in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("side", [16, 64])
@pytest.mark.parametrize("factors", [(1, 1), (4, 4), (8, 2), (1, 16)])
def test_parts_are_equal_bit_for_bit_where_sides_grow_by_powers_of_two(side, factors):
    logits = blobs(side)
    shape_yx = (side * factors[0], side * factors[1])
    same(cut_levels(logits, shape_yx), whole(logits, shape_yx))


def test_exact_levels_of_other_shapes_are_those_of_whole_frames():
    logits = blobs(32)
    same(cut_levels(logits, (75, 210)), whole(logits, (75, 210)))


@pytest.mark.parametrize("shape_yx", [(75, 210), (20, 33), (333, 97)])
def test_fast_levels_of_other_shapes_differ_by_rounding(shape_yx):
    logits = blobs(32)
    for (y, x), levels in cut_levels(logits, shape_yx, exact=False):
        assert levels.dtype == np.uint8
        assert y + levels.shape[0] <= shape_yx[0]
        assert x + levels.shape[1] <= shape_yx[1]
    for ours, theirs in zip(cut_levels(logits, shape_yx, exact=False), whole(logits, shape_yx), strict=True):
        planes = []
        for (y, x), levels in (ours, theirs):
            plane = np.zeros(shape_yx, int)
            plane[y : y + levels.shape[0], x : x + levels.shape[1]] = levels
            planes.append(plane)
        off = planes[0] != planes[1]
        assert np.abs(planes[0] - planes[1]).max() <= 1
        assert off.mean() < 0.02
