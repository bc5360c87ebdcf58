from __future__ import annotations

import errno
import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import weakref
import zlib
from pathlib import Path

import numpy as np
import pytest

from napari_sam2_video.errors import (
    PromptError,
    Sam2VideoError,
    SessionError,
    SessionLockedError,
    SessionVersionError,
    SourceChangedError,
    StoreError,
    UnreachableError,
)
from napari_sam2_video.frames.open import open_recording
from napari_sam2_video.session import Session
from napari_sam2_video.storage.journal import Journal, decode_line, encode_line
from napari_sam2_video.types import CheckSettings, MaskPrompt, PointPrompt, TrackSettings
from tests.fakes import blob_movie, fake_factory

ROOT = Path(__file__).parents[2]
MOVIE, CENTRES = blob_movie(8, (32, 40))


# The tests of safety put it back in their own way.
pytestmark = pytest.mark.usefixtures("quick_disk")


@pytest.fixture
def recording():
    with open_recording(MOVIE, axes="TYX", name="blobs") as opened:
        yield opened


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "run.sam2v"


def prepare(folder, recording, **options):
    session = Session.create(folder, recording, tracker_factory=fake_factory(**options))
    for index in range(2):
        session.add_object()
        session.add_prompt(PointPrompt(index + 1, 3, *CENTRES[3, index]))
    return session


def reopen(folder, recording, **options):
    return Session.open(folder, recording=recording, tracker_factory=fake_factory(), **options)


def labels(session):
    return np.asarray(session.labels)


@pytest.fixture
def tracked(folder, recording):
    """A closed session whose run is done, and its label images."""
    with prepare(folder, recording) as session:
        list(session.track())
        session.paint(2, (0, 0), np.full((3, 3), 2))
        expected = labels(session)
    return expected


def journal_lines(folder):
    return (folder / "journal.jsonl").read_bytes().splitlines(keepends=True)


def rewrite(folder, entries):
    (folder / "journal.jsonl").write_bytes(b"".join(encode_line(e) for e in entries))


def one_sentence(error):
    text = str(error.value)
    assert "\n" not in text
    assert text.endswith(".")
    assert isinstance(error.value, Sam2VideoError)
    return text


def test_fault_30_another_recording_is_refused_and_the_session_left_alone(folder, recording, tracked):
    other = MOVIE.copy()
    other[0, 16, 20] ^= 1
    other[:, 5, 5] ^= 1
    before = (folder / "journal.jsonl").read_bytes()
    with open_recording(other, axes="TYX") as changed, pytest.raises(SourceChangedError) as error:
        reopen(folder, changed)
    assert "not the recording" in one_sentence(error)
    with open_recording(MOVIE[:5], axes="TYX") as shorter, pytest.raises(SourceChangedError):
        reopen(folder, shorter)
    assert (folder / "journal.jsonl").read_bytes() == before
    with reopen(folder, recording) as session:
        assert np.array_equal(labels(session), tracked)


def test_fault_30_a_file_changed_since_is_refused(tmp_path, folder):
    np.save(tmp_path / "movie.npy", MOVIE)
    with open_recording(tmp_path / "movie.npy", axes="TYX") as opened:
        Session.create(folder, opened).close()
    np.save(tmp_path / "movie.npy", MOVIE[::-1])
    with pytest.raises(SourceChangedError) as error:
        Session.open(folder)
    assert "movie.npy" in one_sentence(error)


def test_fault_33_label_images_in_memory_are_bounded(folder, recording, tracked, monkeypatch):
    monkeypatch.setattr("napari_sam2_video.masks.label_images.CACHE_BYTES", 3 * 32 * 40)
    with reopen(folder, recording) as session:
        images = [weakref.ref(session.masks.read_labels(frame)) for frame in range(8)]
        gc.collect()
        assert sum(image() is not None for image in images) == 3
        assert np.array_equal(labels(session), tracked)


def test_fault_35_why_nothing_can_be_tracked_is_reported(folder, recording):
    with Session.create(folder, recording, tracker_factory=fake_factory()) as session:
        session.add_object()
        with pytest.raises(Sam2VideoError) as error:
            list(session.track())
        assert "click, box or paint" in one_sentence(error)


def test_fault_43_a_process_killed_during_a_run_loses_no_announced_frame(tmp_path, recording):
    with prepare(tmp_path / "whole.sam2v", recording) as session:
        list(session.track())
        expected = labels(session)
    code = textwrap.dedent("""
        import sys
        sys.path.insert(0, sys.argv[2])
        from tests.faults.test_faults_session import MOVIE, open_recording, prepare
        with prepare(__import__("pathlib").Path(sys.argv[1]), open_recording(MOVIE, axes="TYX"), delay=0.02) as session:
            for done in session.track():
                print(done.frame, flush=True)
    """)
    for wait in (1, 3, 6):
        folder = tmp_path / f"{wait}.sam2v"
        child = subprocess.Popen(
            [sys.executable, "-c", code, str(folder), str(ROOT)], stdout=subprocess.PIPE, text=True
        )
        said = [int(child.stdout.readline()) for _ in range(wait)]
        child.send_signal(signal.SIGKILL)
        said += [int(line) for line in child.stdout.read().split()]
        child.wait()
        child.stdout.close()
        with reopen(folder, recording) as session:
            assert set(said) <= set(session.masks.frames_done(1).tolist())
            assert session.unfinished
            list(session.resume())
            assert np.array_equal(labels(session), expected)


