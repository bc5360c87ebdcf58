"""Parts of a frame."""

import numpy as np
import pytest

from napari_sam2_video.geometry import bounding_box, cut_to_box, region_of, whole_mask


@pytest.mark.parametrize(("origin", "shape"), [((0, 0), (1, 1)), ((2, 3), (4, 1)), ((5, 6), (3, 4))])
def test_the_bounding_box_of_a_part_is_its_region(origin, shape):
    mask = whole_mask(origin, np.ones(shape, bool), (8, 10))
    assert mask.sum() == shape[0] * shape[1]
    assert bounding_box(mask) == region_of(origin, shape)


def test_an_empty_image_has_no_bounding_box():
    assert bounding_box(np.zeros((4, 5), np.uint8)) is None
    assert bounding_box(np.zeros((0, 0), bool)) is None


def test_a_mask_is_cut_to_the_box_around_its_pixels():
    levels = np.zeros((6, 9), np.uint8)
    levels[2:4, 5] = 7
    origin, box = cut_to_box(levels, (10, 20))
    assert origin == (12, 25)
    assert box.tolist() == [[7], [7]]
    assert not np.shares_memory(box, levels)


def test_an_empty_mask_is_cut_to_nothing():
    for shape in ((6, 9), (0, 0), (0, 4)):
        origin, box = cut_to_box(np.zeros(shape, bool), (10, 20))
        assert (origin, box.shape, box.dtype) == ((0, 0), (0, 0), bool)
