"""Masks that overlap, and points inside masks."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam2_video.detect.agreement import Clicks, points_in
from napari_sam2_video.detect.overlap import Kept, holds
from napari_sam2_video.detect.squares import Look, looks
from napari_sam2_video.linking.shapes import Shape
from napari_sam2_video.types import SegmentedMask


def square(top, left, side=10):
    return Shape(np.ones((side, side), bool), (top, left))


def test_the_first_of_two_that_overlap_is_kept():
    kept = Kept(0.4, 0.6)
    assert kept.add(square(0, 0))
    assert not kept.add(square(2, 2))
    assert not kept.add(square(2, 2, 4)), "a part inside another"
    assert all(kept.add(square(20 * n, 40)) for n in range(30))
    assert not kept.add(square(20 * 29 + 1, 41))
    assert len(kept.shapes) == 31


def test_a_point_is_on_the_pixel_that_it_is_nearest_to():
    points = np.array([[-0.4, 0], [9.4, 9.4], [9.6, 0], [-0.6, 3]], np.float32)
    assert holds(square(0, 0), points).tolist() == [True, True, False, False]


def test_points_in_a_mask_are_spread_over_its_inside():
    ring = np.ones((21, 21), bool)
    ring[7:14, 7:14] = False
    part = Shape(ring, (100, 50))
    points = points_in(part, 6)
    assert holds(part, points).all()
    apart = np.linalg.norm(points[:, None] - points[None], axis=-1)[~np.eye(6, dtype=bool)]
    assert apart.min() >= 5
    assert len(points_in(part, 0)) == 0
    assert len(points_in(Shape(np.ones((1, 1), bool), (0, 0)), 6)) == 1


def test_agreement_is_the_mean_over_the_clicks_on_a_part():
    def selected(prompt, part):
        return SegmentedMask(prompt, part.origin_yx, part.mask, 0.9, 0.9, 3.0)

    clicks = Clicks()
    assert clicks.agreement(square(0, 0)) == 0
    points = np.array([[2, 2], [8, 8], [50, 50]], np.float32)
    clicks.add(points, [selected(0, square(0, 0)), selected(1, square(5, 5)), selected(2, square(45, 45))])
    assert clicks.agreement(square(0, 0)) == pytest.approx((1 + 25 / 175) / 2)
    clicks.add(points[:1], [selected(0, square(30, 30)), selected(0, square(0, 0))])
    assert clicks.agreement(square(0, 0)) == pytest.approx((2 + 25 / 175) / 3)


@pytest.mark.parametrize("shape_yx", [(256, 256), (380, 300), (1024, 1024), (500, 2000), (100, 900)])
def test_squares_cover_large_frames_with_overlap(shape_yx):
    views = looks(shape_yx, 256)
    assert views[0].square is None
    if max(shape_yx) <= 384:
        assert len(views) == 1
        assert views[0].least_size == 0
        return
    covered = np.zeros(shape_yx, int)
    for look in views[1:]:
        top, left, bottom, right = look.box
        assert max(bottom - top, right - left) == 256
        covered[top:bottom, left:right] += 1
    assert covered.min() >= 1
    # what is up to a quarter of a square is whole in one of them
    for y in range(0, shape_yx[0] - 60, 30):
        for x in range(0, shape_yx[1] - 60, 30):
            assert any(look.shows(square(y, x, 60)) for look in views[1:])


def test_an_object_that_is_cut_off_is_left_to_another_look():
    look = Look((100, 100, 256), (1000, 1000), 1.0)
    assert look.shows(square(120, 120))
    assert not look.shows(square(100, 120))
    assert not look.shows(square(346, 120))
    assert Look((0, 0, 256), (1000, 1000), 1.0).shows(square(0, 0))
    assert not Look(None, (1000, 1000), 4.0, 30.0).shows(square(200, 200, 100)), "closer looks see it better"
    assert Look(None, (1000, 1000), 4.0, 30.0).shows(square(200, 200, 130))
