"""Where two masks overlap, a pixel counts only for one of them in what objects remember."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_sam2_video.engine.features import FeatureCache
from napari_sam2_video.engine.memory_store import MemoryStore
from napari_sam2_video.engine.neighbours import Neighbours, lost_pixels, without_pixels
from napari_sam2_video.engine.networks.load import load_model
from napari_sam2_video.engine.plan import Pass, Plan
from napari_sam2_video.engine.tracker import Tracker
from napari_sam2_video.engine.windows import Window
from napari_sam2_video.models.resolve import resolve_model
from napari_sam2_video.types import MaskPrompt, ModelSettings, ObjectMask
from tests.engine.conftest import Scene

FRAMES = 5
SHAPE = (20, 30)


def mask_of(object_id, origin, levels):
    return ObjectMask(object_id, origin, np.array(levels, np.uint8), 5.0, 0.9, False)


def test_the_higher_level_takes_a_pixel_and_a_tie_goes_to_the_lower_id():
    first = mask_of(4, (2, 3), [[9, 9, 9], [9, 9, 0]])
    second = mask_of(7, (2, 4), [[9, 5, 7], [20, 20, 9]])
    lost = lost_pixels([first, second], [], SHAPE)
    assert [tuple(pixel) for pixel in np.argwhere(lost[0])] == [(3, 4)]
    assert [tuple(pixel) for pixel in np.argwhere(lost[1])] == [(2, 4), (2, 5)]


def test_stored_masks_take_pixels_and_masks_apart_lose_none():
    mask = mask_of(4, (2, 3), [[9, 9]])
    stored = mask_of(2, (0, 0), np.full((5, 4), 50))
    lost = lost_pixels([mask, mask_of(5, (10, 10), [[3]])], [stored, mask_of(9, (0, 0), np.zeros((0, 0)))], SHAPE)
    assert list(lost) == [0]
    assert [tuple(pixel) for pixel in np.argwhere(lost[0])] == [(2, 3)]


@pytest.mark.parametrize(
    ("window", "rows", "columns"),
    [
        (None, slice(2, 4), slice(3, 4)),
        (Window(4, 8, 8), slice(0, 4), slice(4, 8)),
        (Window(-4, -8, 32, 16), slice(4, 6), slice(5, 6)),
    ],
)
def test_lost_pixels_are_off_the_object_as_its_window_shows_it(window, rows, columns):
    lost = np.zeros((16, 32), bool)
    lost[4:8, 12:16] = True
    expected = torch.full((1, 1, 8, 8), 3.0)
    expected[..., rows, columns] = -10.0
    assert torch.equal(without_pixels(torch.full((1, 1, 8, 8), 3.0), lost, window), expected)


@pytest.fixture(scope="module")
def demo():
    return load_model(resolve_model("demo"), ModelSettings(image_size=128))


def tracker_of(model, view, window="auto"):
    return Tracker(model, view, MemoryStore(), features=FeatureCache(), window=window)


def prompted(tracker):
    """Two objects on the same disc: one is all of it, the other its right half."""
    yy, xx = np.mgrid[:96, :120]
    disc = np.hypot(yy - 30, xx - 30) < 11
    tracker.condition(1, 0, [MaskPrompt(1, 0, disc)])
    tracker.condition(2, 0, [MaskPrompt(2, 0, disc & (xx > 30))])
    return tracker


def go(tracker, *object_ids):
    plan = Plan(tuple(Pass(i, "forward", 0, FRAMES - 1) for i in object_ids), FRAMES)
    return {(m.object_id, frame.frame): m for frame in tracker.run(plan) for m in frame.objects}


def same(one, other):
    return one.origin_yx == other.origin_yx and np.array_equal(one.levels, other.levels)


def test_an_object_tracked_beside_stored_masks_gets_what_it_gets_beside_the_objects(demo):
    scene = Scene(FRAMES)
    together = go(prompted(tracker_of(demo, scene)), 1, 2)
    assert any((together[1, t].levels > 0).any() and (together[2, t].levels > 0).any() for t in range(1, FRAMES))
    alone = prompted(tracker_of(demo, scene))
    asked = []

    def stored(frame):
        asked.append(frame)
        return [together[1, frame], together[2, frame]]

    alone.see_neighbours(Neighbours(lambda: [1, 2], stored))
    beside = go(alone, 2)
    assert asked == list(range(1, FRAMES))
    by_itself = go(prompted(tracker_of(demo, scene)), 2)
    differ = [np.abs(whole(beside[2, t]).astype(int) - whole(together[2, t])).max() for t in range(FRAMES)]
    assert max(differ) <= 1
    assert not all(same(by_itself[2, t], beside[2, t]) for t in range(FRAMES))


def test_nothing_is_read_where_all_objects_are_tracked(demo):
    tracker = prompted(tracker_of(demo, Scene(FRAMES)))

    def stored(frame):
        raise AssertionError(f"frame {frame} was read")

    tracker.see_neighbours(Neighbours(lambda: [1, 2], stored))
    assert len(go(tracker, 1, 2)) == 2 * FRAMES


def test_without_windows_neighbours_change_nothing(demo):
    scene = Scene(FRAMES)
    tracker = prompted(tracker_of(demo, scene, "off"))
    everything = ObjectMask(9, (0, 0), np.full(scene.shape_yx, 255, np.uint8), 9.0, 1.0, False)
    tracker.see_neighbours(Neighbours(lambda: [1, 2, 9], lambda frame: [everything]))
    beside, without = go(tracker, 1, 2), go(prompted(tracker_of(demo, scene, "off")), 1, 2)
    assert all(same(beside[key], without[key]) for key in without)


def whole(mask, shape_yx=(96, 120)):
    levels = np.zeros(shape_yx, np.uint8)
    top, left = mask.origin_yx
    levels[top : top + mask.levels.shape[0], left : left + mask.levels.shape[1]] = mask.levels
    return levels
