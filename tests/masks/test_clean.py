"""Cleaning up masks against scipy and scikit-image, and what it may not touch."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from skimage.measure import label
from skimage.morphology import area_opening

from napari_sam2_video.errors import SessionError
from napari_sam2_video.masks.clean import (
    CleanSettings,
    clean,
    clean_mask,
    drop_small_parts,
    fill_holes,
    keep_largest_part,
    majority,
)

MASKS = arrays(np.bool_, (9, 11))
STACKS = arrays(np.bool_, (7, 4, 5))
QUICK = settings(max_examples=60, deadline=None)
ALL_STEPS = CleanSettings(smooth_frames=3, fill_holes=True, smallest_part=3, keep_largest=True)


def cleaned_stack(masks, chosen, untouched=(), frames=None):
    out = masks.copy()
    frames = range(len(masks)) if frames is None else frames
    for item in clean(lambda frame, object_id: masks[frame], {1: frames}, chosen, untouched={1: untouched}):
        out[item.frame] = item.mask
    return out


@given(MASKS)
@QUICK
def test_holes_are_filled_as_scipy_fills_them(mask):
    np.testing.assert_array_equal(fill_holes(mask), ndimage.binary_fill_holes(mask))


def test_large_holes_stay_open_where_asked():
    mask = np.ones((12, 12), bool)
    mask[2, 2] = False
    mask[5:8, 5:8] = False
    filled = fill_holes(mask, largest=8)
    assert filled[2, 2]
    assert not filled[6, 6]
    assert fill_holes(mask, largest=9).all()


@given(MASKS, st.integers(1, 8))
@QUICK
def test_small_parts_are_dropped_as_scikit_image_drops_them(mask, smallest):
    wanted = area_opening(mask, smallest, connectivity=2)
    np.testing.assert_array_equal(drop_small_parts(mask, smallest), wanted)


@given(MASKS)
@QUICK
def test_one_largest_part_is_kept(mask):
    kept = keep_largest_part(mask)
    parts = label(mask, connectivity=2)
    sizes = np.bincount(parts.ravel())[1:]
    assert not (kept & ~mask).any()
    assert kept.sum() == (sizes.max() if sizes.size else 0)
    assert len(np.unique(parts[kept])) <= 1


@given(STACKS, st.sampled_from([3, 5]))
@QUICK
def test_smoothing_is_the_median_along_the_axis(masks, n):
    wanted = ndimage.median_filter(masks.astype(np.uint8), size=(n, 1, 1), mode="nearest").astype(bool)
    np.testing.assert_array_equal(cleaned_stack(masks, CleanSettings(smooth_frames=n)), wanted)


def test_smoothing_fills_one_lost_frame_and_drops_one_extra_mask():
    masks = np.zeros((9, 3, 3), bool)
    masks[:5, 1, 1] = True
    masks[2, 1, 1] = False
    masks[7, 0, 0] = True
    out = cleaned_stack(masks, CleanSettings(smooth_frames=3))
    assert out[:5, 1, 1].all()
    assert not out[7].any()


@given(STACKS, st.sets(st.integers(0, 6)), st.sampled_from([ALL_STEPS, CleanSettings(fill_holes=True)]))
@QUICK
def test_painted_frames_are_never_changed(masks, painted, chosen):
    given_frames = {
        item.frame
        for item in clean(lambda frame, object_id: masks[frame], {1: range(7)}, chosen, untouched={1: painted})
    }
    assert not given_frames & painted


@given(STACKS, st.sampled_from([1, 3, 5]))
@QUICK
def test_writing_each_mask_at_once_gives_the_same_as_writing_them_later(masks, n):
    chosen = CleanSettings(smooth_frames=n, fill_holes=True, smallest_part=2)
    written = masks.copy()
    for item in clean(lambda frame, object_id: written[frame].copy(), {1: range(7)}, chosen):
        written[item.frame] = item.mask
    np.testing.assert_array_equal(written, cleaned_stack(masks, chosen))


@given(MASKS)
@QUICK
def test_cleaning_twice_changes_nothing_more(mask):
    chosen = CleanSettings(fill_holes=True, smallest_part=3, keep_largest=True)
    once = clean_mask(mask, chosen)
    np.testing.assert_array_equal(clean_mask(once, chosen), once)


def test_only_changed_masks_are_given_and_what_was_read_stays():
    masks = np.zeros((4, 8, 8), bool)
    masks[:, 1:5, 1:5] = True
    masks[2, 2, 2] = False
    before = masks.copy()
    items = list(clean(lambda frame, object_id: masks[frame], {3: range(4)}, CleanSettings(fill_holes=True)))
    assert [(item.object_id, item.frame) for item in items] == [(3, 2)]
    np.testing.assert_array_equal(masks, before)


def test_no_mask_is_invented_where_the_object_was_not_tracked():
    masks = np.ones((9, 2, 2), bool)
    masks[4] = False
    read = []

    def read_mask(frame, object_id):
        read.append(frame)
        return masks[frame]

    items = list(clean(read_mask, {1: [0, 1, 2, 6, 7]}, CleanSettings(smooth_frames=5)))
    assert items == []
    assert read == [0, 1, 2, 6, 7]


def test_no_step_reads_nothing():
    def explode(frame, object_id):
        raise AssertionError(frame)

    assert list(clean(explode, {1: range(5)}, CleanSettings())) == []
    assert not ALL_STEPS.does_nothing


@pytest.mark.parametrize("wrong", [{"smooth_frames": 4}, {"smallest_part": -1}, {"largest_hole": -2}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(SessionError):
        CleanSettings(**wrong)


def test_majority_of_one_is_itself():
    mask = np.eye(3, dtype=bool)
    np.testing.assert_array_equal(majority([mask]), mask)
