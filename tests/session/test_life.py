"""Objects are merged, split, renumbered, swapped, deleted and copied, each as one step that can be undone."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam2_video.errors import Sam2VideoError
from napari_sam2_video.session import Session
from napari_sam2_video.types import BoxPrompt, MaskPrompt, PointPrompt, TrackSettings


@pytest.fixture
def tracked(prompted):
    list(prompted.track())
    return prompted


def seen(session):
    """Everything a person sees of a session."""
    ids = [one.id for one in session.objects]
    scores = {i: {name: np.nan_to_num(v).tolist() for name, v in session.scores(i).items()} for i in ids}
    return (
        session.objects,
        session.prompts(),
        {i: session.accepted(i) for i in ids},
        scores,
        np.asarray(session.labels).tolist(),
        session.dirty(),
    )


def masks_of(session, object_id):
    return np.stack([session.mask(object_id, frame) for frame in range(session.n_frames)])


def two_blobs(session, movie):
    """A session whose object 3 has both blobs of each frame."""
    session.add_object(object_id=3)
    for frame in range(session.n_frames):
        (y0, x0), (y1, x1) = movie[1][frame].astype(int)
        mask = np.zeros(session.shape_yx, int)
        mask[y0 - 3 : y0 + 4, x0 - 3 : x0 + 4] = 3
        mask[y1 - 2 : y1 + 3, x1 - 2 : x1 + 3] = 3
        session.paint(frame, (0, 0), mask, mask > 0)


EDITS = {
    "merge": lambda s: s.merge_objects(1, 2),
    "split": lambda s: s.split_object(1, 6, [(0, 0), s.shape_yx]) and None,
    "renumber": lambda s: s.renumber_object(1, 9),
    "swap": lambda s: s.swap_objects(1, 2, 5),
    "swap of some frames": lambda s: s.swap_objects(1, 2, 5, 8),
    "delete": lambda s: s.delete_masks(1, 3, 7),
    "copy": lambda s: s.copy_mask(1, 6),
}


def cut_line(session, frame, object_id=1):
    """A line down the middle of a mask."""
    rows, columns = np.nonzero(session.mask(object_id, frame))
    middle = int(np.median(columns))
    return [(rows.min() - 1, middle), (rows.max() + 1, middle)]


@pytest.mark.parametrize("kind", EDITS)
def test_an_edit_is_one_step_that_undo_takes_back_and_a_reopened_session_keeps(kind, tracked, recording, factory):
    tracked.paint(5, (0, 0), np.full((3, 3), 2))
    tracked.paint(7, (8, 8), np.full((2, 2), 1))
    tracked.accept(2, 8, 10)
    before, step = seen(tracked), tracked.can_undo
    if kind == "split":
        tracked.split_object(1, 6, cut_line(tracked, 6))
    else:
        EDITS[kind](tracked)
    after = seen(tracked)
    assert after != before
    name = tracked.can_undo
    assert name.startswith(kind.split()[0])
    assert tracked.undo() == name
    assert seen(tracked) == before
    assert tracked.can_undo == step
    assert tracked.redo() == name
    assert seen(tracked) == after
    folder = tracked.folder
    tracked.close()
    with Session.open(folder, recording=recording, tracker_factory=factory) as again:
        assert seen(again) == after
        assert again.notes == ()
        again.undo()
        assert seen(again) == before


def test_a_merged_object_has_the_pixels_of_both_and_needs_no_run(tracked):
    union = masks_of(tracked, 1) | masks_of(tracked, 2)
    tracked.merge_objects(1, 2)
    assert [one.id for one in tracked.objects] == [1]
    assert np.array_equal(masks_of(tracked, 1), union)
    assert np.array_equal(tracked.labels == 1, union)
    (prompt,) = tracked.prompts(1)
    assert prompt == MaskPrompt(1, 4, union[4])
    assert tracked.dirty() == ()
    with pytest.raises(Sam2VideoError, match="no prompt has changed"):
        list(tracked.track())


def test_fragments_of_one_track_keep_their_prompts_where_they_are_merged(session, movie):
    session.add_object()
    session.add_object()
    first, second = PointPrompt(1, 2, *movie[1][2, 0]), PointPrompt(2, 9, *movie[1][9, 0])
    session.add_prompt(first)
    session.add_prompt(second)
    list(session.track(TrackSettings(start=0, stop=5, objects=(1,))))
    list(session.track(TrackSettings(start=7, stop=12, objects=(2,))))
    session.merge_objects(1, 2)
    assert session.prompts() == (first, PointPrompt(1, 9, second.y, second.x))
    assert session.scores(1)["frame"].tolist() == [0, 1, 2, 3, 4, 7, 8, 9, 10, 11]
    list(session.track())
    assert session.scores(1)["frame"].tolist() == list(range(12))


def test_a_merged_object_that_was_not_tracked_is_tracked_by_the_next_run(prompted):
    places = {(p.y, p.x) for p in prompted.prompts()}
    prompted.merge_objects(2, 1)
    assert {(p.y, p.x) for p in prompted.prompts(2)} == places
    assert prompted.dirty() == (2,)
    list(prompted.track())
    assert prompted.scores(2)["frame"].tolist() == list(range(12))


def test_daughters_go_to_the_object_that_their_parent_is_merged_into(tracked):
    for parent in (1, 2):
        daughter = tracked.add_object()
        tracked.edit_object(daughter, parent=parent, parent_frame=6)
    tracked.merge_objects(1, 2)
    assert [(one.id, one.parent) for one in tracked.objects] == [(1, None), (3, 1), (4, 1)]
    tracked.merge_objects(3, 1)
    assert [(one.id, one.parent) for one in tracked.objects] == [(3, None), (4, 3)]


def test_swapped_objects_change_places_from_a_frame_on(tracked):
    first, second = masks_of(tracked, 1), masks_of(tracked, 2)
    names = [one.name for one in tracked.objects]
    tracked.swap_objects(1, 2, 6)
    assert np.array_equal(masks_of(tracked, 1), np.concatenate([first[:6], second[6:]]))
    assert np.array_equal(masks_of(tracked, 2), np.concatenate([second[:6], first[6:]]))
    assert [one.name for one in tracked.objects] == names
    assert {(p.object_id, p.frame) for p in tracked.prompts()} == {(1, 4), (2, 4)}
    assert tracked.dirty() == ()


def test_prompts_paint_and_acceptance_are_swapped_too(tracked, movie):
    correction = PointPrompt(1, 8, *movie[1][8, 0])
    tracked.add_prompt(correction)
    list(tracked.track())
    tracked.paint(9, (0, 0), np.full((3, 3), 2))
    tracked.accept(1, 10, 12)
    tracked.swap_objects(1, 2, 7)
    assert tracked.prompts(2, 8) == (PointPrompt(2, 8, correction.y, correction.x),)
    assert tracked.prompts(1, 8) == ()
    assert tracked.mask(1, 9)[:3, :3].all()
    assert not tracked.mask(2, 9)[:3, :3].any()
    assert (tracked.accepted(1), tracked.accepted(2)) == (frozenset(), frozenset({10, 11}))


def test_an_object_that_is_absent_gets_nothing_in_a_swap(session, movie):
    session.add_object()
    session.add_object()
    session.add_prompt(PointPrompt(1, 4, *movie[1][4, 0]))
    list(session.track())
    session.swap_objects(1, 2, 8)
    assert session.scores(1)["frame"].tolist() == list(range(8))
    assert session.scores(2)["frame"].tolist() == list(range(8, 12))


def test_a_renumbered_object_keeps_all_but_its_id(tracked):
    masks, prompts = masks_of(tracked, 1), tracked.prompts(1)
    tracked.edit_object(1, name="nucleus", color=(1, 2, 3))
    tracked.edit_object(2, parent=1, parent_frame=3)
    tracked.accept(1, 2, 4)
    tracked.renumber_object(1, 70_000)
    info = tracked.object(70_000)
    assert (info.name, info.color) == ("nucleus", (1, 2, 3))
    assert tracked.object(2).parent == 70_000
    assert np.array_equal(masks_of(tracked, 70_000), masks)
    assert tracked.prompts(70_000) == tuple(PointPrompt(70_000, p.frame, p.y, p.x) for p in prompts)
    assert tracked.accepted(70_000) == {2, 3}
    assert tracked.dirty() == ()
    assert not (tracked.labels == 1).any()


def test_deleted_masks_are_tracked_again_and_no_others(tracked):
    before = masks_of(tracked, 1)
    tracked.paint(6, (0, 0), np.full((3, 3), 1))
    tracked.delete_masks(1, 5, 8)
    assert tracked.scores(1)["frame"].tolist() == [0, 1, 2, 3, 4, 8, 9, 10, 11]
    assert tracked.scores(2)["frame"].tolist() == list(range(12))
    assert not masks_of(tracked, 1)[5:8].any()
    frames = [done.frame for done in tracked.track()]
    assert set(frames) >= {5, 6, 7}
    assert np.array_equal(masks_of(tracked, 1)[5:8], before[5:8])
    assert np.array_equal(masks_of(tracked, 1)[:5], before[:5])


def test_a_deleted_prompt_does_not_come_back(tracked):
    tracked.delete_masks(1, 0, 12)
    assert tracked.prompts(1) == ()
    assert len(tracked.scores(1)["frame"]) == 0
    assert tracked.dirty() == ()


def test_a_copied_mask_is_a_prompt_of_the_next_frame(tracked):
    mask = tracked.mask(1, 6)
    tracked.add_prompt(BoxPrompt(1, 7, 2, 2, 9, 9))
    tracked.copy_mask(1, 6)
    assert tracked.prompts(1, 7) == (MaskPrompt(1, 7, mask),)
    assert np.array_equal(tracked.mask(1, 7), mask)
    tracked.copy_mask(1, 6, to=2)
    assert np.array_equal(tracked.mask(1, 2), mask)
    assert tracked.dirty() == (1,)


def test_connected_parts_become_objects_and_the_largest_stays(session, movie):
    two_blobs(session, movie)
    (y0, x0), (y1, x1) = movie[1][5].astype(int)
    (new,) = session.split_object(3, 5)
    assert new == 4
    assert session.mask(3, 5)[y0, x0]
    assert not session.mask(3, 5)[y1, x1]
    assert session.mask(4, 5)[y1, x1]
    assert [type(p) for p in session.prompts(frame=5)] == [MaskPrompt, MaskPrompt]
    assert session.mask(3, 6)[y1, x1]


def test_a_line_cuts_a_mask_and_loses_no_pixel(tracked):
    whole = tracked.mask(1, 6)
    (new,) = tracked.split_object(1, 6, cut_line(tracked, 6))
    left, right = tracked.mask(1, 6), tracked.mask(new, 6)
    assert np.array_equal(left | right, whole)
    assert not (left & right).any()
    assert min(left.sum(), right.sum()) > whole.sum() / 4
    assert set(tracked.dirty()) == {1, new}
    list(tracked.track())
    assert tracked.scores(new)["frame"].tolist() == list(range(12))


def test_a_diagonal_line_leaves_no_gap_to_slip_through(session):
    mask = np.zeros(session.shape_yx, int)
    mask[10:30, 10:30] = 1
    session.paint(3, (0, 0), mask, mask > 0)
    (new,) = session.split_object(1, 3, [(8, 8), (31, 31)])
    assert session.mask(1, 3).sum() + session.mask(new, 3).sum() == 400
    assert abs(int(session.mask(1, 3).sum()) - int(session.mask(new, 3).sum())) <= 20


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (lambda s: s.merge_objects(1, 1), "given twice"),
        (lambda s: s.merge_objects(1, 9), "no object 9"),
        (lambda s: s.renumber_object(1, 2), "Object 2 already exists"),
        (lambda s: s.renumber_object(1, 0), "whole number of at least 1, not 0"),
        (lambda s: s.renumber_object(1, "b"), "whole number of at least 1, not 'b'"),
        (lambda s: s.swap_objects(1, 2, 12), "12:12 do not fit"),
        (lambda s: s.swap_objects(1, 2, 3, 99), "3:99 do not fit"),
        (lambda s: s.delete_masks(1, 5, 5), "5:5 do not fit"),
        (lambda s: s.delete_masks(1, -1, 5), "whole number of at least 0"),
        (lambda s: s.copy_mask(1, 11), "outside the recording"),
        (lambda s: s.copy_mask(1, 99), "no frame 99"),
        (lambda s: s.split_object(1, 6), "is in one piece; draw a line across it"),
        (lambda s: s.split_object(1, 6, [(0, 0), (0, 5)]), "is not cut by the line"),
        (lambda s: s.split_object(1, 6, [1, 2]), "two or more points"),
        (lambda s: s.split_object(1, 6, "line"), "two or more points"),
        (lambda s: s.split_object(1, 99), "no frame 99"),
    ],
)
def test_an_impossible_edit_is_refused_and_changes_nothing(tracked, edit, sentence):
    before = seen(tracked)
    with pytest.raises(Sam2VideoError, match=sentence) as refused:
        edit(tracked)
    assert "\n" not in str(refused.value)
    assert seen(tracked) == before


@pytest.mark.parametrize("kind", EDITS)
def test_a_locked_object_is_not_edited(tracked, kind):
    tracked.edit_object(1, locked=True)
    before = seen(tracked)
    with pytest.raises(Sam2VideoError, match="Object 1 is locked"):
        EDITS[kind](tracked)
    assert seen(tracked) == before


@pytest.mark.parametrize("kind", EDITS)
def test_an_object_that_is_being_tracked_is_not_edited(prompted, kind):
    run = prompted.track()
    next(run)
    with pytest.raises(Sam2VideoError, match="being tracked"):
        EDITS[kind](prompted)
    run.close()


def test_deleting_one_object_brings_no_older_mask_of_another_back(tracked, recording, factory):
    """Both are in one record; the mask that replaced the other's is in a newer one."""
    tracked.mark_absent(1, 3, 6)
    shown = np.array(tracked.labels)
    left = shown.copy()
    left[4:7][left[4:7] == 2] = 0
    tracked.delete_masks(2, 4, 7)
    assert np.array_equal(tracked.labels, left)
    assert not any(tracked.mask(1, frame).any() for frame in range(3, 6))
    assert tracked.mask(1, 6).any()
    after = seen(tracked)
    tracked.undo()
    assert np.array_equal(tracked.labels, shown)
    tracked.redo()
    assert seen(tracked) == after
    folder = tracked.folder
    tracked.close()
    with Session.open(folder, recording=recording, tracker_factory=factory) as again:
        assert seen(again) == after


def test_an_object_removed_before_does_not_come_back_where_masks_are_deleted(tracked):
    tracked.remove_object(2)
    tracked.delete_masks(1, 2, 4)
    tracked.add_object(object_id=2)
    assert len(tracked.scores(2)["frame"]) == 0
    assert not (tracked.labels == 2).any()
