"""What the synthetic recordings promise to the training, the samples and the tests."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam2_video.synthetic import (
    KINDS,
    STACK_KINDS,
    TIME_KINDS,
    make_clip,
    sample_ct_volume,
    sample_time_series,
    sample_video,
)
from napari_sam2_video.synthetic.clicks import error_middle, middle

SIZE = (96, 128)


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_same_recording_and_another_seed_another(kind: str) -> None:
    first, again, other = (make_clip(kind, seed, frames=3, size=SIZE) for seed in (5, 5, 6))
    assert np.array_equal(first.frames, again.frames)
    assert np.array_equal(first.labels, again.labels)
    assert not np.array_equal(first.frames, other.frames)


@pytest.mark.parametrize("kind", KINDS)
def test_shapes_and_dtypes_are_as_declared(kind: str) -> None:
    clip = make_clip(kind, 1, frames=3, size=SIZE)
    dtype = {"ct": np.int16, "video": np.uint8, "phase": np.uint8, "hidden": np.uint8}.get(kind, np.uint16)
    assert clip.frames.dtype == dtype
    assert clip.frames.shape == (3, *SIZE, 3) if kind in ("video", "hidden") else (3, *SIZE)
    assert clip.labels.dtype == np.uint16
    assert clip.labels.shape == (3, *SIZE)
    assert clip.kind == kind
    assert clip.seed == 1


@pytest.mark.parametrize("kind", KINDS)
def test_objects_can_be_seen(kind: str) -> None:
    """Inside an object's edge the picture differs from just outside it by more than the noise of the mean."""
    clip = make_clip(kind, 2, frames=1, size=(192, 192))
    frame = clip.frames[0].astype(float)
    frame = frame.reshape(*frame.shape[:2], -1)
    seen = 0
    for object_id in clip.object_ids:
        inside = clip.labels[0] == object_id
        if inside.sum() < 200:
            continue
        ring = np.zeros_like(inside)
        for shift in ((0, 5), (0, -5), (5, 0), (-5, 0)):
            ring |= np.roll(inside, shift, (0, 1))
        ring &= clip.labels[0] == 0
        if ring.sum() < 50:
            continue
        gap = np.abs(frame[inside].mean(0) - frame[ring].mean(0)).max()
        spread = max(frame[inside].std(0).max(), frame[ring].std(0).max())
        assert gap > spread / np.sqrt(min(inside.sum(), ring.sum()))
        seen += 1
    assert seen


@pytest.mark.parametrize("kind", TIME_KINDS)
def test_objects_of_a_time_series_move_smoothly(kind: str) -> None:
    clip = make_clip(kind, 3, frames=6, size=SIZE)
    followed = 0
    for object_id in clip.object_ids:
        for t in range(5):
            before, after = clip.labels[t] == object_id, clip.labels[t + 1] == object_id
            if min(before.sum(), after.sum()) < 150:
                continue
            assert (before & after).sum() / (before | after).sum() > 0.25
            followed += 1
    assert followed


@pytest.mark.parametrize("kind", STACK_KINDS)
def test_objects_of_a_stack_appear_or_vanish(kind: str) -> None:
    present = []
    for seed in range(4):
        clip = make_clip(kind, seed, frames=12, size=SIZE)
        present += [clip.mask(i).any((1, 2)) for i in clip.object_ids]
    assert any(not p.all() for p in present)
    assert any(p.all() for p in present)


def test_a_dividing_cell_keeps_its_id_and_yields_a_new_one() -> None:
    for seed in range(60):
        clip = make_clip("cells", seed, frames=16, size=(128, 128))
        late = [i for i in clip.object_ids if not clip.mask(i)[:4].any() and clip.mask(i)[-1].sum() > 60]
        for daughter in late:
            first = int(np.flatnonzero(clip.mask(daughter).any((1, 2)))[0])
            born = np.argwhere(clip.mask(daughter)[first]).mean(0)
            parents = [i for i in clip.object_ids if clip.mask(i)[first - 1].any() and clip.mask(i)[first].any()]
            gaps = [np.hypot(*(np.argwhere(clip.mask(i)[first]).mean(0) - born)) for i in parents]
            if gaps and min(gaps) < 30:
                return
    pytest.fail("No cell divided in sixty recordings.")


def test_cells_of_a_field_are_8_to_25_pixels_in_radius_whatever_its_size() -> None:
    for size in ((256, 256), (512, 512)):
        clip = make_clip("field", 1, frames=1, size=size)
        radii = np.sqrt(np.bincount(clip.labels[0].ravel())[1:] / np.pi)
        assert 6 < np.median(radii) < 26
        assert radii.max() < 30


