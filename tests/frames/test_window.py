"""The contrast window: what it is taken from, and what is said where it hides what the pixels hold."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam2_video.errors import FrameError, RecordingError
from napari_sam2_video.frames.array import ArrayRecording
from napari_sam2_video.frames.open import open_recording
from napari_sam2_video.frames.view import default_view
from napari_sam2_video.frames.window import contrast_note, percentile_window

RAMP = np.linspace(31768, 32808, 5 * 40 * 50).reshape(5, 40, 50).astype(np.uint16)


class Damaged(ArrayRecording):
    """An array of which some frames cannot be read."""

    def __init__(self, array, bad):
        super().__init__(array, axes="TYX", name="film")
        self.bad = bad

    def _read(self, index):
        if index[0] in self.bad:
            raise FrameError(f"Frame {index[0]} of film cannot be read; copy it again.")
        return super()._read(index)


def noted(array, window):
    with open_recording(array) as recording:
        return contrast_note(recording, default_view(recording, window=window))


@pytest.mark.parametrize(
    ("window", "sentence"),
    [
        ((-1350, 150), "turns nearly all pixels white; most values lie between 31794 and 32781"),
        ((40000, 50000), "turns nearly all pixels black"),
        ((32288, 32289), "turns nearly all pixels black or white"),
        ((0, 65535), "to 5 of 256 grey levels"),
    ],
)
def test_a_window_that_leaves_no_contrast_is_noted(window, sentence):
    assert sentence in str(noted(RAMP, window))


@pytest.mark.parametrize("window", [None, (31768, 32808), (32000, 32500)])
def test_a_window_that_shows_something_is_not(window):
    assert noted(RAMP, window) is None


def test_a_dark_background_is_not_lost_contrast():
    film = np.zeros((4, 60, 60), np.uint16)
    film[:, 20:24, 20:24] = 900
    assert noted(film, None) is None
    assert noted(film, (0, 1000)) is None


def test_frames_that_cannot_be_read_are_left_out_and_named():
    with Damaged(RAMP, {0, 3}) as recording:
        window = percentile_window(recording)
        assert window == percentile_window(ArrayRecording(RAMP[[1, 2, 4]], axes="TYX"))
        assert recording.notes == ("Frames 0, 3 of film cannot be read; the others can.",)


def test_a_window_is_found_where_the_whole_sample_is_damaged():
    film = np.tile(RAMP[:1], (200, 1, 1))
    sampled = {round(part * 199) for part in np.linspace(0, 1, 16)}
    with Damaged(film, sampled) as recording:
        assert percentile_window(recording) == percentile_window(ArrayRecording(film, axes="TYX"))


def test_a_recording_of_which_no_frame_can_be_read_is_refused():
    with Damaged(RAMP, set(range(5))) as recording, pytest.raises(RecordingError, match="None of 5 frames"):
        default_view(recording)
