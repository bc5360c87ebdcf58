"""Work that was done before is found again."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QMessageBox

from napari_sam2_video.plugin.recording_layers import known_recording
from napari_sam2_video.plugin.widget import ask_to_continue
from tests.plugin.conftest import N_FRAMES, make_frames, spots


@pytest.fixture
def left(at_work, monkeypatch):
    """A bench whose session was tracked and closed, and where the person is asked."""
    monkeypatch.setattr("napari_sam2_video.plugin.widget.ask_to_continue", ask_to_continue)
    at_work.click(*spots(0)[0])
    at_work.track()
    at_work.settle()
    folder = at_work.session.folder
    at_work.controller.close_session()
    at_work.idle()
    return at_work, folder


def answer(text):
    """Press a button of the question that comes next."""

    def press():
        box = QApplication.activeModalWidget()
        if isinstance(box, QMessageBox):
            next(button for button in box.buttons() if button.text() == text).click()
        else:
            QTimer.singleShot(20, press)

    QTimer.singleShot(20, press)


@pytest.mark.parametrize("choice", ["Continue it", "New session"])
def test_a_recording_that_has_a_session_is_continued_if_the_person_says_so(left, choice):
    here, folder = left
    assert f"1 object, {N_FRAMES} frames tracked, today" in here.widget.recording.found.text()
    answer(choice)
    here.press(here.widget.objects.new_button)
    here.idle()
    assert (here.session.folder == folder) == (choice == "Continue it")
    assert len(here.session.objects) == (2 if choice == "Continue it" else 1)
    assert here.errors() == []


def test_a_session_is_offered_beside_its_recording_and_among_the_recent_ones(left):
    here, folder = left
    here.widget.sections["recording"].set_expanded(True)
    here.press(here.widget.recording.continue_button)
    here.idle()
    assert here.session.folder == folder
    assert here.session.labels[5][tuple(round(at) for at in spots(5)[0])] == 1
    here.controller.close_session()
    here.idle()
    box = here.widget.session.recent_box
    box.setCurrentIndex(1)
    box.activated.emit(1)
    here.idle()
    assert here.session.folder == folder


def test_another_image_has_no_session(left):
    here, _ = left
    here.viewer.layers.clear()
    here.viewer.add_image(make_frames(5), name="spots")
    here.spin()
    assert here.widget.recording.found.text() == ""


def test_the_session_of_a_sample_opens_without_the_sample(bench):
    from napari_sam2_video.plugin.sample_data import cells

    here = bench()
    ((data, arguments, _),) = cells()
    here.viewer.add_image(data, **arguments)
    here.spin()
    here.start()
    folder = here.session.folder
    here.controller.close_session()
    here.viewer.layers.clear()
    here.idle()
    here.widget.open_session(folder)
    here.idle()
    assert here.session.folder == folder
    assert np.array_equal(here.controller.image.data, data)
    assert here.errors() == []


def test_the_session_of_an_array_finds_its_layer_or_asks_for_it(left):
    here, folder = left
    here.viewer.add_image(make_frames(5), name="another")
    here.spin()
    here.widget.open_session(folder)
    here.idle()
    assert here.session.folder == folder
    here.controller.close_session()
    here.idle()
    here.viewer.layers.clear()
    here.widget.open_session(folder)
    here.idle()
    assert here.session is None
    (sentence,) = here.errors()
    assert "made from the layer spots" in sentence
    assert sentence in here.widget.run_bar.error.text()


def test_a_session_that_keeps_a_copy_of_its_data_opens_without_the_layer(at_work):
    at_work.click(*spots(0)[0])
    panel, folder = at_work.widget.session, at_work.session.folder
    at_work.widget.sections["session"].set_expanded(True)
    at_work.press(panel.copy_button)
    at_work.idle()
    assert "keeps a copy" in panel.task.outcome.text()
    assert not panel.copy_button.isVisible()
    at_work.controller.close_session()
    at_work.idle()
    at_work.viewer.layers.clear()
    panel.open(folder)
    at_work.idle()
    assert at_work.errors() == []
    assert np.array_equal(at_work.session.view.raw(5), make_frames()[5])
    at_work.track()
    assert at_work.session.labels[5][tuple(round(at) for at in spots(5)[0])] == 1
    # napari keeps a layer that was removed, and the layer its file
    known_recording(at_work.controller.image).close()
