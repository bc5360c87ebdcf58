from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from napari_sam2_video.errors import PromptError
from napari_sam2_video.prompt_text import parse_mask, parse_seeds, read_prompts, write_prompts
from napari_sam2_video.types import BoxPrompt, MaskPrompt, PointPrompt, ScribblePrompt


def test_a_point_a_negative_point_and_a_box():
    assert PointPrompt.from_text("2@7:10.5,3") == PointPrompt(2, 7, 10.5, 3.0)
    assert PointPrompt.from_text(" 2 @ 7 : 10.5 , 3 ", positive=False) == PointPrompt(2, 7, 10.5, 3.0, positive=False)
    assert BoxPrompt.from_text("1@0:1,2,30,40") == BoxPrompt(1, 0, 1.0, 2.0, 30.0, 40.0)


def test_a_letter_before_the_number_names_the_axis_of_the_plane():
    assert PointPrompt.from_text("2@Y7:10.5,3") == PointPrompt(2, 7, 10.5, 3.0, axis="Y")
    assert BoxPrompt.from_text("1@x0:1,2,30,40") == BoxPrompt(1, 0, 1.0, 2.0, 30.0, 40.0, axis="X")
    assert ScribblePrompt.from_text("1@Y3:1,2 3,4").axis == "Y"


def test_prompts_on_other_planes_come_back_from_a_file(tmp_path):
    given = (
        PointPrompt(1, 3, 4, 5),
        BoxPrompt(1, 30, 1, 2, 3, 4, axis="Y"),
        MaskPrompt(2, 7, np.eye(5, dtype=bool), axis="X"),
        ScribblePrompt(2, 7, ((1, 2), (3, 4)), axis="X"),
    )
    write_prompts(tmp_path / "prompts.json", given)
    assert read_prompts(tmp_path / "prompts.json") == given


@pytest.mark.parametrize("axis", ["", "YX", 1, "5"])
def test_an_axis_is_one_letter(axis, tmp_path):
    row = {"object": 1, "axis": axis, "frame": 0, "type": "point", "y": 1, "x": 1}
    (tmp_path / "prompts.json").write_text(json.dumps([row]))
    with pytest.raises(PromptError, match="must be a letter such as Y"):
        read_prompts(tmp_path / "prompts.json")


def test_the_corners_of_a_box_may_come_in_any_order():
    assert (
        BoxPrompt.from_text("1@0:30,2,1,40")
        == BoxPrompt.from_text("1@0:1,40,30,2")
        == BoxPrompt(1, 0, 1.0, 2.0, 30.0, 40.0)
    )


@pytest.mark.parametrize(
    "text",
    ["", "1", "1@2", "1@2:3", "1@2:3,4,5", "0@2:3,4", "-1@2:3,4", "1@-2:3,4", "1@2:a,b", "1@2:nan,4", "1@2:inf,4"],
)
def test_a_point_written_wrongly_shows_the_right_way(text):
    with pytest.raises(PromptError, match="write it as ID@FRAME:Y,X"):
        PointPrompt.from_text(text)


def test_numbers_may_have_any_length():
    with pytest.raises(PromptError, match="write it as ID@FRAME:Y,X"):
        PointPrompt.from_text("9" * 5000 + "@0:3,4")


@given(st.text(max_size=20))
def test_any_text_gives_a_point_or_one_sentence(text):
    try:
        found = PointPrompt.from_text(text)
    except PromptError:
        return
    assert found.object_id >= 1
    assert found.frame >= 0


def test_a_mask_is_what_is_not_0_in_an_image(tmp_path):
    mask = np.zeros((4, 6), bool)
    mask[1:3, 2:5] = True
    Image.fromarray(mask.astype(np.uint8) * 255).save(tmp_path / "a: b@c.png")
    assert parse_mask("3@1:a: b@c.png", folder=tmp_path) == MaskPrompt(3, 1, mask)


def test_a_mask_may_be_a_colour_image(tmp_path):
    rgb = np.zeros((4, 6, 3), np.uint8)
    rgb[1, 2] = (0, 0, 200)
    Image.fromarray(rgb).save(tmp_path / "mask.png")
    assert np.argwhere(parse_mask(f"1@0:{tmp_path / 'mask.png'}").mask).tolist() == [[1, 2]]


def test_a_mask_may_be_one_pixel_high(tmp_path):
    tifffile.imwrite(tmp_path / "line.tif", np.array([[0, 1, 0, 2]], np.uint8))
    assert parse_mask("1@0:line.tif", folder=tmp_path).mask.tolist() == [[False, True, False, True]]


def test_a_mask_of_several_planes_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "stack.tif", np.zeros((3, 4, 6), np.uint8), photometric="minisblack")
    with pytest.raises(PromptError, match=r"\(3, 4, 6\) where an image of one plane"):
        parse_mask("1@0:stack.tif", folder=tmp_path)


def test_a_missing_mask_says_so(tmp_path):
    with pytest.raises(PromptError, match=r"nothing\.png"):
        parse_mask("1@0:nothing.png", folder=tmp_path)


def test_seeds_are_a_label_image_and_its_frame(tmp_path):
    labels = np.arange(24, dtype=np.uint16).reshape(4, 6)
    tifffile.imwrite(tmp_path / "a@b.tif", labels)
    found, frame = parse_seeds("a@b.tif@12", folder=tmp_path)
    assert frame == 12
    assert np.array_equal(found, labels)


