"""Figures of masks whose agreement is known."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.quality.ctc import METRICS, ctc_figures
from benchmarks.quality.figures import boundary_f, compare, overlaps, summary, switches

from napari_sam2_video.engine.networks.sam2.installed import installed_sam2


def disc(radius, centre=(40, 40), size=80):
    y, x = np.mgrid[:size, :size]
    return np.hypot(y - centre[0], x - centre[1]) <= radius


def squares(*rows):
    """(T, 20, 80) labels; a row a frame, each of (label, first column) of a square of 10 × 10 pixels."""
    labels = np.zeros((len(rows), 20, 80), np.uint16)
    for frame, row in zip(labels, rows, strict=True):
        for label, column in row:
            frame[5:15, column : column + 10] = label
    return labels


def test_iou_of_shifted_squares_is_that_of_their_overlap():
    truth = squares([(1, 10)], [(1, 10)], [(1, 10)])
    found = squares([(1, 10)], [(1, 15)], [(1, 30)])
    agreement = compare(found, truth, [1], 0)
    np.testing.assert_allclose(agreement.iou[0], [1, 50 / 150, 0])
    figures = summary([agreement])
    assert figures["iou"] == pytest.approx((1 + 1 / 3) / 3)
    assert figures["wrong"] == 1
    assert figures["objects"] == 1


def test_boundary_f_of_discs_falls_from_one_to_zero_at_the_tolerance():
    assert boundary_f(disc(20), disc(20)) == 1
    assert boundary_f(disc(20), disc(21)) == 1
    assert boundary_f(disc(20), disc(25)) == 0
    assert boundary_f(disc(20), np.zeros((80, 80), bool)) == 0


def test_boundary_f_of_a_halved_square_is_the_closed_form():
    """The half's outline is 2 × (20 + 10) - 4 pixels, all but those far from the square's outline precise."""
    whole, half = np.zeros((40, 40), bool), np.zeros((40, 40), bool)
    whole[10:30, 10:30], half[10:30, 10:20] = True, True
    inner = 20 - 2 * 3
    precision = (56 - inner) / 56
    near = 20 + 2 * 12
    recall = (near - 2) / 76
    assert boundary_f(half, whole) == pytest.approx(2 * precision * recall / (precision + recall))


def test_a_mask_that_passes_onto_another_object_and_back_switches_once():
    truth = squares(*[[(1, 10), (2, 40)]] * 5)
    found = squares([(1, 10)], [(1, 10)], [(1, 40)], [(1, 40)], [(1, 10)])
    assert switches(compare(found, truth, [1], 0)) == 1


def test_a_mask_that_shrinks_or_vanishes_does_not_switch():
    truth = squares(*[[(1, 10), (2, 40)]] * 3)
    assert switches(compare(squares([(1, 10)], [(1, 17)], []), truth, [1], 0)) == 0


def test_a_jump_over_frames_without_a_mask_is_a_switch():
    truth = squares(*[[(1, 10), (2, 40)]] * 3)
    assert switches(compare(squares([(1, 10)], [], [(1, 40)]), truth, [1], 0)) == 1


def test_presence_counts_all_frames_and_absence_those_without_the_object():
    truth = squares([(1, 10)], [(1, 10)], [], [])
    found = squares([(1, 10)], [(1, 10)], [(1, 10)], [])
    figures = summary([compare(found, truth, [1], 0)])
    assert figures["presence"] == pytest.approx(2 / 3)
    assert figures["absence"] == 0.5
    assert figures["wrong"] == pytest.approx(1 / 3)


def test_drift_is_the_first_quarter_less_the_last():
    truth = squares(*[[(1, 10)]] * 8)
    found = squares(*[[(1, 10)]] * 6, [(1, 15)], [(1, 15)])
    assert summary([compare(found, truth, [1], 0)])["drift"] == pytest.approx(2 / 3)


def test_overlaps_of_labels():
    both, area, found_area = overlaps(np.array([[1, 1, 0]], np.uint16), np.array([[1, 2, 2]], np.uint16))
    assert both.tolist() == [[0, 0, 1], [0, 1, 1], [0, 0, 0]]
    assert area.tolist() == [0, 1, 2]
    assert found_area.tolist() == [1, 2, 0]


def test_the_truth_has_the_best_figures_of_the_challenge_whatever_its_ids():
    truth = squares([(1, 10)], [(1, 10), (2, 40)], [(2, 40)], [(1, 10)])
    renamed = np.where(truth > 0, truth + 4, 0).astype(np.uint16)
    assert ctc_figures(renamed, truth) == dict.fromkeys(METRICS, 1)


def test_frames_without_an_object_count_for_nothing():
    truth = squares([], [(1, 10)], [(1, 10)], [])
    assert ctc_figures(truth, truth) == dict.fromkeys(METRICS, 1)
    ghost = squares([(1, 40)], [(1, 10)], [(1, 10)], [])
    assert 0.9 < ctc_figures(ghost, truth)["TRA"] < 1


def test_a_track_that_ends_early_costs_a_missing_node_and_link():
    """AOGM weighs a missing node 10 and a missing link 1.5; the graph has 4 nodes and 3 links."""
    truth = squares(*[[(1, 10)]] * 4)
    found = squares(*[[(1, 10)]] * 3, [])
    figures = ctc_figures(found, truth)
    assert figures["TRA"] == pytest.approx(1 - (10 + 1.5) / (40 + 4.5))
    assert figures["SEG"] == pytest.approx(0.75)


def test_a_division_counts_as_found_only_with_its_mother():
    truth = squares([(1, 20)], [(2, 10), (3, 40)])
    right = ctc_figures(truth, truth, parents={2: 1, 3: 1}, true_parents={2: 1, 3: 1})
    wrong = ctc_figures(truth, truth, true_parents={2: 1, 3: 1})
    assert right["TRA"] == 1
    assert wrong["TRA"] < 1


def test_nothing_found_is_zero_and_nothing_true_is_unknown():
    truth = squares([(1, 10)], [(1, 10)])
    assert set(ctc_figures(np.zeros_like(truth), truth).values()) == {0.0}
    assert all(np.isnan(value) for value in ctc_figures(truth, np.zeros_like(truth)).values())


def test_figures_say_which_package_sam2_came_from():
    from benchmarks.__main__ import about

    packages = installed_sam2()["packages"]
    assert packages
    assert packages.items() <= about(1).items()
