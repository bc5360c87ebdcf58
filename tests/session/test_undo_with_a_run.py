"""Undo of a change to one object that was made during a run of another: frames share the records of all objects."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam2_video.session import Session
from napari_sam2_video.storage import state as state_module
from napari_sam2_video.storage import tables as tables_module
from napari_sam2_video.types import PointPrompt, TrackSettings
from tests.fakes import fake_factory

CHANGED = range(6, 10)


def masks_of(session, object_id):
    return np.array([session.mask(object_id, frame) for frame in range(12)])


def records_of(session, object_id):
    return [session.masks.stamp(frame, object_id)[0] for frame in range(12)]


def click(session, movie, object_id, shift):
    y, x = movie[1][4, object_id - 1]
    session.add_prompt(PointPrompt(object_id, 4, y + shift, x))


@pytest.mark.parametrize("reopened", ["", "again", "compacted"])
@pytest.mark.parametrize("done", [1, 4, 7])
@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("change", ["delete_masks", "mark_absent"])
def test_undo_of_a_change_during_a_run_touches_no_other_object(
    prompted, recording, movie, monkeypatch, change, together, done, reopened
):
    session = prompted
    if reopened == "compacted":
        monkeypatch.setattr(state_module, "COMPACT_BYTES", 0)
        monkeypatch.setattr(tables_module, "HISTORY_STEPS", 2)
        for shift in (1, 2, 3, 4):
            list(session.track())
            click(session, movie, 1, shift / 4)
            click(session, movie, 2, shift / 4)
    for objects in [None] if together else [(1,), (2,)]:
        list(session.track(TrackSettings(objects=objects)))
    one, two = masks_of(session, 1), masks_of(session, 2)
    click(session, movie, 2, 2)
    run = session.track(TrackSettings(objects=(2,)))
    for _ in range(done):
        next(run)
    getattr(session, change)(1, CHANGED.start, CHANGED.stop)
    list(run)
    new, records = masks_of(session, 2), records_of(session, 2)
    without = one.copy()
    without[CHANGED.start : CHANGED.stop] = False
    assert one.any((1, 2)).all()
    assert not np.array_equal(two, new)
    journal = session.folder / "journal.jsonl"
    shortened = False
    moves = [("", True, True), ("undo", False, True), ("redo", True, True), ("undo", False, True)]
    moves += [("undo", False, False), ("redo", False, True), ("redo", True, True), ("undo", False, True)]
    moves += [("redo", True, True), ("undo", False, True), ("undo", False, False)]
    try:
        for move, changed, tracked in moves:
            if move:
                assert getattr(session, move)()
            if reopened:
                session.close()
                size = journal.stat().st_size
                session = Session.open(session.folder, recording=recording, tracker_factory=fake_factory())
                shortened |= journal.stat().st_size < size
                assert not session.notes
            assert np.array_equal(masks_of(session, 1), without if changed else one)
            assert np.array_equal(masks_of(session, 2), new if tracked else two)
            assert (records_of(session, 2) == records) == tracked
            assert (2 in session.dirty()) != tracked
    finally:
        session.close()
    assert shortened == (reopened == "compacted")


@pytest.mark.parametrize("change", ["delete_masks", "mark_absent"])
def test_a_run_done_again_without_the_change_made_during_it_keeps_the_other_object(prompted, recording, movie, change):
    list(prompted.track())
    one = masks_of(prompted, 1)
    click(prompted, movie, 2, 2)
    run = prompted.track(TrackSettings(objects=(2,)))
    next(run)
    getattr(prompted, change)(1, CHANGED.start, CHANGED.stop)
    list(run)
    new = masks_of(prompted, 2)
    for move in (prompted.undo, prompted.undo, prompted.redo):
        assert move()
    prompted.add_object()
    assert prompted.can_redo is None
    for _ in range(2):
        prompted.close()
        with Session.open(prompted.folder, recording=recording, tracker_factory=fake_factory()) as again:
            assert np.array_equal(masks_of(again, 1), one)
            assert np.array_equal(masks_of(again, 2), new)
            assert not again.notes
