"""Labelled series for linkers, and the simplest linker."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.linking.degrade import detections
from benchmarks.linking.lineage import proper_mothers, true_lineage
from benchmarks.linking.linkers import by_overlap
from benchmarks.quality.ctc import ctc_figures, divisions

from napari_sam2_video.synthetic import make_clip


def squares(*rows):
    """(T, 20, 80) labels; a row a frame, each of (label, first column) of a square of 10 × 10 pixels."""
    labels = np.zeros((len(rows), 20, 80), np.uint16)
    for frame, row in zip(labels, rows, strict=True):
        for label, column in row:
            frame[5:15, column : column + 10] = label
    return labels


@pytest.fixture(scope="module")
def dish():
    return next(clip for clip in (make_clip("dish", seed, frames=30) for seed in range(9)) if clip.mothers)


def test_perfect_detections_have_the_masks_of_the_truth_without_its_identities(dish):
    given = detections(dish.labels, 3)
    assert np.array_equal(given > 0, dish.labels > 0)
    assert not np.array_equal(given, dish.labels)
    for found, true in zip(given, dish.labels, strict=True):
        assert len(np.unique(np.stack([found, true]).reshape(2, -1), axis=1).T) == len(np.unique(true))
    assert np.array_equal(given, detections(dish.labels, 3))


@pytest.mark.parametrize(("damage", "expected"), [({"missing": 1.0}, 0), ({"split": 1.0}, 4), ({"merged": 1.0}, 1)])
def test_damage_does_to_each_mask_what_its_name_says(damage, expected):
    given = detections(squares([(7, 5), (9, 30)]), 0, **damage)
    assert len(np.unique(given)) - 1 == expected


def test_a_share_of_the_masks_is_missing(dish):
    masks = sum(len(np.unique(frame)) - 1 for frame in dish.labels)
    left = sum(len(np.unique(frame)) - 1 for frame in detections(dish.labels, 1, missing=0.3))
    assert left / masks == pytest.approx(0.7, abs=0.1)


def test_both_daughters_get_an_id_of_their_own():
    labels, mothers = true_lineage(squares([(1, 20)], [(1, 10), (2, 40)], [(1, 10), (2, 40)]), {2: 1})
    assert mothers == {2: 1, 3: 1}
    assert [np.unique(frame).tolist() for frame in labels] == [[0, 1], [0, 2, 3], [0, 2, 3]]


def test_a_cell_that_divides_twice_has_two_generations():
    truth = squares([(1, 20)], [(1, 10), (2, 40)], [(1, 5), (2, 40), (3, 20)])
    labels, mothers = true_lineage(truth, {2: 1, 3: 1})
    assert mothers == {2: 1, 4: 1, 3: 4, 5: 4}
    assert [np.unique(frame).tolist() for frame in labels] == [[0, 1], [0, 2, 4], [0, 2, 3, 5]]


def test_a_birth_without_a_mother_in_sight_is_not_a_division():
    truth = squares([], [(1, 10), (2, 40)])
    labels, mothers = true_lineage(truth, {2: 1})
    assert mothers == {}
    assert np.array_equal(labels, truth)


def test_a_mother_that_lives_on_is_none():
    labels = squares([(1, 10)], [(1, 10), (2, 40)], [(2, 40)], [(3, 40)])
    assert proper_mothers(labels, {2: 1, 3: 2}) == {3: 2}


def test_linking_perfect_labels_by_overlap_finds_the_tracks_and_the_divisions(dish):
    truth, mothers = true_lineage(dish.labels, dish.mothers)
    linked = by_overlap(detections(dish.labels, 0))
    kept = proper_mothers(linked.labels, linked.mothers)
    assert ctc_figures(linked.labels, truth, parents=kept, true_parents=mothers)["TRA"] > 0.99
    right, extra, lost = divisions(linked.labels, truth, kept, mothers)
    assert (right + lost, extra >= 0) == (len(set(mothers.values())), True)


def test_divisions_that_are_found_missed_and_made_up_are_counted():
    truth = squares([(1, 20)], [(2, 10), (3, 40)])
    both = {2: 1, 3: 1}
    assert divisions(truth, truth, both, both) == (1, 0, 0)
    assert divisions(truth, truth, {}, both) == (0, 0, 1)
    assert divisions(truth, truth, both, {}) == (0, 1, 0)
    assert divisions(np.zeros_like(truth), truth, {}, both) == (0, 0, 1)
