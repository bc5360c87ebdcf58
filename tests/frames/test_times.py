from __future__ import annotations

import numpy as np
import pytest

from napari_sam2_video.errors import RecordingError
from napari_sam2_video.frames.array import ArrayRecording
from napari_sam2_video.frames.times import UNKNOWN, frame_times
from napari_sam2_video.frames.view import FrameView, default_view

N = np.arange(50)


@pytest.mark.parametrize("rate", [24, 25, 30000 / 1001, 30, 60, 120])
def test_times_rounded_to_milliseconds_are_a_constant_rate(rate: float) -> None:
    timing = frame_times(np.round(N / rate, 3) + 17.5, tick=0.001)
    assert timing.times is None
    assert timing.interval == pytest.approx(1 / rate, rel=1e-3)


def test_milliseconds_copied_to_a_finer_clock_are_a_constant_rate() -> None:
    assert frame_times(np.round(N / 30, 3), tick=1 / 90000).times is None


def test_frames_that_a_slow_clock_skips_are_kept() -> None:
    """An AVI file counts time in frames: a gap of three is two dropped frames, and not a slower rate."""
    frames = np.r_[np.arange(20), 22 + np.arange(30)]
    np.testing.assert_allclose(frame_times(frames / 25, tick=1 / 25).times, frames / 25)


@pytest.mark.parametrize("rate", [420, 700])
def test_a_quick_camera_in_milliseconds_has_a_constant_rate(rate: int) -> None:
    seconds = np.floor(N * 1000 / rate) / 1000
    assert frame_times(seconds, tick=0.001).times is None


@pytest.mark.parametrize(
    "seconds",
    [
        np.where(N < 25, N / 30, 25 / 30 + (N - 25) / 10),
        np.where(N < 25, N, N + 1) / 30,
        N / 30 + 0.005 * (N % 2),
        N / 1000 + 0.0003 * (N % 2),
        N**1.01,
    ],
    ids=["two rates", "a dropped frame", "uneven", "quick and uneven", "drift"],
)
def test_times_that_vary_are_kept(seconds: np.ndarray) -> None:
    timing = frame_times(seconds + 3600)
    np.testing.assert_allclose(timing.times, seconds - seconds[0], atol=1e-9)
    assert timing.interval == pytest.approx(np.median(np.diff(seconds)))


@pytest.mark.parametrize("seconds", [[], [4.0], [0, 0, 1], [0, 2, 1], [0, float("nan"), 2], [0, 0, 0]])
def test_times_that_do_not_increase_are_unknown(seconds: list[float]) -> None:
    assert frame_times(seconds) == UNKNOWN


def recording(axes: str = "TZYX") -> ArrayRecording:
    made = ArrayRecording(np.zeros((3, 4, 8, 9), np.uint8), axes=axes)
    made.set_times([5, 6, 9])
    return made


def test_times_belong_to_the_axis_of_time() -> None:
    made = recording()
    assert FrameView(made, default_view(made)).times.tolist() == [0, 1, 4]
    assert FrameView(made, default_view(made, axis="Z")).times is None
    made.rename_axes("TQYX")
    assert made.times.tolist() == [0, 1, 4]
    made.rename_axes("ZTYX")
    assert made.times is None


def test_an_interval_that_a_person_gives_replaces_the_times() -> None:
    made = recording()
    assert (made.scale["T"], made.units["T"]) == (2.0, "s")
    made.set_calibration({"T": 2.0}, {"T": "s"})
    assert made.times is not None, "it is the same interval"
    made.set_calibration({"T": 2.0}, {"T": "s"}, "person")
    assert made.times is None
    made.set_times([5, 6, 9])
    made.set_calibration({"T": 3.0}, {"T": "s"})
    assert (made.times, made.scale["T"]) == (None, 3.0)


@pytest.mark.parametrize("times", [[0, 1], [0, 1, 1], [0, 1, float("inf")]])
def test_times_that_do_not_fit_are_refused(times: list[float]) -> None:
    with pytest.raises(RecordingError, match="3 increasing numbers"):
        recording().set_times(times)
