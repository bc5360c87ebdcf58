"""What was found on a frame is the object only where the object can be."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam2_video.engine.expectation import expected, has_left
from napari_sam2_video.engine.parts import two_parts
from napari_sam2_video.engine.windows import Place

SHAPE = (200, 300)


def place(y=100.0, x=100.0, height=20.0, width=20.0):
    return Place(None, (y, x), (height, width), max(height, width))


def seen(*places):
    return list(enumerate(places, 1))


def test_motion_goes_on():
    there = expected(seen(place(100, 110), place(100, 106), place(100, 102)), SHAPE)
    assert there.centre_yx == (100, 114)
    assert there.corners(SHAPE).tolist() == [[90, 104], [110, 124]]


@pytest.mark.parametrize(
    ("found", "fits"),
    [
        (place(), True),
        (place(y=107), True),
        (place(y=109), False),
        (place(width=22), True),
        (place(width=24), False),
        (place(width=11), True),
        (place(width=9), False),
        (Place(None, (100, 100), None, 20), False),
    ],
)
def test_a_jump_and_a_sudden_change_of_area_do_not_fit(found, fits):
    assert expected(seen(place(), place(), place()), SHAPE).fits(found) is fits


def test_little_or_nothing_of_it_may_be_hidden():
    there = expected(seen(place(), place(), place()), SHAPE)
    assert there.is_hidden(place(width=9))
    assert there.is_hidden(Place(None, (100, 100), None, 20))
    assert not there.is_hidden(place(width=24))


def test_frames_with_a_mask_that_spread_do_not_count():
    merged = place(100, 125, width=60)
    there = expected(seen(merged, merged, place(100, 110), place(100, 108), place(100, 106), place(100, 104)), SHAPE)
    assert there.centre_yx == (100, 116)
    assert there.extent_yx == (20, 20)


def test_nothing_is_expected_of_what_was_not_seen_lately():
    assert expected([], SHAPE) is None
    assert expected([(7, place())], SHAPE) is None
    assert expected([(6, place())], SHAPE) is not None


def test_what_grew_lately_has_its_usual_area_except_where_it_enters():
    grown = seen(place(height=22), place(), place(), place())
    assert expected(grown, SHAPE).area == pytest.approx(expected(grown[1:], SHAPE).area)
    entering = [place(y=height / 2, height=height) for height in (16, 12, 9)]
    there = expected(seen(*entering), SHAPE)
    assert there.extent_yx == (16, 20)
    assert there.fits(place(y=11, height=22))
    assert not there.fits(place(y=11, height=22, width=40))


@pytest.mark.parametrize(
    ("last", "found", "left"),
    [
        (place(y=3, height=6), place(y=60, x=120), True),
        (place(y=3, height=6), place(y=5, height=10), False),
        (place(y=50), place(y=110), False),
    ],
)
def test_what_was_at_the_edge_and_is_found_far_away_has_left(last, found, left):
    assert has_left(found, last, seen(last, place(y=8, height=16)), SHAPE) is left


def test_what_left_long_ago_stays_away():
    before = Place(None, (2.0, 100.0), None, 20.0, 40)
    assert has_left(place(y=60), before, [], SHAPE)
    assert not has_left(place(y=5, height=10), before, [], SHAPE)


def test_what_was_never_seen_has_not_left():
    never = Place(None, (0.0, 0.0), None, 0.0, 1)
    assert expected(seen(never), SHAPE) is None
    assert not has_left(place(), never, seen(never), SHAPE)


def test_what_comes_in_has_not_left():
    assert not has_left(place(y=60), place(y=2, height=4), seen(place(y=2, height=4)), SHAPE)


def disc(y, x, radius, shape=(60, 100)):
    rows, columns = np.indices(shape)
    return np.hypot(rows - y, columns - x) < radius


def test_two_cells_that_touch_are_two_parts():
    first, second = disc(30, 30, 15), disc(30, 56, 12)
    larger, smaller = two_parts(first | second)
    assert (larger & first).sum() > 0.97 * first.sum()
    assert (smaller & second).sum() > 0.97 * second.sum()


def test_large_cells_are_divided_at_a_lower_resolution():
    first, second = disc(250, 250, 200, (501, 901)), disc(250, 600, 155, (501, 901))
    larger, smaller = two_parts(first | second)
    assert larger.shape == smaller.shape == (501, 901)
    assert (larger & first).sum() > 0.97 * first.sum()
    assert (smaller & second).sum() > 0.97 * second.sum()


@pytest.mark.parametrize(
    "mask", [disc(30, 30, 15), disc(30, 30, 15) | disc(30, 48, 4), np.ones((20, 60), bool), np.zeros((0, 0), bool)]
)
def test_one_thing_is_in_one_part(mask):
    assert two_parts(mask) is None
