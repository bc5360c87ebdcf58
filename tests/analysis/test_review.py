"""The doubt figure: its bounds, that it grows with every reason, and that injected errors come first."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam2_video.analysis.measure import measure
from napari_sam2_video.analysis.review import (
    CARRIED,
    COMPONENTS,
    disagreement,
    doubt,
    doubt_components,
    merge_components,
    neighbour_rows,
    review_queue,
    review_table,
)
from napari_sam2_video.analysis.table import Table
from napari_sam2_video.results import TrackingResult
from napari_sam2_video.types.tracked_object import TrackedObject

N_FRAMES = 40
EDGES = ("y0", "x0", "y1", "x1")
FLOATS = st.floats(0, 1)
QUICK = settings(max_examples=60, deadline=None)


def scores_of(areas, places_yx, *, score=None, iou=None, prompted=(), bbox=None):
    n = len(areas)
    areas = np.asarray(areas)
    flags = np.zeros(n, bool)
    flags[list(prompted)] = True
    return {
        "frame": np.arange(n),
        "area": areas,
        "y": np.asarray(places_yx, float)[:, 0],
        "x": np.asarray(places_yx, float)[:, 1],
        **dict(zip(EDGES, np.tile([5, 5, 9, 9], (n, 1)).T if bbox is None else np.transpose(bbox), strict=True)),
        "object_score": np.full(n, 8.0) if score is None else np.asarray(score, float),
        "predicted_iou": np.full(n, 0.95) if iou is None else np.asarray(iou, float),
        "prompted": flags,
    }


def table_of(*objects):
    return review_table(dict(enumerate(objects, start=1)), (100, 100))


def still(n, **known):
    return scores_of(np.full(n, 100), np.full((n, 2), 50.0), **known)


@pytest.fixture(scope="module")
def recording():
    """Four discs that wander without touching, tracked well, each prompted on frame 12."""
    random = np.random.default_rng(3)
    starts = np.array([[30, 30], [30, 90], [90, 30], [90, 90]], float)
    places = starts + np.cumsum(random.normal(0, 0.7, (N_FRAMES, 4, 2)), axis=0)
    radii = 9 + random.normal(0, 0.2, (N_FRAMES, 4))
    y, x = np.mgrid[:120, :120]
    labels = np.zeros((N_FRAMES, 120, 120), np.uint8)
    for frame in range(N_FRAMES):
        for number in range(4):
            near = (y - places[frame, number, 0]) ** 2 + (x - places[frame, number, 1]) ** 2
            labels[frame][near <= radii[frame, number] ** 2] = number + 1
    return labels


def reviewed(labels, scores=None, **known):
    def read_scores(object_id):
        frames = np.arange(N_FRAMES)
        return {
            "frame": frames,
            "object_score": np.where([(labels[t] == object_id).any() for t in frames], 8.0, -8.0),
            "predicted_iou": np.full(N_FRAMES, 0.9),
            "prompted": frames == 12,
        }

    objects = tuple(TrackedObject(number, f"object {number}", (1, 2, 3)) for number in range(1, 5))
    result = TrackingResult(N_FRAMES, labels.shape[1:], lambda t: labels[t], objects, read_scores=scores or read_scores)
    return review_queue(measure(result), **known)


def test_good_tracks_raise_little_doubt(recording):
    assert max(item.doubt for item in reviewed(recording)) < 0.25


@pytest.mark.parametrize("frame", [3, 25])
def test_swapped_identity_comes_first(recording, frame):
    labels = recording.copy()
    wrong = range(frame + 1) if frame < 12 else range(frame, N_FRAMES)
    swap = np.array([0, 2, 1, 3, 4], np.uint8)
    for t in wrong:
        labels[t] = swap[labels[t]]
    queue = reviewed(labels)
    assert {(item.object_id, item.frame) for item in queue[:2]} == {(1, frame), (2, frame)}
    assert {item.component for item in queue[:2]} == {"centroid_jump"}
    assert queue[1].doubt > 0.8 > queue[2].doubt


@pytest.mark.parametrize("frame", [3, 25])
def test_vanished_mask_comes_first(recording, frame):
    labels = recording.copy()
    wrong = range(frame + 1) if frame < 12 else range(frame, N_FRAMES)
    for t in wrong:
        labels[t][labels[t] == 3] = 0
    first = reviewed(labels)[0]
    assert (first.object_id, first.frame, first.component) == (3, frame, "area_jump")


def test_jump_on_one_frame_comes_first_with_its_return(recording):
    labels = recording.copy()
    labels[30][labels[30] == 4] = 0
    labels[30][50:66, 52:68] = 4
    queue = reviewed(labels)
    assert [(item.object_id, item.frame) for item in queue[:2]] in ([(4, 30), (4, 31)], [(4, 31), (4, 30)])
    assert [(item.object_id, item.frame) for item in reviewed(labels, spacing=2, threshold=0.5)] == [
        (queue[0].object_id, queue[0].frame)
    ]


def test_mask_that_leaks_into_the_background_comes_first(recording):
    labels = recording.copy()
    labels[20:, 60:120, :][labels[20:, 60:120, :] == 0] = 3
    first = reviewed(labels)[0]
    assert (first.object_id, first.frame) == (3, 20)


def test_all_injected_errors_fill_the_top_of_the_queue(recording):
    labels = recording.copy()
    labels[18:][labels[18:] == 2] = 0
    labels[33][labels[33] == 1] = 0
    labels[33][2:20, 100:118] = 1
    queue = reviewed(labels, spacing=2)
    assert {(item.object_id, item.frame) for item in queue[:2]} == {(2, 18), (1, 33)} or {
        (item.object_id, item.frame) for item in queue[:2]
    } == {(2, 18), (1, 34)}


components = st.fixed_dictionaries(dict.fromkeys(COMPONENTS, FLOATS))


@given(components, st.sampled_from(sorted(COMPONENTS)), FLOATS)
@QUICK
def test_doubt_is_bounded_and_grows_with_every_component(values, name, other):
    def merged(values):
        return float(merge_components({key: np.array([value]) for key, value in values.items()})[0])

    low, high = sorted((values[name], other))
    assert 0 <= merged({**values, name: low}) <= merged({**values, name: high}) <= 1


def test_one_strong_reason_is_enough_and_none_hides_another():
    nothing = dict.fromkeys(COMPONENTS, np.zeros(1))
    assert merge_components(nothing)[0] == 0
    for name, weight in COMPONENTS.items():
        assert merge_components({**nothing, name: np.ones(1)})[0] == pytest.approx(weight)


@given(
    areas=st.lists(st.integers(0, 400), min_size=1, max_size=12),
    seed=st.integers(0, 2**32 - 1),
    prompted=st.sets(st.integers(0, 11)),
)
@QUICK
def test_every_component_of_any_track_is_from_0_to_1(areas, seed, prompted):
    random = np.random.default_rng(seed)
    n = len(areas)
    table = table_of(
        scores_of(
            areas,
            random.uniform(0, 100, (n, 2)),
            score=random.normal(0, 500, n),
            iou=random.uniform(-0.2, 1.3, n),
            prompted=[frame for frame in prompted if frame < n],
        )
    )
    origins = np.where(random.random(n) < 0.3, np.nan, random.integers(0, n, n))
    walk = random.integers(-1, 2, n).astype(np.int8)
    table = table.with_columns(disagreement=random.uniform(-1, 2, n), checked_from=origins, walk=walk)
    for name, component in doubt_components(table).items():
        assert np.isfinite(component).all(), name
        assert ((component >= 0) & (component <= 1)).all(), name
    doubts = doubt(table)
    assert ((doubts >= 0) & (doubts <= 1)).all()
    assert not doubts[[frame for frame in prompted if frame < n]].any()


def test_lower_scores_raise_the_doubt():
    doubts = doubt(table_of(still(4, score=[8, 4, 1, -3])))
    assert (np.diff(doubts) > 0).all()
    doubts = doubt(table_of(still(4, iou=[0.95, 0.8, 0.5, 0.1])))
    assert (np.diff(doubts) > 0).all()


def test_confident_absence_is_no_reason_to_look():
    places = np.full((4, 2), 50.0)
    table = table_of(scores_of([100, 0, 0, 0], places, score=[8, -8, -8, 3]))
    doubts = doubt(table)
    assert doubts[1] >= COMPONENTS["area_jump"]
    assert doubts[2] < 0.01
    assert doubts[3] > 0.8


def test_steady_motion_is_no_jump_and_a_turn_is():
    places = np.array([[50, 10 + 15 * t] for t in range(5)] + [[90, 70]], float)
    jumps = doubt_components(table_of(scores_of(np.full(6, 100), places)))["centroid_jump"]
    assert jumps[2:5].max() < 1e-12
    assert jumps[5] > 0.9


def test_jump_by_one_radius_counts_half():
    places = np.array([[50, 50], [50, 60]], float)
    jumps = doubt_components(table_of(scores_of([314, 314], places)))["centroid_jump"]
    assert jumps[1] == pytest.approx(0.5, abs=1e-3)


def test_doubled_area_counts_half():
    jumps = doubt_components(table_of(scores_of([100, 200, 100], np.full((3, 2), 9.0))))["area_jump"]
    assert jumps.tolist() == [0, 0.5, 0.5]


def test_frames_before_the_prompt_look_the_way_they_were_tracked():
    rows, neighbours = neighbour_rows(table_of(still(4, prompted=[2]), still(2)))
    assert sorted(zip(rows.tolist(), neighbours.tolist(), strict=True)) == [(0, 1), (1, 2), (3, 2), (5, 4)]


def test_known_direction_of_tracking_decides_which_frame_is_the_neighbour():
    known = still(5, prompted=[1])
    known["walk"] = np.array([-1, 1, 1, -1, -1], np.int8)
    rows, neighbours = neighbour_rows(table_of(known))
    assert sorted(zip(rows.tolist(), neighbours.tolist(), strict=True)) == [(0, 1), (2, 1), (3, 4)]


@pytest.mark.parametrize("flag", ["prompted", "painted", "accepted"])
def test_what_a_person_checked_is_not_queued(flag):
    known = still(3, score=[-9, -9, -9])
    known[flag] = np.array([False, True, False])
    assert {item.frame for item in review_queue(table_of(known))} == {0, 2}


def test_unknown_disagreement_counts_as_none_and_known_as_itself():
    table = walked_back([np.nan, 0.0, 1.0, 0.0], [3] * 4, accepted=[3])
    doubts = doubt(table)
    assert doubts[0] == doubts[1] == doubt(table_of(still(4)))[0]
    assert doubts[2] >= COMPONENTS["disagreement"]
    assert review_queue(table)[0].component == "disagreement"


def test_tracked_back_from_a_mask_nobody_settled_the_first_wrong_frames_are_doubted():
    table = walked_back([np.nan, 0.9, 1.0, 0.2, 0.1], [np.nan, 5, 5, 5, 5])
    np.testing.assert_allclose(doubt_components(table)["disagreement"], [0, 0, 0, 0.7, 0.8])


def test_a_track_that_went_wrong_stays_doubtful_until_a_person_settles_a_frame():
    figures = [np.nan, 0.8, 0.0, 0.1, 0.0, np.nan, np.nan, 0.5]
    origins = [np.nan, 3, 3, 5, 5, np.nan, np.nan, 8]
    kept = 0.8 * CARRIED
    expected = [0, 0, 0.8, kept, 1 - 0.9 * (1 - kept), kept, kept, kept]
    np.testing.assert_allclose(doubt_components(walked_back(figures, origins))["disagreement"], expected)
    assert doubt_components(walked_back(figures, origins, accepted=[6]))["disagreement"][6:].tolist() == [0, 0]


def test_small_disagreements_do_not_add_up_over_a_long_recording():
    frames = np.arange(2000)
    table = walked_back(np.where(frames % 10, 0.0, 0.05), frames // 10 * 10 + 10)
    assert doubt_components(table)["disagreement"].max() < 0.1


def test_what_was_tracked_backward_is_doubted_in_the_order_of_tracking():
    figures, origins = [np.nan, 0.8, 0.0, 0.1], [np.nan, 3, 3, 5]
    forward = doubt_components(walked_back(figures, origins))["disagreement"]
    mirrored = walked_back(figures[::-1], [np.nan if np.isnan(o) else 3 - o for o in origins[::-1]], walk=-1)
    np.testing.assert_allclose(doubt_components(mirrored)["disagreement"], forward[::-1])


def test_tracked_back_from_a_settled_mask_each_frame_is_as_doubtful_as_it_disagrees():
    table = walked_back([np.nan, 0.1, 0.9, 0.8, np.nan], [np.nan, 4, 4, 4, np.nan], accepted=[4])
    np.testing.assert_allclose(doubt_components(table)["disagreement"], [0, 0.1, 0.9, 0.8, 0])


def walked_back(figures, origins, *, accepted=(), walk=1):
    n = len(figures)
    known = {"disagreement": np.array(figures, float), "checked_from": np.array(origins, float)}
    known["accepted"] = np.isin(np.arange(n), list(accepted))
    known["walk"] = np.full(n, walk, np.int8)
    return table_of({**still(n), **known})


def test_what_was_tracked_back_from_a_mask_that_changed_counts_as_unknown():
    table = walked_back([0.9, 0.1], [np.nan, np.nan])
    assert not doubt_components(table)["disagreement"].any()


def test_disagreement_is_one_minus_iou():
    first, second = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    assert disagreement(first, second) == 0
    first[:2] = True
    assert disagreement(first, second) == 1
    second[1:3] = True
    assert disagreement(first, second) == pytest.approx(1 - 4 / 12)


def test_touching_the_border_is_a_small_reason():
    box = [[0, 5, 9, 9], [5, 0, 9, 9], [5, 5, 100, 9], [5, 5, 9, 100], [1, 1, 99, 99]]
    table = table_of(still(5, bbox=box))
    assert doubt_components(table)["border"].tolist() == [1, 1, 1, 1, 0]


def test_queue_can_be_narrowed():
    table = table_of(still(4, score=[-1, -2, -3, -4]), still(4, score=[-1, -2, -3, -9]))
    assert [(item.object_id, item.frame) for item in review_queue(table, limit=2)] == [(2, 3), (1, 3)]
    assert {item.object_id for item in review_queue(table, objects=[1])} == {1}
    assert len(review_queue(table, spacing=10)) == 2
    assert [item.frame for item in review_queue(table, spacing=1) if item.object_id == 1] == [3, 1]
    assert review_queue(table, threshold=1.0) == ()


def test_equal_doubts_keep_the_order_of_frames_and_objects():
    table = table_of(still(2), still(2))
    assert [(item.frame, item.object_id) for item in review_queue(table)] == [(0, 1), (0, 2), (1, 1), (1, 2)]


def test_reviewing_scores_alone_agrees_with_reviewing_pixels(recording):
    measured = measure(TrackingResult.from_arrays(recording))
    scores = {
        object_id: {
            "frame": part["frame"],
            "area": part["area_px"],
            "y": part["centroid_y_px"],
            "x": part["centroid_x_px"],
            **{edge: part[f"bbox_{edge}"] for edge in EDGES},
            "object_score": part["object_score"],
            "predicted_iou": part["predicted_iou"],
        }
        for object_id in measured.object_ids()
        for part in [measured.where(measured["object_id"] == object_id)]
    }
    table = review_table(scores, recording.shape[1:])
    np.testing.assert_allclose(doubt(table), doubt(measured), atol=1e-12)


def test_nothing_tracked_gives_an_empty_queue():
    assert review_queue(review_table({}, (10, 10))) == ()
    assert isinstance(review_table({}, (10, 10)), Table)


def test_items_are_plain_values():
    item = review_queue(table_of(still(1, score=[-9])))[0]
    assert dataclasses.asdict(item)["reason"] == "the network is unsure whether the object is there"


def test_an_object_that_was_painted_and_never_prompted_is_looked_at_to_its_last_frame():
    scores = still(8)
    scores["painted"] = np.arange(8) == 4
    scores["walk"] = np.array([-1, -1, -1, -1, 0, 1, 1, 1])
    scores["area"][0] = 400
    table = table_of(scores)
    rows, neighbours = neighbour_rows(table)
    assert dict(zip(rows.tolist(), neighbours.tolist(), strict=True)) == {0: 1, 1: 2, 2: 3, 3: 4, 5: 4, 6: 5, 7: 6}
    assert review_queue(table)[0].frame == 0
