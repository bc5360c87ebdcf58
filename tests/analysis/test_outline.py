"""Outlines move to the edges of the image, and stay where the image says nothing."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, binary_erosion

from napari_sam2_video.analysis.outline import toward_edges, votes_of

ROWS, COLUMNS = np.ogrid[:40, :44]
DISC = (ROWS - 19) ** 2 + (COLUMNS - 22) ** 2 <= 100


def image(inside, outside, noise=0.0):
    grey = np.where(DISC, inside, outside) + np.random.default_rng(3).normal(0, noise, DISC.shape)
    return np.clip(grey, 0, 255).astype(np.uint8)


def wrong(mask):
    return np.count_nonzero(mask ^ DISC)


@pytest.mark.parametrize("noise", [0.0, 15.0])
@pytest.mark.parametrize(("inside", "outside"), [(150, 90), (60, 130)])
@pytest.mark.parametrize("change", [binary_dilation, binary_erosion])
def test_an_outline_that_is_too_wide_or_too_narrow_moves_to_the_edge(inside, outside, noise, change):
    mask = change(DISC)
    moved = toward_edges(votes_of(mask), image(inside, outside, noise))
    assert wrong(moved) < 0.4 * wrong(mask)


def test_an_outline_on_a_clean_edge_stays_to_the_pixel():
    tip = DISC.copy()
    tip[8, 22] = True
    grey = np.where(tip, 140, 80).astype(np.uint8)
    assert (toward_edges(votes_of(tip), grey) == tip).all()


def test_where_there_is_no_edge_the_votes_decide():
    mask = binary_dilation(DISC)
    assert (toward_edges(votes_of(mask), np.full(DISC.shape, 90, np.uint8)) == mask).all()


def test_an_edge_far_away_does_not_draw_the_outline():
    small = (ROWS - 19) ** 2 + (COLUMNS - 22) ** 2 <= 9
    moved = toward_edges(votes_of(small), image(150, 90))
    assert not (moved & ~binary_dilation(small, iterations=5)).any()


def test_votes_are_sure_away_from_the_outline_only():
    votes = votes_of(DISC)
    assert (votes > 0).tolist() == DISC.tolist()
    assert votes[19, 22] == pytest.approx(1)
    assert votes[0, 0] == pytest.approx(-1)
    assert abs(votes[19, 32]) == pytest.approx(0.25)
    assert (votes_of(np.zeros_like(DISC)) == -1).all()
