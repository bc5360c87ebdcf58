from __future__ import annotations

import json
import threading

import numpy as np
import pytest

from napari_sam2_video.errors import (
    PromptError,
    Sam2VideoError,
    SessionError,
    SessionLockedError,
    SourceChangedError,
    StoreError,
)
from napari_sam2_video.frames.open import open_recording
from napari_sam2_video.session import Session
from napari_sam2_video.types import BoxPrompt, MaskPrompt, ModelSettings, PointPrompt, ScribblePrompt
from tests.fakes import blob_movie, fake_factory


def seen(session):
    """All that a person would miss."""
    return {
        "labels": np.asarray(session.labels).tolist(),
        "objects": session.objects,
        "prompts": session.prompts(),
        "accepted": [session.accepted(o.id) for o in session.objects],
        "dirty": session.dirty(),
        "undo": (session.can_undo, session.can_redo),
        "model": session.model_settings,
    }


def test_everything_is_there_after_reopening(prompted, recording, tmp_path):
    list(prompted.track())
    mask = np.zeros(prompted.shape_yx, bool)
    mask[3:9, 4:8] = True
    prompted.add_prompt(MaskPrompt(2, 7, mask))
    prompted.add_prompt(BoxPrompt(1, 9, 2, 2, 20, 20))
    prompted.edit_object(2, name="daughter", color=(1, 2, 3), parent=1, parent_frame=6)
    prompted.accept(1, 2, 5)
    prompted.paint(3, (1, 1), np.full((2, 2), 2))
    prompted.set_model(ModelSettings("tiny", image_size=512))
    prompted.undo()
    before = seen(prompted)
    prompted.close()
    with Session.open(tmp_path / "run.sam2v", recording=recording, tracker_factory=fake_factory()) as again:
        assert seen(again) == before
        assert again.notes == recording.notes


def test_a_recording_on_disk_is_found_again_where_it_was_and_where_it_moved_to(tmp_path):
    movie, _ = blob_movie(4)
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    np.save(old / "movie.npy", movie)
    with open_recording(old / "movie.npy", axes="TYX") as recording:
        Session.create(old / "run.sam2v", recording, tracker_factory=fake_factory()).close()
    with Session.open(old / "run.sam2v") as session:
        assert np.array_equal(session.view.raw(2), movie[2])
    old.rename(new)
    with Session.open(new / "run.sam2v") as session:
        assert session.recording.path == new / "movie.npy"


def test_a_recording_that_is_gone_can_be_given(tmp_path):
    movie, _ = blob_movie(4)
    np.save(tmp_path / "movie.npy", movie)
    with open_recording(tmp_path / "movie.npy", axes="TYX") as recording:
        Session.create(tmp_path / "run.sam2v", recording).close()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "movie.npy").rename(elsewhere / "renamed.npy")
    with pytest.raises(SourceChangedError, match=r"movie\.npy .* is missing"):
        Session.open(tmp_path / "run.sam2v")
    with (
        open_recording(elsewhere / "renamed.npy", axes="TYX") as recording,
        Session.open(tmp_path / "run.sam2v", recording=recording),
    ):
        pass
    with Session.open(tmp_path / "run.sam2v") as session:
        assert session.recording.path == elsewhere / "renamed.npy"


def test_an_array_has_to_be_given_again(session, tmp_path):
    session.close()
    with pytest.raises(SourceChangedError, match="array in memory"):
        Session.open(tmp_path / "run.sam2v")


def test_objects_keep_their_ids(session):
    first, second = session.add_object("cell"), session.add_object(object_id=7)
    assert (first, second) == (1, 7)
    session.remove_object(7)
    assert session.add_object() == 8
    assert [o.id for o in session.objects] == [1, 8]
    with pytest.raises(SessionError, match="already"):
        session.add_object(object_id=1)
    with pytest.raises(SessionError, match="no object 7"):
        session.object(7)


