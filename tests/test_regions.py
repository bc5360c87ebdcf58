from __future__ import annotations

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam2_video.errors import PromptError
from napari_sam2_video.regions import contour, ellipse_outline, polygon_mask, upright_box


def test_a_square_outline_holds_the_pixels_inside():
    mask = polygon_mask([[2.5, 3.5], [2.5, 8.5], [6.5, 8.5], [6.5, 3.5]], (10, 12))
    expected = np.zeros((10, 12), bool)
    expected[3:7, 4:9] = True
    assert np.array_equal(mask, expected)


def test_an_outline_beside_the_image_is_refused():
    with pytest.raises(PromptError, match="no pixel"):
        polygon_mask([[50, 50], [50, 60], [60, 60]], (10, 12))


def test_an_ellipse_has_the_area_of_one():
    corners = [[10, 20], [10, 80], [50, 80], [50, 20]]
    area = polygon_mask(ellipse_outline(corners), (60, 100)).sum()
    assert area == pytest.approx(np.pi * 20 * 30, rel=0.01)


def test_a_turned_rectangle_is_not_a_box():
    assert upright_box([[5, 1], [5, 9], [2, 9], [2, 1]]) == (2, 1, 5, 9)
    assert upright_box([[0, 5], [5, 10], [10, 5], [5, 0]]) is None


@settings(deadline=None)
@given(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12)), st.integers(1, 4))
def test_a_contour_holds_what_of_the_mask_is_near_its_border_and_nothing_else(inside, width):
    rows, columns = np.indices(inside.shape) + 1
    outside = np.argwhere(~np.pad(inside, 1))
    steps = np.min([abs(rows - y) + abs(columns - x) for y, x in outside], axis=0)
    np.testing.assert_array_equal(contour(inside, width), inside & (steps <= width))
