"""What was asked for, armed or removed in one moment does not reach into the next."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QLineEdit

from napari_sam2_video.plugin.objects_model import NAME
from napari_sam2_video.plugin.summarizer import Summarizer
from tests.plugin.conftest import make_frames
from tests.plugin.test_arrivals import OWN

pytestmark = pytest.mark.drawn


def armed(here) -> list[str]:
    return [name for name, tool in here.widget.objects.tools.items() if tool.isChecked()]


def test_a_run_asked_for_in_one_session_does_not_start_in_the_next(at_work):
    folder = at_work.session.folder
    at_work.click(20, 20)
    at_work.idle()
    at_work.session.add_object()
    at_work.controller.deliver()
    at_work.widget.run_bar.start()
    at_work.controller.close_session()
    at_work.idle()
    at_work.widget.open_session(folder)
    at_work.idle()
    at_work.settle()
    at_work.idle()
    assert at_work.session is not None
    assert not len(at_work.session.masks.frames_done(1))


def test_an_estimate_of_a_session_that_was_closed_is_not_reported(at_work, monkeypatch):
    go_on = threading.Event()

    class Budget:
        def sentence(self) -> str:
            return "It takes 3 s."

    def measure(session, stop):
        go_on.wait(60)
        return Budget()

    monkeypatch.setattr("napari_sam2_video.budget.measure_budget", measure)
    at_work.press(at_work.widget.model.estimating.button)
    at_work.controller.close_session()
    go_on.set()
    at_work.idle()
    assert at_work.widget.model.estimating.sentence.text() == ""


@pytest.mark.parametrize("name", sorted(OWN))
def test_a_layer_removed_before_the_others_are_there(bench, name):
    here = bench(make_frames(), image={"name": "spots"})

    def inserted(event):
        if event.value.name == name:
            from qtpy.QtCore import QTimer

            here.viewer.layers.events.inserted.disconnect(inserted)
            QTimer.singleShot(0, lambda: here.viewer.layers.remove(event.value))

    here.viewer.layers.events.inserted.connect(inserted)
    here.press(here.widget.objects.new_button)
    here.idle()
    assert here.errors() == []
    assert here.session is not None
    if name == "SAM 2 masks":
        here.press(here.widget.objects.restore_button)
    here.press(here.widget.objects.tools["box"])
    assert {layer.name for layer in here.viewer.layers} >= OWN


def test_the_contrast_of_a_layer_changes_after_the_widget_was_closed(at_work):
    layer = at_work.controller.image
    at_work.widget.close_down()
    layer.contrast_limits = (3, 77)


def test_ids_beyond_65536_are_drawn_without_numba(at_work, monkeypatch):
    from napari.utils.colormaps import _accelerated_cmap

    monkeypatch.setattr(
        _accelerated_cmap,
        "labels_raw_to_texture_direct",
        _accelerated_cmap._labels_raw_to_texture_direct_numpy,
    )
    labels = np.zeros((64, 80), np.int64)
    labels[2:10, 3:20] = 70_000
    labels[30:40, 3:20] = 3_000_000
    at_work.viewer.add_labels(labels, name="seeds")
    at_work.press(at_work.widget.objects.seeds_button)
    at_work.idle()
    assert at_work.errors() == []
    colors = {entry.id: entry.color for entry in at_work.session.objects}
    assert {70_000, 3_000_000} <= set(colors)
    at_work.track()
    layer = at_work.controller.masks.masks
    shown = layer.colormap.map(np.array([0, 1, 70_000, 70_001, 3_000_000, 4_000_000], np.uint32))
    expected = [(0, 0, 0), colors[1], colors[70_000], (0, 0, 0), colors[3_000_000], (0, 0, 0)]
    assert [tuple(round(255 * float(part)) for part in color[:3]) for color in shown] == expected


def test_the_armed_tool_follows_the_mode_of_the_layer(at_work):
    at_work.press(at_work.widget.objects.tools["box"])
    assert armed(at_work) == ["box"]
    at_work.controller.prompts.shapes.mode = "pan_zoom"
    assert armed(at_work) == []
    at_work.controller.prompts.shapes.mode = "add_polygon_lasso"
    assert armed(at_work) == ["lasso"]
    at_work.viewer.layers.selection.active = at_work.controller.masks.masks
    assert armed(at_work) == []
    at_work.controller.masks.masks.mode = "erase"
    assert armed(at_work) == ["erase"]


@pytest.mark.parametrize("name", ["point", "box", "paint"])
def test_a_tool_shows_its_layer_again(at_work, name):
    for layer in at_work.viewer.layers:
        layer.visible = False
    at_work.press(at_work.widget.objects.tools[name])
    assert at_work.told == []
    assert armed(at_work) == [name]
    assert at_work.viewer.layers.selection.active.visible


def test_a_name_being_edited_survives_another_change_of_the_objects(at_work):
    second = at_work.controller.actions.new_object()
    table = at_work.widget.objects.table
    table.setCurrentIndex(table.model().index(0, NAME))
    table.edit(table.model().index(0, NAME))
    at_work.spin()
    editor = table.findChild(QLineEdit)
    editor.selectAll()
    QTest.keyClicks(editor, "first")
    at_work.session.edit_object(second, locked=True)
    at_work.controller.deliver()
    at_work.spin()
    assert table.findChild(QLineEdit) is editor
    QTest.keyClick(editor, Qt.Key.Key_Return)
    at_work.spin()
    assert {entry.id: entry.name for entry in at_work.session.objects}[1] == "first"


def test_paint_alone_has_no_lowest_predicted_iou(at_work):
    object_id = at_work.session.add_object()
    at_work.session.paint(0, (5, 5), np.full((4, 4), object_id))
    assert np.isnan(Summarizer(at_work.session).summarize().objects[object_id].lowest)