def test_a_removed_object_comes_back_whole_and_its_id_can_be_used_again_without_its_past(prompted):
    list(prompted.track())
    prompted.paint(2, (0, 0), np.full((3, 3), 2))
    before = seen(prompted)
    prompted.remove_object(2)
    assert not (np.asarray(prompted.labels) == 2).any()
    assert prompted.prompt_sets(2) == ()
    prompted.add_object(object_id=2)
    assert not (np.asarray(prompted.labels) == 2).any()
    assert prompted.scores(2)["frame"].size == 0
    prompted.undo()
    prompted.undo()
    assert {**seen(prompted), "undo": None} == {**before, "undo": None}


def test_removing_a_parent_leaves_its_daughters(session):
    mother, daughter = session.add_object(), session.add_object()
    session.edit_object(daughter, parent=mother, parent_frame=3)
    session.remove_object(mother)
    assert session.object(daughter).parent is None
    session.undo()
    assert session.object(daughter).parent == mother


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        ({"parent": 1}, "own ancestor"),
        ({"parent": 9}, "object 9, which does not exist"),
        ({"color": (0, 0, 256)}, "colour"),
        ({"name": " "}, "name"),
        ({"parent": 2, "parent_frame": 99}, "cannot begin"),
    ],
)
def test_objects_that_cannot_be_are_refused(session, edit, said):
    session.add_object()
    session.add_object()
    with pytest.raises(SessionError, match=said):
        session.edit_object(1, **edit)
    assert session.object(1).name == "object 1"


def test_no_object_descends_from_itself(session):
    for _ in range(3):
        session.add_object()
    session.edit_object(2, parent=1)
    session.edit_object(3, parent=2)
    with pytest.raises(SessionError, match="own ancestor"):
        session.edit_object(1, parent=3)


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        (PointPrompt(1, 4, -1, 3), "outside the image"),
        (PointPrompt(1, 12, 3, 3), "outside the recording"),
        (BoxPrompt(1, 4, 50, 70, 60, 80), "outside the image"),
        (MaskPrompt(1, 4, np.zeros((48, 64), bool)), "empty"),
        (MaskPrompt(1, 4, np.ones((48, 63), bool)), "shape"),
    ],
)
def test_fault_34_a_prompt_that_does_not_fit_is_refused(session, prompt, said):
    session.add_object()
    with pytest.raises(PromptError, match=said):
        session.add_prompt(prompt)
    assert session.prompts() == ()


def test_a_prompt_of_an_object_that_is_not_there_is_refused(session):
    with pytest.raises(SessionError, match="no object 3"):
        session.add_prompt(PointPrompt(3, 0, 1, 1))


def test_boxes_that_reach_over_the_edge_are_cut(session):
    session.add_object()
    session.add_prompt(BoxPrompt(1, 4, 30, 40, -8, 99))
    assert session.prompts() == (BoxPrompt(1, 4, -0.5, 40, 30, 63.5),)


def test_prompts_are_added_replaced_and_removed(session):
    session.add_object()
    a, b = PointPrompt(1, 4, 3, 3), PointPrompt(1, 4, 5, 5, positive=False)
    mask = np.zeros(session.shape_yx, bool)
    mask[2, 2] = True
    session.add_prompt(a)
    session.add_prompt(b)
    session.add_prompt(MaskPrompt(1, 4, mask))
    session.add_prompt(MaskPrompt(1, 4, ~mask))
    assert session.prompts(1, 4) == (a, b, MaskPrompt(1, 4, ~mask))
    session.remove_prompt(a)
    assert session.prompts(frame=4) == (b, MaskPrompt(1, 4, ~mask))
    with pytest.raises(PromptError, match="no such prompt"):
        session.remove_prompt(a)


def test_seeds_become_objects_with_masks(session):
    session.add_object(object_id=2)
    labels = np.zeros(session.shape_yx, np.int32)
    labels[2:6, 2:6], labels[10:14, 10:14], labels[20:24, 20:24] = 1, 2, 300
    ids = session.add_seeds(labels, 3)
    assert ids == [1, 301, 300]
    assert session.labels.dtype == np.uint16
    assert [p.frame for p in session.prompts()] == [3, 3, 3]
    assert np.array_equal(session.prompts(301)[0].mask, labels == 2)
    assert session.undo() == "add 3 objects from labels"
    assert [o.id for o in session.objects] == [2]


