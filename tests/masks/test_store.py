from __future__ import annotations

import errno
import os
import threading
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam2_video.errors import StoreError
from napari_sam2_video.masks import labels_file, reading
from napari_sam2_video.masks.codec import (
    Stroke,
    decode_mask,
    decode_masks,
    decode_stroke,
    encode_mask,
    encode_masks,
    encode_stroke,
)
from napari_sam2_video.masks.store import MaskStore
from napari_sam2_video.storage.journal import Journal, decode_line, encode_line
from napari_sam2_video.storage.packs import INLINE_BYTES, BlobStore
from napari_sam2_video.storage.state import Ledger
from napari_sam2_video.storage.tables import HISTORY_STEPS
from napari_sam2_video.types import FrameMasks, ObjectMask

SHAPE = (20, 24)


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.fixture
def store(tmp_path):
    with MaskStore.create(tmp_path / "masks", 6, SHAPE) as made:
        yield made


def patch(object_id, top, left, level, side=6):
    return ObjectMask(object_id, (top, left), np.full((side, side), level, np.uint8), 2.5, 0.75)


def test_the_higher_level_wins_and_a_tie_goes_to_the_lower_id(store):
    store.write(FrameMasks(0, SHAPE, (patch(3, 0, 0, 9), patch(1, 3, 3, 9), patch(2, 5, 5, 30))))
    labels = store.read_labels(0)
    assert labels[1, 1] == 3
    assert labels[4, 4] == 1
    assert labels[5, 5] == 2
    assert labels[8, 8] == 2


def test_a_later_write_replaces_only_its_objects(store):
    store.write(FrameMasks(0, SHAPE, (patch(1, 0, 0, 9), patch(2, 10, 10, 9))))
    store.write(FrameMasks(0, SHAPE, (patch(2, 0, 10, 9),), "backward"))
    assert store.object_mask(0, 1)[:6, :6].all()
    assert not store.object_mask(0, 2)[10:, 10:].any()
    assert store.walked(1)[0] == 1
    assert store.walked(2)[0] == -1
    store.write(FrameMasks(0, SHAPE, (patch(1, 1, 1, 9),)))
    assert len(store.ledger.get("masks", 0)) == 2


class Counted(OrderedDict):
    """A dict that counts the keys that are gone through."""

    looks = 0

    def __iter__(self):
        for key in super().__iter__():
            self.looks += 1
            yield key

    def __reversed__(self):
        return iter([*self][::-1])

    def keys(self):
        return iter(self)

    def values(self):
        return (self[key] for key in self)

    def items(self):
        return ((key, self[key]) for key in self)


def test_keeping_a_label_image_goes_through_no_other_ones(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "CACHE_BYTES", 40 * SHAPE[0] * SHAPE[1])
    with MaskStore.create(tmp_path / "masks", 60, SHAPE) as store:
        store._images = images = Counted()
        for frame in range(60):
            store.write(FrameMasks(frame, SHAPE, (patch(1, 0, 0, 9),)))
            store.read_labels(frame)
            store.paint(frame, (0, 0), np.full((2, 2), 2))
        assert (len(images), images.looks) == (40, 0)


def test_as_many_label_images_are_kept_as_fit_however_often_a_frame_changed(store, monkeypatch):
    monkeypatch.setattr(reading, "CACHE_BYTES", 5 * SHAPE[0] * SHAPE[1])
    for _ in range(4):
        store.write(FrameMasks(0, SHAPE, (patch(1, 0, 0, 9),)))
        store.read_labels(0)
        store.paint(0, (0, 0), np.full((2, 2), 2))
    images = [store.read_labels(frame) for frame in range(6)]
    assert [store.read_labels(frame) is image for frame, image in list(enumerate(images))[1:]] == [True] * 5
    assert len(store._images) == 5


def test_the_images_used_last_are_the_ones_kept(store, monkeypatch):
    monkeypatch.setattr(reading, "CACHE_BYTES", 4 * SHAPE[0] * SHAPE[1])
    first = store.read_labels(0)
    for frame in (1, 2, 3, 0, 4, 5):
        store.read_labels(frame)
    assert store.read_labels(0) is first
    assert 1 not in store._images


