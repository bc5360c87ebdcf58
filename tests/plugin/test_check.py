"""The check in the widget: it runs in the background, changes no mask, and puts what it finds first in the queue."""

import threading

import numpy as np
import pytest

from napari_sam2_video.plugin.tracking import CHECKING
from napari_sam2_video.types import FrameMasks
from tests.fakes import FakeTracker
from tests.plugin.conftest import N_FRAMES, make_frames, spots

SWITCH = 3


@pytest.fixture
def tracked(at_work):
    """A bench with an object that was tracked from frame 0 to the end."""
    at_work.click(20, 20)
    at_work.track()
    at_work.widget.sections["review"].set_expanded(True)
    at_work.settle()
    return at_work


@pytest.fixture
def switched(tracked):
    """The same, but from frame `SWITCH` on the stored masks lie on the other spot."""
    disc = FakeTracker(tracked.session.view)._disc
    for frame in range(SWITCH, N_FRAMES):
        y, x = spots(frame)[1]
        masks = FrameMasks(frame, tracked.session.shape_yx, (disc(1, y, x, 6.0, 0.8),), "forward")
        tracked.session.masks.write(masks, generation=None)
    tracked.controller.view.summary.gather()
    tracked.settle()
    return tracked


def labels(bench):
    return np.stack([bench.session.masks.read_labels(t) for t in range(N_FRAMES)])


def test_the_button_waits_for_something_to_check(at_work):
    at_work.click(20, 20)
    at_work.settle()
    assert not at_work.widget.review.check_button.isEnabled()
    assert "Nothing is tracked yet." in at_work.widget.review.check_button.toolTip()
    at_work.track()
    at_work.settle()
    assert at_work.widget.review.check_button.isEnabled()


def test_a_check_runs_in_the_background_and_changes_no_mask(tracked, monkeypatch):
    before, frame, undo = labels(tracked), tracked.controller.frame, tracked.session.can_undo
    threads = []
    check = type(tracked.session).check

    def recorded(*arguments, **options):
        threads.append(threading.current_thread())
        return check(*arguments, **options)

    monkeypatch.setattr(type(tracked.session), "check", recorded)
    tracked.press(tracked.widget.review.check_button)
    tracked.idle()
    assert tracked.errors() == []
    assert threads
    assert threading.main_thread() not in threads
    assert np.array_equal(labels(tracked), before)
    assert tracked.controller.frame == frame
    assert tracked.session.can_undo == undo
    assert np.isfinite(tracked.session.scores(1)["disagreement"]).sum() == N_FRAMES - 2
    assert tracked.widget.run_bar.outcome == f"{N_FRAMES - 1} frames checked."
    tracked.settle()
    assert tracked.widget.review.why.text().startswith("Checked: ")


def test_what_the_check_finds_comes_first_in_the_queue(switched):
    def wrong():
        return [item for item in switched.controller.summary.queue if item.frame > SWITCH]

    panel = switched.widget.review
    assert wrong() == []
    switched.press(panel.check_button)
    switched.idle()
    switched.settle()
    queue = switched.controller.summary.queue
    assert panel.why.text() == f"Checked: {len(queue)} places to look at."
    assert queue[0].frame >= SWITCH
    assert [item.reason for item in wrong()] == ["tracking back leads elsewhere"] * len(wrong())
    assert wrong()
    switched.press(panel.next_button)
    assert switched.controller.frame == queue[0].frame


def test_stop_ends_a_check_and_keeps_what_was_compared(tracked):
    tracked.gate.hold(3)
    tracked.press(tracked.widget.review.check_button)
    run = tracked.controller.run
    tracked.spin(lambda: run.progress.done == 3)
    assert run.doing == CHECKING
    assert not tracked.widget.review.check_button.isEnabled()
    assert "Stop the run first." in tracked.widget.review.check_button.toolTip()
    assert not tracked.widget.run_bar.track_button.isVisible()
    tracked.press(tracked.widget.run_bar.stop_button)
    tracked.idle()
    tracked.gate.release()
    assert tracked.errors() == []
    assert tracked.widget.run_bar.outcome == f"Stopped after {run.progress.done} frames; they are kept."
    assert tracked.widget.run_bar.track_button.text() == "Track"
    known = np.isfinite(tracked.session.scores(1)["disagreement"]).sum()
    assert 0 < known < N_FRAMES - 2
    tracked.settle()
    assert tracked.widget.review.check_button.isEnabled()


def test_closing_in_a_check_leaves_a_session_that_opens(bench):
    from napari_sam2_video.frames.open import open_recording
    from napari_sam2_video.session import Session
    from tests.fakes import fake_factory

    here = bench(make_frames(), image={"name": "spots"})
    here.start()
    here.click(20, 20)
    here.track()
    here.settle()
    folder = here.session.folder
    here.gate.hold(2)
    here.press(here.widget.review.check_button)
    here.spin(lambda: here.controller.run.progress.done == 2)
    here.widget.close_down()
    assert here.controller.runner.join()
    with (
        open_recording(make_frames(), axes="TYX", name="spots") as recording,
        Session.open(folder, recording=recording, read_only=True, tracker_factory=fake_factory()) as session,
    ):
        assert session.notes == tuple(recording.notes)
        assert len(session.masks.frames_done(1)) == N_FRAMES


def test_a_script_checks_in_the_viewer(tracked):
    handle = tracked.widget.handle
    handle.check()
    assert handle.running
    handle.wait(60)
    assert np.isfinite(handle.session.scores(1)["disagreement"]).sum() == N_FRAMES - 2


def test_a_check_that_fails_is_reported_in_one_sentence(tracked):
    tracked.tracker.fail_at = {4: ZeroDivisionError("odd")}
    tracked.press(tracked.widget.review.check_button)
    tracked.idle()
    assert len(tracked.errors()) == 1
    assert tracked.errors()[0].startswith("Checking failed after frame 5")
    assert not tracked.session.running
