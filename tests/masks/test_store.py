"""Masks and paint come back from disk as they were, and the label images follow from them."""

from __future__ import annotations

import gc
import os
import threading
import weakref

import numpy as np
import pytest

from napari_sam2_video.errors import StoreError
from napari_sam2_video.masks import label_images, newest
from napari_sam2_video.masks.newest import NewestMasks
from napari_sam2_video.masks.records import FUSED, RUN, TABLES
from napari_sam2_video.masks.tables import record_to_json
from napari_sam2_video.storage.tables import HISTORY_STEPS
from napari_sam2_video.types import FrameMasks, ObjectMask
from tests.masks.made import open_store

SHAPE = (20, 24)


pytestmark = pytest.mark.usefixtures("quick_disk")


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path / "masks", 6, SHAPE) as (made, _):
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


def test_label_images_stay_within_their_room_and_the_ones_used_last_are_kept(store, monkeypatch):
    monkeypatch.setattr(label_images, "CACHE_BYTES", 4 * SHAPE[0] * SHAPE[1])
    for frame in range(6):
        store.write(FrameMasks(frame, SHAPE, (patch(1, 0, 0, 9),)))
    first = store.read_labels(0)
    others = {}
    for frame in (1, 2, 3, 0, 4, 5):
        others[frame] = weakref.ref(store.read_labels(frame))
        store.paint(frame, (0, 0), np.full((1, 1), 1))
    gc.collect()
    assert sum(image() is not None for image in others.values()) <= 5
    assert store.read_labels(0) is store.read_labels(0)
    assert np.array_equal(store.read_labels(0), first)


def test_an_image_that_is_kept_is_not_composed_again_after_a_stroke(store, tmp_path):
    store.write(FrameMasks(0, SHAPE, (patch(1, 0, 0, 9),)))
    store.read_labels(0)
    for pack in (tmp_path / "masks" / "packs").iterdir():
        pack.rename(tmp_path / pack.name)
    store.paint(0, (0, 0), np.full((2, 2), 2))
    labels = store.read_labels(0)
    for pack in tmp_path.glob("*.pack"):
        pack.rename(tmp_path / "masks" / "packs" / pack.name)
    assert (labels[:2, :2] == 2).all()
    assert (labels[2:6, 2:6] == 1).all()
    assert not store.notes


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


def test_packs_that_nothing_needs_any_more_are_deleted_and_no_others(tmp_path):
    folder = tmp_path / "masks"
    with open_store(folder, 2, SHAPE) as (store, _):
        store.write(FrameMasks(0, SHAPE, (patch(1, 0, 0, 9),)))
        store.write(FrameMasks(1, SHAPE, (patch(1, 0, 0, 9),)))
    for number in range(HISTORY_STEPS + 2):
        with open_store(folder, 2, SHAPE) as (store, _):
            store.write(FrameMasks(0, SHAPE, (patch(1, number % 9, 0, 9),)))
    with open_store(folder, 2, SHAPE) as (store, state):
        assert "000001.pack" in os.listdir(folder / "packs")
        assert "000002.pack" not in os.listdir(folder / "packs")
        assert store.object_mask(1, 1).any()
        for _ in range(HISTORY_STEPS):
            assert state.undo() is not None
        assert state.undo() is None
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


