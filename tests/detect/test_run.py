"""A detector that fails, hangs or gives nonsense costs one sentence and nothing else."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from napari_sam2_video.detect.checked import MOST_BOXES, checked
from napari_sam2_video.detect.protocol import Detection
from napari_sam2_video.detect.run import run_detector
from napari_sam2_video.errors import DetectionStoppedError, DetectorError, FrameError

FULL = np.ones((4, 5), bool)


class Given:
    """Gives what it is told to give."""

    name = "given"
    settings = {}  # noqa: RUF012

    def __init__(self, answer):
        self.answer = answer

    def detect(self, frame):
        return self.answer(frame) if callable(self.answer) else self.answer


def test_masks_are_cut_to_their_bounding_box():
    mask = np.zeros((20, 30), bool)
    mask[4:8, 10:15] = True
    (found,) = checked([Detection(0.5, mask)], (20, 30), "given")
    assert found.origin_yx == (4, 10)
    assert np.array_equal(found.mask, FULL)


def test_empty_masks_are_left_out_and_order_is_kept():
    found = checked([Detection(0.2, FULL), Detection(0.9, ~FULL), Detection(0.7, FULL, (9, 9))], (20, 30), "given")
    assert [one.score for one in found] == [0.2, 0.7]


def test_a_box_is_cut_to_the_frame():
    (found,) = checked([Detection(0.5, box_yxyx=(-3, 2, 50.0, np.float32(9)))], (20, 30), "given")
    assert found.box_yxyx == (0.0, 2.0, 19.0, 9.0)


@pytest.mark.parametrize(
    ("nonsense", "said"),
    [
        (None, "a NoneType where a list"),
        (np.ones((20, 30)), "a ndarray where a list"),
        ([FULL], "a ndarray where detection 1"),
        ([Detection(float("nan"), FULL)], "the score nan for detection 1"),
        ([Detection(0.5, FULL), Detection(1.5, FULL)], "the score 1.5 for detection 2"),
        ([Detection(0.5, FULL.astype(float))], "float64 of shape"),
        ([Detection(0.5, np.ones((3, 4, 5), bool))], r"bool of shape \(3, 4, 5\)"),
        ([Detection(0.5, FULL, (38, 0))], "not inside the frame"),
        ([Detection(0.5, FULL, (float("nan"), 0))], "not inside the frame"),
        ([Detection(0.5, np.ones((41, 60), bool))], "not inside the frame"),
        ([Detection(0.5)], "neither a mask nor a box"),
        ([Detection(0.5, box_yxyx=(1, 2, float("nan"), 4))], "neither a mask nor a box"),
        ([Detection(0.5, box_yxyx=(5, 5, 5, 9))], "neither a mask nor a box"),
        ([Detection(0.5, box_yxyx=(1, 2, 3))], "neither a mask nor a box"),
        ([Detection(0.5, box_yxyx=(1, 2, 3, 4))] * 10_000, f"10000 boxes on one frame, but at most {MOST_BOXES}"),
        ((Detection(0.5, FULL) for _ in iter(int, 1)), "more than 20000 objects"),
        ([Detection(0.5, FULL, label=3)], "a label for detection 1"),
    ],
)
def test_nonsense_becomes_one_sentence(nonsense, said, view):
    with pytest.raises(DetectorError, match=f"^The detector given returned .*{said}.*; its output is ignored.$"):
        run_detector(Given(nonsense), view, 0)


def test_what_a_detector_raises_becomes_one_sentence(view):
    def broken(frame):
        raise RuntimeError("no luck")

    with pytest.raises(DetectorError, match=r"^The detector given failed on frame 1 \(RuntimeError: no luck\)\.$"):
        run_detector(Given(broken), view, 1)


def test_even_a_detector_that_leaves_the_program_does_not(view):
    def leaving(frame):
        raise SystemExit

    with pytest.raises(DetectorError, match=r"failed on frame 0 \(SystemExit\)"):
        run_detector(Given(leaving), view, 0)


def test_a_sentence_of_the_package_is_passed_on(view):
    def unreadable(frame):
        raise FrameError("Frame 3 is damaged.")

    with pytest.raises(FrameError, match=r"^Frame 3 is damaged\.$"):
        run_detector(Given(unreadable), view, 0)


def test_a_detector_that_hangs_is_abandoned(view):
    go_on = threading.Event()
    try:
        with pytest.raises(DetectorError, match=r"did not respond for 0\.05 seconds on frame 2"):
            run_detector(Given(lambda frame: go_on.wait()), view, 2, silent_seconds=0.05)
    finally:
        go_on.set()


def test_a_detector_left_behind_can_ask_the_network_for_nothing(view, segmenter):
    go_on, refused, over = threading.Event(), [], threading.Event()

    def late(frame):
        go_on.wait()
        try:
            frame.segmenter.features(0)
        except DetectionStoppedError as error:
            refused.append(str(error))
        over.set()
        return []

    with pytest.raises(DetectorError, match="given up"):
        run_detector(Given(late), view, 0, segmenter=segmenter, silent_seconds=0.01)
    go_on.set()
    assert over.wait(30)
    assert refused == ["The detector given was given up."]


def test_stop_ends_a_detector_at_its_next_report(view):
    started = threading.Event()

    def endless(frame):
        while True:
            started.set()
            frame.progress(1, 2)

    with pytest.raises(DetectionStoppedError, match=r"^The detector given was stopped\.$"):
        run_detector(Given(endless), view, 0, stop=started.is_set)


def test_boxes_become_masks_where_there_is_a_network(view, segmenter):
    both = [Detection(0.5, FULL, (1, 1)), Detection(0.9, box_yxyx=(10, 20, 15, 27), label="cell")]
    found = run_detector(Given(both), view, 0, segmenter=segmenter)
    assert [one.origin_yx for one in found] == [(1, 1), (10, 20)]
    assert found[1].mask.shape == (6, 8)
    assert (found[1].score, found[1].label, found[1].box_yxyx) == (0.9, "cell", None)


def test_boxes_stay_boxes_without_a_network(view):
    (found,) = run_detector(Given([Detection(0.9, box_yxyx=(10, 20, 15, 27))]), view, 0)
    assert found.mask is None


def test_a_detector_is_given_what_the_model_sees_and_what_the_recording_holds(view):
    seen = []
    run_detector(Given(lambda frame: seen.append(frame) or []), view, 1)
    (frame,) = seen
    assert (frame.index, frame.shape_yx, frame.rgb_yxc.shape) == (1, (40, 60), (40, 60, 3))
    assert np.array_equal(frame.raw_yx, view.raw(1))
