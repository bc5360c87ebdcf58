"""A click that corrects a mask changes what it points at, and nothing else."""

from __future__ import annotations

import numpy as np
import torch

from napari_sam2_video.engine.refining import refined

SIDE = 32


def logits(*boxes):
    """Logits of rectangles (top, left, bottom, right), positive inside."""
    made = torch.full((1, 1, SIDE, SIDE), -6.0)
    for top, left, bottom, right in boxes:
        made[..., top:bottom, left:right] = 6.0
    return made


def click(before, after, row, column, label=1):
    """The mask after a click on a logit, in a frame of four pixels per logit."""
    points = np.array([[4 * row + 1.5, 4 * column + 1.5]], np.float32)
    return refined(before, after, points, np.array([label], np.int32), (4 * SIDE, 4 * SIDE))[0, 0] > 0


def test_a_click_on_a_missing_part_adds_that_part_alone():
    before = logits((8, 8, 20, 20))
    after = logits((8, 12, 20, 20), (10, 20, 14, 24))
    mask = click(before, after, 12, 22)
    assert mask[10:14, 20:24].all()
    assert mask[8:20, 8:20].all()
    assert mask.sum() == 12 * 12 + 4 * 4


def test_a_click_beside_the_object_removes_that_part_alone():
    before = logits((8, 8, 20, 20), (10, 20, 14, 24))
    after = logits((8, 8, 17, 20))
    mask = click(before, after, 12, 22, label=0)
    assert not mask[:, 21:].any()
    assert mask[8:20, 8:19].all()


def test_a_click_far_from_the_mask_replaces_it():
    before, after = logits((2, 2, 10, 10)), logits((20, 20, 28, 28))
    assert torch.equal(click(before, after, 24, 24), after[0, 0] > 0)


def test_a_click_that_changes_much_replaces_the_mask():
    before, after = logits((8, 8, 16, 16)), logits((10, 8, 16, 28))
    assert torch.equal(click(before, after, 12, 20), after[0, 0] > 0)


def test_a_click_that_the_network_does_not_follow_counts_for_its_pixel():
    before = logits((8, 8, 20, 20))
    after = logits((8, 8, 20, 17))
    mask = click(before, after, 12, 21)
    assert mask[12, 21]
    assert mask.sum() == 12 * 12 + 1
    assert not click(before, logits((11, 8, 20, 20)), 18, 19, label=0)[18, 19]


def test_where_there_was_no_mask_the_click_decides():
    before, after = torch.full((1, 1, SIDE, SIDE), -1024.0), logits((8, 8, 16, 16))
    assert torch.equal(click(before, after, 12, 12), after[0, 0] > 0)
