"""*more like this* finds cells that look like two that a person made."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam2_video.detect.appearance import Appearance, Seen, cell_shares
from napari_sam2_video.detect.more_like_this import MoreLikeThis
from napari_sam2_video.detect.protocol import Example
from napari_sam2_video.detect.registry import detector_from_text
from napari_sam2_video.detect.run import run_detector
from napari_sam2_video.errors import DetectorError
from tests.detect.conftest import same


def test_the_other_cells_are_found_and_the_examples_are_not(dish):
    view, labels, segmenter = dish
    asked = []

    def examples(ids):
        asked.append(tuple(ids))
        return [Example(i, 0, labels == i) for i in ids]

    detector = detector_from_text("like:3, 5", examples=examples)
    found = run_detector(detector, view, 0, segmenter=segmenter)
    others = [i for i, area in enumerate(np.bincount(labels.ravel())) if i not in (0, 3, 5) and area >= 200]
    assert [same(found, labels, other) > 0.5 for other in others] == [True] * len(others)
    assert max(same(found, labels, known) for known in (3, 5)) < 0.1
    assert len(found) == len(others)
    on_the_next = run_detector(detector, view, 1, segmenter=segmenter)
    assert len(on_the_next) >= len(found) + 2, "on another frame, the examples are found as well"
    assert asked == [(3, 5)]
    assert detector.settings["objects"] == [3, 5]


def test_likeness_is_one_on_what_is_alike_and_zero_around_it():
    rng = np.random.default_rng(1)
    features = rng.normal(0, 0.1, (4, 16, 16)).astype(np.float32)
    features[0, 2:5, 2:5] += 1
    features[0, 9:13, 9:13] += 1
    features[1, 2:5, 9:13] += 1
    share = np.zeros((16, 16), np.float32)
    share[2:5, 2:5] = 1
    likeness = Appearance([Seen(features, share, share)]).likeness(features)
    assert likeness[9:13, 9:13].mean() == pytest.approx(1, abs=0.15)
    assert likeness[2:5, 9:13].mean() < 0.2
    assert abs(likeness[14:].mean()) < 0.2


def test_shares_are_the_parts_of_cells_that_a_mask_covers():
    mask = np.zeros((8, 12), bool)
    mask[:2, :3] = mask[6:, 8:] = True
    shares = cell_shares(mask, (0, 0, 8, 12), (2, 3))
    assert shares.tolist() == [[6 / 16, 0, 0], [0, 0, 0.5]]
    beyond = cell_shares(mask, (-4, -4, 4, 4), (2, 2))
    assert beyond.tolist() == [[0, 0], [0, 6 / 16]]


@pytest.mark.parametrize(
    ("text", "said"),
    [("like", "'like' needs the ids"), ("like:a", "'like' needs the ids"), ("like:1,", "'like' needs the ids")],
)
def test_what_is_alike_is_named_by_ids(text, said):
    with pytest.raises(DetectorError, match=said):
        detector_from_text(text, examples=lambda ids: [])


def test_without_examples_it_says_what_to_do(dish):
    view, labels, segmenter = dish
    with pytest.raises(DetectorError, match="needs a session with objects"):
        detector_from_text("like:1")
    empty = MoreLikeThis([1], lambda ids: [Example(1, 0, labels > 999)])
    with pytest.raises(DetectorError, match="no mask to find more of; click an object first"):
        run_detector(empty, view, 0, segmenter=segmenter)
    cut = MoreLikeThis([1], lambda ids: [Example(1, 0, labels[:50] == 1), Example(2, 0, labels[:50] == 2)])
    with pytest.raises(DetectorError, match=r"must have the shape \(256, 256\)|no mask to find more of"):
        run_detector(cut, view, 0, segmenter=segmenter)
