"""The keyboard acts on the viewer, whatever was clicked in the widget."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from tests.plugin.conftest import make_frames, spots


def press_key(here, key):
    """Press a key where the keyboard is."""
    QTest.keyClick(QApplication.focusWidget(), key)
    here.spin()


@pytest.fixture
def in_front(at_work):
    window = at_work.viewer.window._qt_window
    QApplication.setActiveWindow(window)
    at_work.viewer.window._qt_viewer.canvas.native.setFocus()
    at_work.spin(lambda: QApplication.activeWindow() is window and QApplication.focusWidget() is not None)
    return at_work


def test_arrow_keys_walk_the_frames_after_a_click_in_the_widget(in_front):
    widget, viewer = in_front.widget, in_front.viewer
    in_front.click(*spots(0)[0])
    in_front.track()
    widget.sections["review"].set_expanded(True)
    in_front.spin()
    table = widget.objects.table
    clicks = [
        lambda: in_front.press(widget.objects.tools["point"]),
        lambda: QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(60, 8)),
        lambda: in_front.press(widget.review.accept_button),
    ]
    for number, click in enumerate(clicks):
        in_front.controller.go_to(number)
        click()
        in_front.spin()
        press_key(in_front, Qt.Key.Key_Right)
        assert viewer.dims.current_step[0] == number + 1


def test_space_presses_no_button(in_front):
    in_front.click(*spots(0)[0])
    in_front.track()
    in_front.widget.sections["review"].set_expanded(True)
    in_front.controller.go_to(5)
    in_front.press(in_front.widget.review.accept_button)
    press_key(in_front, Qt.Key.Key_Right)
    press_key(in_front, Qt.Key.Key_Space)
    assert in_front.session.accepted(1) == {5}


def test_keys_work_after_a_button_that_disables_itself(in_front):
    labels = np.zeros((64, 80), np.uint8)
    labels[40:50, 40:50] = 1
    in_front.viewer.add_labels(labels, name="found")
    in_front.press(in_front.widget.objects.seeds_button)
    in_front.idle()
    count = len(in_front.session.objects)
    press_key(in_front, Qt.Key.Key_N)
    assert len(in_front.session.objects) == count + 1


def test_a_number_is_typed_until_enter_and_then_keys_are_the_viewers_again(in_front):
    panel = in_front.widget.track
    in_front.widget.sections["track"].set_expanded(True)
    panel.range_box.setCurrentIndex(panel.range_box.findData("count"))
    in_front.spin()
    panel.count_spin.setFocus(Qt.FocusReason.MouseFocusReason)
    panel.count_spin.selectAll()
    press_key(in_front, Qt.Key.Key_7)
    assert panel.count_spin.value() == 7
    press_key(in_front, Qt.Key.Key_Return)
    press_key(in_front, Qt.Key.Key_Right)
    assert in_front.viewer.dims.current_step[0] == 1


@pytest.mark.parametrize("tool", ["point", "box", "lasso", "paint"])
def test_a_tool_is_put_down_by_its_button_and_by_escape(at_work, tool):
    button, prompting = at_work.widget.objects.tools[tool], at_work.widget.objects.prompting
    at_work.widget.objects.prompting.put_down()
    for put_down in (lambda: at_work.press(button), lambda: at_work.key("Escape")):
        at_work.press(button)
        assert prompting.armed == tool
        assert button.isChecked()
        put_down()
        assert prompting.armed is None
        assert not button.isChecked()


def test_no_key_of_the_widget_has_another_meaning_in_napari(bench):
    """Those that are meant to replace napari's own say so, and are the ones of undo and of a new label."""
    from napari.utils.shortcuts import default_shortcuts

    taken = {str(key) for keys in default_shortcuts.values() for key in keys}
    keys = bench(make_frames()).widget.keys
    names = {key.key.replace("Control", "Ctrl").replace("-", "+") for key in keys.keys if not key.on_layers}
    assert not {name.title() if len(name) > 1 else name.upper() for name in names} & taken


def test_the_sheet_of_keys_opens_with_a_question_mark_and_lists_them_all(in_front):
    from qtpy.QtWidgets import QMessageBox

    press_key(in_front, Qt.Key.Key_Question)
    (box,) = in_front.widget.findChildren(QMessageBox)
    assert all(key.title in box.text() for key in in_front.widget.keys.keys)
    box.close()


def test_ctrl_and_a_click_give_a_point_of_the_other_sign_once(at_work):
    native = at_work.viewer.window._qt_viewer.canvas.native
    for modifier, (y, x) in (
        (Qt.KeyboardModifier.ControlModifier, (30, 30)),
        (Qt.KeyboardModifier.NoModifier, (20, 20)),
    ):
        QTest.mouseClick(native, Qt.MouseButton.LeftButton, modifier, at_work.canvas_point(at_work.world(0, y, x)))
        at_work.idle()
    signs = {(round(prompt.y), round(prompt.x)): prompt.positive for prompt in at_work.session.prompts()}
    assert signs == {(30, 30): False, (20, 20): True}
    assert at_work.controller.prompts.positive


def test_keys_walk_through_objects_and_prompted_frames(at_work):
    at_work.click(*spots(0)[0])
    at_work.controller.go_to(6)
    at_work.click(*spots(6)[0])
    at_work.key("Shift+Left")
    assert at_work.controller.frame == 0
    at_work.key("Shift+Right")
    assert at_work.controller.frame == 6
    at_work.key("N")
    for expected in (1, 2):
        at_work.key(".")
        assert at_work.controller.active == expected
    at_work.key(",")
    assert at_work.controller.active == 1
    at_work.key("Shift+S")
    assert at_work.controller.masks.masks.show_selected_label


def test_an_object_and_its_point_in_one_key(at_work):
    at_work.viewer.cursor.position = tuple(at_work.world(0, *spots(0)[1]))
    at_work.key("Shift+N")
    (prompt,) = at_work.session.prompts(2)
    assert (round(prompt.y), round(prompt.x)) == spots(0)[1]


def test_the_mask_of_the_frame_before_is_copied(at_work):
    at_work.click(*spots(0)[0])
    at_work.track()
    at_work.controller.go_to(4)
    at_work.key("Shift+C")
    assert np.array_equal(at_work.session.mask(1, 3), at_work.session.mask(1, 4))
    assert at_work.errors() == []


def test_accepting_leads_to_the_next_doubtful_frame(at_work):
    at_work.tracker_options["lost"] = {(1, 3), (1, 6)}
    at_work.click(*spots(0)[0])
    at_work.track()
    at_work.settle()
    at_work.key("J")
    first = at_work.controller.frame
    at_work.key("Shift+J")
    assert at_work.session.accepted(1) == {first}
    assert at_work.widget.review.why.text() == "Every doubtful frame was looked at."
    at_work.key("N")
    at_work.controller.go_to(6)
    at_work.key("Shift+W")
    assert at_work.session.accepted(1) == {first, 6}
    assert at_work.session.accepted(2) == frozenset()
