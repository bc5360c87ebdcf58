"""Geometry of windows: whatever the frame, the object and its motion."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_sam2_video.engine.framing import SEEN, Framing
from napari_sam2_video.engine.prompts import SettledPrompts
from napari_sam2_video.engine.windows import Place, Window, moved_logits, pack_places, place_of, unpack_places
from napari_sam2_video.types import ObjectMask

lengths = st.integers(40, 3000)
parts = st.floats(0, 1)
sizes = st.floats(1, 400)
settings = st.sampled_from(["auto", 64, 100, 256])
image_sizes = st.sampled_from([64, 96, 128, 256, 1024])


def at(shape_yx, part_yx):
    return tuple(part * (length - 1) for part, length in zip(part_yx, shape_yx, strict=True))


def seen_at(centre_yx, size, window):
    return Place(window, centre_yx, (size, size), size)


@given(st.tuples(lengths, lengths), st.tuples(parts, parts), sizes, settings, image_sizes)
def test_a_window_holds_its_object_and_reaches_over_an_edge_by_less_than_a_cell(
    shape_yx, part_yx, size, setting, image_size
):
    framing = Framing(setting, image_size, shape_yx)
    centre = at(shape_yx, part_yx)
    window = framing.around(centre, size)
    longest = max(shape_yx)
    if window is None:
        smallest = image_size if setting == "auto" else setting + image_size // 16
        assert size >= 0.096 * longest or longest <= max(smallest, 2 * size / 0.3)
        return
    assert window.side < longest
    assert window.holds(np.array([centre], np.float32))
    cell = window.side // (image_size // 16)
    assert window.side == cell * (image_size // 16)
    for first, length in zip((window.top, window.left), shape_yx, strict=True):
        assert first % cell == 0
        assert 0 <= first < max(0, length - window.side) + cell


@given(st.floats(0, 2 * np.pi), st.floats(0, 20), st.floats(10, 40), image_sizes, parts)
def test_a_window_keeps_hold_of_an_object_that_moves_by_up_to_its_size(angle, speed, size, image_size, start):
    framing = Framing("auto", image_size, (6000, 6000))
    step = min(speed, size, image_size / 8) * np.array([np.sin(angle), np.cos(angle)])
    centre = np.array([2000.0, 2000.0]) + start * image_size
    window = framing.around(tuple(centre), size)
    places = []
    for _ in range(60):
        before = seen_at(tuple(centre), size, window)
        places = [before, *places][:SEEN]
        window = framing.follow(before, list(enumerate(places, 1)))
        centre = centre + step
        assert np.abs(centre - window.centre_yx).max() < window.side / 2


@given(st.tuples(st.floats(300, 700), st.floats(300, 700)), st.floats(8, 40))
def test_a_window_stands_still_while_its_object_keeps_to_the_middle(centre, size):
    framing = Framing("auto", 256, (1024, 1024))
    window = framing.around(centre, size)
    near = (window.centre_yx[0] + 30, window.centre_yx[1] - 30)
    place = seen_at(near, size, window)
    assert framing.follow(place, [(1, place)]) == window


def test_a_window_moves_along_with_a_fast_object_by_whole_cells():
    framing = Framing("auto", 256, (1024, 1024))
    window = framing.around((511, 511), 60)
    earlier, before = seen_at((511, 511), 60, window), seen_at((511, 528), 60, window)
    assert framing.follow(before, [(1, before), (2, earlier)]) == Window(window.top, window.left + 32, 256)


def test_a_window_follows_a_slow_object_that_leaves_its_middle_in_small_steps():
    framing = Framing("auto", 256, (1024, 1024))
    window = framing.around((511, 511), 60)
    before = seen_at((511, 511 + 80), 60, window)
    assert framing.follow(before, [(1, before)]) == Window(window.top, window.left + 32, 256)


def walked(*centres, size=30.0, window=None):
    return [(age, seen_at(centre, size, window)) for age, centre in enumerate(reversed(centres), 1)]


def test_a_whole_frame_moves_along_with_a_fast_object_by_whole_cells_and_beyond_its_edges():
    framing = Framing("auto", 256, (160, 240))
    seen = walked((100.0, 100.0), (94.0, 105.0), (88.0, 110.0), (82.0, 115.0), (76.0, 120.0))
    # The next centre is (70, 125), and was (88, 110) on average; cells are 10 and 15 pixels.
    assert framing.follow(seen[0][1], seen, seen[-1][1]) == Window(-20, 15, 240, 160)
    slow = walked((100.0, 100.0), (100.5, 100.0), (101.0, 100.0))
    assert framing.follow(slow[0][1], slow, slow[-1][1]) is None


def test_a_plane_moves_along_with_a_slow_object_once_it_is_a_cell_away_from_where_it_was_prompted():
    framing = Framing("auto", 256, (160, 240), is_volume=True)
    prompted = seen_at((100.0, 100.0), 30.0, None)
    near = walked((108.0, 100.0), (108.5, 100.0), (109.0, 100.0))
    assert framing.follow(near[0][1], near, prompted) is None
    far = walked((110.0, 100.0), (110.5, 100.0), (111.0, 100.0))
    shifted = framing.follow(far[0][1], far, prompted)
    assert Framing("auto", 256, (160, 240)).follow(far[0][1], far, prompted) is None
    assert shifted == Window(10, 0, 240, 160)
    back = walked((104.0, 100.0), (103.5, 100.0), (103.0, 100.0), window=shifted)
    assert framing.follow(back[0][1], back, prompted) == shifted
    home = walked((100.0, 100.0), (99.5, 100.0), (99.0, 100.0), window=shifted)
    assert framing.follow(home[0][1], home, prompted) is None


def test_a_whole_frame_goes_on_with_an_object_whose_mask_spreads_to_a_neighbour():
    framing = Framing("auto", 256, (160, 160))
    alone = walked((60.0, 50.0), (60.0, 60.0), (60.0, 70.0))
    both = (1, seen_at((40.0, 70.0), 60.0, None))
    seen = [both, *((age + 1, place) for age, place in alone)]
    assert framing.follow(both[1], seen, alone[-1][1]) == Window(0, 30, 160, 160)


def test_a_jump_is_no_motion():
    framing = Framing("auto", 256, (160, 160))
    seen = walked((20.0, 20.0), (120.0, 120.0))
    assert framing.follow(seen[0][1], seen, seen[0][1]) is None


def test_a_frame_that_moved_stays_where_its_object_comes_to_rest():
    framing = Framing("auto", 256, (160, 160))
    moved = Window(0, 30, 160, 160)
    seen = walked((60.0, 90.0), (60.0, 90.0), window=moved)
    assert framing.follow(seen[0][1], seen, seen[0][1]) == moved
    assert framing.recentred(seen[0][1]) == moved


@given(st.lists(st.tuples(st.floats(300, 340), st.floats(300, 340)), min_size=2, max_size=9))
def test_objects_close_to_each_other_share_windows(centres):
    framing = Framing("auto", 256, (1024, 1024))
    assert len({framing.around(centre, 20) for centre in centres}) <= 4


@pytest.mark.parametrize(("size", "side"), [(10, 128), (50, 128), (70, 256), (105, 512), (300, None)])
def test_the_scale_changes_in_octaves(size, side):
    window = Framing("auto", 256, (2048, 2048)).around((1000, 1000), size)
    assert (window.side if window else None) == side


def test_the_scale_keeps_until_an_object_is_far_too_small_or_too_large_in_its_window():
    framing = Framing("auto", 256, (4096, 4096))
    sides = []
    side = None
    for size in [*range(60, 160, 5), *range(160, 40, -5)]:
        side = framing.around((1000, 1000), size, side).side
        sides.append(side)
    assert sorted(set(sides)) == [256, 512]
    assert sum(a != b for a, b in pairwise(sides)) == 2


def test_a_frame_that_the_network_shows_well_enough_has_no_windows():
    assert Framing("auto", 256, (256, 256)).around((100, 100), 8) is None
    assert Framing("auto", 256, (1024, 1024)).around((100, 100), 200) is None


def test_an_object_at_the_border_of_its_window_is_looked_for_again_where_it_is():
    framing = Framing("auto", 256, (1024, 1024))
    window = Window(256, 256, 256)
    assert framing.recentred(seen_at((380, 380), 60, window)) == window
    assert framing.recentred(seen_at((505, 380), 60, window)).holds(np.array([(540, 400)], np.float32))
    at_the_frames_edge = Window(0, 0, 256)
    assert framing.recentred(seen_at((14, 100), 60, at_the_frames_edge)) == at_the_frames_edge


@given(st.integers(-30, 200), st.integers(-30, 200), st.integers(8, 90), st.integers(1, 80), st.integers(1, 80))
def test_pixels_keep_their_place_on_the_way_into_a_window_and_out(top, left, side, height, width):
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 255, (height, width, 3)).astype(np.uint8)
    window = Window(top, left, side)
    part = window.crop(frame)
    assert part.shape == (side, side, 3)
    inside = window.crop_mask(np.ones((height, width), bool))
    rows, columns = np.nonzero(inside)
    np.testing.assert_array_equal(part[rows, columns], frame[rows + top, columns + left])
    assert inside.sum() == max(0, min(top + side, height) - max(top, 0)) * max(
        0, min(left + side, width) - max(left, 0)
    )
    if inside.any():
        whole = np.zeros((side, side), np.uint8)
        whole[...] = 1 + rng.integers(0, 200, (side, side))
        mask = window.outward(ObjectMask(1, (0, 0), whole), (height, width))
        y, x = mask.origin_yx
        np.testing.assert_array_equal(mask.levels.ravel(), whole[rows, columns])
        assert (y, x) == (rows.min() + top, columns.min() + left)


@given(st.integers(0, 60), st.integers(0, 60), st.integers(3, 30), st.integers(3, 30))
def test_the_place_of_an_ellipse_is_its_middle_and_its_axes(top, left, a, b):
    yy, xx = np.mgrid[-a : a + 1, -b : b + 1]
    levels = (((yy / (a + 0.5)) ** 2 + (xx / (b + 0.5)) ** 2) <= 1).astype(np.uint8) * 9
    place = place_of(ObjectMask(1, (top, left), levels), None, None)
    assert place.centre_yx == pytest.approx((top + a, left + b))
    assert place.extent_yx == pytest.approx((2 * a + 1, 2 * b + 1), rel=0.12)
    gone = place_of(ObjectMask(1, (0, 0), np.zeros((0, 0), np.uint8)), None, place)
    assert (gone.centre_yx, gone.extent_yx, gone.size, gone.absent) == (place.centre_yx, None, place.size, 1)


windows = st.none() | st.builds(
    Window, st.integers(-5000, 5000), st.integers(-5000, 5000), st.integers(32, 4096), st.sampled_from([0, 300])
)
places = st.none() | st.builds(
    Place,
    windows,
    st.tuples(st.floats(0, 5000), st.floats(0, 5000)),
    st.none() | st.tuples(sizes, sizes),
    sizes,
    st.integers(0, 99),
)


@given(st.lists(places, max_size=5))
def test_places_come_back_from_a_file_as_they_were(found):
    assert unpack_places(pack_places(found)) == found


def test_logits_moved_to_another_window_stay_where_they_were_on_the_frame():
    source, target = Window(64, 64, 128), Window(96, 80, 128)
    logits = torch.full((1, 1, 32, 32), -5.0)
    logits[0, 0, 12:20, 10:22] = 5.0
    moved = moved_logits(logits, source, target, (512, 512))
    shown = np.zeros((512, 512), bool)
    for window, one in ((source, logits), (target, moved)):
        full = torch.nn.functional.interpolate(one, size=(128, 128), mode="nearest")[0, 0].numpy() > 0
        here = np.zeros((512, 512), bool)
        here[window.top : window.top + 128, window.left : window.left + 128] = full
        if window == source:
            shown = here
        else:
            np.testing.assert_array_equal(here, shown)
    assert moved_logits(logits, source, None, (512, 512)).max() > 4


@given(st.lists(st.tuples(st.floats(0, 1000), st.floats(0, 1000)), min_size=1, max_size=5))
def test_prompts_lie_in_the_window_that_answers_them(points):
    framing = Framing("auto", 256, (1024, 1024))
    points_yx = np.array(points, np.float32)
    given_points = SettledPrompts(points_yx, np.ones(len(points), np.int32), None)
    tracked = seen_at((500.0, 500.0), 20.0, Window(384, 384, 256))
    for before in (None, tracked):
        window, _ = framing.for_prompts(given_points, before, [])
        assert window is None or window.holds(points_yx)