class PowerOff(BaseException):
    """Nothing that the program could answer."""


def test_fault_43_a_session_killed_while_it_was_made_can_be_made_again(tmp_path, folder, recording, monkeypatch):
    replace, left = os.replace, tmp_path / "left.sam2v"

    def killed(source, target):
        if Path(target).name == "session.json":
            shutil.copytree(folder, left)
            raise PowerOff
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", killed)
        with pytest.raises(PowerOff):
            Session.create(folder, recording)
    assert (left / ".session.json.part").exists()
    with prepare(left, recording) as session:
        assert len(session.objects) == 2


class Disk:
    """What would be left of a folder after a power cut: content that was synced, under names that were synced."""

    def __init__(self, monkeypatch):
        self.content, self.names, self.held = {}, {}, []
        self.fsync, self.replace = os.fsync, os.replace
        monkeypatch.setattr(os, "fsync", self._fsync)
        monkeypatch.setattr(os, "replace", self._replace)

    def _fsync(self, handle):
        self.fsync(handle)
        self._keep(Path(os.readlink(f"/proc/self/fd/{handle}")))

    def _keep(self, path):
        if path.is_dir():
            self.names[path] = {p.name: p.stat().st_ino for p in path.iterdir()}
        else:
            self.content[path.stat().st_ino] = path.read_bytes()

    def _replace(self, source, target):
        if Path(target).exists():
            # Held open, so that no other file gets its number while its name may come back.
            self.held.append(os.open(target, os.O_RDONLY))
        self.replace(source, target)

    def settle(self, folder):
        """Take all that is there as synced."""
        for path in (folder, *folder.rglob("*")):
            self._keep(path)

    def after_power_cut(self, folder, target):
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        for name, inode in self.names.get(folder, {}).items():
            path = folder / name
            if path.is_dir():
                self.after_power_cut(path, target / name)
            else:
                (target / name).write_bytes(self.content.get(inode, b""))


@pytest.fixture
def disk(monkeypatch):
    made = Disk(monkeypatch)
    yield made
    for handle in made.held:
        os.close(handle)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc to see what a handle is of")
def test_fault_43_a_power_cut_loses_no_announced_frame_and_no_stroke(tmp_path, folder, recording, disk):
    cut = tmp_path / "cut.sam2v"
    with prepare(folder, recording) as session:
        for number, done in enumerate(session.track()):
            if number == 2:
                session.paint(6, (2, 3), np.full((4, 5), 2))
            disk.after_power_cut(folder, cut)
            with reopen(cut, recording) as left:
                assert np.array_equal(left.labels[done.frame], session.labels[done.frame])
                assert np.array_equal(left.masks.object_mask(done.frame, 1), session.masks.object_mask(done.frame, 1))
                assert left.prompts() == session.prompts()
                if number >= 2:
                    assert (left.labels[6][2:6, 3:8] == 2).all()
                assert not left.notes


def content_of(session):
    return labels(session).tobytes(), session.prompts(), session.can_undo, session.can_redo, session.dirty()


@pytest.fixture
def long_journal(folder, recording, monkeypatch):
    """What is in a session most of whose journal nothing needs any more; its next opening shortens it."""
    monkeypatch.setattr("napari_sam2_video.storage.tables.HISTORY_STEPS", 4)
    with prepare(folder, recording) as session:
        session.paint(2, (0, 0), np.full((3, 3), 2))
        for number in range(12):
            y, x = CENTRES[3, 0]
            session.set_prompts(1, 3, [PointPrompt(1, 3, y + number % 2, x)])
            list(session.track())
        session.undo()
        content = content_of(session)
    monkeypatch.setattr("napari_sam2_video.storage.state.COMPACT_BYTES", 0)
    return content


