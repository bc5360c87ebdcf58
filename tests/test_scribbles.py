"""Scribbles: written, read, kept, and turned into points."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_sam2_video.engine.prompts import PARTS, scribble_points, settle_prompts
from napari_sam2_video.errors import PromptError
from napari_sam2_video.prompt_text import read_prompts, write_prompts
from napari_sam2_video.regions import simplified_path
from napari_sam2_video.types import BoxPrompt, PointPrompt, ScribblePrompt

numbers = st.floats(-500, 500, allow_nan=False)
paths = st.lists(st.tuples(numbers, numbers), min_size=2, max_size=12)


class View:
    n_frames, shape_yx = 5, (60, 80)


def test_a_scribble_is_written_as_points_and_read_again(tmp_path):
    scribble = ScribblePrompt.from_text("2@3:10,12.5 14,20 18,19", positive=False)
    assert scribble == ScribblePrompt(2, 3, ((10, 12.5), (14, 20), (18, 19)), positive=False)
    write_prompts(tmp_path / "prompts.json", [scribble])
    assert read_prompts(tmp_path / "prompts.json") == (scribble,)


@pytest.mark.parametrize("text", ["", "1@2:", "1@2:3,4", "1@2:3,4 5", "1@2:3 4", "0@2:3,4 5,6", "1@2:a,b c,d"])
def test_a_scribble_written_wrongly_shows_the_right_way(text):
    with pytest.raises(PromptError, match="write it as ID@FRAME:Y,X Y,X"):
        ScribblePrompt.from_text(text)


@pytest.mark.parametrize(
    "path", [[(1, 2)], [], [(1, 2, 3), (4, 5, 6)], [("a", 2), (3, 4)], 7, [(1, float("nan")), (2, 3)]]
)
def test_an_invalid_path_is_refused(path):
    with pytest.raises(PromptError, match="scribble of object 1 on frame 0"):
        ScribblePrompt(1, 0, path)


def test_what_lies_outside_the_image_is_left_out():
    scribble = ScribblePrompt(1, 0, ((-9, 4), (3, 4), (8, 9), (90, 9)))
    assert scribble.fitted(5, (60, 80)).path == ((3, 4), (8, 9))
    with pytest.raises(PromptError, match="lies outside the image of 60 × 80 pixels"):
        ScribblePrompt(1, 0, ((-9, 4), (-3, 4))).fitted(5, (60, 80))
    with pytest.raises(PromptError, match="outside the recording"):
        ScribblePrompt(1, 5, ((3, 4), (8, 9))).fitted(5, (60, 80))


def test_points_lie_in_the_middle_of_equal_parts_of_the_stroke():
    np.testing.assert_allclose(scribble_points([(0, 0), (0, 30), (30, 30)]), [(0, 10), (0, 30), (20, 30)])
    np.testing.assert_allclose(scribble_points([(5, 5), (5, 7)]), [(5, 6)])


@given(paths)
def test_every_stroke_gives_a_few_points_within_its_reach(path):
    points = scribble_points(path)
    assert 1 <= len(points) <= len(PARTS)
    low, high = np.min(path, axis=0), np.max(path, axis=0)
    assert (points >= low - 1e-6).all()
    assert (points <= high + 1e-6).all()


@given(paths)
def test_simplifying_a_path_twice_changes_nothing(path):
    once = simplified_path(path)
    assert simplified_path(once) == once
    assert once[0] == tuple(map(float, path[0]))


def test_the_network_is_asked_with_the_points_of_scribbles_behind_boxes_and_clicks():
    box, click = BoxPrompt(1, 0, 5, 5, 40, 40), PointPrompt(1, 0, 9, 9)
    given = settle_prompts(1, 0, [ScribblePrompt(1, 0, ((2, 2), (2, 4)), positive=False), box, click], View())
    assert given.labels.tolist() == [2, 3, 0, 1]
    np.testing.assert_allclose(given.points_yx[2:], [(2, 3), (9, 9)])
