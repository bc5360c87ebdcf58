"""Walks along three axes share objects, prompts and history, and agree on one mask."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from napari_sam2_video import api
from napari_sam2_video.errors import PromptError, SessionError
from napari_sam2_video.frames.open import open_recording
from napari_sam2_video.frames.view import default_view
from napari_sam2_video.geometry import whole_mask
from napari_sam2_video.masks.records import FUSED
from napari_sam2_video.session import Session
from napari_sam2_video.session.import_prompts import add_prompts
from napari_sam2_video.types import BoxPrompt, FrameMasks, MaskPrompt, ObjectMask, PointPrompt, TrackSettings
from tests.session.made_volume import SectionTracker, ellipsoid, section_factory

SHAPE = (9, 33, 41)
FIRST = ellipsoid(SHAPE, (4, 15, 20), (3.2, 10, 12))
SECOND = ellipsoid(SHAPE, (3, 27, 33), (2.2, 4, 6)) & ~FIRST
SIZE = "5,1,1 um"


def volume():
    voxels = np.zeros(SHAPE, np.uint8)
    voxels[FIRST], voxels[SECOND] = 40, 80
    return voxels


class OverrunTracker(SectionTracker):
    """Along Z, it drags the middle section of object 1 through all slices, as tracking does."""

    def spoil(self, object_id, frame, inside):
        if object_id == 1 and self.view.n_frames == SHAPE[0] and frame not in self.memory.entries(1):
            return FIRST[4] & ~SECOND[frame]
        return inside


class SpreadingTracker(SectionTracker):
    """Along all axes, it takes object 2 for a part of object 1, except where object 1 was prompted along Z."""

    def spoil(self, object_id, frame, inside):
        prompted = self.view.n_frames == SHAPE[0] and frame in self.memory.entries(object_id)
        return inside if prompted else self.view.read(frame)[..., 0] > 20


class GivenMasks(SectionTracker):
    """Along Z, it takes a mask as it is given."""

    def condition(self, object_id, frame, prompts, *, tracked=None):
        self.given = prompts[0].mask
        return super().condition(object_id, frame, prompts, tracked=tracked)

    def spoil(self, object_id, frame, inside):
        own = self.view.n_frames == SHAPE[0] and frame in self.memory.entries(object_id)
        return self.given if own else inside


pytestmark = pytest.mark.usefixtures("quick_disk")


@pytest.fixture
def recording():
    with open_recording(volume(), axes="ZYX", pixel_size=SIZE) as opened:
        yield opened


@pytest.fixture
def session(tmp_path, recording):
    with Session.create(tmp_path / "run.sam2v", recording, tracker_factory=section_factory()) as made:
        made.add_object()
        made.add_object()
        made.add_prompt(PointPrompt(1, 4, 15, 20))
        made.add_prompt(PointPrompt(2, 3, 27, 33))
        yield made


def voxels_of(session, object_id):
    return np.stack([session.mask(object_id, frame) for frame in range(session.n_frames)])


def computed(session):
    """Frames computed in a run of all walks, by axis and object."""
    return {(done.axis, i) for done in session.track_planes() for i in done.objects}


def test_three_walks_of_true_sections_fuse_to_the_true_voxels(session):
    assert {axis for axis, _ in computed(session)} == {None, "Y", "X"}
    fused = session.fuse()
    assert [one.axes for one in fused] == [("Z", "Y", "X")] * 2
    assert (voxels_of(session, 1) == FIRST).all()
    assert (voxels_of(session, 2) == SECOND).all()
    assert [one.voxels for one in fused] == [FIRST.sum(), SECOND.sum()]
    assert [one.disputed for one in fused] == [0, 0]


def test_an_object_ends_where_two_walks_say_so(tmp_path, recording):
    with Session.create(tmp_path / "a.sam2v", recording, tracker_factory=section_factory(OverrunTracker)) as session:
        session.add_object()
        session.add_prompt(PointPrompt(1, 4, 15, 20))
        list(session.track_planes())
        assert voxels_of(session, 1)[[0, 8]].any(axis=(1, 2)).all()
        (fused,) = session.fuse()
        assert (voxels_of(session, 1) == FIRST).all()
        assert fused.disputed > 0
        items = [item for item in session.review_queue(threshold=1.0) if item.kind == "disagreement"]
        assert items
        at_stake = [np.count_nonzero(session.planes.disputed(item.frame)) for item in items]
        assert at_stake == sorted(at_stake, reverse=True)
        assert {item.frame for item in items} >= {0, 8}
        assert not (session.planes.disputed(0) != 0)[~FIRST[4]].any()
        session.planes.answer_review(items[0], items[0].choices[0])
        assert session.mask(1, items[0].frame).sum() == FIRST[4].sum()


def test_a_neighbour_that_all_walks_spread_to_is_left_out_if_it_looks_different(tmp_path, recording):
    with Session.create(tmp_path / "a.sam2v", recording, tracker_factory=section_factory(SpreadingTracker)) as session:
        session.add_object()
        session.add_prompt(PointPrompt(1, 4, 15, 20))
        list(session.track_planes())
        assert voxels_of(session, 1)[SECOND & (np.arange(SHAPE[0]) != 4)[:, None, None]].all()
        session.fuse()
        found = voxels_of(session, 1)
        assert np.count_nonzero(found & SECOND) < 0.1 * SECOND.sum()
        assert np.count_nonzero(found & FIRST) > 0.97 * FIRST.sum()


def test_only_the_corrected_object_is_tracked_and_fused_again(session):
    computed(session)
    session.fuse()
    assert not computed(session)
    assert session.fuse() == []
    session.planes.add_prompt("Y", PointPrompt(2, 27, 3, 34))
    assert computed(session) == {("Y", 2)}
    assert session.planes.outdated() == (2,)
    assert [one.object_id for one in session.fuse()] == [2]
    session.add_prompt(PointPrompt(1, 5, 15, 20))
    assert {i for _, i in computed(session)} == {1}


def test_fusing_two_of_three_walks_leaves_nothing_outdated(session):
    computed(session)
    (first, _) = session.fuse(axes="zy")
    assert first.axes == ("Z", "Y")
    assert session.planes.outdated() == ()
    assert session.fuse(axes="zy") == []
    assert session.fuse() == []
    assert {one.axes for one in session.fuse(axes="zyx")} == {("Z", "Y", "X")}
    session.planes.add_prompt("X", PointPrompt(2, 33, 3, 27))
    computed(session)
    assert session.planes.outdated() == (2,)


def test_prompts_on_any_plane_are_undone_with_the_session(session, recording):
    session.planes.set_prompts("X", 1, 20, [BoxPrompt(1, 20, 0, 4, 8, 26)])
    session.undo()
    assert session.planes.prompts("X") == ()
    session.redo()
    assert [p.frame for p in session.planes.prompts("X", 1)] == [20]
    folder = session.folder
    session.close()
    with Session.open(folder, recording=recording, tracker_factory=section_factory()) as again:
        assert [p.frame for p in again.planes.prompts("X", 1, 20)] == [20]
        again.remove_object(1)
        assert again.planes.prompts("X") == ()


def test_a_preview_of_another_plane_is_no_walk_and_old_once_it_was_tracked(session):
    planes = session.planes
    planes.add_prompt("Y", PointPrompt(1, 15, 4, 20))
    assert planes.is_new("Z", 1, 4)
    assert planes.is_new("Y", 1, 15)
    assert not planes.is_new("Y", 1, 16)
    (found,) = planes.preview("Y", 1, 15).candidates
    assert np.array_equal(whole_mask(found.origin_yx, found.levels > 0, FIRST[:, 15].shape), FIRST[:, 15])
    assert planes.is_new("Y", 1, 15)
    assert planes.begun == ("Z",)
    session.undo()
    assert planes.prompts("Y") == (), "the preview was a step of the history"
    session.redo()
    computed(session)
    assert planes.begun == ("Z", "Y", "X")
    assert not planes.is_new("Y", 1, 15)
    assert not planes.is_new("Z", 1, 4)
    planes.add_prompt("Y", PointPrompt(1, 15, 4, 21))
    assert planes.is_new("Y", 1, 15)
    session.close()
    with pytest.raises(SessionError, match="closed"):
        planes.preview("Y", 1, 15)


def test_undoing_a_fusion_shows_the_walk_again_and_reopening_keeps_it(tmp_path, recording):
    factory = section_factory(OverrunTracker)
    with Session.create(tmp_path / "a.sam2v", recording, tracker_factory=factory) as session:
        session.add_object()
        session.add_prompt(PointPrompt(1, 4, 15, 20))
        list(session.track_planes())
        walked = voxels_of(session, 1)
        session.fuse()
        session.undo()
        assert (voxels_of(session, 1) == walked).all()
        assert session.planes.outdated() == (1,)
        assert not session.planes.disputed(0).any()
        session.redo()
    with Session.open(tmp_path / "a.sam2v", recording=recording, tracker_factory=factory) as session:
        assert (voxels_of(session, 1) == FIRST).all()
        assert session.planes.disputed(0).any()
        assert session.planes.fused(1) == ("Z", "Y", "X")
        assert not computed(session)
    with Session.open(tmp_path / "a.sam2v", recording=recording, read_only=True) as session:
        assert session.planes.disputed(0).any()


def test_a_session_cut_off_between_walks_resumes_where_it_was(tmp_path, session, recording):
    run = session.track_planes()
    last = next(done for done in run if done.axis == "Y" and done.done == 5)
    shutil.copytree(session.folder, tmp_path / "cut.sam2v", ignore=shutil.ignore_patterns("lock*"))
    run.close()
    with Session.open(tmp_path / "cut.sam2v", recording=recording, tracker_factory=section_factory()) as cut:
        left = list(cut.track_planes())
        assert None not in {done.axis for done in left}
        assert sum(done.axis == "Y" for done in left) == last.total - last.done
        cut.fuse()
        assert (voxels_of(cut, 1) == FIRST).all()


def stopped_on_plane(session, axis, done):
    """Stop a run along all axes after some planes across one."""
    run = session.track_planes()
    next(one for one in run if one.axis == axis and one.done == done)
    run.close()


@pytest.mark.parametrize("left_out", ["not named", "locked"])
def test_a_walk_that_was_stopped_continues_only_with_the_objects_of_the_run(session, left_out):
    stopped_on_plane(session, "Y", 5)
    if left_out == "locked":
        session.edit_object(1, locked=True)
    objects = (2,) if left_out == "not named" else None
    done = list(session.track_planes(TrackSettings(objects=objects)))
    assert {i for one in done if one.axis is not None for i in one.objects} == {2}
    if left_out == "locked":
        session.edit_object(1, locked=False)
    list(session.track_planes())
    session.fuse()
    assert (voxels_of(session, 1) == FIRST).all()
    assert (voxels_of(session, 2) == SECOND).all()


def test_an_object_of_another_plane_is_tracked_without_the_others(tmp_path, recording):
    with Session.create(tmp_path / "a.sam2v", recording, tracker_factory=section_factory()) as session:
        for _ in range(3):
            session.add_object()
        session.add_prompt(PointPrompt(1, 4, 15, 20))
        list(session.track_planes())
        session.planes.add_prompt("Y", PointPrompt(2, 27, 3, 33))
        session.planes.add_prompt("Y", PointPrompt(3, 28, 3, 33))
        done = list(session.track_planes(TrackSettings(objects=(2,))))
        assert {i for one in done for i in one.objects} == {2}
        assert {one.axis for one in done} == {None, "Y", "X"}


@pytest.mark.parametrize("axes", ["ZY", "ZYX"])
def test_the_other_walks_go_both_ways_whatever_the_direction_of_the_frames(tmp_path, recording, axes):
    with Session.create(tmp_path / "a.sam2v", recording, tracker_factory=section_factory()) as session:
        session.add_object()
        session.add_prompt(PointPrompt(1, 1, 15, 20))
        list(session.track_planes(TrackSettings("forward"), axes=axes))
        session.fuse(axes=axes)
        assert (voxels_of(session, 1)[1:] == FIRST[1:]).all()


def test_planes_that_a_stopped_walk_did_not_reach_do_not_vote(session):
    stopped_on_plane(session, "Y", 5)
    session.fuse([1], axes="ZY")
    assert (voxels_of(session, 1) == FIRST).all()


def test_fusing_that_is_cut_off_is_done_again(session):
    computed(session)

    def cut(done, total):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        session.fuse(progress=cut)
    assert session.planes.outdated() == (1, 2)
    assert session.planes.fused(1) == ()
    assert len(session.fuse()) == 2
    assert (voxels_of(session, 2) == SECOND).all()
    session.undo()
    session.undo()
    assert session.can_undo.startswith("track")


def test_clicks_on_another_plane_alone_reach_all_walks(tmp_path, recording):
    with Session.create(tmp_path / "a.sam2v", recording, tracker_factory=section_factory()) as session:
        session.add_object()
        session.planes.add_prompt("X", PointPrompt(1, 20, 4, 15))
        assert {axis for axis, _ in computed(session)} == {None, "Y", "X"}
        assert {p.kind for p in session.prompts(1)} == {"mask"}
        session.fuse()
        assert (voxels_of(session, 1) == FIRST).all()


def test_prompts_that_name_their_axis_land_on_its_planes(session):
    given = [
        PointPrompt(1, 15, 4, 20, axis="Y"),
        PointPrompt(3, 20, 4, 15, axis="x"),
        PointPrompt(1, 4, 15, 20, axis="Z"),
    ]
    add_prompts(session, given)
    add_prompts(session, given)
    assert session.planes.prompts("Y") == (PointPrompt(1, 15, 4, 20),)
    assert session.planes.prompts("X") == (PointPrompt(3, 20, 4, 15),)
    assert session.prompts() == (PointPrompt(2, 3, 27, 33), PointPrompt(1, 4, 15, 20))
    assert set(session.planes.all_prompts()) == {*session.prompts(), *given[:2]}
    with pytest.raises(PromptError, match="plane Y 33 lies outside the recording, which has planes 0 to 32"):
        add_prompts(session, [PointPrompt(1, 33, 4, 20, axis="Y")])
    with pytest.raises(PromptError, match="none of the planes across Z"):
        session.add_prompt(PointPrompt(1, 4, 4, 20, axis="Y"))


def test_a_prompt_of_an_object_that_the_walk_does_not_know_yet_is_new(session):
    computed(session)
    session.add_object(object_id=7)
    session.planes.add_prompt("Y", PointPrompt(7, 15, 4, 20))
    assert session.planes.is_new("Y", 7, 15)
    assert session.planes.changed() == {7}


def test_several_objects_are_accepted_on_a_plane_in_one_step(session):
    computed(session)
    session.planes.accept_objects("Y", (1, 2), 24)
    assert [session.planes.accepted("Y", number) for number in (1, 2)] == [(24,), (24,)]
    session.undo()
    assert [session.planes.accepted("Y", number) for number in (1, 2)] == [(), ()]


def test_paint_and_accepted_planes_win(session):
    computed(session)
    session.paint(4, (15, 20), np.zeros((2, 2), int))
    session.accept(2, 3, 4)
    session.fuse()
    session.planes.accept("Y", 1, 15)
    assert session.planes.accepted("Y", 1) == (15,)
    assert (session.planes.section("Y", 1, 15) == voxels_of(session, 1)[:, 15]).all()
    computed(session)
    session.fuse([1, 2])
    expected = FIRST.copy()
    expected[4, 15:17, 20:22] = False
    assert (voxels_of(session, 1) == expected).all()
    session.planes.unaccept("Y", 1, 15)
    assert session.planes.accepted("Y", 1) == ()
    with pytest.raises(SessionError, match="accept one that shows it"):
        session.planes.accept("X", 1, 0)


def test_an_accepted_plane_stays_whatever_the_walks_say(tmp_path, recording):
    with Session.create(tmp_path / "a.sam2v", recording, tracker_factory=section_factory()) as session:
        session.add_object()
        session.add_prompt(PointPrompt(1, 4, 15, 20))
        list(session.track_planes())
        session.fuse()
        shown = FIRST.copy()
        shown[1:8, 4:28, 20] = True
        for frame in range(9):
            mask = ObjectMask(1, (0, 0), shown[frame].astype(np.uint8))
            session.masks.write(FrameMasks(frame, SHAPE[1:], (mask,)), table=FUSED)
        session.planes.accept("X", 1, 20)
        session.fuse([1])
        assert (voxels_of(session, 1) == shown).all()


def test_a_mask_that_a_person_gave_stays_as_it_was_drawn(tmp_path, recording):
    drawn = np.roll(FIRST[4], 2, axis=1)
    with Session.create(tmp_path / "a.sam2v", recording, tracker_factory=section_factory(GivenMasks)) as session:
        session.add_object()
        session.add_prompt(MaskPrompt(1, 4, drawn))
        list(session.track_planes())
        assert (session.mask(1, 4) == drawn).all()
        session.fuse()
        assert (session.mask(1, 4) == drawn).all()
        assert (session.mask(1, 5) == FIRST[5]).all()


def test_a_locked_object_is_neither_tracked_nor_fused(session):
    session.edit_object(2, locked=True)
    assert {i for _, i in computed(session)} == {1}
    assert [one.object_id for one in session.fuse()] == [1]
    with pytest.raises(SessionError, match="locked"):
        session.fuse([2])


def test_what_cannot_be_done_says_so(session, tmp_path):
    with pytest.raises(PromptError, match="at least two axes"):
        session.fuse()
    list(session.track())
    with pytest.raises(PromptError, match="at most one axis"):
        session.fuse([1])
    with pytest.raises(SessionError, match="no planes across 'T'"):
        session.planes.prompts("T")
    movie = np.zeros((4, 8, 9), np.uint8)
    with (
        open_recording(movie, axes="TYX") as film,
        Session.create(tmp_path / "film.sam2v", film, tracker_factory=section_factory()) as other,
    ):
        assert other.planes.axes == ("T",)
        with pytest.raises(SessionError, match=r"not the slices of a volume with the axes Z, Y and X\.$"):
            other.planes.add_prompt("Y", PointPrompt(1, 0, 0, 0))
    with (
        open_recording(np.zeros((3, 4, 8, 9), np.uint8), axes="TZYX") as scans,
        Session.create(tmp_path / "t.sam2v", scans, default_view(scans, axis="T")) as other,
        pytest.raises(SessionError, match=r"no planes across 'Z', only T; .* start one along Z \(--axis Z\)"),
    ):
        other.planes.add_prompt("z", PointPrompt(1, 0, 0, 0))


def test_a_walk_covers_what_the_object_reaches(session):
    planes = {"Y": set(), "X": set()}
    for done in session.track_planes(TrackSettings(objects=(2,))):
        if done.axis is not None:
            planes[done.axis].add(done.frame)
    inside = np.flatnonzero(SECOND.any(axis=(0, 2)))
    assert set(inside) <= planes["Y"]
    assert len(planes["Y"]) <= len(inside) + 4


def test_a_label_volume_seeds_every_slice_or_the_middle_one(tmp_path, recording):
    labels = np.where(FIRST, 7, 0).astype(np.uint16) + np.where(SECOND, 3, 0).astype(np.uint16)
    with Session.create(tmp_path / "a.sam2v", recording, tracker_factory=section_factory()) as session:
        assert session.add_volume_seeds(labels, "middle") == [3, 7]
        assert [(p.object_id, p.frame) for p in session.prompts()] == [(3, 3), (7, 4)]
        session.undo()
        assert session.add_volume_seeds(labels) == [3, 7]
        assert {p.frame for p in session.prompts(7)} == set(np.flatnonzero(FIRST.any(axis=(1, 2))))
        assert all((p.mask == FIRST[p.frame]).all() for p in session.prompts(7))
        with pytest.raises(PromptError, match="the labels of the whole recording"):
            session.add_volume_seeds(labels[1:])
        with pytest.raises(PromptError, match="whole numbers"):
            session.add_volume_seeds(labels + 0.5)
        with pytest.raises(PromptError, match="all or middle"):
            session.add_volume_seeds(labels, "some")


def test_label_volumes_come_in_the_order_of_the_recording_whatever_is_walked(tmp_path, recording):
    labels = np.where(FIRST, 1, 0)
    view = default_view(recording, axis="X")
    with Session.create(tmp_path / "x.sam2v", recording, view, tracker_factory=section_factory()) as session:
        add_prompts(session, (), [(labels, "middle")])
        (given,) = session.prompts()
        assert given.frame == 20
        assert (given.mask == FIRST[:, :, 20]).all()
        add_prompts(session, (), [(labels, "middle")])
        assert len(session.objects) == 1
        list(session.track_planes())
        session.fuse()
        assert (voxels_of(session, 1) == FIRST.transpose(2, 0, 1)).all()


def test_what_was_noted_of_planes_is_removed_with_the_object(session):
    session.planes.add_prompt("X", PointPrompt(1, 20, 4, 15))
    session.renumber_object(1, 9)
    assert [(p.object_id, p.frame) for p in session.planes.prompts("X")] == [(9, 20)]
    session.merge_objects(2, 9)
    assert [(p.object_id, p.frame) for p in session.planes.prompts("X")] == [(2, 20)]
    session.undo()
    assert [(p.object_id, p.frame) for p in session.planes.prompts("X")] == [(9, 20)]


@pytest.mark.parametrize(
    ("shape", "order", "flips", "tilt"),
    [
        ((41, 33, 9), (0, 1, 2), (1, 1, 1), 0.0),
        ((33, 9, 41), (2, 0, 1), (-1, 1, -1), 0.0),
        ((40, 32, 7), (0, 1, 2), (-1, -1, 1), 0.3),
    ],
    ids=["plain", "permuted and flipped", "oblique and flipped"],
)
def test_medical_volumes_fuse_to_their_voxels_and_come_back_in_place(tmp_path, shape, order, flips, tilt):
    import nibabel

    centre = [n / 2 - 0.4 for n in shape]
    truth = ellipsoid(shape, centre, [n * 0.33 for n in shape])
    sizes = [5.0 if n < 10 else 1.0 for n in shape]
    affine = np.zeros((4, 4))
    for axis, (target, flip, size) in enumerate(zip(order, flips, sizes, strict=True)):
        affine[target, axis] = flip * size
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]]
    affine = turn @ affine
    affine[:, 3] = (3, -7, 11, 1)
    nibabel.save(nibabel.Nifti1Image(np.where(truth, 40, 0).astype(np.uint8), affine), tmp_path / "scan.nii.gz")
    with (
        open_recording(tmp_path / "scan.nii.gz") as scan,
        Session.create(tmp_path / "a.sam2v", scan, tracker_factory=section_factory()) as session,
    ):
        session.add_object()
        middle = session.n_frames // 2
        whole = np.stack([session.view.raw(frame) for frame in range(session.n_frames)]) == 40
        y, x = np.argwhere(whole[middle]).mean(axis=0)
        session.add_prompt(PointPrompt(1, middle, y, x))
        list(session.track_planes())
        (fused,) = session.fuse()
        assert fused.axes == session.planes.axes
        assert len(fused.axes) == 3
        assert (voxels_of(session, 1) == whole).all()
        api.export(session, tmp_path / "mask.nii.gz")
    back = nibabel.load(tmp_path / "mask.nii.gz")
    assert (np.asarray(back.dataobj) > 0).sum() == truth.sum()
    places = [
        nibabel.affines.apply_affine(a, np.argwhere(np.asarray(m)))
        for a, m in ((affine, truth), (back.affine, back.dataobj))
    ]
    first, second = (p[np.lexsort(np.round(p, 3).T)] for p in places)
    np.testing.assert_allclose(first, second, atol=1e-3)