def test_runners_move_about_half_their_size_a_frame_and_the_others_stand_still() -> None:
    clip = make_clip("fast", 2, frames=6, size=(512, 512))
    for object_id in clip.object_ids:
        whole = clip.mask(object_id)
        if (whole.sum((1, 2)) < 400).any():
            continue
        centres = np.array([np.argwhere(frame).mean(0) for frame in whole])
        steps = np.hypot(*np.diff(centres, axis=0).T) / np.sqrt(whole[0].sum() / np.pi)
        assert 0.6 < np.median(steps) < 1.2 if object_id <= 3 else np.median(steps) < 0.2


def test_two_cells_cross_and_touch() -> None:
    clip = make_clip("cross", 4, frames=24)
    centres = np.array([[np.argwhere(clip.labels[t] == i).mean(0) for i in (1, 2)] for t in (0, -1)])
    gaps = [np.hypot(*np.subtract(*pair)) for pair in centres]
    assert min(gaps) > 60
    areas = np.array([[(frame == i).sum() for i in (1, 2)] for frame in clip.labels])
    assert areas[:, 0].min() < 0.9 * areas[0, 0], "the cell in front hides part of the other"
    assert areas[:, 1].min() == pytest.approx(areas[0, 1], rel=0.05)


def test_cells_of_a_dish_divide_enter_and_leave() -> None:
    births, entries, exits = 0, 0, 0
    for seed in range(4):
        clip = make_clip("dish", seed, frames=30)
        for object_id in clip.object_ids:
            seen = np.flatnonzero(clip.mask(object_id).any((1, 2)))
            if object_id in clip.mothers:
                births += 1
                near = np.argwhere(clip.mask(object_id)[seen[0]]).mean(0)
                mother = np.argwhere(clip.mask(clip.mothers[object_id])[seen[0]]).mean(0)
                assert np.hypot(*(near - mother)) < 50
            elif seen[0] > 0:
                entries += 1
            exits += seen[-1] < 29
    assert births >= 4
    assert entries >= 4
    assert exits >= 4


def test_packed_nuclei_begin_and_end_and_lie_beneath_each_other() -> None:
    clip = make_clip("packed", 3, frames=24)
    present = np.array([clip.mask(i).any((1, 2)) for i in clip.object_ids])
    assert (~present[:, 0] & ~present[:, -1]).mean() > 0.2
    assert present.all(1).mean() < 0.1
    assert max(len(np.unique(column)) for column in clip.labels.reshape(24, -1).T[::7]) > 3


def test_shapes_are_wholly_hidden_for_a_while_and_come_back() -> None:
    for seed in range(3):
        clip = make_clip("hidden", seed, frames=40)
        for object_id in (1, 2):
            seen = clip.mask(object_id).any((1, 2))
            assert seen[0]
            assert seen[-1]
            assert 0 < (~seen).sum() < 20


def test_ct_is_in_hounsfield_units() -> None:
    clip = make_clip("ct", 0, frames=4, size=SIZE)
    assert clip.frames.min() < -900
    assert 300 < clip.frames.max() < 700


def test_truth_ids_start_at_one_and_nothing_is_empty() -> None:
    for kind in KINDS:
        clip = make_clip(kind, 9, frames=2, size=SIZE)
        assert clip.object_ids
        assert min(clip.object_ids) >= 1


def test_samples_have_objects_from_first_to_last_frame() -> None:
    for sample in (sample_time_series(8, SIZE), sample_ct_volume(8, SIZE), sample_video(8, SIZE)):
        assert len(sample.frames) == 8
        through = [i for i in sample.object_ids if (sample.mask(i).sum((1, 2)) > 20).all()]
        assert len(through) >= 2


def test_a_click_is_in_the_middle_of_a_mask_and_of_the_largest_error() -> None:
    mask = np.zeros((30, 40), bool)
    mask[5:16, 10:21], mask[25, 35] = True, True
    assert middle(mask[:20]) == (10, 15)
    assert error_middle(mask) == (10, 15)
    for where in (middle, error_middle):
        with pytest.raises(ValueError, match=r"empty|wrong"):
            where(np.zeros((4, 4), bool))


def test_unknown_kind_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="sponges"):
        make_clip("sponges", 0)


def test_too_small_a_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="32 pixels"):
        make_clip("cells", 0, size=(16, 64))