@pytest.mark.parametrize("labels", [np.zeros((48, 64), int), np.ones((5, 5), int), np.full((48, 64), 1.5)])
def test_seeds_that_do_not_fit_are_refused(session, labels):
    with pytest.raises(PromptError):
        session.add_seeds(labels, 0)
    assert session.objects == ()


def test_a_locked_object_is_neither_clicked_painted_nor_erased(prompted):
    list(prompted.track())
    prompted.edit_object(1, locked=True)
    before = np.asarray(prompted.labels)
    with pytest.raises(SessionError, match="locked"):
        prompted.add_prompt(PointPrompt(1, 0, 1, 1))
    with pytest.raises(SessionError, match="locked"):
        prompted.paint(0, (0, 0), np.ones((2, 2), int))
    prompted.paint(0, (0, 0), np.zeros(prompted.shape_yx, int))
    prompted.paint(1, (0, 0), np.full(prompted.shape_yx, 2))
    now = np.asarray(prompted.labels)
    assert np.array_equal(now[:2] == 1, before[:2] == 1)
    assert (now[1][before[1] != 1] == 2).all()


def test_listeners_hear_what_changed(prompted):
    heard = []
    prompted.events.connect(lambda info: heard.append(info.signal.name))
    prompted.add_object()
    prompted.add_prompt(PointPrompt(3, 0, 3, 3))
    prompted.paint(0, (0, 0), np.full((2, 2), 3))
    prompted.accept(1, 0, 2)
    prompted.set_model(ModelSettings("tiny"))
    assert heard == ["objects", "prompts", "masks", "accepted", "model"]
    prompted.undo()
    assert heard[-1] == "accepted"
    prompted.redo()
    for change in (lambda: prompted.remove_object(1), prompted.undo, prompted.redo):
        heard.clear()
        change()
        assert set(heard) == {"objects", "prompts", "masks", "accepted"}


def test_painting_an_unknown_id_makes_an_object_in_the_same_step(session):
    session.paint(1, (0, 0), np.full((2, 2), 5))
    assert [o.id for o in session.objects] == [5]
    session.undo()
    assert session.objects == ()


def test_strokes_of_one_drag_are_one_step(session):
    session.add_object()
    for x in range(3):
        session.labels[2, 5, x] = 1
    session.end_stroke()
    session.labels[2, 9, 9] = 1
    session.undo()
    assert (session.labels[2] == 1).sum() == 3
    session.undo()
    assert not (session.labels[2] == 1).any()


def test_a_second_opening_is_refused_and_reading_is_not(prompted, recording, tmp_path):
    list(prompted.track())
    with pytest.raises(SessionLockedError, match="this process"):
        Session.open(tmp_path / "run.sam2v", recording=recording)
    with Session.open(tmp_path / "run.sam2v", recording=recording, read_only=True) as reader:
        assert np.array_equal(np.asarray(reader.labels), np.asarray(prompted.labels))
        for change in (
            lambda: reader.add_object(),
            lambda: reader.set_prompts(1, 0, [PointPrompt(1, 0, 2, 2)]),
            lambda: reader.paint(0, (0, 0), np.ones((1, 1), int)),
            lambda: reader.accept(1, 0, 1),
            lambda: reader.undo(),
            lambda: list(reader.track()),
            lambda: reader.set_model(ModelSettings("tiny")),
            lambda: reader.clear_paint(0),
            lambda: reader.remove_object(1),
        ):
            with pytest.raises(SessionError, match="reading only"):
                change()


def test_reading_changes_no_file(prompted, recording, tmp_path):
    list(prompted.track())
    prompted.close()

    def state():
        return {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in (tmp_path / "run.sam2v").rglob("*")}

    before = state()
    with Session.open(tmp_path / "run.sam2v", recording=recording, read_only=True) as reader:
        np.asarray(reader.labels)
        reader.scores(1)
        reader.provenance()
    assert state() == before


def test_a_folder_with_other_files_is_left_alone(tmp_path, recording):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(SessionError, match="other files"):
            Session.create(folder, recording, overwrite=overwrite)
    assert [p.name for p in folder.iterdir()] == ["thesis.txt"]


