"""The keyboard acts on the viewer, whatever was clicked in the widget."""

from __future__ import annotations

import json

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
def test_a_tool_is_put_away_by_its_button_and_by_escape(at_work, tool):
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
    assert at_work.widget.review.why.text() == "Every doubtful frame has been reviewed."
    at_work.key("N")
    at_work.controller.go_to(6)
    at_work.key("Shift+W")
    assert at_work.session.accepted(1) == {first, 6}
    assert at_work.session.accepted(2) == frozenset()


@pytest.fixture
def editor(at_work, qtbot):
    """napari's own page of shortcuts."""
    from napari._qt.widgets.qt_keyboard_settings import ShortcutEditor

    made = ShortcutEditor()
    qtbot.addWidget(made)
    yield made
    made.close()


def change_key(here, editor, title, text):
    """Set another shortcut in napari's page, as shown there."""
    from napari.utils.interactions import Shortcut

    table = editor._table
    (row,) = (row for row in range(table.rowCount()) if table.item(row, 0).text() == f"SAM 2: {title}")
    table.item(row, editor._shortcut_col).setText(Shortcut(text).platform)
    here.spin()


def test_a_key_is_changed_among_the_shortcuts_of_napari(at_work, editor, settings):
    listed = [editor._table.item(row, 0).text() for row in range(editor._table.rowCount())]
    assert {f"SAM 2: {key.title}" for key in at_work.widget.keys.keys} <= set(listed)
    change_key(at_work, editor, "New object", "Shift+X")
    count = len(at_work.session.objects)
    at_work.key("N")
    assert len(at_work.session.objects) == count
    at_work.key("Shift+X")
    assert len(at_work.session.objects) == count + 1
    assert "Shift+X" in at_work.widget.keys.listed()
    assert json.loads(settings.interface.keys) == {"napari-sam2-video:new_object": ["Shift+X"]}
    at_work.widget.keys.restore()
    at_work.key("N")
    assert len(at_work.session.objects) == count + 2
    assert json.loads(settings.interface.keys) == {}


def test_a_key_that_replaces_one_of_a_layer_is_changed_there_too(at_work, editor):
    at_work.viewer.layers.selection.active = at_work.controller.masks.masks
    change_key(at_work, editor, "Undo", "Alt+U")
    at_work.key("N")
    at_work.key("Alt+U")
    assert len(at_work.session.objects) == 1
    at_work.key("Ctrl+Z")
    assert len(at_work.session.objects) == 1


def test_changed_keys_stay_and_napari_does_not_keep_them_for_its_next_start(bench, settings):
    from napari.settings import get_settings

    settings.interface.keys = json.dumps({"napari-sam2-video:new_object": ["Shift+X"]})
    here = bench(make_frames())
    here.start()
    assert len(here.session.objects) == 1
    here.key("Shift+X")
    assert len(here.session.objects) == 2
    shortcuts = get_settings().shortcuts
    shortcuts.shortcuts = {**shortcuts.shortcuts, "napari-sam2-video:new_object": ["Shift+Y"]}
    here.spin()
    assert not [name for name in shortcuts.shortcuts if "sam2" in name]
    here.widget.close_down()
    assert here.viewer.keymap == {}
    from napari.utils.action_manager import action_manager

    assert all(action.keymapprovider is None for name, action in action_manager._actions.items() if "sam2" in name)


def test_two_viewers_have_their_keys_each(bench):
    first, second = bench(make_frames()), bench(make_frames())
    first.start()
    second.start()
    first.key("N")
    second.key("N")
    second.widget.close_down()
    first.key("N")
    assert len(first.session.objects) == 3
