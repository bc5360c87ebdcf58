"""What a person does in the widget: buttons, the table, its menus, the review, the timeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.acts.hands import SHAPE

if TYPE_CHECKING:
    from tools.acts.hands import Hands

ASKS_FOR_A_FILE = ("…", "Get ", "Download", "Keys", "Larger", "Estimate")


def press_button(hands: Hands) -> str:
    """Press any button or box that asks for no file."""
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest
    from qtpy.QtWidgets import QCheckBox, QPushButton

    buttons = [
        button
        for kind in (QPushButton, QCheckBox)
        for button in hands.widget.findChildren(kind)
        if button.isVisible() and button.isEnabled() and not any(text in button.text() for text in ASKS_FOR_A_FILE)
    ]
    button = hands.random.choice(buttons)
    text = button.text()
    if hands.random.random() < 0.1:
        button = hands.widget.objects.new_button
        text = button.text()
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    return f"press {text}"


def edit_object(hands: Hands) -> str:
    """Lock, name or select an object."""
    from qtpy.QtCore import Qt

    from napari_sam2_video.plugin.objects_model import LOCK, NAME

    model = hands.widget.objects.table.objects
    if not model.rows:
        return "no object to edit"
    row = hands.random.randrange(len(model.rows))
    if hands.random.random() < 0.5:
        state = Qt.CheckState.Unchecked if model.rows[row].locked else Qt.CheckState.Checked
        model.setData(model.index(row, LOCK), state, Qt.ItemDataRole.CheckStateRole)
        return f"lock row {row}"
    if hands.random.random() < 0.5:
        model.setData(model.index(row, NAME), f"name {hands.random.randrange(99)}")
        return f"name row {row}"
    hands.widget.objects.table.selectRow(row)
    return f"select row {row}"


def review(hands: Hands) -> str:
    """Click a place of the review list, or say what is true of the one that is looked at."""
    panel = hands.widget.review
    items = panel.list.places.items
    if items and hands.random.random() < 0.5:
        row = hands.random.randrange(len(items))
        panel.list.clicked.emit(panel.list.places.index(row))
        return f"review place {row}"
    made = hands.random.choice((panel.next_button, panel.accept_next_button, panel.wrong_button, panel.later_button))
    made.click()
    return f"review {made.text()}"


def look_at_timeline(hands: Hands) -> str:
    """Click, zoom, move or group the timeline."""
    from qtpy.QtCore import QPoint, Qt
    from qtpy.QtTest import QTest

    panel = hands.widget.review.timeline_panel
    timeline = panel.timeline
    what = hands.random.choice(("click", "zoom", "group", "move"))
    if what == "click":
        place = QPoint(hands.random.randrange(timeline.width()), hands.random.randrange(timeline.height()))
        QTest.mouseClick(timeline, Qt.MouseButton.LeftButton, pos=place)
    elif what == "zoom":
        timeline.zoom(hands.random.choice((0.5, 1.25, 2.0)), hands.random.randrange(SHAPE[0]))
    elif what == "move":
        panel.bar.setValue(hands.random.randrange(SHAPE[0]))
    else:
        panel.group_box.setCurrentIndex(hands.random.randrange(panel.group_box.count()))
    return f"timeline: {what}"


def arrange_table(hands: Hands) -> str:
    """Search, sort or select in the table."""
    from qtpy.QtCore import QItemSelectionModel, Qt

    table = hands.widget.objects.table
    what = hands.random.choice(("search", "sort", "several"))
    if what == "search":
        hands.widget.objects.search_field.setText(hands.random.choice(("", "", "1", "object", "tracked", "none such")))
    elif what == "sort":
        order = hands.random.choice((Qt.SortOrder.AscendingOrder, Qt.SortOrder.DescendingOrder))
        table.sortByColumn(hands.random.randrange(table.model().columnCount()), order)
    else:
        flags = QItemSelectionModel.SelectionFlag
        for row in range(table.model().rowCount()):
            if hands.random.random() < 0.4:
                table.selectionModel().setCurrentIndex(table.model().index(row, 2), flags.Select | flags.Rows)
    return f"table: {what}"


def choose_in_menu(hands: Hands) -> str:
    """Choose something in the menu of an object or of several."""
    from napari_sam2_video.plugin.object_menu import object_menu, objects_menu

    controller = hands.controller
    if len(controller.selected) > 1:
        menu = objects_menu(hands.widget, controller, controller.selected)
    else:
        menu = object_menu(hands.widget, controller, controller.active) if controller.active else None
    if menu is None:
        return "no menu"
    actions = [action for one in (menu, *menu.findChildren(type(menu))) for action in one.actions()]
    actions = [action for action in actions if action.isEnabled() and action.menu() is None and action.text()]
    if not menu.isEnabled() or not actions:
        return "a menu with nothing to choose"
    action = hands.random.choice(actions)
    action.trigger()
    return f"menu: {action.text()}"


def choose_entry(hands: Hands) -> str:
    """Choose another entry of a list under Track."""
    panel = hands.widget.track
    box = hands.random.choice((panel.range_box, panel.direction_box, panel.objects_box))
    box.setCurrentIndex(hands.random.randrange(box.count()))
    return f"choose {box.currentText()}"
