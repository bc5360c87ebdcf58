"""Pixel sizes and intervals: what a file says, what a person says, and what nobody knows."""

from __future__ import annotations

import math

import numpy as np
import pytest

from napari_sam2_video.errors import RecordingError, SettingsError
from napari_sam2_video.frames.calibration import print_resolution, settle
from napari_sam2_video.frames.open import open_recording
from napari_sam2_video.types import OpenSettings
from napari_sam2_video.units import plain_unit

FILM = np.zeros((3, 8, 9), np.uint8)


@pytest.mark.parametrize(
    ("scale", "units", "sizes", "settled"),
    [
        ({"Y": 1, "X": 1}, {"Y": "mm", "X": "mm"}, {"Y": 1.0, "X": 1.0}, {"Y": "mm", "X": "mm"}),
        ({"Y": 1, "X": 1}, {}, {"Y": None, "X": None}, {"Y": None, "X": None}),
        ({"Z": 2, "Y": 1, "X": 1}, {}, {"Z": 2.0, "Y": 1.0, "X": 1.0}, {"Z": None, "Y": None, "X": None}),
        ({"T": 1, "X": 0.5}, {"T": "sec"}, {"T": 1.0, "X": 0.5}, {"T": "s", "X": None}),
        ({"T": 1, "X": 0.5}, {"X": "micron"}, {"T": None, "X": 0.5}, {"T": None, "X": "µm"}),
        ({"T": 0, "X": 0.0}, {"T": "s", "X": "µm"}, {"T": None, "X": None}, {"T": None, "X": None}),
        ({"X": 2}, {"X": "inch"}, {"X": 50.8}, {"X": "mm"}),
        ({"X": 3}, {"X": "pixel"}, {"X": 3.0}, {"X": None}),
    ],
)
def test_a_size_is_known_by_its_unit_and_never_by_its_value(scale, units, sizes, settled):
    assert settle(scale, units) == (pytest.approx(sizes), settled, ())


@pytest.mark.parametrize("size", [-0.5, math.nan, math.inf, 1e-15, 1e12])
def test_an_implausible_size_is_unknown_and_reported(size):
    sizes, units, notes = settle({"Y": 0.5, "X": size}, {"Y": "µm", "X": "µm"})
    assert (sizes, units) == ({"Y": 0.5, "X": None}, {"Y": "µm", "X": None})
    assert len(notes) == 1
    assert "along X is implausible" in notes[0]


@pytest.mark.parametrize(
    ("spelling", "symbol"),
    [
        ("\\u00b5m", "µm"),
        ("um", "µm"),
        ("μm", "µm"),
        ("micron", "µm"),
        ("pixel", None),
        ("", None),
        (None, None),
        ("reference frame", None),
        ("sec", "s"),
        ("Nanometer", "nm"),
        ("furlong", "furlong"),
    ],
)
def test_units_of_every_spelling(spelling, symbol):
    assert plain_unit(spelling) == symbol


@pytest.mark.parametrize(
    ("per_unit", "unit", "printed"),
    [
        (72, "inch", True),
        (300, "inch", True),
        (28.35, "cm", True),
        (1, "inch", True),
        (25400, "inch", False),
        (20000, "cm", False),
        (20000, "µm", False),
    ],
)
def test_a_resolution_for_printing_is_not_a_pixel_size(per_unit, unit, printed):
    assert print_resolution(per_unit, unit) is printed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.25 um", {"Y": (0.25, "µm"), "X": (0.25, "µm")}),
        ("0.3,.25µm", {"Y": (0.3, "µm"), "X": (0.25, "µm")}),
        ("2 x 0.5 x 1 mm", {"Z": (2.0, "mm"), "Y": (0.5, "mm"), "X": (1.0, "mm")}),
        (((2, 0.5, 0.5), "mm"), {"Z": (2.0, "mm"), "Y": (0.5, "mm"), "X": (0.5, "mm")}),
    ],
)
def test_pixel_size_as_users_write_it(text, expected):
    assert OpenSettings.of(pixel_size=text).sizes == expected


@pytest.mark.parametrize(
    ("text", "seconds"), [("2.5 s", 2.5), ("2.5", 2.5), ("5 min", 300.0), ("40ms", 0.04), (3, 3.0)]
)
def test_interval_as_users_write_it(text, seconds):
    assert OpenSettings.of(interval=text).interval == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"axes": "TYY"}, "each used once"),
        ({"axes": "TZ"}, "Y and X"),
        ({"pixel_size": "0.25"}, "unit of length"),
        ({"pixel_size": "0.25 s"}, "unit of length"),
        ({"pixel_size": "1,2,3,4 um"}, "one to three"),
        ({"pixel_size": "-1 um"}, "positive"),
        ({"pixel_size": "um"}, "unit of length"),
        ({"interval": "2 um"}, "unit of time"),
        ({"interval": 0}, "positive"),
        ({"interval": "soon"}, "unit of time"),
        ({"series": -1}, "at least 0, not -1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(given, sentence):
    with pytest.raises(SettingsError, match=sentence):
        OpenSettings.of(**given)


def test_what_a_person_says_wins_and_is_marked_as_theirs():
    with open_recording(FILM, axes="tyx", pixel_size="0.5,0.25 um", interval="2 s") as recording:
        assert recording.scale == {"T": 2.0, "Y": 0.5, "X": 0.25}
        assert recording.units == {"T": "s", "Y": "µm", "X": "µm"}
        assert set(recording.calibration_source.values()) == {"person"}


def test_a_size_of_an_axis_that_is_not_there_names_the_way_out():
    with pytest.raises(RecordingError, match=r"no axis T, but an interval .* TYX"):
        open_recording(FILM, axes="ZYX", interval="2 s")


def test_time_that_is_renamed_to_depth_does_not_stay_in_seconds():
    with open_recording(FILM, axes="TYX", pixel_size="1 um", interval="2 s") as recording:
        recording.rename_axes("ZYX")
        assert recording.scale == {"Z": None, "Y": 1.0, "X": 1.0}
        assert recording.calibration_source == {"Z": "unknown", "Y": "person", "X": "person"}


def test_axes_of_a_colour_recording_need_no_letter_for_its_samples():
    with open_recording(np.zeros((3, 8, 9, 3), np.uint8)) as recording:
        recording.apply(OpenSettings(axes="ZYX"))
        assert recording.axes == "ZYXS"
