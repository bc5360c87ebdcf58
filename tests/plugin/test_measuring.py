"""Measuring in the widget: plots, a Tracks layer, and what is said where it cannot be."""

import csv

import numpy as np
import pytest
from qtpy.QtCore import QPoint
from qtpy.QtWidgets import QFileDialog

from tests.plugin.conftest import N_FRAMES, make_frames, spots

TRACKS_NAME = "SAM 2 tracks"


@pytest.fixture
def measured(at_work):
    """A bench with one tracked and measured object."""
    at_work.click(20, 20)
    at_work.track()
    at_work.widget.sections["measurements"].set_expanded(True)
    at_work.press(at_work.widget.measurements.measure_button)
    at_work.idle()
    assert at_work.errors() == []
    return at_work


def test_each_plot_is_shown_at_the_width_of_the_widget(measured):
    panel = measured.widget.measurements
    for kind in ("plot-areas", "plot-trajectories", "plot-msd"):
        panel.kind_box.setCurrentIndex(panel.kind_box.findData(kind))
        measured.idle()
        assert measured.errors() == []
        assert panel.picture.isVisible()
        assert panel.picture.drawn_at().width() == pytest.approx(panel.picture.width(), abs=2)
        assert panel.picture.height() > 100
        assert panel.tracks_button.mapTo(panel, QPoint()).y() >= panel.picture.geometry().bottom()
    assert "1 object, 8 measurements, lengths in px" in panel.task.outcome.text()


def test_tracks_follow_the_object_in_the_world(measured):
    panel = measured.widget.measurements
    measured.press(panel.tracks_button)
    measured.press(panel.tracks_button)
    layers = [layer for layer in measured.viewer.layers if layer.name == TRACKS_NAME]
    assert len(layers) == 1
    data = np.asarray(layers[0].data)
    assert data[:, 0].tolist() == [1] * N_FRAMES
    for frame, y, x in data[:, 1:]:
        np.testing.assert_allclose((y, x), spots(int(frame))[0], atol=2)
    image = measured.controller.image
    np.testing.assert_allclose(layers[0].data_to_world(data[3, 1:]), image.data_to_world(data[3, 1:]))


def test_the_plot_has_a_dock_of_its_own_which_goes_with_the_session(measured):
    panel = measured.widget.measurements
    measured.press(panel.larger_button)
    docks = measured.viewer.window.dock_widgets
    assert "SAM 2 measurements" in docks
    measured.controller.close_session()
    measured.idle()
    assert "SAM 2 measurements" not in measured.viewer.window.dock_widgets
    assert not panel.tracks_button.isEnabled()
    assert not panel.measure_button.isEnabled()


def test_measuring_can_be_cancelled(at_work, monkeypatch):
    at_work.click(20, 20)
    at_work.track()
    panel = at_work.widget.measurements
    session, whole = at_work.session, at_work.session.result()

    def slow(frame):
        panel.task.stop()
        return whole.labels(frame)

    monkeypatch.setattr(session, "result", lambda: whole.__class__(whole.n_frames, whole.shape_yx, slow, whole.objects))
    at_work.widget.sections["measurements"].set_expanded(True)
    at_work.press(panel.measure_button)
    at_work.idle()
    assert "cancelled" in panel.task.outcome.text()
    assert not panel.tracks_button.isEnabled()
    assert panel.measure_button.isEnabled()
    assert at_work.errors() == []


def test_a_parent_that_comes_after_its_daughter_is_reported(at_work):
    at_work.click(20, 20)
    at_work.track()
    session = at_work.session
    mother = session.add_object("mother")
    session.paint(5, (0, 0), np.full((2, 2), mother))
    session.edit_object(1, parent=mother, parent_frame=3)
    at_work.widget.sections["measurements"].set_expanded(True)
    panel = at_work.widget.measurements
    at_work.press(panel.measure_button)
    at_work.idle()
    assert "Object 2 is first seen on frame 5, not before its daughter 1" in panel.task.outcome.text()


def test_a_session_that_walks_another_axis_says_why_it_has_no_tracks_layer(bench):
    here = bench(np.moveaxis(make_frames(), 0, 1))
    here.viewer.dims.transpose()
    here.viewer.dims.order = (1, 0, 2)
    here.start()
    assert here.controller.geometry.walk == 1
    here.click(20, 20)
    here.track()
    panel = here.widget.measurements
    here.widget.sections["measurements"].set_expanded(True)
    here.press(panel.measure_button)
    here.idle()
    here.press(panel.tracks_button)
    assert "follows the first axis" in panel.task.outcome.text()
    assert TRACKS_NAME not in here.viewer.layers


def test_a_plot_of_masks_that_changed_since_says_so(measured):
    panel = measured.widget.measurements
    measured.press(measured.widget.objects.tools["paint"])
    measured.click(50, 50)
    assert "measure again" in panel.task.outcome.text()
    measured.press(panel.measure_button)
    measured.idle()
    assert "1 object, 8 measurements" in panel.task.outcome.text()


def test_what_was_measured_of_a_session_that_is_closed_is_not_shown(measured):
    panel = measured.widget.measurements
    measured.press(panel.measure_button)
    found, plot, session = panel._measured, panel._plot, measured.session
    measured.controller.close_session()
    panel._done(session, found, "plot-areas", plot)
    measured.idle()
    assert not panel.tracks_button.isEnabled()
    assert not panel.picture.isVisible()


def test_values_of_another_layer_or_file_are_measured_plotted_and_saved(measured, tmp_path, monkeypatch):
    panel, session = measured.widget.measurements, measured.session
    marker = np.arange(N_FRAMES, dtype=np.uint16)[:, None, None] * 100 + np.zeros((1, 64, 80), np.uint16)
    layer = measured.viewer.add_image(marker, name="marker")
    np.save(tmp_path / "marker.npy", marker + 7)
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_, **__: (str(tmp_path / "marker.npy"), ""))
    panel.shape_check.setChecked(True)
    for title, added in (("Values of marker", 0), ("Values of a file…", 7)):
        panel.values_box.setCurrentIndex(panel.values_box.findText(title))
        panel.values_box.activated.emit(panel.values_box.currentIndex())
        measured.press(panel.measure_button)
        measured.idle()
        assert measured.errors() == []
        target = tmp_path / f"{added}.csv"
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, target=target, **__: (str(target), ""))
        measured.press(panel.save_button)
        with target.open(encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        assert [float(row["intensity_mean"]) for row in rows] == [100 * t + added for t in range(N_FRAMES)]
        assert all(0 < float(row["circularity"]) <= 1.2 for row in rows)
    assert panel.values_box.currentText() == "Values of marker.npy"
    before = panel._plot
    panel.kind_box.setCurrentIndex(panel.kind_box.findData("circularity"))
    measured.idle()
    assert not np.array_equal(panel._plot.small, before.small)
    assert "marker" in [panel.values_box.itemText(n)[10:] for n in range(panel.values_box.count())]
    measured.viewer.layers.remove(layer)
    assert panel.values_box.findText("Values of marker") == -1
    assert panel.values_box.currentText() == "Values of marker.npy"
    measured.viewer.add_image(np.zeros((3, 9, 9)), name="small")
    panel.values_box.setCurrentIndex(panel.values_box.findText("Values of small"))
    measured.press(panel.measure_button)
    measured.idle()
    assert "measure a recording of the same size" in measured.errors()[-1]
    assert session is measured.session
