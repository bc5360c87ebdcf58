"""A check walks back from stored masks: what it finds, what it leaves alone, and how long it counts."""

import hashlib
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam2_video import api
from napari_sam2_video.analysis.measure import measure
from napari_sam2_video.analysis.review import doubt_components, review_queue, review_table
from napari_sam2_video.errors import EngineError, PromptError, Sam2VideoError, SessionError
from napari_sam2_video.frames.open import open_recording
from napari_sam2_video.masks.check_results import FILE, CheckResult, CheckResults
from napari_sam2_video.session import Session
from napari_sam2_video.session.check_plan import plan_spans
from napari_sam2_video.types import CheckSettings, FrameMasks, MaskPrompt, ObjectMask, PointPrompt
from tests.fakes import FakeTracker, blob_movie, fake_factory

SWITCH = 13


def disagreements(session, object_id=1):
    return session.scores(object_id)["disagreement"]


def origins(session, object_id=1):
    return session.scores(object_id)["checked_from"]


def known(session, object_id=1):
    figures = session.scores(object_id)
    return set(figures["frame"][~np.isnan(figures["disagreement"])].tolist())


def files_of(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in (FILE, "lock", "lock.json")
    }


def scores_of(walk, *, area=None, prompted=(), accepted=()):
    walk = np.asarray(walk, np.int8)
    frames = np.flatnonzero(walk)
    flags = {name: np.isin(frames, list(given)) for name, given in (("prompted", prompted), ("accepted", accepted))}
    areas = np.full(len(walk), 9) if area is None else np.asarray(area)
    return {
        "frame": frames,
        "walk": walk[frames],
        "area": areas[frames],
        "painted": np.zeros(len(frames), bool),
        **flags,
    }


def spans_of(scores, length=16, first=0, last=10_000):
    return [(s.direction, s.origin, list(s.frames)) for s in plan_spans(1, scores, length, first, last)]


@pytest.fixture
def tracked(prompted):
    """A session with two objects, clicked on frame 4 of 12 and tracked both ways."""
    list(prompted.track())
    return prompted


@pytest.fixture
def switched(tmp_path, quick_disk):
    """A recording of two blobs; the stored masks of object 1 follow the other one from frame `SWITCH` on."""
    movie, centres = blob_movie(24)
    with (
        open_recording(movie, axes="TYX", name="blobs") as recording,
        Session.create(tmp_path / "switched.sam2v", recording, tracker_factory=fake_factory()) as session,
    ):
        for index in range(2):
            session.add_prompt(PointPrompt(session.add_object(), 0, *centres[0, index]))
        list(session.track())
        other = FakeTracker(session.view)
        for frame in range(SWITCH, 24):
            y, x = centres[frame, 1]
            wrong = other._disc(1, float(y), float(x), 6.0, 0.8)
            write(session, frame, wrong)
        yield session


def write(session, frame, mask):
    session.masks.write(FrameMasks(frame, session.shape_yx, (mask,), "forward"), generation=None)


def test_frames_are_checked_against_the_direction_in_which_they_were_tracked():
    scores = scores_of([-1] * 4 + [1] * 8, prompted=[4])
    assert spans_of(scores) == [
        ("backward", 11, [10, 9, 8, 7, 6, 5]),
        ("forward", 0, [1, 2, 3]),
    ]


def test_spans_are_equal_and_meet():
    scores = scores_of([1] * 12, prompted=[0])
    assert spans_of(scores, 4) == [
        ("backward", 4, [3, 2, 1]),
        ("backward", 8, [7, 6, 5, 4]),
        ("backward", 11, [10, 9, 8]),
    ]


def test_a_frame_that_a_person_settled_is_where_a_walk_begins():
    scores = scores_of([1] * 12, prompted=[0], accepted=[6])
    assert spans_of(scores) == [("backward", 6, [5, 4, 3, 2, 1]), ("backward", 11, [10, 9, 8, 7])]


def test_walks_that_met_are_checked_across_the_seam():
    scores = scores_of([1] * 5 + [-1] * 5, prompted=[0, 9])
    assert spans_of(scores) == [("backward", 5, [4, 3, 2, 1]), ("forward", 4, [5, 6, 7, 8])]


