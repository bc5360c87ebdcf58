"""Labels that say nothing from frame to frame become tracks."""

import numpy as np
import pytest
from benchmarks.linking.fill import between, fill_gaps

from napari_sam2_video.linking import link as module
from napari_sam2_video.linking.link import link
from napari_sam2_video.linking.settings import LinkSettings
from napari_sam2_video.linking.shapes import Shape, shapes_of, union

SHAPE = (64, 96)


def disc(y, x, radius, shape=SHAPE):
    rows, columns = np.indices(shape)
    return np.hypot(rows - y, columns - x) <= radius


def series(*frames):
    """Label images of lists of masks, the labels in a different order on each frame."""
    images = []
    for number, masks in enumerate(frames):
        image = np.zeros(SHAPE, np.uint16)
        for label, mask in enumerate(np.roll(np.arange(len(masks)), number), start=1):
            image[masks[mask]] = label * 3
        images.append(shapes_of(image))
    return images


def two_cells(n=8):
    return [[disc(20, 20 + t, 8), disc(44, 60 - t, 9)] for t in range(n)]


def centres(track):
    return {frame: tuple(round(c) for c in shape.centre) for frame, shape in track.shapes.items()}


def test_labels_with_changing_numbers_become_one_track_for_each_cell():
    first, second = link(series(*two_cells()), SHAPE)
    assert {centres(first)[7], centres(second)[7]} == {(20, 27), (44, 53)}
    assert [track.missing for track in (first, second)] == [(), ()]
    assert set(first.sources.values()) == {"label"}


def test_a_missing_label_leaves_a_gap_in_the_track():
    frames = two_cells()
    del frames[3][0]
    tracks = link(series(*frames), SHAPE)
    assert sorted(track.missing for track in tracks) == [(), (3,)]
    (guess,) = fill_gaps(tracks, SHAPE).values()
    assert Shape.cut(disc(20, 23, 8)).iou(guess[3]) > 0.9


def test_a_label_that_holds_two_cells_is_cut():
    frames = [[disc(30, 30 + t, 8), disc(30, 47 + t, 8)] for t in range(7)]
    frames[3] = [frames[3][0] | frames[3][1]]
    tracks = link(series(*frames), SHAPE)
    assert len(tracks) == 2
    assert {track.sources[3] for track in tracks} == {"part"}
    assert {centres(track)[3] for track in tracks} == {(30, 33), (30, 50)}


def test_two_labels_on_one_cell_are_joined():
    frames = two_cells()
    whole = frames[4][1]
    left = whole & (np.arange(SHAPE[1]) < 56)
    frames[4] = [frames[4][0], left, whole & ~left]
    tracks = link(series(*frames), SHAPE)
    assert len(tracks) == 2
    (track,) = [track for track in tracks if track.sources[4] == "joined"]
    assert np.array_equal(track.shapes[4].mask, Shape.cut(whole).mask)


@pytest.mark.parametrize("late", [False, True])
def test_a_cell_that_divides_is_the_parent_of_two_tracks(late):
    before = [[disc(32, 48, 11)] for _ in range(5)]
    after = [[disc(32, 39 - t, 8), disc(32, 56 + t, 8)] for t in range(5)]
    if late:
        del after[0][1]
    mother, *daughters = link(series(*before, *after), SHAPE)
    assert [one.parent for one in daughters] == [mother.number] * 2
    assert (mother.last, {one.first for one in daughters}) == (4, {5})
    assert sorted(one.missing for one in daughters) == [(), (5,)] if late else [(), ()]


def test_halves_of_one_frame_are_not_a_division():
    frames = two_cells()
    whole = frames[4][1]
    left = whole & (np.arange(SHAPE[1]) < 56)
    frames[4] = [frames[4][0], left, whole & ~left]
    assert not any(track.parent for track in link(series(*frames), SHAPE))


def test_a_cell_that_leaves_over_the_edge_ends_there():
    frames = [[disc(30, 85 + 3 * t, 8)] for t in range(7)]
    frames = [[mask for mask in masks if mask.any()] for masks in frames]
    (track,) = link(series(*frames), SHAPE)
    assert (track.first, track.last, track.missing) == (0, 6, ())


def test_stretches_give_the_same_tracks_as_the_whole(monkeypatch):
    frames = two_cells(30)
    del frames[14][0], frames[20][1]
    whole = link(series(*frames), SHAPE)
    monkeypatch.setattr(module, "AT_ONCE", 1)
    parts = link(series(*frames), SHAPE)
    assert [(centres(track), track.missing) for track in parts] == [(centres(t), t.missing) for t in whole]


def test_nothing_to_link_gives_no_track():
    assert link([{}, {}], SHAPE) == []
    assert link([], SHAPE) == []


def test_progress_ends_the_linking_where_it_raises():
    def stop(done, total):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        link(series(*two_cells()), SHAPE, progress=stop)


def test_settings_are_json():
    assert LinkSettings().to_json()["gap"] == 3


def test_shapes_are_those_of_the_labels():
    image = np.zeros((6, 7), np.int16)
    image[1:3, 2:5], image[4, 0], image[5, 6] = 9, -3, 2
    found = shapes_of(image)
    assert {label: (one.area, one.origin_yx) for label, one in found.items()} == {2: (1, (5, 6)), 9: (6, (1, 2))}
    assert found[9].centre == (1.5, 3.0)
    assert shapes_of(np.zeros((3, 3), np.uint8)) == {}
    assert union(found.values()).area == 7


def test_a_shape_that_is_moved_out_of_the_frame_is_cut():
    shape = Shape(np.ones((4, 4), bool), (1, 1))
    assert shape.moved((-3, 0), (8, 8)).area == 8
    assert shape.moved((-9, 0), (8, 8)) is None
    assert shape.moved((5, 6), (8, 8)).origin_yx == (6, 7)


def test_the_shape_between_two_is_half_way():
    first, second = Shape.cut(disc(20, 20, 6)), Shape.cut(disc(30, 40, 10))
    middle = between(first, second, 0.5)
    assert tuple(round(c) for c in middle.centre) == (25, 30)
    assert 6.5 < middle.radius < 9.5
