"""Channels in colour, each in its own contrast window."""

from __future__ import annotations

import json
from importlib.resources import files

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_sam2_video.api.options import SessionOptions
from napari_sam2_video.errors import RecordingError, SessionError, SettingsError
from napari_sam2_video.frames.open import open_recording
from napari_sam2_video.frames.view import FrameView, default_view
from napari_sam2_video.frames.window import contrast_note
from napari_sam2_video.session import Session
from napari_sam2_video.types import ChannelColor, ContrastWindow, ViewSettings, channels_from_text
from napari_sam2_video.types.contrast import COLORS

MOVIE = np.random.default_rng(3).integers(0, 4096, (4, 3, 20, 30)).astype(np.uint16)
GREEN_MAGENTA = channels_from_text("0=green:0:4095,2=magenta:1000:2000")


@pytest.fixture
def recording():
    with open_recording(MOVIE, axes="TCYX", name="movie") as opened:
        yield opened


def test_each_channel_goes_through_its_own_window_into_its_colour(recording):
    view = FrameView(recording, default_view(recording, channels=GREEN_MAGENTA))
    seen = view.read(1).astype(int)
    green = np.rint(MOVIE[1, 0] / 4095 * 255)
    magenta = np.rint(np.clip((MOVIE[1, 2].astype(float) - 1000) / 1000, 0, 1) * 255)
    np.testing.assert_array_equal(seen, np.stack([magenta, green, magenta], axis=-1))
    np.testing.assert_array_equal(view.raw(1), MOVIE[1, 0])
    assert (view.settings.channel, view.settings.window) == (0, ContrastWindow(0, 4095))


def test_colours_that_share_a_part_add_up_to_white_at_most(recording):
    view = FrameView(
        recording, default_view(recording, channels=channels_from_text("0=yellow:0:1,1=red:0:1,2=#804020:0:1"))
    )
    assert view.read(0)[np.all(MOVIE[0] > 0, axis=0)].tolist() == [[255, 255, 32]] * int(
        np.all(MOVIE[0] > 0, axis=0).sum()
    )


def test_windows_that_are_not_given_are_taken_from_each_channel_alone(recording):
    raw = MOVIE.copy()
    raw[:, 1] //= 16
    with open_recording(raw, axes="TCYX") as dim:
        settings = default_view(dim, channels=channels_from_text("0,1=red:3:9"))
        assert settings.channels[0].window == default_view(dim, channel=0).window
        assert settings.channels[1].window == ContrastWindow(3, 9)
        both = default_view(dim, channels=channels_from_text("0,1"))
        assert both.channels[1].window == default_view(dim, channel=1).window
        assert both.channels[1].window.high < 260
        assert [
            one.window.high for one in default_view(dim, channels=channels_from_text("0,1"), window=(0, 7)).channels
        ] == [7, 7]


def test_another_colour_window_or_channel_is_another_view(recording):
    texts = ("0=green:0:9,1=red:0:9", "0=green:0:9,1=blue:0:9", "0=green:0:9,1=red:0:8", "0=green:0:9,2=red:0:9")
    keys = {FrameView(recording, default_view(recording, channels=channels_from_text(text))).key for text in texts}
    keys.add(FrameView(recording, ViewSettings("T", ContrastWindow(0, 9), {}, 0)).key)
    assert len(keys) == 5
    again = default_view(recording, channels=channels_from_text(texts[0]))
    assert FrameView(recording, again).key in keys
    assert ViewSettings.from_json(again.to_json()) == again


def test_a_window_of_one_channel_that_hides_it_is_named(recording):
    settings = default_view(recording, channels=channels_from_text("0=green:0:4095,2=red:60000:61000"))
    note = contrast_note(recording, settings)
    assert note.startswith("Channel 2: The contrast window 60000 to 61000 turns nearly all pixels black")


@given(
    st.lists(st.integers(0, 9), min_size=2, max_size=6, unique=True),
    st.data(),
)
def test_channels_are_read_as_they_are_written(numbers, data):
    window = st.none() | st.builds(
        lambda low, width: ContrastWindow(low, low + width), st.integers(-9, 9), st.integers(1, 9)
    )
    color = st.sampled_from(sorted(COLORS)) | st.tuples(*[st.integers(0, 255)] * 3)
    channels = tuple(ChannelColor(number, data.draw(color), data.draw(window)) for number in numbers)
    assert channels_from_text(",".join(one.text() for one in channels)) == channels
    assert channels_from_text(";".join(one.text() for one in channels)) == channels


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("0=green", "A composite needs two channels or more"),
        ("0=green,0=red", "repeat a channel"),
        ("0=greenish,1=red", "'greenish' is not a colour; choose one of green, magenta"),
        ("green,red", "write 0=green,1=magenta"),
        ("0=green:5,1=red", "write 0=green,1=magenta"),
        ("0=green:5:5,1=red", "is empty; give a low end and a higher high end"),
    ],
)
def test_channels_written_wrongly_are_one_sentence(text, sentence):
    with pytest.raises(SettingsError, match=sentence):
        channels_from_text(text)


def test_channels_that_a_recording_does_not_have_are_refused(recording):
    with pytest.raises(RecordingError, match="no position 3 along C; choose one of 0 to 2"):
        default_view(recording, channels=channels_from_text("0,3"))
    with (
        open_recording(np.zeros((3, 8, 9, 3), np.uint8)) as colour,
        pytest.raises(RecordingError, match="has no channels to choose from"),
    ):
        default_view(colour, channels=channels_from_text("0,1"))
    with pytest.raises(SettingsError, match="either one channel, or the channels of a composite"):
        SessionOptions.from_text({"channel": "0", "channels": "0,1"})


def test_a_session_keeps_its_channels_and_resumes_with_no_others(recording, tmp_path):
    options = SessionOptions.from_text({"channels": "0=green:0:4095,2=magenta:1000:2000"})
    with Session.create(tmp_path / "run.sam2v", recording, options.view_of(recording)) as made:
        key = made.view.key
    with Session.open(tmp_path / "run.sam2v", recording=recording) as again:
        assert again.view.settings.channels == GREEN_MAGENTA
        assert again.view.key == key
        said = again.provenance()
        assert said["view"]["channels"][1]["color"] == [255, 0, 255]
        for value, name in ((said, "provenance"), (json.loads((again.folder / "session.json").read_text()), "session")):
            schema = files("napari_sam2_video") / "schemas" / f"{name}.schema.json"
            jsonschema.validate(json.loads(json.dumps(value)), json.loads(schema.read_text()))
        options.settle(again)
        SessionOptions.from_text({"channels": "0=green,2=magenta"}).settle(again)
        for text in ("0=green,2=red", "0=green:0:4095,2=magenta:1000:2001"):
            with pytest.raises(SessionError, match="with channels"):
                SessionOptions.from_text({"channels": text}).settle(again)
        with pytest.raises(SessionError, match="with channel 0: the session was made without it"):
            SessionOptions.from_text({"channel": "0"}).settle(again)