def test_seeds_of_a_palette_image_are_its_numbers(tmp_path):
    image = Image.fromarray(np.array([[0, 1], [2, 1]], np.uint8))
    image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
    image.save(tmp_path / "labels.png")
    labels, _ = parse_seeds(f"{tmp_path / 'labels.png'}@0")
    assert labels.tolist() == [[0, 1], [2, 1]]


def test_seeds_of_a_photo_are_refused(tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (80, 80, 3), np.uint8)).save(tmp_path / "photo.png")
    with pytest.raises(PromptError, match=r"image with \d+ colours, not a label image"):
        parse_seeds(f"{tmp_path / 'photo.png'}@0")


@pytest.mark.parametrize("text", ["labels.tif", "labels.tif@", "labels.tif@-1", "@3", "labels.tif@" + "9" * 5000])
def test_seeds_written_wrongly_show_the_right_way(text):
    with pytest.raises(PromptError, match=r"write it as LABELS\.tif@FRAME"):
        parse_seeds(text)


def test_seeds_of_fractions_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "labels.tif", np.full((4, 6), 2.5, np.float32))
    with pytest.raises(PromptError, match=r"holds the value 2\.5, but labels must be whole numbers"):
        parse_seeds("labels.tif@0", folder=tmp_path)


ROWS = [
    {"object": 1, "frame": 0, "type": "point", "y": 20, "x": 31.5},
    {"object": 1, "frame": 0, "type": "point", "y": 2, "x": 3, "positive": False},
    {"object": 2, "frame": 7, "type": "box", "y0": 4, "x0": 6, "y1": 40, "x1": 52},
]


@pytest.mark.parametrize("wrap", [list, lambda rows: {"prompts": rows}])
def test_a_file_of_prompts(tmp_path, wrap):
    path = tmp_path / "prompts.json"
    path.write_text(json.dumps(wrap(ROWS)))
    assert read_prompts(path) == (
        PointPrompt(1, 0, 20.0, 31.5),
        PointPrompt(1, 0, 2.0, 3.0, positive=False),
        BoxPrompt(2, 7, 4.0, 6.0, 40.0, 52.0),
    )


def test_the_mask_of_a_file_of_prompts_lies_beside_it(tmp_path):
    Image.fromarray(np.eye(5, dtype=np.uint8)).save(tmp_path / "mask.png")
    path = tmp_path / "prompts.json"
    path.write_text(json.dumps([{"object": 4, "frame": 2, "type": "mask", "file": "mask.png"}]))
    assert read_prompts(path) == (MaskPrompt(4, 2, np.eye(5, dtype=bool)),)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"type": "star"}, 'needs a "type"'),
        ({"type": []}, 'needs a "type"'),
        ({"type": {}}, 'needs a "type"'),
        (17, 'needs a "type"'),
        (
            {"object": 0, "frame": 0, "type": "point", "y": 1, "x": 1},
            "object id .* must be a whole number of at least 1, not 0",
        ),
        (
            {"object": 1, "frame": 1.5, "type": "point", "y": 1, "x": 1},
            "frame .* must be a whole number of at least 0, not 1.5",
        ),
        ({"object": 1, "frame": 0, "type": "point", "y": "1", "x": 1}, "y of the point .* must be a finite number"),
        ({"object": 1, "frame": 0, "type": "point", "y": 10**400, "x": 1}, "y of the point .* must be a finite number"),
        ({"object": 1, "frame": 0, "type": "point", "y": 1, "x": 1, "positive": 1}, "must be True or False"),
        ({"object": 1, "frame": 0, "type": "point", "y": 1, "x": 1, "z": 1}, 'unknown entry "z"'),
        ({"object": 1, "frame": 0, "type": "box", "y0": 1, "x0": 1, "y1": 1}, 'has no "x1"'),
        ({"object": 1, "frame": 0, "type": "mask"}, r'json has neither a "file" nor an "rle"\.$'),
        ({"object": 1, "frame": 0, "type": "mask", "rle": {"size": [2, 2], "counts": "0a3"}}, "decode compressed ones"),
        ({"object": 1, "frame": 0, "type": "mask", "rle": {"size": [2, 2], "counts": [-1, 5]}}, "not -1"),
        ({"object": 1, "frame": 0, "type": "mask", "rle": {"size": [2, 2], "counts": [1, 2]}}, "cover 3 of 4 pixels"),
        ({"object": 1, "frame": 0, "type": "mask", "file": ""}, '"file" must name an image'),
        ({"object": 1, "frame": 0, "type": "mask", "file": "a\0b.png"}, '"file" must name an image'),
        ({"object": 1, "frame": 0, "type": "mask", "file": "\ud800.png"}, '"file" must name an image'),
    ],
)
def test_a_wrong_prompt_is_named_by_its_number(tmp_path, row, message):
    path = tmp_path / "prompts.json"
    path.write_text(json.dumps([ROWS[0], row]))
    with pytest.raises(PromptError, match=f"^Prompt 2 of .*{message}"):
        read_prompts(path)


@pytest.mark.parametrize("content", ["", "[", "[]", "{}", '"x"', "[" * 100_000])
def test_a_file_without_prompts_says_so(tmp_path, content):
    path = tmp_path / "prompts.json"
    path.write_text(content)
    with pytest.raises(PromptError, match=r"prompts\.json"):
        read_prompts(path)