def test_a_damaged_stroke_is_noted_once(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_sam2_video.storage.packs.INLINE_BYTES", 0)
    with open_store(tmp_path / "masks", 6, SHAPE) as (store, _):
        store.paint(1, (0, 0), np.full((3, 3), 2))
    (pack,) = (tmp_path / "masks" / "packs").iterdir()
    pack.write_bytes(bytes(pack.stat().st_size))
    with open_store(tmp_path / "masks", 6, SHAPE) as (store, _):
        for frame in (1, 2, 1):
            assert not store.read_labels(frame).any()
            store.write(FrameMasks(frame, SHAPE, ()))
        assert len(store.notes) == 1
        assert "frame 1" in store.notes[0]


def test_what_was_fused_counts_until_a_run_is_newer(tmp_path):
    with open_store(tmp_path / "masks", 6, SHAPE) as (store, state):
        store.write(FrameMasks(0, SHAPE, (patch(1, 0, 0, 9), patch(2, 10, 10, 9)), "backward"))
        step = state.commit([], name="fuse")
        store.write(FrameMasks(0, SHAPE, (patch(1, 4, 4, 20),)), generation=step, table=FUSED)
        assert store.read_labels(0)[9, 9] == 1
        assert not store.read_labels(0)[0, 0]
        assert store.read_labels(0)[15, 15] == 2
        assert store.run_masks(0)[0].origin_yx == (0, 0)
        assert store.walked(1)[0] == -1
        state.undo()
        assert store.read_labels(0)[0, 0] == 1
        state.redo()
    with open_store(tmp_path / "masks", 6, SHAPE) as (store, state):
        assert store.read_labels(0)[9, 9] == 1
        assert store.run_masks(0)[0].origin_yx == (0, 0)
        store.write(FrameMasks(0, SHAPE, (patch(1, 2, 2, 9),)))
        assert store.object_levels(0, 1).origin_yx == (2, 2)
        state.undo()
        step = state.commit([], name="delete")
        store.drop(0, 1, step=step)
        assert store.object_levels(0, 1) is None
        assert [mask.object_id for mask in store.run_masks(0)] == [2]


def test_figures_follow_several_changes_that_come_together(tmp_path):
    rng = np.random.default_rng(21)
    with open_store(tmp_path / "masks", 6, SHAPE) as (store, state):
        for _ in range(60):
            for _ in range(rng.integers(1, 8)):
                frame, ids = int(rng.integers(6)), np.flatnonzero(rng.random(3) < 0.5) + 1
                chosen = rng.random()
                if chosen < 0.2:
                    state.undo()
                elif chosen < 0.3:
                    store.drop(frame, 1, step=state.commit([], name="drop"))
                elif len(ids):
                    masks = tuple(patch(int(i), 2, 2, 9) for i in ids)
                    store.write(FrameMasks(frame, SHAPE, masks), table=(RUN, FUSED)[rng.integers(2)])
                if rng.random() < 0.5:
                    store.changed_since(0)
            anew = NewestMasks(state, TABLES).of([1, 2, 3])
            for object_id, kept in store._records.figures.of([1, 2, 3]).items():
                assert [column.tobytes() for column in kept] == [column.tobytes() for column in anew[object_id]]


def test_changes_of_an_object_that_nobody_asks_about_are_joined(tmp_path, monkeypatch):
    monkeypatch.setattr(newest, "MOST_WAITING", 3)
    with open_store(tmp_path / "masks", 6, SHAPE) as (store, state):
        kept = store._records.figures
        for number in range(10):
            store.write(FrameMasks(number % 6, SHAPE, (patch(1, number, 2, 9),)))
            store.changed_since(0)
            assert all(len(waiting) < 3 for waiting in kept._waiting.values())
        anew = NewestMasks(state, TABLES).of([1])[1]
        assert [column.tobytes() for column in kept.of([1])[1]] == [column.tobytes() for column in anew]


def test_a_record_written_again_is_a_change_also_when_everything_is_read_again(tmp_path):
    with open_store(tmp_path / "masks", 6, SHAPE) as (store, state):
        for frame in range(2):
            store.write(FrameMasks(frame, SHAPE, (patch(frame + 1, 0, 0, 9),)))
        mark, _ = store.changed_since(0)
        (number,) = store._records.numbers(1)
        info = state.get("records", number)
        figures = info.figures.copy()
        figures["object_score"] = 1.5
        (mask,) = store.run_masks(1)
        masks = FrameMasks(1, SHAPE, (mask,))
        state.commit([("records", number, record_to_json(info.ref, masks, figures)), ("removed", 3, number)])
        assert store.changed_since(mark)[1] == {2}
