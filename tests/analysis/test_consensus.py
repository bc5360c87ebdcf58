"""Several walks become one mask: two must agree, who contradicts what is settled has no say, and slabs do not show."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam2_video.analysis.consensus import Walk, consensus, plane_weights
from napari_sam2_video.analysis.crossing_agreement import SettledPlane, crossing_agreement
from napari_sam2_video.types import ObjectMask
from tests.session.made_volume import ellipsoid

SHAPE = (9, 20, 24)
TRUTH = ellipsoid(SHAPE, (4, 10, 12), (3.2, 6, 8))
NOTHING = np.zeros(SHAPE, bool)


def walk_of(voxels, axis, *, swapped=False, agreement=None, walked=True):
    """A walk that finds these voxels of object 1."""
    planes = np.moveaxis(voxels, axis, 0)
    planes = planes.swapaxes(1, 2) if swapped else planes
    boxes = np.zeros((len(planes), 4), np.int64)
    for number, plane in enumerate(planes):
        rows, columns = np.flatnonzero(plane.any(1)), np.flatnonzero(plane.any(0))
        if rows.size:
            boxes[number] = rows[0], columns[0], rows[-1] + 1, columns[-1] + 1

    def read(number):
        y0, x0, y1, x1 = boxes[number]
        return [ObjectMask(1, (int(y0), int(x0)), planes[number][y0:y1, x0:x1].astype(np.uint8) * 9)]

    weights = np.full(len(planes), 0.9 if walked else 0.0)
    known = {} if agreement is None else {1: np.full(len(planes), agreement)}
    return Walk(axis, swapped, read, {1: boxes}, {1: weights}, known)


def fused(walks, **options):
    found, disputed = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    for plane in consensus(SHAPE, walks, [1], **options):
        for mask, into in ((plane.masks[0], found), (plane.disputed[0], disputed)):
            (y, x), (height, width) = mask.origin_yx, mask.levels.shape
            into[plane.plane, y : y + height, x : x + width] = mask.levels > 0
    return found, disputed


@pytest.mark.parametrize("swapped", [False, True])
def test_walks_that_agree_give_just_their_voxels_whatever_the_slab(swapped):
    walks = [walk_of(TRUTH, axis, swapped=swapped and axis > 0) for axis in range(3)]
    for room in (1, 2000, 1 << 20):
        found, disputed = fused(walks, room=room)
        assert (found == TRUTH).all()
        assert not disputed.any()


def test_what_one_walk_alone_sees_is_left_out_and_disputed():
    extra = TRUTH.copy()
    extra[3:6, 0:4, 0:5] = True
    found, disputed = fused([walk_of(TRUTH, 0), walk_of(extra, 1), walk_of(TRUTH, 2)])
    assert (found == TRUTH).all()
    assert (disputed == extra & ~TRUTH).all()


def test_what_one_walk_alone_misses_is_there():
    less = TRUTH.copy()
    less[:, 8:12] = False
    found, _ = fused([walk_of(less, 0), walk_of(TRUTH, 1), walk_of(TRUTH, 2)])
    assert (found == TRUTH).all()


def test_walks_that_do_not_agree_with_each_other_overrule_nobody():
    leaking, narrow = NOTHING.copy(), TRUTH.copy()
    leaking[:, 4:, :] = True
    narrow[:, :, 12:] = False
    found, disputed = fused([walk_of(TRUTH, 0), walk_of(leaking, 1), walk_of(narrow, 2)])
    assert (found == TRUTH).all()
    assert disputed.any()


def test_what_a_walk_lost_comes_back_where_the_others_agree_roughly():
    lost, more = TRUTH.copy(), TRUTH.copy()
    lost[5:] = False
    more[:, :, 12:18] |= TRUTH.any(axis=2)[:, :, None]
    found, _ = fused([walk_of(lost, 0), walk_of(TRUTH, 1), walk_of(more, 2)])
    assert (found == TRUTH).all()


def test_two_walks_must_both_agree():
    less = TRUTH.copy()
    less[:, :10] = False
    found, _ = fused([walk_of(TRUTH, 0), walk_of(less, 1)])
    assert (found == less).all()


def test_planes_that_contradict_settled_ones_have_no_say():
    found, _ = fused([walk_of(TRUTH, 0), walk_of(NOTHING, 1, agreement=0.1), walk_of(NOTHING, 2, agreement=0.1)])
    assert (found == TRUTH).all()


def test_the_agreement_is_the_overlap_on_the_line_where_planes_cross():
    settled = [SettledPlane(0, 4, TRUTH[4])]
    shifted = np.roll(TRUTH, 4, axis=2)
    assert crossing_agreement(walk_of(TRUTH, 1), 1, settled) == pytest.approx(1)
    assert crossing_agreement(walk_of(TRUTH, 2, swapped=True), 1, settled) == pytest.approx(1)
    found = crossing_agreement(walk_of(shifted, 1), 1, settled)
    line, own = TRUTH[4, 10], shifted[4, 10]
    assert found[10] == pytest.approx((line & own).sum() / (line | own).sum())
    assert found[0] == 1
    assert crossing_agreement(walk_of(TRUTH, 0), 1, settled) == pytest.approx(1)


def test_weights_fall_with_the_real_distance_from_what_was_prompted():
    walked = np.array([True] * 6 + [False])
    weights = plane_weights(np.full(7, 0.8), walked, [2], 3.0, 6.0)
    assert weights[:3] == pytest.approx([0.4, 0.8 / 1.5, 0.8])
    assert weights[4] == weights[0]
    assert weights[6] == 0
