"""Tracking in windows that follow: everything that holds for whole frames holds for them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_sam2_video.engine.features import FeatureCache
from napari_sam2_video.engine.memory_store import MemoryStore
from napari_sam2_video.engine.neighbours import Neighbours
from napari_sam2_video.engine.networks.load import load_model
from napari_sam2_video.engine.plan import ObjectState, Pass, Plan, plan_run
from napari_sam2_video.engine.tracker import Tracker
from napari_sam2_video.models.resolve import resolve_model
from napari_sam2_video.types import BoxPrompt, MaskPrompt, ModelSettings, PointPrompt, TrackSettings
from tests.engine.conftest import Scene, make_model

FRAMES = 14
RADIUS = 11


class Field(Scene):
    """A large frame with two small discs that move through several windows."""

    def __init__(self, n_frames=FRAMES, shape_yx=(420, 500)):
        super().__init__(n_frames, shape_yx)

    @staticmethod
    def centres(frame):
        return (60 + 5.0 * frame, 70 + 7.0 * frame), (330 - 3.0 * frame, 420 - 6.0 * frame)


@pytest.fixture(scope="module")
def demo():
    return load_model(resolve_model("demo"), ModelSettings(image_size=128))


@pytest.fixture
def field():
    return Field()


def tracker_of(model, view, folder=None, window="auto", **options):
    return Tracker(model, view, MemoryStore(folder), features=FeatureCache(), window=window, **options)


def box_of(object_id, frame=0):
    y, x = Field.centres(frame)[object_id - 1]
    return BoxPrompt(object_id, frame, y - RADIUS, x - RADIUS, y + RADIUS, x + RADIUS)


def forward(*object_ids, start=0, stop=FRAMES - 1):
    return Plan(tuple(Pass(i, "forward", start, stop) for i in object_ids), FRAMES)


def go(tracker, plan):
    logits = {}
    masks = {}
    for frame in tracker.run(plan, on_logits=lambda o, t, x: logits.__setitem__((o, t), x.clone())):
        masks.update({(m.object_id, frame.frame): m for m in frame.objects})
    return masks, logits


def truth(object_id, frame, shape_yx=(420, 500)):
    yy, xx = np.mgrid[: shape_yx[0], : shape_yx[1]]
    y, x = Field.centres(frame)[object_id - 1]
    return np.hypot(yy - y, xx - x) < RADIUS


def overlap(mask, expected):
    found = np.zeros(expected.shape, bool)
    y, x = mask.origin_yx
    found[y : y + mask.levels.shape[0], x : x + mask.levels.shape[1]] = mask.levels > 0
    return (found & expected).sum() / (found | expected).sum()


def same(one, other):
    return [key for key in one if not torch.equal(one[key], other[key])] == [] and one.keys() == other.keys()


def test_small_objects_are_followed_across_a_large_frame(demo, field):
    tracker = tracker_of(demo, field)
    for object_id in (1, 2):
        tracker.condition(object_id, 0, [box_of(object_id)])
    masks, _ = go(tracker, forward(1, 2))
    scores = [overlap(masks[key], truth(*key)) for key in masks]
    assert np.mean(scores) > 0.75
    for object_id in (1, 2):
        windows = [tracker.window_at(object_id, t) for t in range(FRAMES)]
        assert len(set(windows)) > 4
        for frame, window in enumerate(windows):
            assert window.holds(np.array([Field.centres(frame)[object_id - 1]], np.float32))


@pytest.mark.parametrize("cut", [1, 4, 9, 13])
def test_a_run_cut_anywhere_and_resumed_gives_the_same_bits(cut, demo, field, tmp_path):
    whole = tracker_of(demo, field)
    for object_id in (1, 2):
        whole.condition(object_id, 0, [box_of(object_id)])
    _, expected = go(whole, forward(1, 2))

    first = tracker_of(demo, field, tmp_path)
    for object_id in (1, 2):
        first.condition(object_id, 0, [box_of(object_id)])
    frames = first.run(forward(1, 2))
    for _ in range(cut):
        next(frames)
    second = tracker_of(demo, field, tmp_path)
    left = Plan(tuple(replace(p, resume_after=cut - 1) for p in forward(1, 2).passes), FRAMES)
    _, logits = go(second, left)
    assert {t for _, t in logits} == set(range(cut, FRAMES))
    assert all(torch.equal(logits[key], expected[key]) for key in logits)


@pytest.mark.parametrize("cut", [2, 8])
def test_a_correction_that_contradicts_cut_anywhere_and_resumed_gives_the_same_bits(cut, demo, field, tmp_path):
    at = 8
    tracked = np.ones(FRAMES, np.int8)
    state = ObjectState(1, frozenset({0, at}), frozenset({at}), frozenset(), tracked)
    plan = plan_run([state], TrackSettings(), FRAMES)

    def corrected(folder):
        tracker = tracker_of(demo, field, folder)
        tracker.condition(1, 0, [box_of(1)])
        go(tracker, forward(1))
        tracker.condition(1, at, [replace(box_of(2, at), object_id=1)], tracked=tracked)
        return tracker

    _, expected = go(corrected(tmp_path / "whole"), plan)
    frames = corrected(tmp_path / "cut").run(plan)
    done = [next(frames) for _ in range(cut)]
    frames.close()
    left = []
    for one in plan.passes:
        reached = [f.frame for f in done if f.direction == one.direction]
        if not reached or reached[-1] != one.stop:
            left.append(replace(one, resume_after=reached[-1]) if reached else one)
    _, logits = go(tracker_of(demo, field, tmp_path / "cut"), Plan(tuple(left), FRAMES))
    assert logits.keys() == expected.keys() - {(1, f.frame) for f in done}
    assert all(torch.equal(logits[key], expected[key]) for key in logits)


def test_an_object_tracked_alone_gets_the_masks_that_it_gets_beside_others(demo, field):
    together, alone = tracker_of(demo, field), tracker_of(demo, field)
    for object_id in (1, 2):
        together.condition(object_id, 0, [box_of(object_id)])
    alone.condition(2, 0, [box_of(2)])
    beside, _ = go(together, forward(1, 2))
    by_itself, _ = go(alone, forward(2))
    for key, mask in by_itself.items():
        assert beside[key].origin_yx == mask.origin_yx
        assert np.abs(beside[key].levels.astype(int) - mask.levels).max(initial=0) <= 1
    assert [together.window_at(2, t) for t in range(FRAMES)] == [alone.window_at(2, t) for t in range(FRAMES)]


@pytest.mark.parametrize("shared", [True, False])
def test_a_batch_agrees_with_single_objects(shared, demo):
    field = Field()
    ids = (1, 2, 3) if shared else (1, 2)
    prompts = {1: box_of(1), 2: box_of(2), 3: replace(box_of(1), object_id=3, y0=box_of(1).y0 + 2)}
    together = tracker_of(demo, field)
    for object_id in ids:
        together.condition(object_id, 0, [prompts[object_id]])
    masks, logits = go(together, forward(*ids, stop=4))
    for object_id in ids:
        one = tracker_of(demo, field)
        one.see_neighbours(Neighbours(lambda: ids, lambda frame: [masks[i, frame] for i in ids]))
        one.condition(object_id, 0, [prompts[object_id]])
        _, single = go(one, forward(object_id, stop=4))
        for key, expected in single.items():
            torch.testing.assert_close(logits[key], expected, rtol=0, atol=2e-3)


@pytest.mark.parametrize("prompt", ["box", "click", "mask"])
def test_a_preview_shows_what_conditioning_gives(prompt, demo, field):
    y, x = Field.centres(0)[0]
    given = {
        "box": box_of(1),
        "click": PointPrompt(1, 0, y, x),
        "mask": MaskPrompt(1, 0, truth(1, 0)),
    }[prompt]
    tracker = tracker_of(demo, field)
    preview = tracker.preview(1, 0, [given])
    taken = tracker.condition(1, 0, [given])
    best = preview.candidates[preview.best]
    assert best.origin_yx == taken.origin_yx
    np.testing.assert_array_equal(best.levels, taken.levels)
    assert overlap(taken, truth(1, 0)) > 0.7
    assert tracker.window_at(1, 0) is not None


def test_a_correction_inside_a_window_that_moved_sticks_and_is_shown_where_it_was_clicked(demo, field, tmp_path):
    tracker = tracker_of(demo, field, tmp_path)
    tracker.condition(1, 0, [box_of(1)])
    go(tracker, forward(1))
    moved = tracker.window_at(1, 9)
    assert moved != tracker.window_at(1, 0)
    tracked = np.ones(FRAMES, np.int8)
    y, x = Field.centres(9)[0]
    clicks = [PointPrompt(1, 9, y + 4, x + 4), PointPrompt(1, 9, y - 30, x, positive=False)]
    preview = tracker.preview(1, 9, clicks, tracked=tracked)
    shown = tracker.condition(1, 9, clicks, tracked=tracked)
    np.testing.assert_array_equal(preview.candidates[preview.best].levels, shown.levels)
    assert overlap(shown, truth(1, 9)) > 0.7
    assert tracker.window_at(1, 9) == moved
    again = plan_run(
        [ObjectState(1, frozenset({0, 9}), frozenset({9}), frozenset(), tracked)], TrackSettings("forward"), FRAMES
    )
    masks, _ = go(tracker, again)
    np.testing.assert_array_equal(masks[1, 9].levels, shown.levels)


def test_a_correction_far_from_the_window_moves_it_there(demo, field):
    tracker = tracker_of(demo, field)
    tracker.condition(1, 0, [box_of(1)])
    go(tracker, forward(1))
    y, x = Field.centres(9)[1]
    shown = tracker.condition(1, 9, [PointPrompt(1, 9, y, x)], tracked=np.ones(FRAMES, np.int8))
    assert tracker.window_at(1, 9).holds(np.array([(y, x)], np.float32))
    assert overlap(shown, truth(2, 9)) > 0.5


def test_a_second_pass_reads_and_embeds_no_window_again(demo, field):
    tracker = tracker_of(demo, field)
    tracker.condition(1, 0, [box_of(1)])
    first, _ = go(tracker, forward(1))
    field.reads.clear()
    misses = tracker.features.misses
    second, _ = go(tracker, forward(1))
    assert field.reads == []
    assert tracker.features.misses == misses
    assert all(np.array_equal(first[key].levels, second[key].levels) for key in first)


def test_the_bits_do_not_depend_on_which_windows_were_kept(demo, field):
    fresh, beside = tracker_of(demo, field), tracker_of(demo, field)
    for tracker in (fresh, beside):
        for object_id in (1, 2):
            tracker.condition(object_id, 0, [box_of(object_id)])
    go(beside, forward(2, stop=4))
    assert same(go(fresh, forward(1, 2, stop=4))[1], go(beside, forward(1, 2, stop=4))[1])


def test_windows_off_gives_the_bits_of_whole_frames(field):
    model = make_model("demo")
    found = []
    for options in ({}, {"window": "off"}):
        tracker = Tracker(model, field, features=FeatureCache(), **options)
        tracker.condition(1, 0, [box_of(1)])
        found.append(go(tracker, forward(1, stop=4))[1])
    assert same(*found)


def test_small_frames_are_tracked_as_without_windows():
    scene, model = Scene(6), make_model("demo")
    found = []
    for window in ("off", "auto"):
        tracker = tracker_of(model, scene, window=window)
        tracker.condition(1, 0, [PointPrompt(1, 0, 30, 30)])
        found.append(go(tracker, Plan((Pass(1, "forward", 0, 5),), 6))[1])
    assert same(*found)


def test_another_window_setting_forgets_what_was_remembered(field, tmp_path):
    model = make_model("demo")
    tracker_of(model, field, tmp_path).condition(1, 0, [box_of(1)])
    assert tracker_of(model, field, tmp_path).missing(1, [0]) == []
    assert tracker_of(model, field, tmp_path, window=128).missing(1, [0]) == [0]
