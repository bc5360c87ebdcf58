"""What objects remember between runs, on disk: it comes back whole, or counts as missing."""

import os
import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_sam2_video.engine.memory import ConditioningEntry, MemoryEntry, Trail
from napari_sam2_video.engine.memory_store import MemoryStore
from napari_sam2_video.errors import StoreError
from napari_sam2_video.types import ObjectMask

FILES = ("000001/prompt-00000002.npz", "000001/forward-00000005.npz", "key")


@pytest.fixture
def folder(tmp_path):
    entry = MemoryEntry(2, torch.full((1, 4, 8, 8), 0.5, dtype=torch.bfloat16), torch.arange(16.0).reshape(1, 16))
    kept = MemoryStore(tmp_path / "memory")
    kept.bind("model and view")
    shown = ObjectMask(1, (3, 4), np.full((5, 6), 9, np.uint8), 1.5, 0.9, True)
    kept.put_entry(1, ConditioningEntry(0, entry, torch.ones(1, 1, 32, 32), shown))
    kept.put_trail(Trail(1, "forward", 5, {2: entry}, (2,)))
    return tmp_path / "memory"


def seen(kept):
    """Everything that is remembered, as plain values; None for what is missing."""
    held, trail = kept.entries(1).get(2), kept.trail(1, "forward", 5)
    return (
        None
        if held is None
        else (
            held.logits.tolist(),
            held.memory.pointer.tolist(),
            held.memory.spatial.tolist(),
            held.shown.levels.tolist(),
        ),
        None if trail is None else (trail.conditioning, [e.pointer.tolist() for e in trail.entries.values()]),
    )


def test_memories_come_back_as_they_were(folder):
    held, trail = seen(MemoryStore(folder))
    assert held is not None
    assert trail == ((2,), [torch.arange(16.0).reshape(1, 16).tolist()])


@pytest.mark.parametrize("name", FILES)
def test_damage_anywhere_gives_what_was_or_nothing(folder, name):
    whole = (folder / name).read_bytes()
    before = seen(MemoryStore(folder))
    random_ = random.Random(3)
    for _ in range(60):
        broken = bytearray(whole)
        if random_.random() < 0.3:
            del broken[random_.randrange(len(broken)) :]
        else:
            broken[random_.randrange(len(broken))] ^= 1 << random_.randrange(8)
        (folder / name).write_bytes(broken)
        for found, was in zip(seen(MemoryStore(folder)), before, strict=True):
            assert found is None or found == was
        (folder / name).parent.mkdir(exist_ok=True)


@pytest.mark.parametrize("stamp", [b"another model", b"\xff\xfe", b""])
def test_memories_of_another_model_are_forgotten(folder, stamp):
    (folder / "key").write_bytes(stamp)
    kept = MemoryStore(folder)
    kept.bind("model and view")
    assert seen(kept) == (None, None)
    assert seen(MemoryStore(folder)) == (None, None)
    assert (folder / "key").read_bytes() == b"model and view"


def test_the_same_model_keeps_its_memories(folder):
    kept = MemoryStore(folder)
    before = seen(kept)
    kept.bind("model and view")
    assert seen(kept) == before


def test_a_trail_knows_which_of_its_frames_were_tracked_again(folder):
    entry = MemoryEntry(4, None, torch.zeros(1, 16))
    kept = MemoryStore(folder)
    kept.put_trail(Trail(1, "backward", 9, {10: entry}, (2,)))
    kept.put_trail(Trail(2, "forward", 5, {4: entry}, (2,)))
    kept.outdate(1, range(2, 4))
    kept.outdate(1, [7, 8])
    for again in (kept, MemoryStore(folder)):
        assert again.trail(1, "forward", 5).outdated == {2}
        assert again.trail(1, "backward", 9).outdated == frozenset()
        assert again.trail(2, "forward", 5).outdated == frozenset()
    kept.outdate(1, [9, 10])
    assert kept.trail(1, "backward", 9) is None


def test_a_trail_that_names_no_frames_tracked_again_is_read(folder):
    path = folder / "000001" / "forward-00000005.npz"
    with np.load(path) as file:
        arrays = {name: file[name] for name in file if name != "outdated"}
    np.savez(path, **arrays)
    assert MemoryStore(folder).trail(1, "forward", 5).outdated == frozenset()


def test_files_that_windows_does_not_let_go_of_end_no_run_and_are_marked_as_changed(folder, monkeypatch):
    def refused(path, missing_ok=False):
        raise PermissionError(13, "The process cannot access the file", str(path))

    kept = MemoryStore(folder, trail_bytes=1)
    trail = kept.trail(1, "forward", 5)
    kept.resume_cache.put("forward", 0, {1: trail.entries[2]})
    with monkeypatch.context() as patched:
        patched.setattr("pathlib.Path.unlink", refused)
        for frame in range(6, 40):
            kept.put_trail(replace(trail, frame=frame))
            kept.resume_cache.put("forward", frame, {1: trail.entries[2]})
    assert kept.trail_frames(1, "forward") == list(range(5, 40))
    kept.outdate(1, [39])
    assert MemoryStore(folder).trail(1, "forward", 39) is None


def test_a_trail_that_cannot_be_read_for_now_is_not_taken_for_one_that_knows_of_changes(folder, monkeypatch):
    kept = MemoryStore(folder)

    def refused(*arguments, **options):
        raise PermissionError(13, "The process cannot access the file")

    with monkeypatch.context() as patched:
        patched.setattr("pathlib.Path.open", refused)
        patched.setattr("pathlib.Path.unlink", refused)
        with pytest.raises(PermissionError):
            kept.outdate(1, [2])
    kept.outdate(1, [2])
    assert kept.trail(1, "forward", 5).outdated == {2}


def test_a_trail_that_cannot_be_marked_as_changed_for_lack_of_room_is_dropped(folder, monkeypatch):
    kept = MemoryStore(folder)
    entries = {1: kept.trail(1, "forward", 5).entries[2]}
    kept.resume_cache.put("forward", 3, entries)

    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("numpy.savez", full)
        kept.outdate(1, [2])
        kept.resume_cache.put("forward", 3, entries)
    for reopened in (kept, MemoryStore(folder)):
        assert reopened.trail(1, "forward", 5) is None
        assert reopened.resume_cache.entries("forward", 1, [3]) is None


def test_a_folder_that_cannot_be_looked_at_is_one_sentence(folder, monkeypatch):
    plain, before = os.stat, seen(MemoryStore(folder))

    def failing(path, *args, **kwargs):
        if not isinstance(path, int) and os.fspath(path).endswith("forward-00000005.npz"):
            raise OSError(5, "Input/output error")
        return plain(path, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", failing)
        with pytest.raises(StoreError, match="reconnect its drive"):
            MemoryStore(folder)
    assert seen(MemoryStore(folder)) == before
