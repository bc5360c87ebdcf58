"""The first mask comes after the same work whatever the length of the recording."""

from napari_sam2_video.engine.plan import Pass, Plan
from napari_sam2_video.types import PointPrompt
from tests.engine.conftest import Scene

READ_AHEAD = 8


def work_until_the_first_frame(make_run, n_frames):
    scene = Scene(n_frames)
    ours = make_run(scene, "demo")
    ours.tracker.condition(1, 4, [PointPrompt(1, 4, 36, 38)])
    frames = ours.tracker.run(Plan((Pass(1, "forward", 4, n_frames - 1),), n_frames))
    first = next(frames)
    embedded = ours.tracker.features.misses
    frames.close()
    # A thread reads ahead, by how much depends on when it gets to run: only how far it may get is fixed.
    return first.frame, max(scene.reads), embedded


def test_time_to_the_first_mask_does_not_depend_on_the_length_of_the_recording(make_run):
    short = work_until_the_first_frame(make_run, 8)
    long = work_until_the_first_frame(make_run, 100_000)
    assert short[0] == long[0] == 4
    assert short[2] == long[2]
    assert max(short[1], long[1]) < 4 + READ_AHEAD
