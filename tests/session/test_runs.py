from __future__ import annotations

import threading

import numpy as np
import pytest

from napari_sam2_video.errors import DeviceMemoryError, EngineError, FrameError, PromptError, SessionError
from napari_sam2_video.masks.clean import CleanSettings
from napari_sam2_video.session import Session
from napari_sam2_video.types import FrameMasks, ModelSettings, ObjectMask, PointPrompt, TrackSettings
from tests.fakes import fake_factory


def after(count):
    """A stop that says so after `count` frames."""
    asked = iter(range(count))
    return lambda: next(asked, None) is None


def labels(session):
    return np.asarray(session.labels)


def test_every_frame_is_announced_once_and_is_then_in_the_masks(prompted):
    said = []
    for done in prompted.track():
        said.append(done)
        for object_id in done.objects:
            assert prompted.masks.object_mask(done.frame, object_id).any()
    assert [d.frame for d in said] == [*range(4, 12), *range(3, -1, -1)]
    assert [d.done for d in said] == list(range(1, 13))
    assert {d.total for d in said} == {12}
    assert prompted.dirty() == ()
    assert not prompted.unfinished


def test_nothing_to_track_is_reported(session):
    with pytest.raises(PromptError, match="nothing to track yet"):
        list(session.track())
    session.add_object()
    with pytest.raises(PromptError, match="nothing to track yet"):
        list(session.track())
    session.add_prompt(PointPrompt(1, 4, 10, 10))
    list(session.track())
    with pytest.raises(PromptError, match="no prompt has changed"):
        list(session.track())
    assert not session.running


def test_only_the_object_that_changed_is_computed(prompted, factory):
    list(prompted.track())
    before = labels(prompted)
    factory.made[0].computed.clear()
    prompted.add_prompt(PointPrompt(2, 9, 30, 30))
    assert prompted.dirty() == (2,)
    list(prompted.track())
    assert {o for o, _, _ in factory.made[0].computed} == {2}
    assert factory.made[0].conditioned[-1] == (2, 9)
    assert np.array_equal(labels(prompted)[:4] == 1, before[:4] == 1)


def test_a_stopped_run_resumed_equals_one_that_was_not_stopped(prompted, recording, tmp_path, movie):
    with Session.create(tmp_path / "whole.sam2v", recording, tracker_factory=fake_factory()) as whole:
        for prompt in prompted.prompts():
            if prompt.object_id not in [o.id for o in whole.objects]:
                whole.add_object()
            whole.add_prompt(prompt)
        list(whole.track())
        for count in range(12):
            path = tmp_path / f"{count}.sam2v"
            with Session.create(path, recording, tracker_factory=fake_factory()) as cut:
                for prompt in prompted.prompts():
                    if prompt.object_id not in [o.id for o in cut.objects]:
                        cut.add_object()
                    cut.add_prompt(prompt)
                run = cut.track()
                for _ in range(count):
                    next(run)
                run.close()
                assert cut.unfinished == (count > 0)
                if not count:
                    continue
            with Session.open(path, recording=recording, tracker_factory=fake_factory()) as again:
                assert again.unfinished
                rest = list(again.resume())
                assert [d.done for d in rest] == list(range(count + 1, 13))
                assert np.array_equal(labels(again), labels(whole))
                for object_id in (1, 2):
                    for name, column in whole.scores(object_id).items():
                        assert np.array_equal(again.scores(object_id)[name], column, equal_nan=column.dtype.kind == "f")
                assert not again.unfinished
                assert again.dirty() == ()


def test_stop_keeps_what_is_done_and_leaves_the_rest_to_resume(prompted):
    done = list(prompted.track(stop=after(8)))
    assert prompted.unfinished
    assert 0 < len(done) < 12
    prompted.undo()
    with pytest.raises(SessionError, match="no unfinished"):
        list(prompted.resume())
    assert not labels(prompted).any()
    prompted.redo()
    assert prompted.unfinished
    list(prompted.resume())
    assert (labels(prompted) == 1).any(axis=(1, 2)).all()


def test_a_run_whose_prompts_changed_is_not_resumed(prompted):
    list(prompted.track(stop=after(6)))
    prompted.add_prompt(PointPrompt(1, 4, 12, 12))
    with pytest.raises(SessionError, match="changed since"):
        list(prompted.resume())
    list(prompted.track())
    assert not prompted.unfinished


def test_accepted_frames_stay_as_they_are(prompted):
    list(prompted.track())
    prompted.accept(1, 6, 9)
    before = [prompted.masks.object_mask(f, 1) for f in range(6, 9)]
    prompted.set_prompts(1, 4, [PointPrompt(1, 4, 40, 50)])
    list(prompted.track())
    for mask, frame in zip(before, range(6, 9), strict=True):
        assert np.array_equal(prompted.masks.object_mask(frame, 1), mask)
    prompted.unaccept(1, 6, 9)
    assert prompted.accepted(1) == frozenset()


