"""The stacks of the benchmark of volumes, and how its figures are put together."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from benchmarks.fusing import measure
from benchmarks.plane_clicks import largest_error
from scipy.ndimage import label, median_filter

from benchmarks import cube, volumes


def test_every_click_lies_on_its_object_on_the_slice_that_shows_most_of_it():
    one = volumes.case("organs", 1, 3)
    assert one.anisotropy == 2.0
    assert len(one.clip.frames) == volumes.DEPTH / 2
    assert one.clicks
    for click in one.clicks:
        mask = one.clip.mask(click.object_id)
        assert mask[click.frame, int(click.y), int(click.x)]
        assert mask[click.frame].sum() == mask.sum(axis=(1, 2)).max()


def test_the_gain_is_over_the_best_walk_of_the_kind():
    rows = [
        {"z": z, "y": 0.7, "x": 0.1, "consensus": c, "beyond_z": 10, "beyond": b}
        | dict.fromkeys(("present_z", "present", "cost", "cost_a_plane", "fusing_s"), 1.0)
        for z, c, b in ((0.5, 0.9, 0), (0.6, 0.7, 4))
    ]
    mean = volumes._mean("all", rows)
    assert mean["best"] == pytest.approx(0.7)
    assert mean["gain"] == pytest.approx(0.1)
    assert mean["less_beyond"] == pytest.approx(0.8)


def test_dice_of_half_a_mask_is_two_thirds():
    whole = np.ones((2, 4, 4), bool)
    half = whole.copy()
    half[0] = False
    assert volumes.dice(half, whole) == pytest.approx(2 / 3)
    assert volumes.dice(~whole, ~whole) == 1


def test_the_largest_error_is_where_a_click_corrects_most():
    truth = np.zeros((20, 30), bool)
    truth[4:16, 4:20] = True
    found = np.roll(truth, 5, 1)
    found[9, 9] = False
    assert largest_error(truth, truth) is None
    lacking = largest_error(found, truth)
    assert truth[int(lacking[0]), int(lacking[1])]
    assert 4 <= lacking[1] < 9
    assert lacking[2]
    more = truth | np.roll(truth, 9, 1)
    y, x, lacks = largest_error(more, truth)
    assert more[int(y), int(x)] > truth[int(y), int(x)]
    assert not lacks


def test_the_balls_of_a_cube_do_not_touch_and_are_where_they_are_clicked(tmp_path):
    centres = cube._centres(64, 5)
    cube._write(tmp_path / "cube.tif", 64, centres)
    balls, count = label(median_filter(tifffile.imread(tmp_path / "cube.tif"), 3) > 110)
    sizes = np.bincount(balls.ravel())[1:]
    assert count == len({balls[tuple(at)] for at in np.round(centres).astype(int)} - {0}) == 5
    assert sizes == pytest.approx(4 / 3 * np.pi * (cube.RADIUS * 64) ** 3, rel=0.1)


def test_stored_balls_fuse_to_their_volume(quick_disk):
    found = measure(32, 2)
    assert found["voxels"] == pytest.approx(found["true_voxels"], rel=0.05)
