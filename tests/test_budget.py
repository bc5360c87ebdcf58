from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_sam2_video.budget import measure_budget
from napari_sam2_video.errors import PromptError
from napari_sam2_video.frames.open import open_recording
from napari_sam2_video.session import Session
from napari_sam2_video.types import BoxPrompt, ModelSettings, PointPrompt, TrackSettings


@pytest.fixture
def session(tmp_path):
    frames = np.full((12, 48, 64), 20, np.uint8)
    frames[:, 10:26, 20:40] = 200
    recording = open_recording(frames, axes="TYX", name="square")
    with Session.create(tmp_path / "s.sam2v", recording, model=ModelSettings("demo", "cpu", image_size=64)) as made:
        yield made


def test_a_run_is_reckoned_from_a_measured_frame_and_nothing_is_kept(session):
    first = session.add_object()
    session.add_prompt(PointPrompt(first, 0, 18, 30))
    one = measure_budget(session)
    assert (one.frames, one.steps) == (12, 12)
    assert one.seconds > 0
    assert one.memory_bytes > 0
    assert "12 frames" in one.sentence()
    assert len(session.masks.frames_done(first)) == 0
    assert not session.tracker.memory.entries(first)
    second = session.add_object()
    session.add_prompt(PointPrompt(second, 6, 18, 30))
    two = measure_budget(session)
    assert two.frames == 12
    assert two.steps > one.steps


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="getrusage is all that this system has")
def test_the_memory_of_the_process_that_started_this_one_does_not_count(session, monkeypatch):
    import resource
    from types import SimpleNamespace

    session.add_prompt(PointPrompt(session.add_object(), 0, 18, 30))
    monkeypatch.setattr(resource, "getrusage", lambda who: SimpleNamespace(ru_maxrss=1 << 40))
    assert measure_budget(session).memory_bytes < 1 << 40


def test_many_windows_are_reckoned_and_wider_ones_suggested(tmp_path):
    yy, xx = np.mgrid[:240, :240]
    frame = np.where(np.hypot(yy % 12 - 6, xx % 12 - 6) < 3.5, 200, 20).astype(np.uint8)
    recording = open_recording(np.stack([frame] * 12), axes="TYX", name="field")
    model = ModelSettings("demo", "cpu", image_size=64)
    with Session.create(tmp_path / "s.sam2v", recording, model=model) as session:
        for row in range(6, 120, 12):
            for column in range(6, 120, 12):
                session.add_prompt(BoxPrompt(session.add_object(), 0, row - 3, column - 3, row + 3, column + 3))
        found = measure_budget(session)
        assert (found.costs.wide_side, found.costs.wide_views, found.costs.views) == (48, 25, 49)
        assert "With windows of 48 pixels, 25 per frame instead of 49 would save" in found.sentence()
        first = min(entry.id for entry in session.objects)
        alone = measure_budget(session, TrackSettings(objects=(first,)))
        assert alone.costs.views == 1
        assert "would save" not in alone.sentence()


def test_without_a_prompt_there_is_nothing_to_measure(session):
    with pytest.raises(PromptError, match="measured"):
        measure_budget(session)
