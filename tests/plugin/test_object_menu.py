"""The menu of an object, by mouse and by letters: each entry does one thing that one undo takes back."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QInputDialog

from napari_sam2_video.plugin.cutting_line import LINE_NAME
from tests.plugin.conftest import spots


@pytest.fixture
def pair(at_work):
    """Both spots tracked as objects 1 and 2, with the third frame shown."""
    at_work.click(*spots(0)[0])
    at_work.key("N")
    at_work.click(*spots(0)[1])
    at_work.track()
    at_work.controller.set_active(1)
    at_work.controller.go_to(3)
    at_work.spin()
    return at_work


def letters(here, *keys: str) -> None:
    """Open the menu by its key and choose by the letters that are underlined."""
    here.key("Shift-O")
    for key in keys:
        QTest.keyClick(QApplication.activePopupWidget(), key)
        here.spin()
    here.settle()
    assert here.errors() == []


def state(here) -> tuple:
    session = here.session
    masks = np.stack([[session.mask(entry.id, t) for entry in session.objects] for t in range(session.n_frames)])
    return [(entry.id, entry.name) for entry in session.objects], masks


def same(first: tuple, second: tuple) -> bool:
    return first[0] == second[0] and np.array_equal(first[1], second[1])


def test_every_entry_is_one_step_and_one_undo_takes_it_back(pair, monkeypatch):
    session, before = pair.session, state(pair)
    first = tuple(round(at) for at in spots(5)[0])
    monkeypatch.setattr(QInputDialog, "getInt", lambda *_: (9, True))
    monkeypatch.setattr(QInputDialog, "getText", lambda *_, **__: ("2:4", True))

    def areas(object_id: int) -> list[bool]:
        return [bool(session.mask(object_id, frame).any()) for frame in range(8)]

    steps = {
        ("m", "2"): lambda: [entry.id for entry in session.objects] == [1] and session.mask(1, 5)[first],
        ("w", "2"): lambda: session.mask(2, 5)[first] and not session.mask(2, 2)[first],
        ("n",): lambda: [entry.id for entry in session.objects] == [2, 9] and pair.controller.active == 9,
        ("a", "t"): lambda: areas(1) == [True] * 3 + [False] + [True] * 4,
        ("a", "f"): lambda: areas(1) == [True] * 3 + [False] * 5,
        ("a", "u"): lambda: areas(1) == [False] * 4 + [True] * 4,
        ("a", "r"): lambda: areas(1) == [True, True, False, False] + [True] * 4,
        ("r", "r"): lambda: areas(1) == [True, True, False, False] + [True] * 4,
        ("r", "f"): lambda: areas(1) == [True] * 3 + [False] * 5,
        ("c",): lambda: np.array_equal(session.mask(1, 4), session.mask(1, 3)),
        ("d",): lambda: [entry.id for entry in session.objects] == [2],
    }
    for keys, holds in steps.items():
        letters(pair, *(getattr(Qt.Key, f"Key_{key.upper()}") for key in keys))
        assert holds(), keys
        pair.key("Control-Z")
        pair.settle()
        assert same(state(pair), before), keys
        pair.controller.set_active(1)


def test_a_line_that_is_drawn_splits_the_object_and_is_gone(pair):
    session, before = pair.session, state(pair)
    y, x = spots(3)[0]
    letters(pair, Qt.Key.Key_L)
    line = pair.viewer.layers[LINE_NAME]
    assert pair.viewer.layers.selection.active is line
    pair.drag(*(pair.world(3, y + step, x) for step in (-12, -4, 4, 12)))
    pair.spin(lambda: LINE_NAME not in pair.viewer.layers)
    assert [entry.id for entry in session.objects] == [1, 2, 3]
    sides = sorted(np.nonzero(session.mask(object_id, 3))[1].mean() for object_id in (1, 3))
    assert sides[0] < x < sides[1]
    pair.key("Control-Z")
    assert same(state(pair), before)


def test_parts_become_objects_and_what_cannot_be_done_is_reported_in_a_sentence(pair):
    y, x = spots(3)[0]
    pair.key("Shift-O")
    QTest.keyClick(QApplication.activePopupWidget(), Qt.Key.Key_P)
    pair.spin()
    assert "is in one piece" in pair.errors()[-1]
    pair.key("Shift-O")
    QTest.keyClick(QApplication.activePopupWidget(), Qt.Key.Key_L)
    pair.drag(*(pair.world(3, y + 20, x + step) for step in (5, 10, 15)))
    pair.spin(lambda: LINE_NAME not in pair.viewer.layers)
    assert "is not cut by the line" in pair.errors()[-1]
    pair.told.clear()
    letters(pair, Qt.Key.Key_L)
    pair.key("Escape")
    assert LINE_NAME not in pair.viewer.layers
    assert len(pair.session.objects) == 2
    pair.press(pair.widget.objects.tools["paint"])
    pair.click(60, 5)
    letters(pair, Qt.Key.Key_P)
    assert len(pair.session.objects) == 3


def test_without_an_object_the_key_says_so(bench):
    here = bench(np.zeros((3, 40, 40), np.uint8))
    here.key("Shift-O")
    assert here.told[-1] == ("info", "There is no object yet: press New object.")