def test_a_session_is_replaced_only_when_asked_and_not_while_it_is_open(session, tmp_path, recording):
    session.add_object()
    with pytest.raises(SessionLockedError):
        Session.create(tmp_path / "run.sam2v", recording, overwrite=True)
    session.close()
    with pytest.raises(SessionError, match="already"):
        Session.create(tmp_path / "run.sam2v", recording)
    with Session.create(tmp_path / "run.sam2v", recording, overwrite=True) as new:
        assert new.objects == ()
    assert [p.name for p in tmp_path.iterdir() if "replaced" in p.name] == []


def test_provenance_and_the_manifest_hold_to_their_schemas(prompted, tmp_path):
    from importlib.resources import files

    import jsonschema

    list(prompted.track())
    prompted.paint(3, (0, 0), np.full((2, 2), 1))
    mask = np.zeros(prompted.shape_yx, bool)
    mask[3:9, 4:8] = True
    prompted.add_prompt(MaskPrompt(2, 7, mask))
    prompted.add_prompt(ScribblePrompt(2, 7, ((3, 4), (9, 12)), positive=False))
    said = prompted.provenance()
    schemas = files("napari_sam2_video") / "schemas"

    def check(value, name):
        schema = json.loads((schemas / name).read_text())
        jsonschema.Draft202012Validator.check_schema(schema)
        jsonschema.validate(value, schema)

    check(json.loads(json.dumps(said)), "provenance.schema.json")
    folder = tmp_path / "run.sam2v"
    check(json.loads((folder / "session.json").read_text()), "session.schema.json")
    for line in (folder / "journal.jsonl").read_text().splitlines():
        check(json.loads(line[9:]), "journal.schema.json")
    assert said["runs"][0]["model"]["sha256"] == prompted.tracker.model.sha256
    assert said["edited_frames"] == [3, 7]
    assert [o["painted"] for o in said["objects"]] == [[3], []]
    assert said["source"]["fingerprint"]["sample"]
    assert said["software"]["packages"]["numpy"] == np.__version__


def test_the_result_is_what_the_session_shows(prompted):
    list(prompted.track())
    result = prompted.result()
    assert [o.id for o in result.objects] == [1, 2]
    for frame in (0, 7, 11):
        assert np.array_equal(result.labels(frame), prompted.labels[frame])
    assert np.array_equal(result.raw(3), prompted.view.raw(3))
    assert set(result.scores(1)) >= {"frame", "object_score", "predicted_iou", "painted", "accepted"}


@pytest.mark.parametrize("other", ["thesis.txt", "movie.tif"])
def test_a_session_that_holds_other_files_is_not_replaced(session, tmp_path, recording, other):
    session.add_object()
    session.close()
    folder = tmp_path / "run.sam2v"
    (folder / other).write_text("years of work")
    with pytest.raises(SessionError, match=f"holds other files, such as {other}"):
        Session.create(folder, recording, overwrite=True)
    assert (folder / other).read_text() == "years of work"
    (folder / other).unlink()
    (folder / ".DS_Store").touch()
    Session.create(folder, recording, overwrite=True).close()


def test_a_closed_session_says_so_and_changes_nothing_on_disk(prompted, tmp_path):
    list(prompted.track())
    prompted.close()

    def state():
        return {p: p.stat().st_mtime_ns for p in (tmp_path / "run.sam2v").rglob("*")}

    before = state()
    for change in (
        prompted.add_object,
        prompted.undo,
        lambda: prompted.paint(0, (0, 0), np.full((2, 2), 1)),
        lambda: prompted.clear_paint(0),
        lambda: list(prompted.track()),
        lambda: list(prompted.check()),
    ):
        with pytest.raises(SessionError, match=r"run\.sam2v is closed; open it again"):
            change()
    with pytest.raises(StoreError, match="is closed"):
        prompted.masks.paint(0, (0, 0), np.full((2, 2), 1))
    assert state() == before


