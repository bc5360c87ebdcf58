from __future__ import annotations

import numpy as np
import pytest

from napari_sam2_video.errors import EngineError, SessionError
from napari_sam2_video.frames.open import open_recording
from napari_sam2_video.plugin.scripting import add_to_viewer
from napari_sam2_video.session import Session
from napari_sam2_video.types import PointPrompt, TrackSettings
from tests.fakes import FakeTracker
from tests.plugin.conftest import N_FRAMES, make_frames, spots


def test_a_script_prompts_starts_waits_and_reads(bench):
    here = bench(make_frames())
    handle = here.widget.handle
    cell = handle.new_object("cell")
    handle.add_point(cell, 0, *spots(0)[0])
    handle.start()
    assert handle.running
    handle.wait(60)
    assert handle.masks[3].max() == cell
    mask = np.zeros((64, 80), bool)
    mask[40:48, 56:64] = True
    other = handle.new_object()
    handle.add_mask(other, 0, mask)
    handle.add_box(other, 1, (38, 54, 48, 64))
    handle.start(TrackSettings(direction="forward"))
    handle.wait(60)
    assert list(handle.session.masks.frames_done(other)) == list(range(N_FRAMES))
    assert len(here.controller.prompts.shapes.data) == 1


def test_a_failure_reaches_the_script(bench):
    here = bench(make_frames(), fail_at={2: RuntimeError("broken")})
    handle = here.widget.handle
    handle.add_point(handle.new_object(), 0, 20, 20)
    handle.start()
    with pytest.raises(EngineError, match="broken"):
        handle.wait(60)


def test_no_recording_is_one_sentence(bench):
    with pytest.raises(SessionError, match="open an image"):
        bench().widget.handle.new_object()


def test_a_headless_session_opens_ready_to_correct(bench, tmp_path):
    here = bench()
    recording = open_recording(make_frames(), axes="TYX", name="spots")
    session = Session.create(
        tmp_path / "run.sam2v", recording, tracker_factory=lambda _, view, memory: FakeTracker(view, memory)
    )
    cell = session.add_object("cell")
    session.add_prompt(PointPrompt(cell, 0, *spots(0)[0]))
    for _ in session.track():
        pass
    handle = add_to_viewer(session, here.viewer)
    here.spin()
    assert handle.session is session
    assert here.controller.active == cell
    assert np.asarray(here.controller.masks.masks.data[4]).any()
    here.controller.go_to(4)
    here.spin()
    here.press(here.widget.objects.tools["point"])
    here.click(*spots(4)[0])
    here.track()
    assert {p.frame for p in session.prompts(cell)} == {0, 4}


def test_keys_are_given_back_when_the_widget_closes(bench):
    here = bench(make_frames())
    viewer, calls = here.viewer, []
    here.widget.close_down()
    here.controller.runner.join()
    viewer.bind_key("n", lambda _: calls.append("n"), overwrite=True)
    here.viewer.window.remove_dock_widget(here.widget)
    _, widget = viewer.window.add_plugin_dock_widget("napari-sam2-video")
    here.widget = widget
    here.spin()
    here.key("J")
    widget.close_down()
    here.key("N")
    assert calls == ["n"]
    here.key("G")
    assert calls == ["n"]
