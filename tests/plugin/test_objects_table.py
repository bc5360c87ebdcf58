"""The table of many objects: searched, sorted, several selected at once, states in a sign and a colour."""

from __future__ import annotations

import pytest
from qtpy.QtCore import QItemSelectionModel, QPoint, Qt
from qtpy.QtTest import QTest

from napari_sam2_video.plugin.object_menu import objects_menu
from napari_sam2_video.plugin.objects_model import FRAMES, ID, NAME, STATE
from napari_sam2_video.types import PointPrompt
from tests.plugin.conftest import make_frames, spots


@pytest.fixture
def many(bench):
    """Twelve objects, of which the first two are tracked."""
    here = bench(make_frames())
    here.start()
    here.controller.go_to(0)
    for number in range(2, 13):
        here.session.add_object(f"cell {number}" if number % 2 else f"nucleus {number}")
    for number in (1, 2):
        here.session.add_prompt(PointPrompt(number, 0, *spots(0)[number - 1]))
    here.controller.perform()
    here.track()
    here.settle()
    return here


def shown(here):
    model = here.widget.objects.table.model()
    return [int(model.index(row, ID).data()) for row in range(model.rowCount())]


def select(here, *numbers):
    table = here.widget.objects.table
    flags = QItemSelectionModel.SelectionFlag
    table.selectionModel().clearSelection()
    for number in numbers:
        index = table.model().index(shown(here).index(number), NAME)
        table.selectionModel().setCurrentIndex(index, flags.Select | flags.Rows)
    here.spin()


def test_the_table_is_searched_by_number_name_and_state(many):
    field = many.widget.objects.search_field
    assert field.isVisible()
    QTest.keyClicks(field, "nucleus 1")
    assert shown(many) == [10, 12]
    many.controller.set_active(12)
    assert many.widget.objects.table.selected() == (12,)
    field.setText("tracked")
    assert shown(many) == [1, 2]
    many.controller.set_active(5)
    assert many.widget.objects.table.selected() == ()
    field.clear()
    assert shown(many) == list(range(1, 13))
    assert many.widget.objects.table.selected() == (5,)


def test_the_table_is_sorted_by_what_it_holds_not_by_its_letters(many):
    table = many.widget.objects.table
    table.sortByColumn(ID, Qt.SortOrder.DescendingOrder)
    assert shown(many) == list(range(12, 0, -1))
    table.sortByColumn(FRAMES, Qt.SortOrder.DescendingOrder)
    assert set(shown(many)[:2]) == {1, 2}
    many.controller.set_active(7)
    assert table.model().index(table.currentIndex().row(), ID).data() == "7"
    table.sortByColumn(STATE, Qt.SortOrder.AscendingOrder)
    many.session.lock_objects([3], locked=True)
    many.controller.perform()
    many.settle()
    assert shown(many)[-1] == 3


def test_several_objects_are_locked_and_deleted_in_one_step_each(many):
    select(many, 4, 6, 8)
    assert many.controller.active == 8
    assert many.controller.selected == (4, 6, 8)
    menu = objects_menu(many.widget, many.controller, many.controller.selected)
    acts = {action.text().replace("&", ""): action for action in menu.actions()}
    acts["Lock"].trigger()
    assert [entry.id for entry in many.session.objects if entry.locked] == [4, 6, 8]
    many.press(many.widget.objects.delete_button)
    assert [entry.id for entry in many.session.objects] == [1, 2, 3, 5, 7, 9, 10, 11, 12]
    assert many.session.undo() == "remove 3 objects"
    assert many.session.undo() == "lock 3 objects"
    assert not any(entry.locked for entry in many.session.objects)


def test_selected_objects_are_tracked_and_accepted_together(many):
    select(many, 1, 2)
    panel = many.widget.track
    panel.objects_box.setCurrentIndex(panel.objects_box.findData("selected"))
    assert panel.settings().objects == (1, 2)
    menu = objects_menu(many.widget, many.controller, many.controller.selected)
    menu.actions()[0].trigger()
    frame = many.controller.frame
    assert many.session.accepted(1) == many.session.accepted(2) == {frame}
    many.session.undo()
    assert not many.session.accepted(1)
    assert not many.session.accepted(2)


def test_states_have_a_sign_and_a_colour_each(many):
    table = many.widget.objects.table
    many.session.add_prompt(PointPrompt(3, 0, 20, 20))
    many.session.accept(2, 0, many.session.n_frames)
    many.controller.perform()
    many.settle()
    index = {number: table.model().index(row, STATE) for row, number in enumerate(shown(many))}
    signs = {number: index[number].data() for number in (1, 2, 3, 4)}
    assert signs == {1: "●", 2: "✓", 3: "▲", 4: "○"}
    colors = {index[number].data(Qt.ItemDataRole.ForegroundRole).name() for number in (1, 3, 4)}
    assert len(colors) == 3


def test_the_timeline_zooms_around_the_mouse_and_moves_along(many):
    many.widget.sections["review"].set_expanded(True)
    many.spin()
    panel, timeline = many.widget.review.timeline_panel, many.widget.review.timeline
    timeline.set_rows((), 1000)
    assert not panel.bar.isVisible()
    timeline.zoom(10, around=700)
    assert 700 in timeline.frames
    assert len(timeline.frames) == 100
    assert timeline.frame_at(timeline.x_of(700.5)) == 700
    assert panel.bar.isVisible()
    panel.bar.setValue(0)
    assert timeline.frames == range(100)
    timeline.set_position(555, 0)
    assert 555 in timeline.frames
    many.press(panel.whole_button)
    assert timeline.frames == range(1000)


def test_groups_of_the_timeline_fold(many):
    many.widget.sections["review"].set_expanded(True)
    panel, timeline = many.widget.review.timeline_panel, many.widget.review.timeline
    panel.group_box.setCurrentIndex(panel.group_box.findData("state"))
    many.spin()
    titles = [line.title for line in timeline.lines if line.group is not None]
    assert titles == ["No prompt yet (10)", "Tracked (2)"]
    assert len(timeline.lines) == 14
    QTest.mouseClick(timeline, Qt.MouseButton.LeftButton, pos=QPoint(round(timeline.x_of(0)), timeline.y_of(0) + 5))
    assert [line.title for line in timeline.lines][:2] == titles
    assert timeline.line_of(3) is None
    many.session.edit_object(2, parent=1, parent_frame=3)
    many.controller.perform()
    many.settle()
    panel.group_box.setCurrentIndex(panel.group_box.findData("family"))
    assert [line.title for line in timeline.lines if line.group is not None] == ["Family of object 1 (2)"]
