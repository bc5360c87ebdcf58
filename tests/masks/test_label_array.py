from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam2_video.errors import StoreError
from napari_sam2_video.masks.label_array import LabelArray
from napari_sam2_video.types import FrameMasks, ObjectMask
from tests.masks.made import open_store

SHAPE = (16, 20)


class Painter:
    def __init__(self, store):
        self.store = store

    def stroke(self, frame, origin_yx, labels, where):
        return self.store.paint(frame, origin_yx, labels, where)


def square(frame, object_id, top, left, side=5, level=20):
    return FrameMasks(frame, SHAPE, (ObjectMask(object_id, (top, left), np.full((side, side), level, np.uint8)),))


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path / "masks", 4, SHAPE) as (made, _):
        made.write(square(1, 1, 2, 2))
        yield made


@pytest.fixture
def labels(store):
    return LabelArray(store, Painter(store))


def viewer_paint(labels, key, mask, value):
    """What napari 0.9 does for a stroke."""
    region = np.asarray(labels[key])
    region[mask] = value
    labels[key] = region


BOX = (slice(1, 2), slice(1, 9), slice(1, 9))
DISC = np.hypot(*(np.mgrid[:8, :8] - 3.5))[None] < 3


def test_a_stroke_of_a_viewer_is_painted_and_nothing_else(labels, store):
    before = labels[1]
    viewer_paint(labels, BOX, DISC & (labels[BOX] != 2), 2)
    layer = store.paint_layer(1)
    assert layer.painted.sum() == DISC.sum()
    assert (labels[1][1:9, 1:9][DISC[0]] == 2).all()
    outside = np.ones(SHAPE, bool)
    outside[1:9, 1:9] = ~DISC[0]
    assert np.array_equal(labels[1][outside], before[outside])


def test_what_the_model_wrote_between_reading_and_writing_back_is_kept(labels, store):
    region = np.asarray(labels[BOX])
    store.write(square(1, 1, 4, 4))
    region[0, 0, 0] = 9
    labels[BOX] = region
    now = labels[1]
    assert now[1, 1] == 9
    assert (now[4:9, 4:9] == 1).all()
    assert now[2, 2] == 0


@pytest.mark.parametrize(
    "index",
    [
        1,
        -1,
        slice(None),
        (1, slice(2, 9), slice(None, None, 3)),
        (slice(0, 3), 4),
        (Ellipsis, 3),
        (slice(None, None, -1), slice(None), slice(5, 2)),
        (np.array([0, 1]), np.array([2, 3]), np.array([4, 5])),
        (slice(None), np.array([2, 3]), np.array([2, 2])),
    ],
)
def test_reading_is_as_of_an_array(labels, index):
    whole = np.asarray(labels)
    assert np.array_equal(labels[index], whole[index])
    assert labels[index].shape == whole[index].shape


boxes = st.tuples(
    *(
        st.builds(slice, st.integers(-n - 1, n), st.integers(-n - 1, n + 2), st.sampled_from([None, 1, 2]))
        for n in (4, *SHAPE)
    )
)


@settings(max_examples=40, deadline=None)
@given(index=boxes, value=st.integers(0, 5))
def test_setting_a_number_is_as_in_an_array(tmp_path_factory, index, value):
    folder = tmp_path_factory.mktemp("masks") / "m"
    with open_store(folder, 4, SHAPE) as (store, _):
        labels = LabelArray(store, Painter(store))
        expected = np.asarray(labels)
        expected[index] = value
        labels[index] = value
        assert np.array_equal(np.asarray(labels), expected)


def test_an_index_outside_is_refused(labels):
    with pytest.raises(IndexError):
        labels[4]
    with pytest.raises(IndexError):
        labels[0, 0, 0, 0]


def test_reading_gives_arrays_of_the_caller(labels):
    first = labels[1]
    first[:] = 9
    assert not (labels[1] == 9).any()


def test_without_a_painter_it_is_read_only(store):
    with pytest.raises(StoreError, match="reading only"):
        LabelArray(store)[0, 0, 0] = 1


def test_ids_widen_the_type_before_they_are_written(labels, store):
    assert labels.dtype == np.uint8
    labels[0, 0:2, 0:2] = 300
    assert labels.dtype == np.uint16
    labels[0, 2:4, 0:2] = 70_000
    assert labels.dtype == np.uint32
    assert labels[0, 0, 0] == 300
    assert labels[0, 3, 0] == 70_000
    assert labels[1, 3, 3] == 1
