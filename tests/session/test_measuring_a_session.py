"""Measurements and review of a session: pixels and scores tell the same story."""

import numpy as np

from napari_sam2_video.analysis.measure import measure
from napari_sam2_video.analysis.review import doubt, review_queue, review_table
from napari_sam2_video.analysis.tracks import tracks
from napari_sam2_video.masks.clean import CleanSettings, clean


def test_measured_areas_and_marks_are_those_of_the_session(prompted):
    list(prompted.track())
    prompted.paint(7, (0, 0), np.full((3, 5), 1))
    prompted.accept(2, 5, 8)
    table = measure(prompted.result())
    for object_id in (1, 2):
        rows = table.where(table["object_id"] == object_id)
        known = prompted.scores(object_id)
        assert rows["frame"].tolist() == known["frame"].tolist()
        for frame, area in zip(rows["frame"], rows["area_px"], strict=True):
            assert area == np.count_nonzero(prompted.masks.read_labels(int(frame)) == object_id)
        for name in ("prompted", "painted", "accepted", "walk", "object_score", "predicted_iou"):
            np.testing.assert_array_equal(rows[name], known[name], err_msg=name)
    assert set(table["walk"].tolist()) == {-1, 1}
    assert table["accepted"].sum() == 3


def test_review_needs_no_pixels_and_passes_over_what_was_checked(prompted):
    list(prompted.track())
    prompted.accept(1, 0, 4)
    table = review_table({entry.id: prompted.scores(entry.id) for entry in prompted.objects}, prompted.shape_yx)
    np.testing.assert_allclose(doubt(table), doubt(measure(prompted.result())), atol=0.02)
    checked = {(item.object_id, item.frame) for item in review_queue(table)} & {(1, frame) for frame in range(5)}
    assert not checked


def test_tracks_follow_every_object(prompted):
    list(prompted.track())
    prompted.edit_object(2, parent=1, parent_frame=4)
    data, graph, _ = tracks(measure(prompted.result()), prompted.objects)
    assert data.shape == (2 * prompted.n_frames, 4)
    assert graph == {2: [1]}


def test_cleaning_gives_masks_of_tracked_frames_and_leaves_painted_ones(prompted):
    list(prompted.track())
    hole = np.zeros((1, 1), np.uint8)
    place = np.argwhere(prompted.masks.object_mask(6, 1)).mean(axis=0).astype(int)
    prompted.paint(6, tuple(place), hole)
    frames = {1: prompted.masks.frames_done(1)}
    items = list(
        clean(
            prompted.masks.object_mask, frames, CleanSettings(fill_holes=True), untouched={1: prompted.masks.painted(1)}
        )
    )
    assert 6 not in {item.frame for item in items}
    assert [item.frame for item in clean(prompted.masks.object_mask, frames, CleanSettings(fill_holes=True))] == [6]