def test_scores_are_those_of_the_masks(store):
    store.write(FrameMasks(2, SHAPE, (patch(1, 3, 4, 9),)))
    store.write(FrameMasks(4, SHAPE, (ObjectMask(1, (0, 0), np.zeros((0, 0), np.uint8), -4.0, 0.1),)))
    store.paint(5, (0, 0), np.ones((2, 3), int))
    scores = store.scores(1)
    assert scores["frame"].tolist() == [2, 4, 5]
    assert scores["area"].tolist() == [36, 0, 6]
    assert scores["y"][0] == 5.5
    assert scores["x"][0] == 6.5
    assert [scores[n][0] for n in ("y0", "x0", "y1", "x1")] == [3, 4, 9, 10]
    assert np.isnan(scores["y"][1])
    assert scores["painted"].tolist() == [False, False, True]
    assert scores["walk"].tolist() == [1, 1, 0]
    assert store.frames_done(1).tolist() == [2, 4]


def test_paint_lies_over_all_and_can_be_given_back_for_one_object(store):
    store.write(FrameMasks(0, SHAPE, (patch(1, 0, 0, 200),)))
    store.paint(0, (0, 0), np.full((3, 3), 2))
    store.paint(0, (3, 3), np.zeros((3, 3), int))
    store.write(FrameMasks(0, SHAPE, (patch(1, 0, 0, 250),)))
    assert (store.read_labels(0)[:3, :3] == 2).all()
    assert (store.read_labels(0)[3:6, 3:6] == 0).all()
    assert store.clear_paint(0, 2)
    assert (store.read_labels(0)[:3, :3] == 1).all()
    assert (store.read_labels(0)[3:6, 3:6] == 0).all()
    assert store.clear_paint(0, 1)
    assert (store.read_labels(0)[:6, :6] == 1).all()
    assert not store.clear_paint(0)


def test_masks_that_do_not_fit_are_refused(store):
    with pytest.raises(StoreError, match="no frame 6"):
        store.write(FrameMasks(6, SHAPE, (patch(1, 0, 0, 9),)))
    with pytest.raises(StoreError, match="pixels where"):
        store.write(FrameMasks(0, (5, 5), ()))
    with pytest.raises(StoreError, match="do not fit"):
        store.paint(0, (18, 0), np.ones((5, 5), int))
    with pytest.raises(StoreError, match="between 0"):
        store.paint(0, (0, 0), np.full((2, 2), -1))
    with pytest.raises(StoreError, match="differ in shape"):
        store.paint(0, (0, 0), np.ones((2, 2), int), np.ones((3, 3), bool))


def test_large_frames_are_tiled(tmp_path, monkeypatch):
    import zarr

    import napari_sam2_video.masks.labels_file as labels_file

    monkeypatch.setattr(labels_file, "TILE", 8)
    with MaskStore.create(tmp_path / "masks", 2, SHAPE) as store:
        store.write(FrameMasks(1, SHAPE, (patch(1, 6, 15, 9),)))
        expected = store.read_labels(1)
    array = zarr.open_array(tmp_path / "masks" / "labels.zarr", mode="r")
    assert array.chunks == (1, 8, 8)
    assert np.array_equal(array[1], expected)
    assert not array[0].any()


def test_the_label_file_is_brought_up_to_date_when_it_is_behind(tmp_path):
    import zarr

    with MaskStore.create(tmp_path / "masks", 3, SHAPE) as store:
        store.write(FrameMasks(1, SHAPE, (patch(1, 6, 15, 9),)))
        expected = store.read_labels(1)
    for path in (tmp_path / "masks" / "labels.zarr").glob("c.*"):
        path.unlink()
    (tmp_path / "masks" / "labels.versions").unlink()
    MaskStore.open(tmp_path / "masks").close()
    assert np.array_equal(zarr.open_array(tmp_path / "masks" / "labels.zarr", mode="r")[1], expected)


def test_packs_that_nothing_needs_any_more_are_deleted_and_no_others(tmp_path):
    folder = tmp_path / "masks"
    with MaskStore.create(folder, 2, SHAPE) as store:
        store.write(FrameMasks(0, SHAPE, (patch(1, 0, 0, 9),)))
        store.write(FrameMasks(1, SHAPE, (patch(1, 0, 0, 9),)))
    for number in range(HISTORY_STEPS + 2):
        with MaskStore.open(folder) as store:
            store.write(FrameMasks(0, SHAPE, (patch(1, number % 9, 0, 9),)))
    with MaskStore.open(folder) as store:
        assert 1 in store.blobs.packs()
        assert 2 not in store.blobs.packs()
        assert store.object_mask(1, 1).any()
        for _ in range(HISTORY_STEPS):
            assert store.ledger.undo() is not None
        assert store.ledger.undo() is None
        assert store.object_mask(0, 1).any()
        assert not store.notes


