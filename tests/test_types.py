"""Prompts and settings check themselves, and have one form as text and one as JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_sam2_video.errors import PromptError, SettingsError
from napari_sam2_video.types import (
    BoxPrompt,
    CheckSettings,
    ContrastWindow,
    MaskPrompt,
    ModelSettings,
    OpenSettings,
    PointPrompt,
    TrackSettings,
    ViewSettings,
)
from napari_sam2_video.types.prompts import prompt_from_json
from napari_sam2_video.types.settings import places_from_text

NAN, INF = float("nan"), float("inf")
WINDOW = ContrastWindow(0, 9)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: PointPrompt(1, 4, NAN, 3), "y of the point of object 1 on frame 4 must be a finite number, not nan"),
        (lambda: PointPrompt(1, 4, "3", 3), "must be a finite number, not '3'"),
        (lambda: PointPrompt(1, 4, 3, True), "x of the point of object 1 on frame 4 must be a finite number"),
        (lambda: PointPrompt(1, 4, 3, 10**400), "must be a finite number"),
        (lambda: PointPrompt(1, 4, 3, 3, 1), "positive of the point .* must be True or False, not 1"),
        (lambda: PointPrompt(1, -1, 3, 3), "frame of a point prompt of object 1 must be a whole number of at least 0"),
        (lambda: PointPrompt(1, 1.0, 3, 3), "whole number of at least 0, not 1.0"),
        (lambda: PointPrompt(0, 1, 3, 3), "object id of a prompt must be a whole number of at least 1, not 0"),
        (lambda: PointPrompt("1", 1, 3, 3), "whole number of at least 1, not '1'"),
        (lambda: PointPrompt(True, 1, 3, 3), "whole number of at least 1, not True"),
        (lambda: BoxPrompt(1, 4, 5, 5, 5, 9), "box of object 1 on frame 4 is empty"),
        (lambda: BoxPrompt(1, 4, 5, 5, INF, 9), "y1 of the box .* must be a finite number, not inf"),
        (lambda: MaskPrompt(1, 4, np.ones((2, 48, 64), bool)), r"shape \(2, 48, 64\) .* \(Y, X\) is needed"),
        (lambda: MaskPrompt(1, 4, np.full((3, 3), "a")), "type <U1 where an array of numbers"),
        (lambda: MaskPrompt(1, 4, None), "type object where an array of numbers"),
        (lambda: MaskPrompt(1, 4, [[1], [1, 2]]), "not an array of numbers"),
    ],
)
def test_a_value_that_is_not_a_prompt_is_refused_in_one_sentence(make, sentence):
    with pytest.raises(PromptError, match=sentence):
        make()


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: ContrastWindow(5, 5), "contrast window 5 to 5 is empty"),
        (lambda: ContrastWindow(0, NAN), "high end of the contrast window must be a finite number"),
        (lambda: ContrastWindow("0", 5), "low end of the contrast window must be a finite number"),
        (lambda: ViewSettings("time", WINDOW), "one letter such as Z, not 'time'"),
        (lambda: ViewSettings("T", (0, 9)), r"must be a ContrastWindow, not \(0, 9\)"),
        (lambda: ViewSettings("T", WINDOW, {"Z": -1}), "position along Z must be a whole number of at least 0"),
        (lambda: ViewSettings("T", WINDOW, [1]), r"given as \{\"Z\": 5\}"),
        (lambda: ViewSettings("T", WINDOW, {}, "DAPI"), "channel must be a whole number of at least 0, not 'DAPI'"),
        (lambda: ModelSettings(""), "model must be a name of the catalogue or a checkpoint"),
        (lambda: ModelSettings(3), "model must be a name of the catalogue or a checkpoint, not 3"),
        (lambda: ModelSettings(device=None), "device must be auto, cpu, cuda, mps or an address"),
        (lambda: ModelSettings(precision="fp8"), "precision must be one of auto, fp32, bf16, fp16, not 'fp8'"),
        (lambda: ModelSettings(image_size=0), "image size must be a whole number of at least 1"),
        (lambda: ModelSettings(compile="yes"), "compile must be True or False"),
        (lambda: ModelSettings(window="large"), "window must be auto, off or a number of pixels, not 'large'"),
        (lambda: ModelSettings(window=16), "window must be a whole number of at least 32, not 16"),
        (lambda: ModelSettings(window=True), "window must be a whole number of at least 32, not True"),
        (lambda: ModelSettings.window_from_text("12.5"), "window must be auto, off or a number of pixels"),
        (lambda: TrackSettings("sideways"), "direction must be one of both, forward, backward, not 'sideways'"),
        (lambda: TrackSettings(start="0"), "first frame must be a whole number of at least 0"),
        (lambda: TrackSettings(start=5, stop=5), "range 5:5 is empty"),
        (lambda: TrackSettings(objects=3), r"list of object ids such as \(1, 4\), or None for all, not 3"),
        (lambda: TrackSettings(objects="12"), "list of object ids"),
        (lambda: TrackSettings(objects=()), "list of object ids"),
        (lambda: TrackSettings(objects=(1, 2.5)), "id in the objects must be a whole number of at least 1, not 2.5"),
        (lambda: CheckSettings(span=0), "span must be a whole number of at least 1"),
        (lambda: CheckSettings(-1), "first frame must be a whole number of at least 0"),
        (lambda: TrackSettings.from_text("both", "5"), "'5' is not a range; write A:B"),
        (lambda: TrackSettings.from_text("both", None, "1;2"), "'1;2' is not a list of object ids"),
        (lambda: places_from_text("Z5"), "write AXIS=INDEX"),
        (lambda: OpenSettings(axes=5), "axes 5 must be letters"),
        (lambda: OpenSettings(pixel_size=0.25), "pixel size 0.25 must be one to three positive numbers and a unit"),
        (lambda: OpenSettings(pixel_size=((0.5, -1), "um")), "one to three positive numbers and a unit"),
        (lambda: OpenSettings(pixel_size=(0.5, 0.5)), "one to three positive numbers and a unit"),
        (lambda: OpenSettings.of(pixel_size="0 um"), "pixel size '0 um' must be one to three positive numbers"),
        (lambda: OpenSettings.of(pixel_size="1 parsec"), "pixel size '1 parsec' must be one to three positive numbers"),
        (lambda: OpenSettings.of(interval="0 s"), "interval '0 s' must be a positive number and a unit of time"),
        (lambda: OpenSettings(interval="soon"), "interval 'soon' must be a positive time"),
        (lambda: OpenSettings(interval=True), "interval True must be a positive time"),
        (lambda: OpenSettings(series=1.5), "whole number of at least 0, not 1.5"),
        (lambda: places_from_text("Z=1,z=2"), "once for each axis"),
        *(
            (lambda text=text: ContrastWindow.from_text(text), "contrast window")
            for text in ("", "5", "a,b", "10,5", "1,2,3", "kidney")
        ),
    ],
)
def test_an_invalid_setting_is_refused_in_one_sentence(make, sentence):
    with pytest.raises(SettingsError, match=sentence):
        make()


@pytest.mark.parametrize(
    ("text", "window"),
    [
        ("-160,240", ContrastWindow(-160, 240)),
        (" 1e3 , 2.5e3", ContrastWindow(1000, 2500)),
        ("0:4095", ContrastWindow(0, 4095)),
        ("Lung", ContrastWindow(-1350, 150, "preset:lung")),
        ("brain", ContrastWindow(0, 80, "preset:brain")),
    ],
)
def test_a_window_is_two_numbers_or_a_name(text, window):
    assert ContrastWindow.from_text(text) == window


def test_a_run_as_text():
    assert TrackSettings.from_text() == TrackSettings()
    assert TrackSettings.from_text("backward", "3:", "4, 2") == TrackSettings("backward", 3, None, (4, 2))
    assert CheckSettings.from_text(":9", "1", 4) == CheckSettings(None, 9, (1,), 4)
    assert places_from_text("z=5, R=2") == {"Z": 5, "R": 2}


def test_numbers_of_numpy_become_plain_ones():
    point = PointPrompt(np.int64(1), np.uint8(2), np.float32(3), np.int16(4), np.bool_(False))
    assert [type(v) for v in (point.object_id, point.frame, point.y, point.x, point.positive)] == [
        int, int, float, float, bool,
    ]  # fmt: skip
    assert TrackSettings(objects=np.array([1, 2])).objects == (1, 2)
    assert ViewSettings("t", WINDOW, {"z": np.int64(3)}).at == {"Z": 3}


def test_a_model_is_given_by_its_name_a_path_or_settings(tmp_path):
    assert ModelSettings.of("tiny") == ModelSettings("tiny")
    assert [ModelSettings.window_from_text(text) for text in (" Auto", "off", "256")] == ["auto", "off", 256]
    assert ModelSettings.from_json(ModelSettings(window=np.int64(256)).to_json()) == ModelSettings(window=256)
    assert ModelSettings.of(tmp_path / "own.pt") == ModelSettings(str(tmp_path / "own.pt"))
    assert ModelSettings.of(ModelSettings("tiny", "cpu")).device == "cpu"


def test_the_corners_of_a_box_are_sorted():
    assert BoxPrompt(1, 0, 30, 40, 1, 2) == BoxPrompt(1, 0, 1, 2, 30, 40)


def test_nan_is_not_the_object():
    mask = MaskPrompt(1, 0, np.array([[NAN, 0.0, 2.5]]))
    assert mask.mask.dtype == bool
    assert mask.mask.tolist() == [[False, False, True]]


NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
PLACES = (st.integers(1, 2**32 - 1), st.integers(0, 10**6))
PROMPTS = st.one_of(
    st.builds(PointPrompt, *PLACES, NUMBERS, NUMBERS, st.booleans()),
    st.builds(
        lambda o, f, y, x, h, w: BoxPrompt(o, f, y, x, y + h, x + w),
        *PLACES, *[st.floats(-1e6, 1e6)] * 2, *[st.floats(0.5, 1e6)] * 2,
    ),
    st.builds(MaskPrompt, *PLACES, hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2))),
)  # fmt: skip


@given(PROMPTS)
def test_a_prompt_survives_json(prompt):
    assert prompt_from_json(json.loads(json.dumps(prompt.to_json(), allow_nan=False))) == prompt


def test_the_json_of_a_mask_is_cocos_run_lengths():
    mask = np.zeros((3, 4), np.uint8, order="F")
    mask[1:, 1:3] = 1
    from pycocotools import mask as coco

    rle = MaskPrompt(1, 0, mask).to_json()["rle"]
    assert np.array_equal(coco.decode(coco.frPyObjects(rle, 3, 4)), mask)
    assert rle == {"size": [3, 4], "counts": [4, 2, 1, 2, 3]}
    assert MaskPrompt(1, 0, np.ones((2, 2))).to_json()["rle"]["counts"] == [0, 4]


@pytest.mark.parametrize(
    "settings",
    [
        WINDOW,
        ViewSettings("Z", ContrastWindow.from_text("lung"), {"T": 2}, 1),
        ModelSettings("tiny", "cuda:1", "fp16", 512, compile=True),
        TrackSettings("forward", 2, 9, (3, 1)),
        OpenSettings.of(axes="zyx", pixel_size="2,0.5,0.5 mm", interval="5 min", series="mask"),
        OpenSettings(pixel_size=(np.float32(0.5), "um"), series=np.int64(2)),
    ],
)
def test_settings_survive_json(settings):
    assert type(settings).from_json(json.loads(json.dumps(settings.to_json()))) == settings


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({"low": 3, "high": 2}, "is empty"),
        ({"low": 3}, 'has no "high"'),
        ({"low": 3, "high": 5, "gamma": 1}, 'unknown entry "gamma"'),
    ],
)
def test_a_file_that_holds_something_else_is_damaged(value, sentence):
    with pytest.raises(ValueError, match=sentence):
        ContrastWindow.from_json(value)