def test_a_journal_most_of_which_nothing_needs_is_shortened_and_says_the_same(folder, recording, long_journal):
    long = len(journal_lines(folder))
    with reopen(folder, recording) as session:
        assert len(journal_lines(folder)) < long / 2
        assert content_of(session) == long_journal
        assert [session.undo() is not None for _ in range(4)] == [True, True, True, False]
        assert [session.redo() is not None for _ in range(5)] == [True, True, True, True, False]
        assert not session.notes


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc to see what a handle is of")
def test_fault_43_a_journal_being_shortened_is_whole_at_every_moment(
    tmp_path, folder, recording, long_journal, disk, monkeypatch
):
    whole, cut = tmp_path / "whole.sam2v", tmp_path / "cut.sam2v"
    shutil.copytree(folder, whole)
    lengths = []
    for moment in range(3):
        shutil.rmtree(folder)
        shutil.copytree(whole, folder)
        disk.settle(folder)
        calls = []

        def counted(real, calls=calls, moment=moment):
            def call(*args):
                if len(calls) == moment:
                    raise PowerOff
                calls.append(real)
                return real(*args)

            return call

        with monkeypatch.context() as patch:
            for name in ("fsync", "replace"):
                patch.setattr(os, name, counted(getattr(os, name)))
            with pytest.raises(PowerOff):
                reopen(folder, recording).close()
        disk.after_power_cut(folder, cut)
        for left in (folder, cut):
            lengths.append(len(journal_lines(left)))
            with reopen(left, recording) as session:
                assert content_of(session) == long_journal
                assert not session.notes
            assert not list(left.glob(".*.part"))
    long, short = max(lengths), min(lengths)
    assert lengths == [long, long, long, long, short, long]