def test_a_walk_begins_where_the_object_is_seen_last():
    scores = scores_of([1] * 8, area=[9, 9, 9, 9, 0, 0, 0, 0], prompted=[0])
    assert spans_of(scores) == [("backward", 3, [2, 1])]
    scores = scores_of([1] * 8, area=[9, 9, 9, 9, 0, 0, 0, 9], prompted=[0])
    assert spans_of(scores) == [("backward", 7, [6, 5, 4, 3, 2, 1])]


def test_a_range_leaves_the_spans_where_they_are():
    scores = scores_of([1] * 12, prompted=[0])
    assert spans_of(scores, 4, first=5, last=6) == [("backward", 8, [6, 5])]


@given(
    walk=st.lists(st.sampled_from([-1, 0, 1]), min_size=1, max_size=40),
    area=st.data(),
    length=st.integers(1, 12),
)
@settings(max_examples=100, deadline=None)
def test_every_plan_keeps_its_word(walk, area, length):
    n = len(walk)
    areas = area.draw(st.lists(st.sampled_from([0, 9]), min_size=n, max_size=n))
    prompted = area.draw(st.sets(st.integers(0, n - 1)))
    compared = []
    for span in plan_spans(1, scores_of(walk, area=areas, prompted=prompted), length, 0, n - 1):
        step = 1 if span.direction == "forward" else -1
        assert areas[span.origin]
        assert 1 <= len(span.frames) <= length
        assert span.frames[0] == span.origin + step
        assert all(walk[t] == -step and t not in prompted for t in span.frames)
        assert span.walk(7).frames()[-1] == span.frames[-1]
        compared += span.frames
    assert len(compared) == len(set(compared))


def test_a_sound_track_agrees_with_itself(tracked):
    announced = list(tracked.check())
    assert [done.done for done in announced] == list(range(1, len(announced) + 1))
    assert {done.total for done in announced} == {len(announced)}
    for object_id in (1, 2):
        assert known(tracked, object_id) == set(range(12)) - {0, 4, 11}
        assert np.nanmax(disagreements(tracked, object_id)) < 0.4


def test_a_switch_to_a_neighbour_is_found_in_its_span_and_comes_first(switched):
    def queue():
        table = review_table({i: switched.scores(i) for i in (1, 2)}, switched.shape_yx)
        # The jump itself would be seen; what a drift leaves is a track that looks sound from frame to frame.
        return review_queue(table.with_columns(centroid_y_px=np.zeros(len(table)), centroid_x_px=np.zeros(len(table))))

    before = queue()[0]
    assert before.component != "disagreement"
    list(switched.check(CheckSettings(span=6)))
    figures = disagreements(switched)
    inside = [t for t in range(1, 23) if figures[t] > 0.5]
    assert inside
    assert all(SWITCH - 6 <= t < SWITCH + 6 for t in inside)
    assert np.nanmax(disagreements(switched, 2)) < 0.5
    first = queue()[0]
    assert (first.object_id, first.component) == (1, "disagreement")
    assert SWITCH <= first.frame < SWITCH + 6
    assert before.object_id != 1 or not SWITCH <= before.frame < SWITCH + 6


def test_a_settled_mask_at_the_far_end_tells_which_frames_are_wrong(switched):
    right = FakeTracker(switched.view)
    centres = blob_movie(24)[1]
    write(switched, 23, right._disc(1, *centres[23, 0].tolist(), 6.0, 0.8))
    switched.accept(1, 23, 24)
    list(switched.check(CheckSettings(objects=(1,), span=24)))
    figures = disagreements(switched)
    assert (figures[SWITCH:23] > 0.5).all()
    assert (figures[1:SWITCH] < 0.5).all()
    table = review_table({1: switched.scores(1)}, switched.shape_yx)
    np.testing.assert_allclose(doubt_components(table)["disagreement"][1:23], figures[1:23])


def test_only_the_file_of_the_check_changes(tracked):
    before, undo = files_of(tracked.folder), tracked.can_undo
    unfinished = tracked.unfinished
    list(tracked.check())
    assert (tracked.folder / FILE).exists()
    assert files_of(tracked.folder) == before
    assert (tracked.can_undo, tracked.unfinished) == (undo, unfinished)
    assert tracked.dirty() == ()


def test_only_chosen_objects_and_frames_are_checked(tracked):
    list(tracked.check(CheckSettings(start=6, stop=9, objects=(2,))))
    assert known(tracked, 1) == set()
    assert known(tracked, 2) == {6, 7, 8}