def test_a_correction_of_an_accepted_frame_counts_once_acceptance_is_taken_back(prompted, movie):
    list(prompted.track())
    prompted.accept(1, 7, 9)
    accepted = prompted.masks.object_mask(7, 1)
    prompted.add_prompt(PointPrompt(1, 7, *movie[1][7, 1]))
    list(prompted.track())
    assert np.array_equal(prompted.masks.object_mask(7, 1), accepted)
    assert prompted.dirty() == ()
    prompted.unaccept(1, 8, 9)
    assert prompted.dirty() == ()
    prompted.unaccept(1, 7, 8)
    assert prompted.dirty() == (1,)
    prompted.undo()
    assert prompted.dirty() == ()
    prompted.redo()
    list(prompted.track())
    assert not np.array_equal(prompted.masks.object_mask(7, 1), accepted)
    assert prompted.dirty() == ()


def test_fault_39_painting_during_a_run_wins(prompted):
    painted = np.zeros(prompted.shape_yx, bool)
    painted[5:40, 5:20] = True
    for done in prompted.track():
        if done.frame == 5:
            prompted.paint(8, (5, 5), np.full((35, 15), 2))
    now = prompted.labels[8]
    assert (now[painted] == 2).all()
    assert prompted.masks.object_levels(8, 1) is not None
    assert prompted.dirty() == (1, 2) or prompted.dirty() == (2,)


def test_a_painted_frame_becomes_a_prompt_and_stays(prompted, factory):
    list(prompted.track())
    disc = np.hypot(*(np.mgrid[:48, :64] - 30)) < 5
    prompted.paint(8, (0, 0), np.full((48, 64), 1), disc)
    assert 1 in prompted.dirty()
    assert 8 in prompted.state(1).prompted
    mask = prompted.masks.object_mask(8, 1)
    list(prompted.track())
    assert (1, 8) in factory.made[0].conditioned
    assert np.array_equal(prompted.masks.object_mask(8, 1), mask)
    assert prompted.dirty() == ()
    prompted.clear_paint(8)
    assert 1 in prompted.dirty()
    list(prompted.track())
    assert prompted.dirty() == ()


def test_an_undone_stroke_is_a_change(prompted):
    prompted.paint(7, (0, 0), np.full((4, 4), 1))
    list(prompted.track())
    prompted.paint(7, (2, 2), np.full((4, 4), 1))
    list(prompted.track())
    assert prompted.dirty() == ()
    before = prompted.masks.object_mask(7, 1)
    assert prompted.undo()
    assert prompted.undo()
    assert not np.array_equal(prompted.masks.object_mask(7, 1), before)
    prompted.clear_paint(7)
    assert prompted.dirty() == (1,)
    list(prompted.track())
    assert prompted.dirty() == ()


def test_an_undone_stroke_that_no_run_knew_of_is_no_change(prompted):
    prompted.paint(7, (0, 0), np.full((4, 4), 1))
    list(prompted.track())
    before = prompted.masks.object_mask(7, 1)
    prompted.paint(7, (6, 6), np.full((4, 4), 1))
    assert prompted.dirty() == (1,)
    assert prompted.undo()
    assert np.array_equal(prompted.masks.object_mask(7, 1), before)
    assert prompted.dirty() == ()


def test_an_object_erased_from_a_frame_is_not_prompted_there(prompted):
    list(prompted.track())
    prompted.paint(8, (0, 0), np.zeros(prompted.shape_yx, int))
    assert 8 not in prompted.state(1).prompted
    assert 8 in prompted.state(1).fences
    assert prompted.dirty() == ()


def test_removing_a_prompt_is_a_change(prompted):
    prompted.add_prompt(PointPrompt(1, 9, 40, 10))
    list(prompted.track())
    with_click = labels(prompted)
    prompted.set_prompts(1, 9, [])
    assert prompted.dirty() == (1,)
    list(prompted.track())
    assert prompted.dirty() == ()
    assert not np.array_equal(labels(prompted)[9], with_click[9])


def test_undo_of_a_run_brings_back_masks_scores_and_what_is_to_do(prompted):
    list(prompted.track())
    first, scores = labels(prompted), prompted.scores(2)
    prompted.add_prompt(PointPrompt(2, 9, 40, 10))
    list(prompted.track())
    second = labels(prompted)
    assert prompted.undo() == "track object 2"
    assert np.array_equal(labels(prompted), first)
    for name, column in scores.items():
        assert np.array_equal(prompted.scores(2)[name], column, equal_nan=column.dtype.kind == "f")
    assert prompted.dirty() == (2,)
    assert prompted.redo() == "track object 2"
    assert np.array_equal(labels(prompted), second)
    assert prompted.dirty() == ()