def test_reading_and_painting_from_other_threads_while_frames_are_written(store):
    done = threading.Event()
    wrong = []

    def look():
        while not done.is_set():
            for frame in range(6):
                labels = store.read_labels(frame)
                if not set(np.unique(labels).tolist()) <= {0, 1, 2, 7}:
                    wrong.append(frame)

    def paint():
        for number in range(40):
            store.paint(number % 6, (0, number % 20), np.full((2, 2), 7))

    threads = [threading.Thread(target=look), threading.Thread(target=paint)]
    for thread in threads:
        thread.start()
    for number in range(60):
        store.write(FrameMasks(number % 6, SHAPE, (patch(1, number % 14, 2, 9), patch(2, 8, number % 18, 20))))
    threads[1].join()
    done.set()
    threads[0].join()
    assert not wrong
    assert store.painted() == [0, 1, 2, 3, 4, 5]
    layer = store.paint_layer(0)
    assert (store.read_labels(0)[layer.region][layer.painted] == 7).all()


crops = st.tuples(st.integers(0, 12), st.integers(0, 12), st.integers(0, 8), st.integers(0, 8), st.integers(0, 255))


@settings(max_examples=50, deadline=None)
@given(st.lists(crops, min_size=1, max_size=4))
def test_masks_come_back_as_they_were(boxes):
    objects = tuple(
        ObjectMask(i + 1, (y, x), np.arange(h * w, dtype=np.uint8).reshape(h, w) ^ v, -1.25, 0.5, bool(v % 2))
        for i, (y, x, h, w, v) in enumerate(boxes)
    )
    back = decode_masks(encode_masks(FrameMasks(3, SHAPE, objects, "backward")), SHAPE)
    assert (back.frame, back.direction) == (3, "backward")
    for given_mask, mask in zip(objects, back.objects, strict=True):
        assert np.array_equal(given_mask.levels, mask.levels)
        assert (given_mask.origin_yx, given_mask.prompted) == (mask.origin_yx, mask.prompted)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_strokes_and_masks_come_back_as_they_were(seed, single):
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 3, (7, 9)).astype(np.uint8)
    values = np.where(kind == 1, 5 if single else rng.integers(0, 2**32, (7, 9)), 0).astype(np.uint32)
    back = decode_stroke(encode_stroke(Stroke((3, 4), kind, values)), SHAPE)
    assert back.origin_yx == (3, 4)
    assert np.array_equal(back.kind, kind)
    assert np.array_equal(back.values, values)
    mask = rng.random(SHAPE) < 0.3
    assert np.array_equal(decode_mask(encode_mask(mask), SHAPE), mask)


def read_or_refuse(decode, data):
    try:
        return decode(data, SHAPE)
    except StoreError as error:
        return str(error)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 2**20), st.integers(0, 255))
def test_damaged_bytes_give_one_sentence_or_masks_that_fit(noise, at, flip):
    whole = bytearray(encode_masks(FrameMasks(3, SHAPE, (patch(1, 2, 3, 9), patch(2, 5, 5, 20)))))
    whole[at % len(whole)] ^= flip
    for data in (bytes(whole), noise, bytes(whole[: at % len(whole)])):
        for decode in (decode_masks, decode_stroke, decode_mask):
            found = read_or_refuse(decode, data)
            if isinstance(found, str):
                assert "\n" not in found
            for mask in getattr(found, "objects", ()):
                assert mask.origin_yx[0] + mask.levels.shape[0] <= SHAPE[0]
                assert mask.origin_yx[1] + mask.levels.shape[1] <= SHAPE[1]


values = st.integers() | st.text() | st.none() | st.lists(st.floats(allow_nan=False, allow_infinity=False))


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(), values, max_size=4))
def test_journal_lines_come_back_and_damaged_ones_do_not(entry):
    line = encode_line(entry)
    assert line.count(b"\n") == 1
    assert decode_line(line[:-1]) == entry
    for cut in range(len(line) - 1):
        assert decode_line(line[:cut]) is None


def test_blobs_are_inline_when_small_and_in_packs_when_large(tmp_path):
    blobs = BlobStore(tmp_path / "packs", read_only=False)
    small, large = blobs.put(b"x"), blobs.put(b"y" * (INLINE_BYTES + 1))
    assert small.inline == b"x"
    assert large.inline is None
    assert blobs.get(large) == b"y" * (INLINE_BYTES + 1)
    blobs.close()