def test_a_correction_makes_unknown_what_it_changes_and_undo_knows_it_again(tracked, movie):
    list(tracked.check())
    old = disagreements(tracked)
    tracked.add_prompt(PointPrompt(1, 8, *movie[1][8, 0]))
    assert np.array_equal(disagreements(tracked), old, equal_nan=True)
    list(tracked.track())
    # Frames 5 to 7 keep their masks, with which the walk back from the correction agrees.
    changed = {8, 9, 10, 11}
    assert known(tracked, 1) == set(range(12)) - {0, 4, 11} - changed
    assert known(tracked, 2) == set(range(12)) - {0, 4, 11}
    assert set(np.flatnonzero(~np.isnan(origins(tracked)))) == {1, 2, 3}
    tracked.undo()
    assert np.array_equal(disagreements(tracked), old, equal_nan=True)
    assert set(origins(tracked)[~np.isnan(old)]) == {0, 11}


def test_paint_makes_a_frame_unknown_until_it_is_undone(tracked):
    list(tracked.check())
    old = disagreements(tracked)
    box = tracked.scores(1)
    y, x = int(box["y"][6]), int(box["x"][6])
    tracked.paint(6, (y, x), np.zeros((3, 3), int))
    assert known(tracked) == set(range(12)) - {0, 4, 6, 11}
    tracked.undo()
    assert np.array_equal(disagreements(tracked), old, equal_nan=True)


def test_painting_another_object_elsewhere_changes_nothing(tracked):
    list(tracked.check())
    old = disagreements(tracked)
    tracked.paint(6, (45, 1), np.full((2, 2), 7))
    assert np.array_equal(disagreements(tracked), old, equal_nan=True)


@pytest.mark.parametrize("uncovered", ["paint cleared", "object removed"])
def test_a_mask_that_lay_under_paint_is_unknown_once_it_is_uncovered(tracked, uncovered):
    """Whoever painted there did so before the object was tracked, and so did not touch it."""
    box = tracked.scores(1)
    place = (int(box["y"][6]), int(box["x"][6]))
    written = tracked.masks.object_levels(6, 1)
    tracked.undo()
    tracked.paint(6, place, np.full((2, 2), 7))
    list(tracked.track())
    tracked.masks.write(FrameMasks(6, tracked.shape_yx, (written,)))
    list(tracked.check())
    assert 6 in known(tracked)
    before = tracked.masks.object_mask(6, 1)
    if uncovered == "paint cleared":
        assert tracked.clear_paint(6, 7)
    else:
        tracked.remove_object(7)
    assert not np.array_equal(tracked.masks.object_mask(6, 1), before)
    assert 6 not in known(tracked)


def test_figures_survive_reopening_and_reach_table_and_review(tracked, recording, factory):
    list(tracked.check())
    old = disagreements(tracked)
    tracked.close()
    with Session.open(tracked.folder, recording=recording, read_only=True, tracker_factory=factory) as again:
        assert np.array_equal(disagreements(again), old, equal_nan=True)
        table = measure(again.result(), intensity=False)
        rows = table.rows_of(1)
        assert np.array_equal(table["disagreement"][rows], old, equal_nan=True)
        with pytest.raises(SessionError, match="reading only"):
            next(again.check())


def test_a_session_without_a_check_knows_no_disagreement(tracked):
    assert np.isnan(disagreements(tracked)).all()
    assert not (tracked.folder / FILE).exists()


@pytest.mark.parametrize("damage", [b"", b"{}\nx", b"\xff\xfe", b'{"schema":2,"rows":0,"crc":0}\n', "cut", "flipped"])
def test_a_damaged_file_is_set_aside_and_the_session_opens(tracked, recording, factory, damage):
    list(tracked.check())
    tracked.close()
    path = tracked.folder / FILE
    data = path.read_bytes()
    if damage == "cut":
        damage = data[:-7]
    elif damage == "flipped":
        damage = data[:-1] + bytes([data[-1] ^ 1])
    path.write_bytes(damage)
    with Session.open(tracked.folder, recording=recording, read_only=True, tracker_factory=factory) as again:
        assert np.isnan(disagreements(again)).all()
        assert path.read_bytes() == damage
    with Session.open(tracked.folder, recording=recording, tracker_factory=factory) as again:
        assert any(FILE in sentence for sentence in again.notes)
        assert np.isnan(disagreements(again)).all()
        assert (tracked.folder / "quarantine" / FILE).read_bytes() == damage
        list(again.check())
        assert known(again)


