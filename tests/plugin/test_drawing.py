"""What happens while a mouse button is down in the canvas."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam2_video.plugin.layers import BEYOND
from napari_sam2_video.types import BoxPrompt, MaskPrompt, ScribblePrompt
from tests.plugin.conftest import N_FRAMES, make_frames, spots

CORNERS = ((12, 12), (20, 20), (26, 28), (26, 14))
TOOLS = {"box": BoxPrompt, "scribble": ScribblePrompt, "lasso": MaskPrompt}


def draw(bench, frame, *places, meanwhile=None):
    bench.drag(*(bench.world(frame, y, x) for y, x in places), meanwhile=meanwhile)


@pytest.mark.parametrize("tool", TOOLS)
def test_what_is_drawn_stays_on_its_frame_where_the_viewer_is_moved_meanwhile(at_work, tool):
    at_work.press(at_work.widget.objects.tools[tool])
    draw(at_work, 0, *CORNERS, meanwhile=lambda: at_work.controller.go_to(3))
    (made,) = at_work.session.prompts(1)
    assert isinstance(made, TOOLS[tool])
    assert (made.frame, at_work.controller.frame) == (0, 0)
    assert at_work.errors() == []


@pytest.mark.parametrize("tool", ["box", "scribble"])
def test_between_two_frames_the_nearest_one_is_drawn_on(bench, tool):
    here = bench(make_frames(), image={"scale": (2, 1, 1), "axis_labels": ("t", "y", "x")})
    here.viewer.add_image(make_frames(16), name="finer")
    here.start()
    here.press(here.widget.objects.tools[tool])
    for step, frame in ((1, 0), (3, 2), (5, 2)):
        here.viewer.dims.set_point(0, step)
        here.spin()
        draw(here, frame, *CORNERS)
        assert [one.frame for one in here.session.prompts(1)] == [frame]
        assert here.viewer.dims.point[0] == 2 * frame
        here.key("Ctrl+Z")
        assert here.session.prompts(1) == ()
    assert here.errors() == []


@pytest.mark.parametrize("tool", TOOLS)
def test_undo_in_the_middle_of_a_drawing_ends_it(at_work, tool):
    at_work.press(at_work.widget.objects.tools["box"])
    draw(at_work, 0, *CORNERS)
    at_work.widget.objects.prompting.arm(tool)
    draw(at_work, 0, (30, 30), (36, 34), (40, 50), meanwhile=lambda: at_work.key("Ctrl+Z"))
    assert at_work.session.prompts(1) == ()
    assert len(at_work.controller.prompts.shapes.data) == 0
    draw(at_work, 0, *CORNERS)
    assert [type(one) for one in at_work.session.prompts(1)] == [TOOLS[tool]]
    assert at_work.errors() == []


def test_a_run_is_not_followed_while_a_mouse_button_is_down(at_work, settings, monkeypatch):
    from qtpy.QtCore import Qt
    from qtpy.QtWidgets import QApplication

    settings.interface.follow_run = True
    at_work.controller._on_frames({3})
    assert at_work.controller.frame == 3
    monkeypatch.setattr(QApplication, "mouseButtons", lambda: Qt.MouseButton.LeftButton)
    at_work.controller._on_frames({5})
    assert at_work.controller.frame == 3


def test_beyond_the_recording_nothing_is_painted_cleared_or_accepted(at_work):
    at_work.click(*spots(0)[0])
    at_work.track()
    at_work.viewer.add_image(make_frames(20), name="longer")
    at_work.press(at_work.widget.objects.tools["paint"])
    at_work.viewer.dims.set_point(0, 15)
    at_work.spin()
    before = np.stack([at_work.session.labels[t] for t in range(N_FRAMES)])
    draw(at_work, 15, *CORNERS)
    assert at_work.errors() == [f"Nothing was painted: {BEYOND}."]
    assert at_work.widget.objects.prompting.armed is None
    actions = at_work.controller.actions
    for act in (
        actions.accept_all, actions.accept_here, actions.unaccept_here, actions.clear_frame,
        actions.copy_from_previous, lambda: actions.mark_absent("here"),
    ):  # fmt: skip
        at_work.told.clear()
        act()
        assert at_work.told == [("info", f"Nothing was changed: {BEYOND}.")]
    assert np.array_equal(np.stack([at_work.session.labels[t] for t in range(N_FRAMES)]), before)
    assert at_work.session.accepted(1) == frozenset()
    assert not at_work.session.masks.painted(1)


def test_a_drag_that_never_ended_keeps_nothing_of_a_closed_session(at_work):
    at_work.press(at_work.widget.objects.tools["box"])
    shapes, points = at_work.controller.prompts.shapes, at_work.controller.prompts.points
    other = at_work.controller.image

    def let_go_elsewhere():
        at_work.viewer.layers.selection.active = other

    draw(at_work, 0, *CORNERS, meanwhile=let_go_elsewhere)
    assert shapes._mouse_drag_gen
    at_work.controller.close_session()
    at_work.idle()
    assert not shapes._mouse_drag_gen
    assert not shapes._persisted_mouse_event
    assert not points._mouse_drag_gen