def test_every_undone_step_is_announced_even_that_of_a_run_that_was_stopped_at_once(prompted):
    assert list(prompted.track(stop=lambda: True)) == []
    said = []
    prompted.events.connect(lambda info: said.append((info.signal.name, prompted.can_redo)))
    name = prompted.undo()
    assert name is not None
    assert name.startswith("track")
    assert said
    assert {redo for _, redo in said} == {name}


def test_a_correction_after_an_undone_one_knows_nothing_of_it(prompted, recording, tmp_path):
    list(prompted.track())
    prompted.add_prompt(PointPrompt(2, 9, 40, 10))
    list(prompted.track())
    prompted.undo()
    prompted.undo()
    prompted.add_prompt(PointPrompt(2, 7, 20, 20))
    list(prompted.track())
    assert sorted(prompted.tracker.memory.entries(2)) == [4, 7]
    with Session.create(tmp_path / "straight.sam2v", recording, tracker_factory=fake_factory()) as straight:
        for object_id in (1, 2):
            straight.add_object()
            straight.set_prompts(object_id, 4, prompted.prompts(object_id, 4))
        list(straight.track())
        straight.add_prompt(PointPrompt(2, 7, 20, 20))
        list(straight.track())
        assert np.array_equal(labels(straight), labels(prompted))


def test_another_model_makes_everything_new(prompted, factory):
    list(prompted.track())
    prompted.set_model(ModelSettings("tiny"))
    assert prompted.dirty() == (1, 2)
    list(prompted.track())
    assert len(factory.made) == 2
    assert factory.made[1].conditioned == [(1, 4), (2, 4)]
    assert prompted.dirty() == ()


def test_a_locked_object_is_not_tracked(prompted, factory):
    prompted.edit_object(1, locked=True)
    list(prompted.track())
    assert {o for o, _, _ in factory.made[0].computed} == {2}
    with pytest.raises(SessionError, match="locked"):
        list(prompted.track(TrackSettings(objects=(1,))))


def test_a_range_leaves_changes_outside_it_to_do(prompted):
    list(prompted.track())
    prompted.add_prompt(PointPrompt(1, 1, 10, 10))
    prompted.add_prompt(PointPrompt(1, 10, 10, 10))
    list(prompted.track(TrackSettings(start=0, stop=3)))
    assert prompted.state(1).dirty == {10}


def test_fault_41_a_lost_object_has_an_empty_mask_and_says_so(tmp_path, recording, quick_disk):
    factory = fake_factory(lost={(1, 6)})
    with Session.create(tmp_path / "a.sam2v", recording, tracker_factory=factory) as session:
        session.add_object()
        session.add_prompt(PointPrompt(1, 4, 14, 12))
        list(session.track())
        scores = session.scores(1)
        row = int(np.flatnonzero(scores["frame"] == 6)[0])
        assert scores["area"][row] == 0
        assert scores["object_score"][row] < 0
        assert np.isnan(scores["y"][row])
        assert 6 in session.masks.frames_done(1)


def test_fault_45_a_second_run_is_refused(prompted):
    run = prompted.track()
    next(run)
    for other in (prompted.track, prompted.resume):
        with pytest.raises(SessionError, match="under way"):
            next(other())
    for change in (prompted.undo, prompted.redo, lambda: prompted.set_model(ModelSettings("tiny"))):
        with pytest.raises(SessionError, match="under way"):
            change()
    with pytest.raises(SessionError, match="being tracked"):
        prompted.remove_object(1)
    assert len(list(run)) == 11
    assert not prompted.running


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (RuntimeError("cublas fell over"), EngineError),
        (MemoryError(), DeviceMemoryError),
        (ValueError("odd"), EngineError),
        (FrameError("Frame 7 of blobs cannot be read."), FrameError),
        (DeviceMemoryError("The GPU is too small."), DeviceMemoryError),
    ],
)
def test_a_failure_is_one_sentence_and_the_frames_done_are_kept(tmp_path, recording, quick_disk, raised, expected):
    factory = fake_factory(fail_at={7: raised})
    with Session.create(tmp_path / "a.sam2v", recording, tracker_factory=factory) as session:
        session.add_object()
        session.add_prompt(PointPrompt(1, 4, 14, 12))
        with pytest.raises(expected) as error:
            list(session.track())
        assert "\n" not in str(error.value)
        assert list(session.masks.frames_done(1)) == [4, 5, 6]
        assert session.unfinished
        assert factory.made[0].open_runs == 0
        factory.made[0].fail_at.clear()
        assert [d.frame for d in session.resume()] == [7, 8, 9, 10, 11, 3, 2, 1, 0]


