"""Outlines move to the edges of the image, and stay where the image says nothing."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, binary_erosion, gaussian_filter

from napari_sam2_video.analysis.outline import toward_edges, votes_of

ROWS, COLUMNS = np.ogrid[:40, :44]
DISC = (ROWS - 19) ** 2 + (COLUMNS - 22) ** 2 <= 100


def image(inside, outside, noise=0.0):
    grey = np.where(DISC, inside, outside) + np.random.default_rng(3).normal(0, noise, DISC.shape)
    return np.clip(grey, 0, 255).astype(np.uint8)


def moved_on(mask, grey):
    """The mask with its outline moved to the edges of an image."""
    plain = grey.astype(np.float32)
    return toward_edges(votes_of(mask), plain, gaussian_filter(plain, 0.7))


def wrong(mask):
    return np.count_nonzero(mask ^ DISC)


@pytest.mark.parametrize("noise", [0.0, 15.0])
@pytest.mark.parametrize(("inside", "outside"), [(150, 90), (60, 130)])
@pytest.mark.parametrize("change", [binary_dilation, binary_erosion])
def test_an_outline_that_is_too_wide_or_too_narrow_moves_to_the_edge(inside, outside, noise, change):
    mask = change(DISC)
    moved = moved_on(mask, image(inside, outside, noise))
    assert wrong(moved) < 0.4 * wrong(mask)


def test_an_outline_on_a_clean_edge_stays_to_the_pixel():
    tip = DISC.copy()
    tip[8, 22] = True
    grey = np.where(tip, 140, 80).astype(np.uint8)
    assert (moved_on(tip, grey) == tip).all()


def test_where_there_is_no_edge_the_votes_decide():
    mask = binary_dilation(DISC)
    assert (moved_on(mask, np.full(DISC.shape, 90, np.uint8)) == mask).all()


def test_an_edge_far_away_does_not_draw_the_outline():
    small = (ROWS - 19) ** 2 + (COLUMNS - 22) ** 2 <= 9
    moved = moved_on(small, image(150, 90))
    assert not (moved & ~binary_dilation(small, iterations=5)).any()


def test_noise_does_not_make_an_outline_ragged():
    rng = np.random.default_rng(1)
    ragged = DISC ^ (rng.random(DISC.shape) < 0.4) & binary_dilation(DISC) & ~binary_erosion(DISC)
    moved = moved_on(ragged, image(150, 90, 20.0))
    assert wrong(moved) < 0.3 * wrong(ragged)


def test_votes_are_sure_away_from_the_outline_only():
    votes = votes_of(DISC)
    assert (votes > 0).tolist() == DISC.tolist()
    assert votes[19, 22] == pytest.approx(1)
    assert votes[0, 0] == pytest.approx(-1)
    assert abs(votes[19, 32]) == pytest.approx(0.25)
    assert (votes_of(np.zeros_like(DISC)) == -1).all()
