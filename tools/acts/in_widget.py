"""What a person does in the widget: buttons, lists, fields, the table, its menus, the review, the timeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tools.acts.hands import SHAPE

if TYPE_CHECKING:
    from tools.acts.hands import Hands

NEEDS_A_NETWORK = ("Get ", "Download")
WRITTEN = ("", "1", "2", "1,2", "1-3", "2:5", ":3", "object", "tracked", "none such", "http://127.0.0.1:9")


def _in_sight(hands: Hands, kind: Any) -> list[Any]:
    return [found for found in hands.widget.findChildren(kind) if found.isVisible() and found.isEnabled()]


def press_button(hands: Hands) -> str:
    """Press any button or box that needs no network."""
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest
    from qtpy.QtWidgets import QAbstractButton

    headers = {section.header for section in hands.widget.sections.values()}
    buttons = [
        button
        for button in _in_sight(hands, QAbstractButton)
        if button not in headers and not button.text().startswith(NEEDS_A_NETWORK)
    ]
    button = hands.widget.objects.new_button if hands.random.random() < 0.1 else hands.random.choice(buttons)
    text = button.text() or button.toolTip()
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    return f"press {text}"


def choose_entry(hands: Hands) -> str:
    """Choose another entry of any list that is in sight."""
    from qtpy.QtWidgets import QComboBox

    boxes = _in_sight(hands, QComboBox)
    if not boxes:
        return "no list in sight"
    box = hands.random.choice(boxes)
    entries = [n for n in range(box.count()) if box.model().index(n, box.modelColumn()).flags() & _enabled()]
    if not entries:
        return "choose nothing"
    number = hands.random.choice(entries)
    text = box.itemText(number).strip()
    box.setCurrentIndex(number)
    box.activated.emit(number)
    return f"choose {text}"


def _enabled() -> Any:
    from qtpy.QtCore import Qt

    return Qt.ItemFlag.ItemIsEnabled


def write(hands: Hands) -> str:
    """Write a number or a text into any field that is in sight."""
    from qtpy.QtWidgets import QAbstractSpinBox, QLineEdit

    fields = [*_in_sight(hands, QAbstractSpinBox), *_in_sight(hands, QLineEdit)]
    fields = [one for one in fields if one.objectName() != "qt_spinbox_lineedit"]
    if not fields:
        return "no field in sight"
    field = hands.random.choice(fields)
    if isinstance(field, QLineEdit):
        text = hands.random.choice(WRITTEN)
        field.setText(text)
        field.editingFinished.emit()
        return f"write {text!r}"
    low, high = field.minimum(), min(field.maximum(), field.minimum() + 20)
    field.setValue(type(field.value())(hands.random.uniform(low, high)))
    return f"set {field.value()}"


def fold(hands: Hands) -> str:
    """Fold a section, or open all."""
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest

    sections = [one for one in hands.widget.sections.values() if one.isVisible()]
    folded = [one for one in sections if not one.expanded]
    if folded:
        for section in folded:
            QTest.mouseClick(section.header, Qt.MouseButton.LeftButton)
        return "open all sections"
    section = hands.random.choice(sections)
    QTest.mouseClick(section.header, Qt.MouseButton.LeftButton)
    return f"fold {section.title}"


def edit_object(hands: Hands) -> str:
    """Click, or double-click, any cell of the table; or name an object."""
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest

    from napari_sam2_video.plugin.objects_model import NAME

    table = hands.widget.objects.table
    model = table.model()
    if not model.rowCount():
        return "no object to edit"
    index = model.index(hands.random.randrange(model.rowCount()), hands.random.randrange(model.columnCount()))
    if hands.random.random() < 0.2:
        index = model.index(index.row(), NAME)
        model.setData(index, f"name {hands.random.randrange(99)}")
        return f"name row {index.row()}"
    place = table.visualRect(index).center()
    QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    if hands.random.random() < 0.2:
        QTest.mouseDClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)
        return f"double-click cell {index.row()}, {index.column()}"
    return f"click cell {index.row()}, {index.column()}"


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
    menu.deleteLater()
    return f"menu: {action.text()}"


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


def decide(hands: Hands) -> str:
    """Find, choose proposals in the list, and decide on them."""
    panel = hands.widget.finding
    items = [panel.list.topLevelItem(n) for n in range(panel.list.topLevelItemCount())]
    if not items:
        panel.find_button.click()
        return f"find {panel.fields.kind}"
    panel.list.setCurrentItem(hands.random.choice(items))
    for item in items:
        if hands.random.random() < 0.3:
            item.setSelected(True)
    if hands.random.random() < 0.5:
        made = hands.random.choice((panel.accept_button, panel.reject_button, panel.accept_all_button))
        made.click()
        return f"{made.text()} proposals"
    return "choose proposals"


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
