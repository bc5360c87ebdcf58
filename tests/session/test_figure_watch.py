"""What is kept of each object follows every change: it equals what is computed anew."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest

from napari_sam2_video.errors import Sam2VideoError, SessionError
from napari_sam2_video.masks.newest import NewestMasks
from napari_sam2_video.masks.records import FUSED, OTHER, TABLES
from napari_sam2_video.plugin import summarizer
from napari_sam2_video.plugin.summarizer import Summarizer
from napari_sam2_video.session import Session
from napari_sam2_video.types import CheckSettings, FrameMasks, ModelSettings, PointPrompt, TrackSettings
from tests.fakes import fake_factory


@pytest.fixture
def factory():
    return fake_factory(lost={(1, 8), (2, 1)})


def assert_same(kept, anew):
    for name in ("objects", "ready", "dirty", "queue", "review"):
        assert repr(getattr(kept, name)) == repr(getattr(anew, name)), name
    assert len(kept.rows) == len(anew.rows)
    for one, other in zip(kept.rows, anew.rows, strict=True):
        assert (one.object_id, one.name, one.state, one.parent) == (
            other.object_id,
            other.name,
            other.state,
            other.parent,
        )
        for name in ("trust", "prompted", "accepted", "painted"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def assert_newest_masks(session):
    """The masks that the store keeps up to date are those that its tables list."""
    ids = [entry.id for entry in session.objects]
    for object_id, anew in NewestMasks(session._context.state, TABLES).of(ids).items():
        kept = session.masks._records.figures.of([object_id])[object_id]
        assert [column.tobytes() for column in kept] == [column.tobytes() for column in anew]
        assert kept.frames.tolist() == list(session.masks._records.rows(object_id))


def an_alternative(session, object_id, frame, table):
    """Masks from a fusion, or from a walk that is not shown."""
    mask = session.masks.object_levels(frame, object_id)
    if mask is not None:
        session.masks.write(FrameMasks(frame, session.shape_yx, (mask,), "backward"), table=table)


def a_run(session, rng):
    """A run that may be stopped before its end."""
    left = iter(range(int(rng.integers(1, 15))))
    settings = TrackSettings(direction=("both", "forward", "backward")[rng.integers(3)])
    list(session.track(settings, stop=lambda: next(left, None) is None))


def acts(session, rng, centres):
    """What a person may do, with objects and frames drawn by chance."""
    ids = [entry.id for entry in session.objects] or [1]
    one, other = (int(rng.choice(ids)) for _ in range(2))
    start = int(rng.integers(12))
    stop = min(12, start + int(rng.integers(1, 4)))
    y, x = centres[start, rng.integers(2)]
    queue = session.review_queue()
    item = queue[rng.integers(len(queue))] if queue else None
    patch = np.full((5, 5), one if rng.random() < 0.7 else 0)
    return [
        lambda: session.add_prompt(PointPrompt(one, start, y, x, bool(rng.random() < 0.7))),
        lambda: session.set_prompts(one, start, []),
        lambda: session.accept(one, start, stop),
        lambda: session.unaccept(one, start, stop),
        lambda: session.accept_frames({i: [range(start, stop)] for i in ids}),
        lambda: session.paint(start, (int(y) - 2, int(x) - 2), patch),
        lambda: session.clear_paint(start),
        lambda: session.delete_masks(one, start, stop),
        lambda: session.mark_absent(one, start, stop),
        lambda: session.judge(item, ("right", "wrong", "later")[rng.integers(3)]) if item else None,
        lambda: session.edit_object(one, locked=bool(rng.random() < 0.2), name=f"cell {start}"),
        lambda: session.swap_objects(one, other, start),
        lambda: session.merge_objects(one, other) if rng.random() < 0.3 else None,
        lambda: session.split_object(one, start),
        lambda: session.remove_object(one) if rng.random() < 0.3 else None,
        lambda: session.copy_mask(one, start),
        lambda: session.set_model(ModelSettings(("tiny", "small")[rng.integers(2)])) if rng.random() < 0.2 else None,
        lambda: session.add_object(),
        lambda: list(session.check(CheckSettings(objects=(one,)))),
        lambda: an_alternative(session, one, start, (FUSED, OTHER)[rng.integers(2)]),
        lambda: a_run(session, rng),
        lambda: a_run(session, rng),
        session.undo,
        session.undo,
        session.redo,
    ]


@pytest.mark.parametrize("seed", [11, 12])
def test_a_summary_follows_every_change(prompted, movie, seed):
    rng = np.random.default_rng(seed)
    kept = Summarizer(prompted)
    list(prompted.track())
    for _ in range(60):
        every = acts(prompted, rng, movie[1])
        with suppress(Sam2VideoError):
            every[rng.integers(len(every))]()
        assert_same(kept.summarize(), Summarizer(prompted).summarize())
        assert_newest_masks(prompted)


def test_only_objects_that_changed_are_computed_again(prompted, monkeypatch):
    list(prompted.track())
    kept = Summarizer(prompted)
    kept.summarize()
    computed = []
    plain = Session.review_table
    monkeypatch.setattr(Session, "review_table", lambda self, ids: computed.append(list(ids)) or plain(self, ids))
    kept.summarize()
    prompted.accept(2, 0, 3)
    kept.summarize()
    prompted.edit_object(1, name="first")
    kept.summarize()
    prompted.add_prompt(PointPrompt(1, 7, 20, 20))
    kept.summarize()
    assert computed == [[2], [1]]


def test_a_summary_that_is_not_needed_any_more_is_not_made(prompted):
    list(prompted.track())
    kept = Summarizer(prompted)
    assert kept.summarize(lambda: True) is None
    assert_same(kept.summarize(), Summarizer(prompted).summarize())


def test_paint_of_a_removed_object_no_longer_covers_others(prompted, movie):
    list(prompted.track())
    kept = Summarizer(prompted)
    y, x = movie[1][6, 0]
    prompted.paint(6, (int(y) - 3, int(x) - 3), np.full((7, 7), 2))
    before = kept.summarize()
    prompted.remove_object(2)
    after = kept.summarize()
    assert before.rows[0].trust[7] != after.rows[0].trust[7]
    assert_same(after, Summarizer(prompted).summarize())


def test_an_object_that_is_removed_while_a_summary_is_made_is_left_out(prompted, monkeypatch):
    monkeypatch.setattr(summarizer, "AT_ONCE", 1)
    list(prompted.track())
    prompted.add_object()
    asked = []

    def stopping():
        asked.append(len(prompted.objects))
        if len(asked) == 2:
            prompted.remove_object(3)
        return False

    found = Summarizer(prompted).summarize(stopping)
    assert asked == [3, 3, 2]
    assert_same(found, Summarizer(prompted).summarize())


def test_objects_computed_with_one_that_is_removed_meanwhile_are_computed_again(prompted, monkeypatch):
    list(prompted.track())
    prompted.add_object()
    computed = []
    plain = Session.review_table

    def table(session, ids):
        computed.append(list(ids))
        if len(computed) == 1:
            session.remove_object(3)
        return plain(session, ids)

    kept = Summarizer(prompted)
    monkeypatch.setattr(Session, "review_table", table)
    found = kept.summarize()
    assert computed == [[1, 2, 3], [1, 2]]
    assert_same(found, Summarizer(prompted).summarize())


def test_an_error_for_objects_that_are_there_is_not_hidden(prompted, monkeypatch):
    def table(*_):
        raise SessionError("The table cannot be made.")

    monkeypatch.setattr(Session, "review_table", table)
    with pytest.raises(SessionError, match="cannot be made"):
        Summarizer(prompted).summarize()