def test_fault_38_a_closed_run_leaves_nothing_open(prompted, factory):
    threads = threading.active_count()
    run = prompted.track()
    next(run)
    run.close()
    assert factory.made[0].open_runs == 0
    assert not prompted.running
    assert prompted.unfinished
    assert threading.active_count() == threads


def test_a_preview_keeps_nothing(prompted):
    before = (labels(prompted), prompted.can_undo, prompted.tracker.memory.entries(1))
    preview = prompted.preview(1, 4)
    assert len(preview.candidates) == 3
    prompted.preview(1, 2, [PointPrompt(1, 2, 5, 5)])
    assert np.array_equal(labels(prompted), before[0])
    assert (prompted.can_undo, prompted.tracker.memory.entries(1)) == before[1:]
    with pytest.raises(PromptError, match="no prompt"):
        prompted.preview(1, 3)


def test_unfinished_runs_and_history_survive_reopening(prompted, recording, tmp_path):
    list(prompted.track(stop=after(7)))
    prompted.paint(2, (0, 0), np.ones((2, 2), int))
    before = (labels(prompted), prompted.can_undo)
    prompted.close()
    with Session.open(tmp_path / "run.sam2v", recording=recording, tracker_factory=fake_factory()) as again:
        assert not again.unfinished
        assert np.array_equal(labels(again), before[0])
        assert again.can_undo == before[1]
        again.undo()
        assert again.unfinished
        list(again.resume())
        assert again.undo() == "track 2 objects"
        assert not labels(again).any()


def test_fault_42_many_objects_widen_the_labels_first(session):
    seeds = np.zeros(session.shape_yx, np.uint16)
    seeds.flat[np.arange(300) * 10] = np.arange(1, 301)
    ids = session.add_seeds(seeds, 0)
    assert len(ids) == 300
    list(session.track(TrackSettings(start=0, stop=2)))
    assert session.labels.dtype == np.uint16
    assert session.labels[0].max() == 300


def test_cleaning_up_is_one_step_and_leaves_painted_and_accepted_frames(prompted):
    list(prompted.track())
    for frame in (5, 6, 7):
        mask = prompted.masks.object_levels(frame, 1)
        levels = mask.levels.copy()
        levels[levels.shape[0] // 2, levels.shape[1] // 2] = 0
        holed = ObjectMask(1, mask.origin_yx, levels, 4.0, 0.5)
        prompted.masks.write(FrameMasks(frame, prompted.shape_yx, (holed,)))
    place = prompted.masks.object_levels(6, 1).origin_yx
    prompted.paint(6, place, np.zeros((1, 1), int))
    prompted.accept(1, 7, 8)
    before = labels(prompted)
    assert prompted.clean_up(CleanSettings(fill_holes=True), [1]) == 1
    now = labels(prompted)
    assert (now[5] != before[5]).sum() == 1
    rest = [f for f in range(12) if f != 5]
    assert np.array_equal(now[rest], before[rest])
    assert prompted.masks.object_levels(5, 1).predicted_iou == 0.5
    assert prompted.provenance()["cleaned_up"][0]["settings"]["fill_holes"]
    assert prompted.undo() == "clean up masks"
    assert np.array_equal(labels(prompted), before)
    assert prompted.clean_up(CleanSettings(fill_holes=True), [2]) == 0
    assert prompted.can_redo == "clean up masks"


def test_what_is_settled_while_masks_are_cleaned_up_stays_as_it_is(prompted, monkeypatch):
    list(prompted.track())
    ring = np.full((5, 5), 9, np.uint8)
    ring[2, 2] = 0
    for frame in (2, 5, 7, 9):
        prompted.masks.write(FrameMasks(frame, prompted.shape_yx, (ObjectMask(1, (1, 1), ring),)))
    plain = prompted.masks.write

    def settled_meanwhile(masks, **kwargs):
        plain(masks, **kwargs)
        if masks.frame == 2:
            prompted.accept(1, 5, 6)
            prompted.paint(7, (30, 30), np.full((2, 2), 1))

    monkeypatch.setattr(prompted.masks, "write", settled_meanwhile)
    assert prompted.clean_up(CleanSettings(fill_holes=True), [1]) == 2
    filled = [bool(prompted.masks.object_mask(frame, 1)[3, 3]) for frame in (2, 5, 7, 9)]
    assert filled == [True, False, False, True]


def test_paint_that_is_cleared_while_it_is_looked_up_is_none(prompted, monkeypatch):
    list(prompted.track())
    prompted.paint(7, (0, 0), np.full((3, 3), 1))
    plain = prompted.masks.painted

    def painted(object_id=None):
        frames = plain(object_id)
        prompted.masks.clear_paint(7)
        return frames

    monkeypatch.setattr(prompted.masks, "painted", painted)
    assert prompted.dirty() == ()