def test_fault_47_a_full_disk_leaves_a_journal_that_could_be_shorter(folder, recording, long_journal, monkeypatch):
    before = (folder / "journal.jsonl").read_bytes()

    def full(source, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        session = reopen(folder, recording)
    with session:
        assert (folder / "journal.jsonl").read_bytes() == before
        (note,) = session.notes
        assert "could not be compacted" in note
        assert content_of(session) == long_journal
        session.add_object()
    with reopen(folder, recording) as session:
        assert len(session.objects) == 3
        assert not session.notes


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
def test_fault_47_a_full_disk_stops_the_run_with_a_sentence_and_what_is_done_stays(
    tmp_path, recording, monkeypatch, call
):
    with prepare(tmp_path / "whole.sam2v", recording) as session:
        list(session.track())
        expected = labels(session)
    real = getattr(os, call)
    for fail_at in range(1, 60, 7):
        folder = tmp_path / f"{call}-{fail_at}.sam2v"
        session = prepare(folder, recording)
        counted = 0

        def failing(*args, fail_at=fail_at):
            nonlocal counted
            counted += 1
            if counted >= fail_at:
                if call == "write":
                    real(args[0], bytes(args[1])[: len(args[1]) // 2])
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(*args)

        said, complaint = [], None
        with monkeypatch.context() as patched:
            patched.setattr(os, call, failing)
            try:
                said.extend(done.frame for done in session.track())
            except StoreError as error:
                complaint = str(error)
        assert complaint is None or ("disk is full" in complaint and "\n" not in complaint)
        assert (complaint is not None) == (counted >= fail_at)
        for frame in said:
            assert np.array_equal(session.labels[frame], expected[frame])
        if session.unfinished:
            list(session.resume())
        elif session.dirty():
            list(session.track())
        assert np.array_equal(labels(session), expected)
        session.close()
        with reopen(folder, recording) as again:
            assert np.array_equal(labels(again), expected)


@pytest.mark.parametrize(
    ("number", "said"),
    [(errno.EROFS, "read-only"), (errno.EACCES, "permissions"), (errno.EDQUOT, "quota")],
)
def test_a_folder_that_cannot_be_written_is_reported_and_can_be_read(
    folder, recording, tracked, monkeypatch, number, said
):
    real = os.open

    def refusing(path, flags, *args, **kwargs):
        if flags & (os.O_WRONLY | os.O_RDWR) and str(folder) in str(path):
            raise OSError(number, os.strerror(number))
        return real(path, flags, *args, **kwargs)

    monkeypatch.setattr(os, "open", refusing)
    with pytest.raises(StoreError) as error:
        reopen(folder, recording)
    assert said in one_sentence(error)
    with reopen(folder, recording, read_only=True) as session:
        assert np.array_equal(labels(session), tracked)


def test_a_drive_that_vanishes_is_reported_and_not_recreated(folder, recording):
    with prepare(folder, recording) as session:
        list(session.track())
        expected = labels(session)
    with reopen(folder, recording) as session:
        assert session.tracker.notes == ()
        folder.rename(folder.with_name("gone"))
        session.set_prompts(1, 3, [PointPrompt(1, 3, 5, 5)])
        with pytest.raises(StoreError) as error:
            list(session.track())
        assert "reconnect its drive" in one_sentence(error)
        assert not folder.exists()
        folder.with_name("gone").rename(folder)
        session.undo()
        session.undo()
        assert np.array_equal(labels(session), expected)


@pytest.mark.parametrize("why", ["the drive is away", "input/output error"])
def test_masks_that_cannot_be_reached_for_a_while_are_not_given_up(folder, recording, tracked, monkeypatch, why):
    away, plain = folder.with_name("away"), Path.open

    def failing(path, *args, **kwargs):
        if path.suffix == ".pack":
            raise OSError(errno.EIO, "Input/output error")
        return plain(path, *args, **kwargs)

    with reopen(folder, recording) as session:
        with monkeypatch.context() as patch:
            if why == "the drive is away":
                folder.rename(away)
            else:
                patch.setattr(Path, "open", failing)
            for read in (lambda: session.masks.read_labels(5), lambda: session.masks.object_mask(6, 1)):
                with pytest.raises(UnreachableError) as error:
                    read()
                assert "reconnect its drive" in one_sentence(error)
        if away.exists():
            away.rename(folder)
        assert np.array_equal(labels(session), tracked)
        assert not session.notes
    with reopen(folder, recording) as session:
        assert np.array_equal(labels(session), tracked)
    assert not (folder / "quarantine").exists()


def test_two_processes_cannot_change_one_session_and_a_killed_one_leaves_no_lock(folder, recording, tracked):
    code = textwrap.dedent("""
        import sys, time
        sys.path.insert(0, sys.argv[2])
        from tests.faults.test_faults_session import MOVIE, open_recording, reopen
        session = reopen(sys.argv[1], open_recording(MOVIE, axes="TYX"))
        print("open", flush=True)
        time.sleep(60)
    """)
    child = subprocess.Popen([sys.executable, "-c", code, str(folder), str(ROOT)], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "open\n"
    with pytest.raises(SessionLockedError) as error:
        reopen(folder, recording)
    assert f"process {child.pid}" in one_sentence(error)
    with reopen(folder, recording, read_only=True) as session:
        assert np.array_equal(labels(session), tracked)
    child.kill()
    child.wait()
    child.stdout.close()
    with reopen(folder, recording) as session:
        assert np.array_equal(labels(session), tracked)


def test_fault_55_a_file_system_without_locks_is_found_at_the_start(folder, recording, monkeypatch):
    from filelock import FileLock

    def without(self):
        raise NotImplementedError

    monkeypatch.setattr(FileLock, "_acquire", without)
    with pytest.raises(SessionError) as error:
        Session.create(folder, recording)
    assert "without locks" in one_sentence(error)


def test_a_torn_last_line_is_left_out_and_kept_aside(folder, recording, tracked):
    whole = (folder / "journal.jsonl").read_bytes()
    last = len(journal_lines(folder)[-1])
    for cut in range(1, last, max(1, last // 9)):
        (folder / "journal.jsonl").write_bytes(whole[:-cut])
        with reopen(folder, recording) as session:
            assert np.array_equal(labels(session)[3:], tracked[3:])
            session.paint(2, (0, 0), np.full((3, 3), 2))
            assert np.array_equal(labels(session), tracked)
        kept = sorted((folder / "quarantine").glob("journal.jsonl.tail*"))
        assert kept
        shutil.rmtree(folder / "quarantine")


def test_a_damaged_line_costs_only_what_it_said(folder, recording, tracked):
    lines = journal_lines(folder)
    index = next(i for i, line in enumerate(lines) if (decode_line(line[:-1]).get("set") or [[""]])[0][0] == "records")
    frame = decode_line(lines[index][:-1])["set"][1][1]
    lines[index] = lines[index][:40] + b"#" + lines[index][41:]
    (folder / "journal.jsonl").write_bytes(b"".join(lines))
    with reopen(folder, recording) as session:
        assert any("damaged" in note for note in session.notes)
        rest = [f for f in range(8) if f != frame]
        assert np.array_equal(labels(session)[rest], tracked[rest])
        assert frame not in session.masks.frames_done(1)
    assert (folder / "quarantine" / "journal.jsonl.damaged").exists()


def test_a_damaged_record_counts_as_not_done_and_is_kept_aside(folder, recording, tracked):
    pack = next((folder / "masks" / "packs").iterdir())
    data = bytearray(pack.read_bytes())
    data[10] ^= 0xFF
    pack.write_bytes(bytes(data))
    with reopen(folder, recording) as session:
        np.asarray(session.labels)
        assert any("frame 3" in note for note in session.notes)
        assert 3 not in session.masks.frames_done(1)
        assert np.array_equal(labels(session)[[0, 1, 2, 4, 5, 6, 7]], tracked[[0, 1, 2, 4, 5, 6, 7]])
    assert list((folder / "quarantine").glob("frame-3-*"))


def test_a_lost_pack_and_unknown_files_are_reported_and_nothing_is_deleted(folder, recording, tracked):
    packs = folder / "masks" / "packs"
    pack = next(packs.iterdir())
    pack.unlink()
    (packs / "000099.pack").write_bytes(b"whose is this")
    (packs / "notes.txt").write_text("mine")
    with reopen(folder, recording) as session:
        assert any("missing" in note for note in session.notes)
        assert session.masks.frames_done(1).size == 0
        assert (labels(session)[2, :3, :3] == 2).all()
        assert session.prompts()
    assert (folder / "quarantine" / "000099.pack").read_bytes() == b"whose is this"
    assert (folder / "quarantine" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("keep", [0, 0.5, None])
def test_masks_are_there_again_when_their_pack_is_put_back(folder, recording, tracked, keep):
    pack = next((folder / "masks" / "packs").iterdir())
    whole = pack.read_bytes()
    if keep is None:
        pack.unlink()
    else:
        pack.write_bytes(whole[: int(keep * len(whole))])
    for read_only in (True, False):
        with reopen(folder, recording, read_only=read_only) as session:
            assert any("restore" in note and pack.name in note for note in session.notes)
            assert session.masks.frames_done(1).size < 8
            labels(session)
    assert pack.exists() == (keep is not None)
    pack.write_bytes(whole)
    with reopen(folder, recording) as session:
        assert not session.notes
        assert np.array_equal(labels(session), tracked)


def test_a_session_of_an_older_version_is_migrated_and_a_copy_kept(folder, recording, tracked):
    path = folder / "session.json"
    manifest = json.loads(path.read_text())
    manifest["schema"] = 0
    del manifest["source"]["relative"]
    path.write_text(json.dumps(manifest))
    with reopen(folder, recording) as session:
        assert np.array_equal(labels(session), tracked)
    assert json.loads(path.read_text())["schema"] == 1
    assert json.loads((folder / "session.schema-0.json").read_text()) == manifest


@pytest.mark.parametrize("where", ["manifest", "journal"])
def test_a_session_of_a_newer_version_is_refused_and_left_alone(folder, recording, tracked, where):
    if where == "manifest":
        path = folder / "session.json"
        manifest = json.loads(path.read_text())
        path.write_text(json.dumps(manifest | {"schema": 99, "software": "9.9"}))
    else:
        path = folder / "journal.jsonl"
        entries = [decode_line(line[:-1]) for line in journal_lines(folder)]
        entries[0]["head"]["schema"] = 99
        rewrite(folder, entries)
    before = path.read_bytes()
    with pytest.raises(SessionVersionError) as error:
        reopen(folder, recording)
    assert "newer version" in one_sentence(error)
    assert path.read_bytes() == before
    with pytest.raises(SessionVersionError):
        reopen(folder, recording)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"format": "other"}',
        "[" * 100_000,
        '{"format": "napari-sam2-video session", "schema": 1}',
    ],
)
def test_a_damaged_manifest_is_one_sentence(folder, recording, tracked, text):
    (folder / "session.json").write_text(text)
    with pytest.raises(SessionError) as error:
        reopen(folder, recording)
    assert "damaged" in one_sentence(error)


def test_a_folder_that_is_not_a_session_is_one_sentence(tmp_path, recording):
    with pytest.raises(SessionError) as error:
        reopen(tmp_path, recording)
    assert "not a session" in one_sentence(error)


def test_a_session_finds_its_recording_where_it_was_relative_to_it_and_beside_it(tmp_path):
    first, here = tmp_path / "first", tmp_path / "here"
    (first / "raw").mkdir(parents=True)
    here.mkdir()
    np.save(first / "raw" / "movie.npy", MOVIE)
    with open_recording(first / "raw" / "movie.npy", axes="TYX") as opened:
        Session.create(first / "runs" / "movie.sam2v", opened).close()
    second = first.rename(tmp_path / "second")
    with Session.open(second / "runs" / "movie.sam2v") as session:
        assert session.recording.path == second / "raw" / "movie.npy"
    (second / "runs" / "movie.sam2v").rename(here / "movie.sam2v")
    (second / "raw" / "movie.npy").rename(tmp_path / "movie.npy")
    with pytest.raises(SourceChangedError, match="is missing; put it beside the session") as error:
        Session.open(here / "movie.sam2v")
    one_sentence(error)
    np.save(here / "movie.npy", MOVIE[:, ::-1])
    with pytest.raises(SourceChangedError, match="is not the recording"):
        Session.open(here / "movie.sam2v")
    np.save(here / "movie.npy", MOVIE)
    with Session.open(here / "movie.sam2v") as session:
        assert session.recording.path == here / "movie.npy"


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/stdin", "../../../../etc/passwd", "/etc/passwd", "a\0b", "-rf"])
def test_a_session_that_points_elsewhere_opens_nothing(tmp_path, folder, path):
    np.save(tmp_path / "movie.npy", MOVIE)
    with open_recording(tmp_path / "movie.npy", axes="TYX") as opened:
        Session.create(folder, opened).close()
    manifest = json.loads((folder / "session.json").read_text())
    manifest["source"] |= {"path": path, "relative": path}
    (folder / "session.json").write_text(json.dumps(manifest))
    with pytest.raises(SourceChangedError) as error:
        Session.open(folder)
    one_sentence(error)


@pytest.mark.parametrize(
    ("key", "value"),
    [("n_frames", 10**12), ("shape_yx", [10**9, 10**9]), ("n_frames", -1), ("shape_yx", [1]), ("view", {"axis": "T"})],
)
def test_a_manifest_that_promises_too_much_is_refused(folder, recording, tracked, key, value):
    manifest = json.loads((folder / "session.json").read_text())
    manifest[key] = value
    (folder / "session.json").write_text(json.dumps(manifest))
    with pytest.raises(SessionError) as error:
        reopen(folder, recording)
    one_sentence(error)


def hostile(value):
    return {
        "a path for a pack": ["records", 9, value | {"ref": {"p": "../../x", "o": 0, "l": 1, "c": 0}}],
        "a pack that is not there": ["records", 9, value | {"ref": {"p": 77, "o": 0, "l": 1, "c": 0}}],
        "a length beyond the file": ["records", 9, value | {"ref": {"p": 1, "o": 0, "l": 10**15, "c": 0}}],
        "a frame outside": ["records", 9, value | {"frame": 10**9}],
        "ids beyond any type": ["records", 9, value | {"ids": [10**12, 10**13]}],
        "masks of a frame outside": ["masks", 10**9, [1]],
        "a million accepted frames": ["accepted", 1, [[0, 10**15]]],
        "a prompt nowhere": ["prompts", "1:99", {"revision": 1, "items": []}],
        "a prompt key that is a path": ["prompts", "../..:1", {"revision": 1, "items": []}],
        "an object without a name": ["objects", 5, {"color": [1, 2, 3]}],
        "a model that is no model": ["model", "settings", {"evil": 1}],
        "a stroke under itself": [
            "strokes",
            5000,
            {"ref": {"z": ""}, "frame": 1, "below": 5000, "newest": [[1, 5000]], "ids": [1]},
        ],
    }


@pytest.mark.parametrize("name", hostile({}))
def test_a_hostile_journal_entry_changes_nothing_else(folder, recording, tracked, name):
    entries = [decode_line(line[:-1]) for line in journal_lines(folder)]
    value = next(v for e in entries for t, _, v in e.get("set", []) if t == "records")
    extra = hostile(value)[name]
    number = entries[-1]["n"]
    rewrite(folder, [*entries, {"n": number + 1, "set": [extra]}, {"n": number + 2, "set": [["paint", 1, 5000]]}])
    with reopen(folder, recording) as session:
        keep = [f for f in range(8) if f != 1]
        assert np.array_equal(labels(session)[keep], tracked[keep])
        assert session.model_settings.model == "demo"
        session.dirty()
        session.scores(1)
        session.provenance()


def test_a_record_that_unpacks_to_more_than_a_frame_is_not_unpacked(folder, recording, tracked):
    bomb = zlib.compress(bytes(50_000_000), 9)
    head = {
        "frame": 3,
        "shape_yx": [32, 40],
        "direction": "forward",
        "objects": [
            {"id": i, "origin": [0, 0], "shape": [32, 40], "bytes": len(bomb), "score": 1, "iou": 1, "prompted": False}
            for i in (1, 2)
        ],
    }
    data = json.dumps(head).encode() + b"\n" + bomb + bomb
    pack = folder / "masks" / "packs" / "000007.pack"
    pack.write_bytes(data)
    entries = [decode_line(line[:-1]) for line in journal_lines(folder)]
    for entry in entries:
        for table, _, value in entry.get("set", []):
            if table == "records" and value["frame"] == 3:
                value["ref"] = {"p": 7, "o": 0, "l": len(data), "c": zlib.crc32(data)}
    rewrite(folder, entries)
    import tracemalloc

    with reopen(folder, recording) as session:
        tracemalloc.start()
        session.masks.read_labels(3)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 5_000_000
        assert any("frame 3" in note for note in session.notes)


def test_a_link_for_a_pack_is_not_followed(tmp_path, folder, recording, tracked):
    secret = tmp_path / "secret"
    pack = next((folder / "masks" / "packs").iterdir())
    shutil.move(pack, secret)
    pack.symlink_to(secret)
    with reopen(folder, recording) as session:
        assert session.masks.frames_done(1).size == 0
    assert secret.exists()


def test_names_with_percent_signs_spaces_and_dashes_work(tmp_path, recording, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("-rf %s 100%.sam2v", "ü n\u0301 %d.sam2v"):
        with prepare(Path(name), recording) as session:
            list(session.track())
            expected = labels(session)
        with reopen(Path(name), recording) as session:
            assert np.array_equal(labels(session), expected)


def test_sources_are_never_modified(tmp_path, folder):
    path = tmp_path / "movie.npy"
    np.save(path, MOVIE)
    before = (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_mode)
    with open_recording(path, axes="TYX") as opened, prepare(folder, opened) as session:
        list(session.track())
        session.paint(0, (0, 0), np.ones((2, 2), int))
        session.result()
    assert (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_mode) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["models", "movie.npy", "run.sam2v"] or sorted(
        p.name for p in tmp_path.iterdir()
    ) == ["movie.npy", "run.sam2v"]


def test_fault_44_an_exception_of_a_listener_leaves_the_session_usable(tmp_path, folder, recording):
    heard = []

    def broken():
        raise ZeroDivisionError("by nought")

    with prepare(tmp_path / "whole.sam2v", recording) as session:
        list(session.track())
        expected = labels(session)
    with prepare(folder, recording) as session:
        session.events.connect(lambda info: heard.append(info.signal.name))
        session.events.masks.connect(broken)
        announced = []
        with pytest.raises(SessionError, match="by nought") as error:
            announced.extend(session.track())
        assert "broken" in one_sentence(error)
        assert isinstance(error.value.__cause__, ZeroDivisionError)
        assert heard == ["masks"]
        assert session.masks.frames_done(1).size == 1
        assert session.tracker.open_runs == 0
        assert not session.running
        assert session.unfinished
        session.events.masks.disconnect(broken)
        list(session.resume())
        assert not session.unfinished
        assert np.array_equal(labels(session), expected)


def test_fault_44_what_a_failing_listener_was_notified_of_is_kept(folder, recording):
    def broken():
        raise OSError(5, "no such luck")

    with Session.create(folder, recording, tracker_factory=fake_factory()) as session:
        session.events.objects.connect(broken)
        with pytest.raises(SessionError) as error:
            session.add_object("nucleus")
        one_sentence(error)
    with reopen(folder, recording, read_only=True) as session:
        assert [info.name for info in session.objects] == ["nucleus"]


@pytest.fixture
def no_inline(monkeypatch):
    """Every stroke and mask prompt goes to a pack, as large ones do."""
    monkeypatch.setattr("napari_sam2_video.storage.packs.INLINE_BYTES", 0)


def test_findings_of_a_check_survive_a_file_that_cannot_be_read_for_a_while(folder, recording, tracked, monkeypatch):
    with reopen(folder, recording) as session:
        list(session.check())
        expected = [session.scores(i)["disagreement"] for i in (1, 2)]
    plain = Path.read_bytes

    def failing(path):
        if path.name == "checks.dat":
            raise OSError(errno.EIO, "Input/output error")
        return plain(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", failing)
        session = reopen(folder, recording)
        assert "reconnect its drive" in session.notes[0]
        before = plain(folder / "checks.dat")
        with pytest.raises(UnreachableError):
            list(session.check(CheckSettings(objects=(1,))))
        assert plain(folder / "checks.dat") == before
    list(session.check(CheckSettings(objects=(1,))))
    session.close()
    with reopen(folder, recording) as session:
        found = [session.scores(i)["disagreement"] for i in (1, 2)]
        assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(found, expected, strict=True))
        assert not np.isnan(found[1]).all()


@pytest.mark.parametrize("read_only", [True, False])
def test_a_session_without_its_journal_is_refused_and_nothing_is_moved(folder, recording, tracked, read_only):
    journal = folder / "journal.jsonl"
    journal.rename(folder.with_name("aside"))
    with pytest.raises(SessionError) as error:
        reopen(folder, recording, read_only=read_only)
    assert "lost its journal.jsonl" in one_sentence(error)
    assert not journal.exists()
    folder.with_name("aside").rename(journal)
    with reopen(folder, recording) as session:
        assert np.array_equal(labels(session), tracked)
        assert not session.notes


def test_a_journal_that_seemed_to_be_gone_is_not_cut(folder, recording, tracked, monkeypatch):
    path = folder / "journal.jsonl"
    before, plain = path.read_bytes(), Path.exists
    with monkeypatch.context() as patch:
        patch.setattr(Path, "exists", lambda one, **options: one != path and plain(one, **options))
        with pytest.raises(StoreError) as error:
            Journal(path, read_only=False, quarantine=folder / "quarantine")
    one_sentence(error)
    assert path.read_bytes() == before


@pytest.mark.parametrize("keep", [0, None])
def test_strokes_and_mask_prompts_whose_pack_is_gone_are_left_out_until_it_is_back(folder, recording, no_inline, keep):
    mask = np.zeros((32, 40), bool)
    mask[20:28, 5:15] = True
    with prepare(folder, recording) as session:
        session.set_prompts(1, 3, [MaskPrompt(1, 3, mask)])
        list(session.track())
        session.paint(2, (0, 0), np.full((3, 3), 2))
        session.paint(5, (0, 0), np.full((3, 3), 2))
        expected = labels(session)
    packs = {path: path.read_bytes() for path in (folder / "masks" / "packs").iterdir()}
    for path in packs:
        path.unlink() if keep is None else path.write_bytes(b"")
    with reopen(folder, recording) as session:
        assert not labels(session)[2, :3, :3].any()
        assert any("frame 2" in note and "restore" in note for note in session.notes)
        with pytest.raises(PromptError, match="draw it again"):
            session.prompts()
        session.set_prompts(1, 3, [MaskPrompt(1, 3, mask)])
        session.undo()
    for path, data in packs.items():
        path.write_bytes(data)
    with reopen(folder, recording) as session:
        assert np.array_equal(labels(session), expected)
        assert len(session.prompts()) == 2


def test_masks_that_redo_brings_back_are_not_given_up_where_their_pack_is_cut_short(folder, recording, tracked):
    pack = next((folder / "masks" / "packs").iterdir())
    whole = pack.read_bytes()
    pack.write_bytes(whole[: len(whole) // 2])
    with reopen(folder, recording) as session:
        for travel in (session.undo, session.undo, session.redo, session.redo):
            assert travel()
        labels(session)
    pack.write_bytes(whole)
    with reopen(folder, recording) as session:
        assert not session.notes
        assert np.array_equal(labels(session), tracked)


@pytest.mark.parametrize("name", ["session.json", "journal.jsonl", "packs", "000001.pack"])
@pytest.mark.parametrize("read_only", [True, False])
def test_whatever_of_a_session_cannot_be_looked_at_is_one_sentence(
    folder, recording, tracked, monkeypatch, name, read_only
):
    plain = os.stat

    def failing(path, *args, **kwargs):
        if not isinstance(path, int) and Path(os.fspath(path)).name == name:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return plain(path, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", failing)
        with pytest.raises(Sam2VideoError) as error:
            reopen(folder, recording, read_only=read_only)
    assert "Permission denied" in one_sentence(error) or "permissions" in str(error.value)
    with reopen(folder, recording, read_only=read_only) as session:
        assert np.array_equal(labels(session), tracked)
        assert not session.notes
    assert not (folder / "quarantine").exists()


def test_closing_files_that_complain_about_it_loses_nothing(folder, recording, monkeypatch):
    plain = os.close

    def complaining(handle):
        plain(handle)
        raise OSError(errno.EIO, "Input/output error")

    session = prepare(folder, recording)
    list(session.track())
    expected = labels(session)
    with monkeypatch.context() as patch:
        patch.setattr("napari_sam2_video.storage.atomic.os.close", complaining)
        session.close()
    with reopen(folder, recording) as session:
        assert np.array_equal(labels(session), expected)


@pytest.mark.parametrize("before", [False, True])
def test_label_images_follow_where_a_stopped_run_is_undone_and_the_process_killed(tmp_path, folder, recording, before):
    killed = tmp_path / "killed.sam2v"
    with prepare(folder, recording) as session:
        if before:
            list(session.track())
            session.set_prompts(1, 3, [PointPrompt(1, 3, 5, 5)])
        expected = labels(session)
        done = []
        done.extend(iter(session.track(stop=lambda: len(done) > 3)))
        assert not np.array_equal(labels(session), expected)
        assert session.undo().startswith("track")
        assert np.array_equal(labels(session), expected)
        shutil.copytree(folder, killed)
    with reopen(killed, recording) as session:
        assert np.array_equal(labels(session), expected)


def test_what_the_tracker_remembers_of_new_prompts_is_never_taken_for_that_of_the_old(folder, recording, monkeypatch):
    with prepare(folder, recording) as session:
        list(session.track())
        expected = labels(session)
        session.set_prompts(1, 3, [PointPrompt(1, 3, 5, 5)])
        plain = Journal.append

        def full(journal, entry):
            if any(table == "memory" and value is not None for table, _, value in entry.get("set", ())):
                raise StoreError("The disk is full.")
            plain(journal, entry)

        with monkeypatch.context() as patch:
            patch.setattr(Journal, "append", full)
            with pytest.raises(StoreError):
                list(session.track())
        assert session.undo().startswith("track")
        assert session.undo().startswith("prompts")
        list(session.track(TrackSettings(objects=(1,))))
        assert np.array_equal(labels(session), expected)


def test_a_change_that_failed_and_could_not_be_cut_off_is_gone_once_closed(folder, recording, monkeypatch):
    def failing(*args):
        raise OSError(errno.EIO, "Input/output error")

    with prepare(folder, recording) as session:
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", failing)
            patch.setattr(os, "ftruncate", failing)
            with pytest.raises(StoreError):
                session.add_object("never")
        assert len(session.objects) == 2
    with reopen(folder, recording) as session:
        assert [info.name for info in session.objects] == ["object 1", "object 2"]
        assert not session.notes


def test_no_pack_is_written_to_whose_name_may_be_lost(folder, recording, monkeypatch):
    import napari_sam2_video.storage.packs as blobs

    plain, synced = blobs.sync_folder, []

    def first_fails(path):
        synced.append(path)
        if len(synced) == 1:
            raise OSError(errno.EIO, "Input/output error")
        plain(path)

    with prepare(folder, recording) as session:
        monkeypatch.setattr(blobs, "sync_folder", first_fails)
        with pytest.raises(StoreError):
            list(session.track())
        list(session.resume())
        assert len(synced) == 2


@pytest.mark.parametrize("source", [None, [], 3])
def test_an_older_session_whose_manifest_is_nonsense_is_one_sentence(folder, recording, tracked, source):
    path = folder / "session.json"
    manifest = json.loads(path.read_text()) | {"schema": 0, "source": source}
    path.write_text(json.dumps(manifest))
    with pytest.raises(SessionError) as error:
        reopen(folder, recording)
    assert "damaged" in one_sentence(error)
    assert json.loads(path.read_text()) == manifest