def test_a_step_is_undone_in_any_table_and_reopened_as_it_was(tmp_path):
    def open_ledger():
        return Ledger(Journal(tmp_path / "j", read_only=False, quarantine=tmp_path / "q"), {})

    ledger = open_ledger()
    first = ledger.commit([("a", 1, "x"), ("b", "1:2", [1])], name="first")
    ledger.commit([("a", 1, "y")], name="second")
    ledger.commit([("b", "1:3", [2])], step=first)
    ledger.commit([("c", 1, 1)])
    assert ledger.group("b", 1) == {"2": [1], "3": [2]}
    assert ledger.undo()[0] == "second"
    assert ledger.get("a", 1) == "x"
    assert ledger.undo() == ("first", frozenset({("a", 1), ("b", "1:2"), ("b", "1:3")}))
    assert ledger.group("b", 1) == {}
    assert ledger.redo()[0] == "first"
    ledger.close()
    again = open_ledger()
    assert again.get("a", 1) == "x"
    assert again.get("c", 1) == 1
    assert again.group("b", 1) == {"2": [1], "3": [2]}
    assert (again.undoable, again.redoable) == ("first", "second")
    again.commit([("a", 2, "z")], name="third")
    assert again.redoable is None
    again.close()


def test_what_a_failed_write_left_behind_is_cut_off_before_the_next_line(tmp_path, monkeypatch):
    journal = Journal(tmp_path / "j", read_only=False, quarantine=tmp_path / "q")
    journal.append({"n": 0})
    write = os.write

    def half(handle, data):
        write(handle, bytes(data)[:5])
        raise OSError(errno.EIO, "Input/output error")

    def gone(handle, size):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(os, "write", half)
        broken.setattr(os, "ftruncate", gone)
        with pytest.raises(StoreError, match="its disk answers with errors"):
            journal.append({"n": 1})
    journal.append({"n": 2})
    journal.close()
    again = Journal(tmp_path / "j", read_only=True, quarantine=tmp_path / "q")
    assert (again.entries, again.notes) == ([{"n": 0}, {"n": 2}], [])


def test_label_images_that_could_not_be_widened_are_written_again(tmp_path, monkeypatch):
    with MaskStore.create(tmp_path / "masks", 6, SHAPE) as store:
        for frame in range(3):
            store.write(FrameMasks(frame, SHAPE, (patch(1, 0, 0, 9),)))
        store.flush()
        with monkeypatch.context() as full:
            error = StoreError("the disk is full")
            full.setattr(labels_file, "replace_file", lambda path, data: (_ for _ in ()).throw(error))
            with pytest.raises(StoreError, match="disk is full"):
                store.widen(256)
        assert store.dtype == np.uint8
        store.write(FrameMasks(4, SHAPE, (patch(1, 0, 0, 9),)))
        expected = np.stack([store.read_labels(frame) for frame in range(6)])
    import zarr

    assert np.array_equal(zarr.open_array(tmp_path / "masks" / "labels.zarr", mode="r")[:], expected)


def test_no_lock_is_held_while_what_goes_to_the_label_file_is_read(store, monkeypatch):
    """A damaged record is struck out of the journal while it is read; whoever paints holds the journal meanwhile."""
    free = []
    plain = store.read_labels

    def read(frame):
        def ask():
            free.append(store._file_lock.acquire(blocking=False))
            if free[-1]:
                store._file_lock.release()

        other = threading.Thread(target=ask)
        other.start()
        other.join()
        return plain(frame)

    monkeypatch.setattr(store, "read_labels", read)
    store.write(FrameMasks(0, SHAPE, (patch(1, 0, 0, 9),)))
    assert free == [True]


def test_a_label_image_that_changed_while_it_was_written_is_written_again(store, monkeypatch):
    import zarr

    plain = store.read_labels

    def read(frame):
        image = plain(frame).copy()
        monkeypatch.setattr(store, "read_labels", plain)
        store.paint(0, (0, 0), np.full((2, 2), 3))
        return image

    monkeypatch.setattr(store, "read_labels", read)
    store.write(FrameMasks(0, SHAPE, (patch(1, 0, 0, 9),)))
    store.flush()
    written = zarr.open_array(store.folder / "labels.zarr", mode="r")[0]
    assert np.array_equal(written, store.read_labels(0))


def test_a_damaged_stroke_is_noted_once(store, monkeypatch):
    store.paint(1, (0, 0), np.full((3, 3), 2))
    (info,) = store.ledger.table("strokes").values()
    monkeypatch.setattr(store.blobs, "get", lambda ref: b"" if ref == info.ref else None)
    store._layers.clear()
    for _ in range(3):
        store._images.clear()
        store._layers.clear()
        store.read_labels(1)
    assert len(store.notes) == 1
