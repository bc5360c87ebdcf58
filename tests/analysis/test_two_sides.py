"""Which of two masks counts where an object was tracked from both sides."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam2_video.analysis.two_sides import TrackedSide, agree, takes_over
from napari_sam2_video.types import ObjectMask


def square(top, left, side, score=5.0, iou=0.9):
    return ObjectMask(1, (top, left), np.full((side, side), 20, np.uint8), score, iou)


NOTHING = square(0, 0, 0, score=-4.0, iou=0.1)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (square(5, 5, 10), square(5, 5, 10), True),
        (square(5, 5, 10), square(6, 5, 10), True),
        (square(5, 5, 10), square(8, 5, 10), False),
        (square(5, 5, 10), square(30, 30, 10), False),
        (square(5, 5, 10), NOTHING, False),
        (NOTHING, NOTHING, True),
    ],
)
def test_masks_agree_by_their_overlap(one, other, same):
    assert agree(one, other) is same
    assert agree(other, one) is same


def test_a_new_mask_takes_over_near_the_frame_that_it_came_from():
    def over(way):
        return takes_over(TrackedSide(square(0, 0, 9), 1 - way), TrackedSide(square(30, 30, 9), way))

    assert over(0.05)
    assert not over(0.5)
    assert not over(0.95)


def test_a_mask_fills_in_where_the_object_was_lost_without_certainty():
    lost = square(0, 0, 0, score=-0.2, iou=0.4)
    assert takes_over(TrackedSide(square(0, 0, 9), 0.7), TrackedSide(lost, 0.3))
    assert not takes_over(TrackedSide(lost, 0.7), TrackedSide(square(0, 0, 9), 0.3))


def test_a_mask_that_the_network_doubts_replaces_none_that_it_trusts():
    doubted = square(0, 0, 9, score=0.1, iou=0.3)
    assert not takes_over(TrackedSide(doubted, 0.9), TrackedSide(square(30, 30, 9), 0.1))