@pytest.fixture
def with_a_damaged_mask(session, recording, tmp_path, monkeypatch, factory):
    """A session with a mask prompt, on frame 2 of object 1, whose bytes are gone."""
    monkeypatch.setattr("napari_sam2_video.storage.packs.INLINE_BYTES", 0)
    session.add_object()
    session.set_prompts(1, 2, [MaskPrompt(1, 2, drawn(session.shape_yx)), PointPrompt(1, 2, 5, 5)])
    session.close()
    (pack,) = (tmp_path / "run.sam2v" / "masks" / "packs").iterdir()
    pack.write_bytes(bytes(pack.stat().st_size))
    with Session.open(tmp_path / "run.sam2v", recording=recording, tracker_factory=factory) as opened:
        yield opened


def drawn(shape_yx):
    mask = np.zeros(shape_yx, bool)
    mask[3:9, 4:8] = True
    return mask


def test_a_damaged_mask_prompt_is_named_and_can_be_drawn_again_or_removed(with_a_damaged_mask):
    session = with_a_damaged_mask
    for read in (session.prompts, lambda: list(session.track())):
        with pytest.raises(PromptError, match="mask of object 1 on frame 2 cannot be read any more; draw it again"):
            read()
    again = MaskPrompt(1, 2, drawn(session.shape_yx))
    session.add_prompt(again)
    assert session.prompts() == (PointPrompt(1, 2, 5, 5), again)
    assert len(list(session.track())) == session.n_frames
    session.undo()
    session.undo()
    session.set_prompts(1, 2, [])
    assert session.prompts() == ()


def test_prompts_added_by_two_threads_at_once_are_all_kept(session):
    session.add_object()
    points = [PointPrompt(1, 0, y, x) for y in range(4) for x in range(10)]

    def add(mine):
        for point in mine:
            session.add_prompt(point)

    threads = [threading.Thread(target=add, args=(points[i::2],)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(session.prompts(), key=lambda p: (p.y, p.x)) == points


def test_clearing_paint_leaves_a_locked_object_as_it_is(prompted):
    list(prompted.track())
    prompted.paint(2, (0, 0), np.full((6, 6), 1))
    ys, xs = np.nonzero(prompted.masks.object_levels(2, 1).levels)
    top, left = prompted.masks.object_levels(2, 1).origin_yx
    y, x = int(ys[0]) + top, int(xs[0]) + left
    prompted.paint(2, (y, x), np.full((1, 1), 2))
    prompted.paint(2, (40, 60), np.full((3, 3), 2))
    prompted.edit_object(1, locked=True)
    locked = prompted.masks.object_mask(2, 1)
    with pytest.raises(SessionError, match="Object 1 is locked"):
        prompted.clear_paint(2, 1)
    assert prompted.clear_paint(2)
    assert np.array_equal(prompted.masks.object_mask(2, 1), locked)
    assert not prompted.labels[2][40:43, 60:63].any()
    assert 1 in prompted.masks.touched(2)
    assert not prompted.clear_paint(2)


def test_there_is_an_id_left_behind_the_highest(session):
    """Some label images mark what is to be left out by the highest number that there is."""
    labels = np.zeros(session.shape_yx, np.uint32)
    labels[:4, :4], labels[8:12, :4] = 0xFFFFFFFF, 2
    assert session.add_seeds(labels, 0) == [2, 0xFFFFFFFF]
    assert session.add_object() == 1
    assert session.add_seeds(labels, 1) == [3, 4]


def test_clearing_the_paint_of_one_object_frees_those_it_lay_over(prompted):
    list(prompted.track())
    mask = prompted.masks.object_levels(7, 1)
    half = mask.levels[: mask.levels.shape[0] // 2]
    prompted.paint(7, mask.origin_yx, np.full(half.shape, 2), where=half > 0)
    prompted.paint(7, (40, 50), np.full((2, 2), 2))
    assert set(prompted.masks.touched(7)) == {1, 2}
    list(prompted.track())
    assert prompted.dirty() == ()
    prompted.clear_paint(7, 2)
    assert prompted.masks.touched(7) == {}
    assert prompted.dirty() == (1, 2)
    assert 7 not in prompted.state(1).fences


def test_a_removed_object_is_gone_from_the_label_images_until_it_is_back(prompted):
    list(prompted.track())
    prompted.paint(3, (0, 0), np.full((2, 2), 1))
    before = np.asarray(prompted.labels)
    prompted.remove_object(1)
    assert set(np.unique(prompted.labels)) == {0, 2}
    prompted.undo()
    assert np.array_equal(prompted.labels, before)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s.add_prompt(PointPrompt(1, 2.0, 5, 5)), r"whole number of at least 0, not 2\.0"),
        (lambda s: s.add_prompt(PointPrompt(1.5, 2, 5, 5)), r"whole number of at least 1, not 1\.5"),
        (lambda s: s.accept(1, 0.0, 3.0), r"frames 0\.0 to 3\.0 do not fit"),
        (lambda s: s.paint(0, (0, 0), np.full((2, 2), 1.7)), "frame 0 must be whole numbers"),
        (lambda s: s.paint(0, (0, 0), np.full((2, 2), np.nan)), "frame 0 must be whole numbers"),
        (lambda s: s.paint(0, (0, 0), np.full((2, 2), 1), np.ones((3, 3), bool)), "differ in shape"),
        (lambda s: s.add_object(color=(1, 2)), r"colour \(1, 2\) .* is not three numbers"),
        (lambda s: s.edit_object(1, color=(1, 2)), r"colour \(1, 2\) of object 1 is not three numbers"),
        (lambda s: s.edit_object(1, color=("a", 2, 3)), "is not three numbers"),
    ],
)
def test_numbers_that_cannot_be_are_refused_in_one_sentence(session, change, said):
    session.add_object()
    before = seen(session)
    with pytest.raises(Sam2VideoError, match=said):
        change(session)
    assert seen(session) == before


