"""Runs of frames."""

from napari_sam2_video.spans import bounds_of, frame_runs


def test_frames_split_into_runs_without_a_gap():
    assert frame_runs([5, 1, 2, 2, 9, 6]) == (range(1, 3), range(5, 7), range(9, 10))
    assert frame_runs([]) == ()
    assert bounds_of([3, 4, 8]) == [[3, 5], [8, 9]]
