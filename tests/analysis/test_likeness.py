"""Parts of a mask that look like nothing in the object where it is settled are not part of it."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam2_video.analysis.likeness import look_of, unlike

ROWS, COLUMNS = np.ogrid[:40, :60]
OBJECT = (ROWS - 20) ** 2 + (COLUMNS - 18) ** 2 <= 100
NEIGHBOUR = (ROWS - 20) ** 2 + (COLUMNS - 42) ** 2 <= 100


def image(inside, beside, noise=6.0):
    grey = np.where(OBJECT, inside, np.where(NEIGHBOUR, beside, 60)) + np.random.default_rng(5).normal(
        0, noise, (40, 60)
    )
    return grey.astype(np.float32)


@pytest.mark.parametrize(("inside", "beside"), [(120, 190), (190, 120)])
def test_a_neighbour_of_another_grey_is_left_out_of_a_mask_that_spread_to_it(inside, beside):
    grey = image(inside, beside)
    look = look_of([(OBJECT, grey)])
    assert (unlike(OBJECT | NEIGHBOUR, grey, look) == NEIGHBOUR).all()
    assert not unlike(OBJECT, grey, look).any()


def test_a_neighbour_as_bright_as_a_part_of_the_object_stays():
    grey = image(120, 190)
    spotted = np.where((COLUMNS > 20) & OBJECT, 190, grey).astype(np.float32)
    look = look_of([(OBJECT, spotted)])
    assert not unlike(OBJECT | NEIGHBOUR, grey, look).any()
    assert look_of([(OBJECT, grey), (NEIGHBOUR, grey)])[1] > 190, "both are settled"


def test_an_outline_and_single_pixels_are_not_judged():
    grey = image(120, 190)
    look = look_of([(OBJECT, grey)])
    spot = grey.copy()
    spot[20, 17:19] = 250
    assert not unlike(OBJECT, spot, look).any()
    blurred = np.where(np.hypot(ROWS - 20, COLUMNS - 18) > 9, 200, grey)
    assert look_of([(OBJECT, blurred)])[1] < 190


def test_too_small_an_object_has_no_look():
    dot = np.zeros((40, 60), bool)
    dot[10:15, 10:15] = True
    assert look_of([(dot, image(120, 190))]) is None
    assert look_of([]) is None
