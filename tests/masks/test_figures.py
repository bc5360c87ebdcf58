"""The journal's figures name their columns, so that a version with other columns reads what it knows."""

from __future__ import annotations

import base64

import numpy as np
import pytest
from numpy.lib import recfunctions

from napari_sam2_video.masks.figures import FIGURES, figures_from_json, figures_to_json
from napari_sam2_video.storage.journal import decode_line, encode_line
from napari_sam2_video.types import FrameMasks, ObjectMask
from tests.masks.made import open_store

SHAPE = (20, 24)


@pytest.fixture
def folder(tmp_path):
    """A store of three frames of one object."""
    with open_store(tmp_path / "masks", 3, SHAPE) as (store, _):
        for frame in range(3):
            levels = np.full((4, 5), 9, np.uint8)
            store.write(FrameMasks(frame, SHAPE, (ObjectMask(1, (2, frame), levels, 1.5 + frame, 0.75, frame == 0),)))
    return tmp_path / "masks"


def rewrite(folder, change):
    """Replace the figures of every record of the journal by what `change` makes of them."""
    lines = []
    for line in (folder / "journal").read_bytes().splitlines():
        entry = decode_line(line)
        for table, _, value in entry.get("set", ()):
            if table == "records" and value is not None:
                value["figures"] = change(value["figures"])
        lines.append(encode_line(entry))
    (folder / "journal").write_bytes(b"".join(lines))


def with_column(stored):
    rows = np.frombuffer(base64.b64decode(stored["rows"]), FIGURES)
    return figures_to_json(recfunctions.append_fields(rows, "stability", [0.5] * len(rows), "<f8", usemask=False))


def without(*names):
    def drop(stored):
        rows = np.frombuffer(base64.b64decode(stored["rows"]), FIGURES)
        return figures_to_json(recfunctions.repack_fields(recfunctions.drop_fields(rows, names)))

    return drop


def test_a_journal_with_a_column_of_a_later_version_opens_with_the_known_ones(folder):
    with open_store(folder, 3, SHAPE) as (store, _):
        expected = store.scores(1)
    rewrite(folder, with_column)
    with open_store(folder, 3, SHAPE) as (store, state):
        found = store.scores(1)
        assert not (*store.notes, *state.notes)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


def test_a_journal_without_columns_that_came_later_opens_with_unknown_figures(folder):
    rewrite(folder, without("predicted_iou", "prompted"))
    with open_store(folder, 3, SHAPE) as (store, state):
        found = store.scores(1)
        assert not (*store.notes, *state.notes)
        assert store.object_mask(1, 1)[2:6, 1:6].all()
    assert found["frame"].tolist() == [0, 1, 2]
    assert found["object_score"].tolist() == [1.5, 2.5, 3.5]
    assert found["area"].tolist() == [20, 20, 20]
    assert np.isnan(found["predicted_iou"]).all()
    assert not found["prompted"].any()


@pytest.mark.parametrize(
    "change",
    [
        {"columns": "area:O8"},
        {"columns": "area:<i8 area:<i8"},
        {"columns": "../x:<i8"},
        {"columns": ""},
        {"columns": 5},
        {"rows": "no base64"},
        {"rows": base64.b64encode(bytes(7)).decode()},
        {"rows": base64.b64encode(bytes(2 * FIGURES.itemsize)).decode()},
    ],
)
def test_invalid_figures_are_refused(change):
    value = figures_to_json(np.zeros(1, FIGURES)) | change
    with pytest.raises((ValueError, TypeError, KeyError)):
        figures_from_json(value, 1)


def test_a_journal_with_damaged_figures_opens_without_their_frames(folder):
    rewrite(folder, lambda stored: stored | {"columns": "area:O8"})
    with open_store(folder, 3, SHAPE) as (store, state):
        assert store.frames_done(1).size == 0
        assert any("invalid entries" in note for note in state.notes)