def test_whole_numbers_of_any_kind_are_taken(session):
    session.add_object(color=(np.uint8(1), 2, 3))
    session.add_prompt(PointPrompt(np.uint8(1), np.int64(2), np.float32(5), 5))
    session.accept(1, np.int64(0), np.int64(3))
    assert session.paint(0, (0, 0), np.ones((2, 2)))
    assert session.edit_object(1, color=np.array([4, 5, 6]).tolist()).color == (4, 5, 6)
    assert [p.frame for p in session.prompts(1)] == [2]


@pytest.mark.parametrize("name", ["a\0b.sam2v", "x" * 300])
def test_a_name_that_no_folder_can_have_is_refused(tmp_path, recording, name):
    with pytest.raises(Sam2VideoError, match=r"choose another name|cannot be written"):
        Session.create(tmp_path / name, recording)


def test_a_session_that_windows_does_not_let_go_of_is_not_replaced_and_reported_in_one_sentence(
    recording, tmp_path, monkeypatch
):
    folder = tmp_path / "run.sam2v"
    Session.create(folder, recording).close()

    def refused(source, target):
        raise PermissionError(13, "The process cannot access the file")

    with monkeypatch.context() as patched:
        patched.setattr("os.replace", refused)
        with pytest.raises(StoreError, match="cannot be written"):
            Session.create(folder, recording, overwrite=True)
    Session.open(folder, recording=recording).close()


def test_a_single_image_is_prompted_tracked_accepted_and_exported(tmp_path):
    from napari_sam2_video.export.registry import export

    with (
        open_recording(np.zeros((1, 32, 40), np.uint8), axes="TYX") as picture,
        Session.create(tmp_path / "one.sam2v", picture, tracker_factory=fake_factory()) as session,
    ):
        session.add_object()
        session.add_prompt(PointPrompt(1, 0, 15, 15))
        assert session.preview(1, 0).candidates
        assert [done.frame for done in session.track()] == [0]
        assert session.masks.object_mask(0, 1)[15, 15]
        with pytest.raises(PromptError, match="nothing to track"):
            list(session.track())
        session.accept(1, 0, 1)
        assert export(session.result(), tmp_path / "labels.tif").path.exists()


def test_undoing_a_run_that_made_no_mask_is_announced(prompted):
    list(prompted.track())
    prompted.add_prompt(PointPrompt(1, 2, 5.0, 5.0))
    assert list(prompted.track(stop=lambda: True)) == []
    heard = []
    prompted.events.connect(lambda info: heard.append(info.signal.name))
    assert prompted.unfinished
    prompted.undo()
    assert not prompted.unfinished
    assert "masks" in heard