def test_a_stopped_check_keeps_what_it_compared(tracked, recording, factory):
    seen = []
    seen.extend(tracked.check(stop=lambda: len(seen) >= 4))
    assert len(seen) == 4
    assert not tracked.running
    old = disagreements(tracked)
    assert 0 < np.isfinite(old).sum() < 9
    tracked.close()
    with Session.open(tracked.folder, recording=recording, tracker_factory=factory) as again:
        assert np.array_equal(disagreements(again), old, equal_nan=True)


def test_a_check_that_is_let_go_of_leaves_the_session_free(tracked):
    run = tracked.check()
    next(run)
    with pytest.raises(SessionError, match="under way"):
        next(tracked.check())
    with pytest.raises(SessionError, match="under way"):
        next(tracked.track())
    with pytest.raises(SessionError, match="under way"):
        tracked.undo()
    run.close()
    assert not tracked.running
    assert tracked.tracker.open_runs == 0


def test_a_check_between_stop_and_resume_changes_neither(tmp_path, recording, movie, quick_disk):
    labels = {}
    for name, checks in (("plain", False), ("checked", True)):
        with Session.create(tmp_path / f"{name}.sam2v", recording, tracker_factory=fake_factory()) as session:
            session.add_prompt(PointPrompt(session.add_object(), 4, *movie[1][4, 0]))
            seen = []
            seen.extend(session.track(stop=lambda seen=seen: len(seen) >= 5))
            if checks:
                list(session.check())
            assert session.unfinished
            list(session.resume())
            labels[name] = np.stack([session.masks.read_labels(t) for t in range(12)])
    assert np.array_equal(labels["plain"], labels["checked"])


def test_what_fails_is_one_sentence_and_what_was_compared_stays(tmp_path, recording, movie, quick_disk):
    factory = fake_factory()
    with Session.create(tmp_path / "run.sam2v", recording, tracker_factory=factory) as session:
        session.add_prompt(PointPrompt(session.add_object(), 0, *movie[1][0, 0]))
        list(session.track())
        factory.made[-1].fail_at = {6: ZeroDivisionError("odd")}
        with pytest.raises(EngineError, match=r"Checking failed after frame 7.*check again"):
            list(session.check())
        assert known(session) == {7, 8, 9, 10}
        assert not session.running


@pytest.mark.parametrize(
    ("wanted", "kind"),
    [
        (CheckSettings(objects=(9,)), SessionError),
        (CheckSettings(start=5, stop=99), PromptError),
    ],
)
def test_what_cannot_be_checked_is_refused(tracked, wanted, kind):
    with pytest.raises(kind):
        next(tracked.check(wanted))
    assert not tracked.running


def test_nothing_tracked_is_nothing_to_check(prompted):
    with pytest.raises(SessionError, match="nothing to check"):
        next(prompted.check())


def test_the_api_checks_a_session_or_its_folder(tracked, monkeypatch):
    seen = []
    table = api.check(tracked, CheckSettings(start=2, stop=9), progress=seen.append)
    assert seen
    assert table.names == ("object_id", "frame", "disagreement")
    frames = [2, 3, 5, 6, 7, 8]
    assert table["frame"].tolist() == frames * 2
    assert table["object_id"].tolist() == [1] * 6 + [2] * 6
    assert not np.isnan(table["disagreement"]).any()
    only = api.check(tracked, CheckSettings(objects=(2,)))
    assert only.object_ids() == (2,)
    monkeypatch.setattr(
        "napari_sam2_video.api.results.open_session", lambda folder, read_only: closing_of(tracked, folder)
    )
    assert len(api.check(tracked.folder)) == 18


@contextmanager
def closing_of(session, folder):
    assert folder == session.folder
    yield session


def test_a_listener_hears_of_the_check(tracked):
    heard = []
    tracked.events.connect(lambda info: heard.append(info.signal.name))
    list(tracked.check())
    assert heard == ["checks"]


def test_a_locked_object_is_checked_too(tracked):
    tracked.edit_object(1, locked=True)
    list(tracked.check())
    assert known(tracked, 1)


