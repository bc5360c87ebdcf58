from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_sam2_video.engine.plan import ObjectState, Pass, Plan, plan_run, preceding
from napari_sam2_video.errors import PromptError
from napari_sam2_video.types import TrackSettings

N = 20


def state(prompted, *, dirty=None, fences=(), tracked=None, object_id=1):
    prompted = frozenset(prompted)
    changed = prompted if dirty is None else frozenset(dirty)
    directions = np.zeros(N, np.int8)
    for low, high, way in tracked or ():
        directions[low : high + 1] = way
    return ObjectState(object_id, prompted, changed, frozenset(fences), directions)


def spans(plan):
    return [(p.object_id, p.direction, p.first, p.stop) for p in plan.passes]


def test_a_new_object_is_walked_both_ways_from_its_own_first_prompt():
    plan = plan_run([state([5, 9]), state([12], object_id=2)], TrackSettings(), N)
    assert spans(plan) == [
        (1, "forward", 5, 19),
        (2, "forward", 12, 19),
        (1, "backward", 4, 0),
        (2, "backward", 11, 0),
    ]
    assert plan.total == 15 + 12


@pytest.mark.parametrize(
    ("direction", "expected"),
    [("forward", [(1, "forward", 5, 15)]), ("backward", [(1, "backward", 5, 2)])],
)
def test_direction_and_range_are_kept(direction, expected):
    plan = plan_run([state([5])], TrackSettings(direction, 2, 16), N)
    assert spans(plan) == expected


def test_only_the_changed_object_is_walked_up_to_its_fences():
    done = [(0, 19, 1)]
    corrected = state([0, 12], dirty=[12], fences=[16], tracked=done)
    plan = plan_run([corrected, state([3], dirty=[], tracked=done, object_id=2)], TrackSettings(), N)
    assert spans(plan) == [(1, "forward", 12, 15), (1, "backward", 11, 1)]
    assert plan.passes[0].preceding == (1,) * 12
    assert plan.passes[1].preceding == (1, 1, 1, 1, 1, 1, 1)


def test_two_corrections_with_a_fence_between_are_two_stretches():
    plan = plan_run([state([0, 6, 14], dirty=[6, 14], fences=[10], tracked=[(0, 19, 1)])], TrackSettings(), N)
    assert spans(plan) == [
        (1, "forward", 6, 9),
        (1, "forward", 14, 19),
        (1, "backward", 5, 1),
        (1, "backward", 13, 11),
    ]


def test_an_object_that_did_not_change_resumes_where_it_was_left():
    left = state([5], dirty=[], tracked=[(5, 11, 1), (3, 4, -1)])
    plan = plan_run([left], TrackSettings(), N)
    assert spans(plan) == [(1, "forward", 12, 19), (1, "backward", 2, 0)]
    assert plan.passes[0].preceding_first() == (1, 1, 1, 1, 1, 1, 0)
    assert plan.passes[1].preceding_first() == (-1, -1, 0, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0)


def test_a_changed_object_that_was_left_on_the_way_is_also_walked_to_the_end():
    left = state([5, 10], dirty=[5], tracked=[(10, 13, 1), (0, 9, -1)])
    plan = plan_run([left], TrackSettings(), N)
    assert spans(plan) == [(1, "forward", 5, 9), (1, "forward", 14, 19), (1, "backward", 4, 0)]


def test_a_finished_object_needs_nothing():
    assert plan_run([state([5], dirty=[], tracked=[(0, 19, 1)])], TrackSettings(), N).passes == ()


def test_naming_an_object_tracks_it_again():
    done = state([5], dirty=[], tracked=[(5, 19, 1), (0, 4, -1)])
    plan = plan_run([done], TrackSettings(objects=(1,)), N)
    assert spans(plan) == [(1, "forward", 5, 19), (1, "backward", 4, 0)]


def test_a_pass_resumes_after_its_last_frame():
    one = Pass(1, "backward", 9, 2, preceding=(1, 1), resume_after=6)
    assert list(one.frames()) == [5, 4, 3, 2]
    assert one.preceding_first() == (-1, -1, -1, 0, 1, 1)


def test_preceding_is_nearest_first_and_ends_at_the_recording():
    tracked = np.array([-1, -1, 1, 1, 0], np.int8)
    assert preceding(tracked, 3, "forward") == (1, -1, -1)
    assert preceding(tracked, 3, "backward") == (0,)
    assert preceding(tracked, 4, "backward") == ()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (TrackSettings(stop=N + 1), "does not fit the recording"),
        (TrackSettings(objects=(7,)), "no object 7"),
        (TrackSettings(objects=(2,)), "Object 2 has no prompt"),
    ],
)
def test_what_cannot_be_planned_is_reported(settings, sentence):
    with pytest.raises(PromptError, match=sentence):
        plan_run([state([5]), state([], object_id=2)], settings, N)


frames = st.integers(0, N - 1)


@given(
    prompted=st.frozensets(frames, min_size=1, max_size=4),
    fences=st.frozensets(frames, max_size=4),
    dirty=st.frozensets(frames, max_size=4),
    tracked=st.lists(st.sampled_from([-1, 0, 1]), min_size=N, max_size=N),
    bounds=st.tuples(frames, frames),
    direction=st.sampled_from(["both", "forward", "backward"]),
)
def test_fences_are_never_walked_over_and_no_frame_twice_in_one_direction(
    prompted, fences, dirty, tracked, bounds, direction
):
    directions = np.array(tracked, np.int8)
    subject = ObjectState(1, prompted, dirty & prompted, fences, directions)
    low, high = min(bounds), max(bounds)
    plan = plan_run([subject], TrackSettings(direction, low, high + 1), N)
    for way in ("forward", "backward"):
        walked = [t for p in plan.sweep(way) for t in p.frames()]
        assert len(walked) == len(set(walked))
        assert all(0 <= t < N for t in walked)
        changed = prompted if not directions.any() else dirty & prompted
        assert not set(walked) & (fences - changed - {p.start for p in plan.passes})
    assert plan.total == len(plan.frames("forward")) + len(plan.frames("backward"))


def test_a_gap_before_a_changed_frame_is_filled_up_to_that_frame_only():
    left = state([0, 7], dirty=[7], tracked=[(0, 5, -1), (7, 19, -1)])
    plan = plan_run([left], TrackSettings("forward", 0, 8), N)
    assert spans(plan) == [(1, "forward", 6, 6), (1, "forward", 7, 7)]


def test_what_was_done_is_rebuilt_with_the_same_objects_side_by_side():
    whole = Plan(
        (
            Pass(1, "forward", 3, 59),
            Pass(2, "forward", 10, 40),
            Pass(1, "backward", 3, 0, resume_after=3),
            Pass(2, "backward", 10, 0, resume_after=10),
        ),
        60,
    )
    assert whole.rebuilt() is whole
    forward = Plan((replace(whole.passes[0], resume_after=50), *whole.passes[2:]), 60, whole)
    assert forward.rebuilt() == whole
    backward = Plan((replace(whole.passes[2], resume_after=1), replace(whole.passes[3], resume_after=1)), 60, whole)
    assert [one.stop for one in backward.rebuilt().passes] == [25, 25, 0, 0]
    assert backward.rebuilt().passes[2:] == whole.passes[2:]
