"""What is counted as found, and that settings are reported only where they were chosen."""

from __future__ import annotations

import json

import numpy as np
import pytest
from benchmarks.finding import run
from benchmarks.finding.frames import Case, Tally, tally
from benchmarks.quality.choice import save_choice


@pytest.fixture
def case():
    labels = np.zeros((60, 60), np.uint16)
    labels[0:10, 0:10], labels[20:30, 20:30], labels[40:44, 40:44] = 1, 2, 3
    return Case("made", 0, None, labels)


def square(top, left, side=10):
    return (top, left), np.ones((side, side), bool)


def test_objects_are_matched_once_and_small_ones_do_not_count(case):
    assert case.ids == [1, 2]
    assert tally(case, [square(0, 0), square(21, 20)]) == Tally(2, 2, 2)
    assert tally(case, [square(0, 0), square(1, 0), square(50, 50)]) == Tally(1, 2, 3), "twice is once too often"
    assert tally(case, [square(40, 40, 4)]) == Tally(0, 2, 0)
    assert tally(case, [square(0, 0), square(20, 20)], known=[1]) == Tally(1, 1, 1)


def test_recall_and_precision_are_of_all_frames_together():
    both = Tally(1, 2, 4) + Tally(3, 3, 3)
    assert (both.recall, both.precision) == (4 / 5, 4 / 7)
    assert (Tally().recall, Tally().precision) == (1.0, 1.0)


def test_settings_that_were_not_chosen_are_not_reported(tmp_path, monkeypatch):
    changed = json.loads(json.dumps(run.settings_now()))
    changed["everything"]["least_iou"] = 0.123
    monkeypatch.setattr(run, "CHOICE", tmp_path / "choice.json")
    save_choice(run.CHOICE, changed, {"cells": {}})
    with pytest.raises(ValueError, match="changed since they were chosen"):
        run.find(0)