@given(
    values=st.dictionaries(
        st.tuples(st.integers(1, 2**32 - 1), st.integers(0, 2**31)),
        st.tuples(st.integers(0, 2**40), st.integers(0, 2**32 - 1), st.integers(0, 2**40), st.floats(0, 1)),
        max_size=20,
    )
)
@settings(max_examples=25, deadline=None)
def test_the_last_figures_count_and_come_back_from_disk_as_they_were(tmp_path_factory, values):
    class Masks:
        def stamp(self, frame, object_id):
            return values[object_id, frame][:3]

    path = tmp_path_factory.mktemp("checks") / FILE
    options = {"read_only": False, "quarantine": path.parent / "quarantine"}
    kept = CheckResults(path, Masks(), **options)
    for (object_id, frame), (*stamp, _) in list(values.items())[::2]:
        kept.put(object_id, frame, CheckResult(tuple(stamp), 0.25, frame, tuple(stamp)))
    kept.save()
    for (object_id, frame), (*stamp, value) in values.items():
        kept.put(object_id, frame, CheckResult(tuple(stamp), value, frame, tuple(stamp)))
    kept.save()
    again = CheckResults(path, Masks(), **options)
    assert again.notes == []
    for (object_id, frame), (*_, value) in values.items():
        assert kept.figures(object_id, np.array([frame])) == (value, frame)
        assert again.figures(object_id, np.array([frame])) == (value, frame)


def test_a_save_that_fails_is_reported_and_leaves_the_old_file(tracked, monkeypatch):
    list(tracked.check(CheckSettings(objects=(1,))))
    before = (tracked.folder / FILE).read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(Sam2VideoError, match="disk is full"):
        list(tracked.check())
    monkeypatch.undo()
    assert (tracked.folder / FILE).read_bytes() == before
    assert not tracked.running


def test_another_object_painted_over_it_makes_a_frame_unknown(tracked):
    list(tracked.check())
    box = tracked.scores(1)
    y, x = int(box["y"][6]), int(box["x"][6])
    tracked.paint(6, (y, x), np.full((2, 2), 2))
    assert 6 not in known(tracked, 1)


def test_an_object_that_is_lost_is_compared_where_it_was_seen(tmp_path, recording, movie, quick_disk):
    factory = fake_factory(lost={(1, t) for t in (8, 9, 10, 11)})
    with Session.create(tmp_path / "run.sam2v", recording, tracker_factory=factory) as session:
        session.add_prompt(PointPrompt(session.add_object(), 0, *movie[1][0, 0]))
        list(session.track())
        list(session.check())
        assert known(session) == set(range(1, 7))


def test_a_hole_in_a_track_disagrees_with_a_walk_that_sees_the_object(tmp_path, recording, movie, quick_disk):
    with Session.create(tmp_path / "run.sam2v", recording, tracker_factory=fake_factory()) as session:
        session.add_object()
        mask = np.zeros(session.shape_yx, bool)
        mask[10:20, 10:20] = True
        session.set_prompts(1, 0, [MaskPrompt(1, 0, mask)])
        list(session.track())
        write(session, 5, ObjectMask(1, (0, 0), np.zeros((0, 0), np.uint8)))
        list(session.check())
        assert disagreements(session)[5] == 1


KILLED = """
import os, signal, sys
from napari_sam2_video.frames.open import open_recording
from napari_sam2_video.session import Session
from tests.fakes import blob_movie, fake_factory

recording = open_recording(blob_movie(12)[0], axes="TYX", name="blobs")
session = Session.open(sys.argv[1], recording=recording, tracker_factory=fake_factory())
if sys.argv[2] == "saving":
    os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
for done in session.check():
    if sys.argv[2] == "walking" and done.done == 7:
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize("when", ["walking", "saving"])
def test_killed_in_a_check_loses_the_check_and_nothing_else(tracked, recording, factory, when):
    list(tracked.check(CheckSettings(objects=(1,))))
    old = disagreements(tracked)
    tracked.close()
    before = files_of(tracked.folder)
    kept = (tracked.folder / FILE).read_bytes()
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, str(tracked.folder), when], cwd=Path(__file__).parents[2], check=False
    )
    assert ended.returncode == -signal.SIGKILL
    assert (tracked.folder / FILE).read_bytes() == kept
    left = {name: digest for name, digest in files_of(tracked.folder).items() if not name.endswith(".part")}
    assert left == before
    with Session.open(tracked.folder, recording=recording, tracker_factory=factory) as again:
        assert again.notes == tuple(recording.notes)
        assert np.array_equal(disagreements(again), old, equal_nan=True)
        assert known(again, 2) == set()
        list(again.check())
        assert known(again, 2)
