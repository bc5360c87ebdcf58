"""What the widget shows and offers is what is true now."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QComboBox

from napari_sam2_video.types import MaskPrompt
from tests.fakes import FakeTracker
from tests.plugin.conftest import N_FRAMES, spots


@pytest.fixture
def held(at_work, monkeypatch):
    """An event that is clear while previews are held back."""
    free = threading.Event()
    free.set()
    plain = FakeTracker.preview

    def preview(*args, **options):
        assert free.wait(20)
        return plain(*args, **options)

    monkeypatch.setattr(FakeTracker, "preview", preview)
    yield free
    free.set()


def test_no_text_waits_for_a_preview_that_is_not_coming(at_work, held):
    at_work.click(*spots(0)[0])
    at_work.idle()
    held.clear()
    at_work.click(*spots(0)[1])
    assert "Computing" in at_work.widget.objects.here.text()
    at_work.press(at_work.widget.run_bar.track_button)
    held.set()
    at_work.idle()
    assert at_work.widget.objects.here.text() == "Object 1 on frame 0: 2 points."


def test_a_candidate_of_older_prompts_cannot_be_used(at_work, held):
    at_work.click(*spots(0)[0])
    at_work.idle()
    assert "Candidate 1 of" in at_work.widget.objects.here.text()
    held.clear()
    at_work.click(*spots(0)[1])
    assert not at_work.widget.objects.take_button.isEnabled()
    at_work.key("U")
    assert len(at_work.session.prompts()) == 2
    assert not any(isinstance(prompt, MaskPrompt) for prompt in at_work.session.prompts())
    held.set()
    at_work.idle()
    at_work.key("U")
    assert [type(prompt) for prompt in at_work.session.prompts()] == [MaskPrompt]


def answer(how):
    """Close the dialog that comes next; what it showed."""
    shown = []

    def close():
        dialog = QApplication.activeModalWidget()
        if dialog is None:
            QTimer.singleShot(20, close)
            return
        shown.append(dialog.findChild(QComboBox).currentText())
        getattr(dialog, how)()

    QTimer.singleShot(20, close)
    return shown


def test_the_dialog_of_the_mother_opens_at_what_is_true(at_work):
    at_work.key("N")
    at_work.controller.go_to(4)
    at_work.widget.objects.set_parent(1)
    at_work.controller.go_to(6)
    for how in ("accept", "reject"):
        shown = answer(how)
        at_work.press(at_work.widget.objects.parent_button)
        assert shown == ["1 · object 1"]
        assert (at_work.session.object(2).parent, at_work.session.object(2).parent_frame) == (1, 4)


def test_a_refused_stroke_leaves_one_message_and_no_pixel(at_work):
    at_work.click(*spots(0)[0])
    at_work.press(at_work.widget.objects.tools["paint"])
    at_work.session.edit_object(1, locked=True)
    layer = at_work.controller.masks.masks
    at_work.drag(*(at_work.world(0, 50, x) for x in range(10, 40, 4)))
    shown = np.asarray(layer._slice.image.raw)
    assert len(at_work.errors()) == 1
    assert "locked" in at_work.errors()[0]
    assert not shown.any()
    at_work.controller.deliver()
    at_work.press(at_work.widget.objects.tools["paint"])
    assert at_work.widget.objects.prompting.armed is None
    assert "locked" in at_work.told[-1][1]


def test_nothing_is_drawn_on_frames_without_prompts(at_work):
    layer = at_work.controller.prompts.points
    at_work.click(*spots(0)[0])
    assert layer.canvas_size_limits[0] > 0
    at_work.controller.go_to(3)
    at_work.spin()
    assert layer.canvas_size_limits[0] == 0


def test_a_click_sets_the_points_layer_once(at_work):
    layer = at_work.controller.prompts.points
    changes = []
    layer.events.data.connect(lambda event: changes.append(str(event.action)))
    at_work.click(*spots(0)[0])
    at_work.idle()
    assert changes == ["adding", "added"]


def test_prompts_have_the_colour_of_their_object_at_the_rim(at_work):
    at_work.click(*spots(0)[0])
    at_work.key("N")
    at_work.click(*spots(0)[1])
    at_work.session.edit_object(1, color=(10, 200, 30))
    at_work.controller.deliver()
    rims = at_work.controller.prompts.points.border_color[:, :3] * 255
    colors = [entry.color for entry in at_work.session.objects]
    np.testing.assert_allclose(rims, colors, atol=1)


def test_the_preview_shows_what_it_would_add_and_remove(at_work):
    from napari_sam2_video.plugin.preview import ADDED, REMOVED

    at_work.click(*spots(0)[0])
    at_work.track()
    at_work.controller.go_to(4)
    at_work.click(*spots(4)[1])
    at_work.idle()
    drawn = np.asarray(at_work.controller.masks.preview.data[4])
    before, after = (tuple(round(at) for at in spots(4)[n]) for n in (0, 1))
    assert drawn[before] == REMOVED
    assert drawn[after] == ADDED


@pytest.mark.parametrize(("where", "frames"), [("here", {4}), ("on", {4, 5, 6, 7}), ("until", {0, 1, 2, 3, 4})])
def test_an_object_that_is_not_here_stays_away(at_work, where, frames):
    at_work.click(*spots(0)[0])
    at_work.track()
    at_work.controller.go_to(4)
    at_work.spin()
    at_work.press(at_work.widget.objects.prompting.absent_buttons[where])
    at_work.idle()

    def seen():
        return {t for t in range(N_FRAMES) if at_work.session.masks.object_mask(t, 1).any()}

    assert seen() == set(range(N_FRAMES)) - frames
    if where != "until":
        at_work.controller.go_to(1)
        at_work.click(*spots(1)[0])
        at_work.idle()
        at_work.track()
        assert seen() == set(range(N_FRAMES)) - frames
        at_work.key("Ctrl+Z")
        at_work.key("Ctrl+Z")
    at_work.key("Ctrl+Z")
    assert seen() == set(range(N_FRAMES))
    assert at_work.errors() == []


def test_frames_without_a_mask_are_not_accepted(at_work):
    at_work.click(*spots(0)[0])
    at_work.controller.go_to(4)
    at_work.key("W")
    assert at_work.session.accepted(1) == frozenset()
    assert "no mask" in at_work.told[-1][1]
    at_work.track()
    assert len(at_work.session.masks.frames_done(1)) == N_FRAMES


def test_accepting_to_here_leaves_frames_without_a_mask_open(at_work):
    from napari_sam2_video.types import TrackSettings

    at_work.click(*spots(0)[0])
    at_work.controller.actions.track(TrackSettings(stop=3))
    at_work.idle()
    at_work.controller.go_to(5)
    at_work.spin()
    at_work.press(at_work.widget.review.span_button)
    assert at_work.session.accepted(1) == {0, 1, 2}
    assert "3 frames have no mask yet" in at_work.told[-1][1]


@pytest.mark.parametrize("ends", [False, True])
def test_a_daughter_that_was_tracked_both_ways_has_her_mother_in_the_export(at_work, tmp_path, ends):
    from napari_sam2_video.api import export

    at_work.click(*spots(0)[0])
    at_work.key("N")
    at_work.controller.go_to(5)
    at_work.click(*spots(5)[1])
    at_work.track()
    at_work.controller.actions.set_mother(1, ends=ends)
    export(at_work.session, tmp_path / "ctc", format="ctc")
    rows = [row.split() for row in (tmp_path / "ctc" / "res_track.txt").read_text().splitlines()]
    # The format has no mother that stays: what is left of her counts as another daughter.
    assert len(rows) == (2 if ends else 3)
    assert any(row[1:] == ["5", "7", "1"] for row in rows)
    assert at_work.errors() == []


def test_seeding_twice_makes_no_object_twice(at_work):
    labels = np.zeros((64, 80), np.uint8)
    labels[5:15, 5:15], labels[40:50, 40:50] = 1, 2
    layer = at_work.viewer.add_labels(labels, name="found")
    for left_out in (False, True):
        at_work.press(at_work.widget.objects.seeds_button)
        at_work.idle()
        assert len(at_work.session.objects) == 3
        assert ("left out" in at_work.told[-1][1]) == left_out
    assert not layer.visible
