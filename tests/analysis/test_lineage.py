"""Mothers and daughters: what is refused, and what napari and the Cell Tracking Challenge get."""

import numpy as np
import pytest

from napari_sam2_video.analysis.lineage import check_lineage, first_frames, lineage_graph
from napari_sam2_video.analysis.measure import measure
from napari_sam2_video.analysis.tracks import tracks
from napari_sam2_video.errors import SessionError
from napari_sam2_video.results import TrackingResult
from napari_sam2_video.types.tracked_object import TrackedObject


def family(*parents):
    """Objects 1, 2, 3 ... with the given ``(parent, parent_frame)`` or None."""
    return [
        TrackedObject(number, f"object {number}", (1, 2, 3), *(given or (None, None)))
        for number, given in enumerate(parents, start=1)
    ]


def test_family_of_three_generations_is_accepted():
    objects = family(None, (1, 4), (1, 4), (2, 9))
    check_lineage(objects, {1: 0, 2: 4, 3: 4, 4: 9})
    assert lineage_graph(objects) == {2: [1], 3: [1], 4: [2]}


@pytest.mark.parametrize(
    ("objects", "first_frames", "sentence"),
    [
        (family((9, 3)), {}, "Object 1 is marked as the daughter of object 9, which does not exist"),
        (family((1, 3)), {}, "Object 1 would be among its own ancestors"),
        (family((3, 3), (1, 3), (2, 3)), {}, "would be among its own ancestors"),
        (family(None, (1, 5)), {1: 5, 2: 5}, "Object 1 is first seen on frame 5, not before its daughter 2 on frame 5"),
        (family(None, (1, 5)), {1: 7, 2: 5}, "first seen on frame 7"),
        (family(None, (1, 5)), {1: 7}, "first seen on frame 7"),
    ],
)
def test_an_impossible_lineage_is_refused_in_one_sentence(objects, first_frames, sentence):
    with pytest.raises(SessionError, match=sentence):
        check_lineage(objects, first_frames)


def test_first_frames_are_those_with_pixels():
    labels = np.zeros((4, 3, 3), np.uint8)
    labels[2:, 0, 0] = 5
    labels[1, 1, 1] = 2
    assert first_frames(measure(TrackingResult.from_arrays(labels))) == {2: 1, 5: 2}


def test_daughter_without_a_frame_is_one_from_her_first_pixel_on():
    check_lineage(family(None, (1, None)), {1: 0, 2: 3})
    with pytest.raises(SessionError, match="first seen on frame 4"):
        check_lineage(family(None, (1, None)), {1: 4, 2: 3})


def test_parent_without_pixels_is_not_judged_by_its_frames():
    check_lineage(family(None, (1, 5)), {2: 5})


def test_tracks_hold_pixels_of_every_frame_with_the_object():
    labels = np.zeros((4, 10, 10), np.uint8)
    labels[0, 2:5, 2:5] = 1
    labels[2, 2:5, 6:9] = 1
    labels[1:, 7:9, 0:2] = 3
    objects = [
        TrackedObject(1, "mother", (1, 2, 3)),
        TrackedObject(2, "never seen", (1, 2, 3), 1, 1),
        TrackedObject(3, "daughter", (1, 2, 3), 1, 1),
    ]
    result = TrackingResult.from_arrays(labels, objects=objects, pixel_size=(0.5, 0.5), units=(None, "µm", "µm"))
    data, graph, properties = tracks(measure(result), objects)
    assert data.tolist() == [[1, 0, 3, 3], [1, 2, 3, 7], [3, 1, 7.5, 0.5], [3, 2, 7.5, 0.5], [3, 3, 7.5, 0.5]]
    assert graph == {3: [1]}
    assert properties["area_px"].tolist() == [9, 9, 4, 4, 4]
    assert not {"name", "length_unit"} & set(properties)


def test_tracks_of_a_plane_carry_its_depth():
    labels = np.ones((2, 3, 3), np.uint8)
    data = tracks(measure(TrackingResult.from_arrays(labels)), z=4).data
    assert data.tolist() == [[1, 0, 4, 1, 1], [1, 1, 4, 1, 1]]
