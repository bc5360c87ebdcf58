"""The window in which the active object was tracked is shown, and stays out of the way."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.compat import isalive
from qtpy.QtCore import QCoreApplication, QEvent, QTimer

from napari_sam2_video.engine.windows import Window
from napari_sam2_video.errors import SessionError
from tests.fakes import FakeTracker
from tests.plugin.conftest import spots

pytestmark = pytest.mark.drawn


@pytest.fixture
def windowed(at_work, monkeypatch):
    def window_at(self, object_id, frame):
        return Window(10 + frame, -4, 32) if object_id == 1 and frame < 5 else None

    monkeypatch.setattr(FakeTracker, "window_at", window_at, raising=False)
    return at_work


def layer(here):
    here.spin(timeout=5)
    here.idle()
    return here.controller.view.window.layer


def test_the_window_follows_the_frame_and_the_active_object(windowed):
    here = windowed
    here.click(*spots(0)[0])
    here.idle()
    here.track()
    shown = layer(here)
    assert shown in list(here.viewer.layers)
    (corners,) = shown.data
    assert corners[:, 0].tolist() == [0, 0, 0, 0]
    assert (corners[:, -2].min(), corners[:, -2].max()) == (9.5, 41.5)
    assert (corners[:, -1].min(), corners[:, -1].max()) == (-0.5, 27.5)
    here.controller.go_to(3)
    (corners,) = layer(here).data
    assert corners[:, -2].min() == 12.5
    here.controller.go_to(6)
    assert layer(here) is None
    here.controller.go_to(2)
    assert layer(here) is not None
    here.controller.set_active(0)
    assert layer(here) is None


def test_the_window_takes_neither_clicks_nor_the_selection(windowed):
    here = windowed
    here.click(*spots(0)[0])
    here.idle()
    chosen = here.viewer.layers.selection.active
    here.track()
    shown = layer(here)
    assert not shown.editable
    assert here.viewer.layers.selection.active is chosen
    before = np.array(shown.data[0])
    here.click(*spots(0)[1])
    here.idle()
    assert len(here.session.prompts()) == 2
    assert np.array_equal(layer(here).data[0], before)


def test_a_window_that_a_person_removes_comes_back_with_the_next_frame(windowed):
    here = windowed
    here.click(*spots(0)[0])
    here.idle()
    here.track()
    here.viewer.layers.remove(layer(here))
    assert layer(here) is None
    here.controller.go_to(1)
    assert layer(here) is not None
    here.controller.go_to(7)
    here.controller.go_to(1)
    assert len([one for one in here.viewer.layers if one.name == "SAM 2 window"]) == 1


def test_a_session_closes_even_where_qt_has_deleted_what_is_to_stop(windowed):
    here = windowed
    here.click(*spots(0)[0])
    here.idle()
    session, view = here.session, here.controller.view
    for part in (view.window, view.masks, view.prompts, view.summary, here.controller.hover):
        timer = next(one for one in vars(part).values() if isinstance(one, QTimer))
        timer.deleteLater()
        QCoreApplication.sendPostedEvents(timer, QEvent.Type.DeferredDelete)
        assert not isalive(timer)
    here.controller.close(window_gone=True)
    assert here.controller.runner.join(30)
    with pytest.raises(SessionError, match="closed"):
        session.add_object()
