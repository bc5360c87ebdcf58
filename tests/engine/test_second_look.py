"""Cells of a dish keep to themselves where they touch another, and are gone once they left."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam2_video.engine import frame_step
from napari_sam2_video.engine.memory_store import MemoryStore
from napari_sam2_video.engine.networks.load import load_model
from napari_sam2_video.engine.plan import Pass, Plan
from napari_sam2_video.engine.tracker import Tracker
from napari_sam2_video.models.resolve import resolve_model
from napari_sam2_video.synthetic import make_clip
from napari_sam2_video.types import MaskPrompt, ModelSettings


class Dish:
    """Frames of a dish, as the engine takes them."""

    is_volume = False

    def __init__(self, seed, first, last):
        clip = make_clip("dish", seed, frames=24)
        low, high = np.percentile(clip.frames, (0.5, 99.8))
        self.frames = np.clip((clip.frames[first:last] - low) * (255 / (high - low)), 0, 255).astype(np.uint8)
        self.labels = clip.labels[first:last]
        self.key = f"dish-{seed}"
        self.n_frames, self.shape_yx = len(self.frames), self.frames.shape[1:]

    def read(self, frame):
        return np.repeat(self.frames[frame][..., None], 3, axis=2)


@pytest.fixture(scope="module")
def model():
    return load_model(resolve_model("demo"), ModelSettings())


def tracked(model, dish, label):
    """IoU and pixels of an object on each frame."""
    tracker = Tracker(model, dish, MemoryStore(), window="auto")
    tracker.condition(1, 0, [MaskPrompt(1, 0, dish.labels[0] == label)])
    ious, areas = [], []
    for found in tracker.run(Plan((Pass(1, "forward", 0, dish.n_frames - 1),), dish.n_frames)):
        (mask,) = found.objects
        (y, x), (height, width) = mask.origin_yx, mask.levels.shape
        whole = np.zeros(dish.shape_yx, bool)
        whole[y : y + height, x : x + width] = mask.levels > 0
        truth = dish.labels[found.frame] == label
        ious.append((whole & truth).sum() / max(1, (whole | truth).sum()))
        areas.append(whole.sum())
    return np.array(ious), np.array(areas)


def without(monkeypatch):
    monkeypatch.setattr(frame_step, "second_look", lambda batcher, embedder, frame, row, found: found)


TOUCHING = (102, 8, 16, 8)
LEAVING = (103, 10, 24, 5)


def test_a_cell_that_touches_another_keeps_its_mask(model, monkeypatch):
    seed, first, last, label = TOUCHING
    dish = Dish(seed, first, last)
    ious, _ = tracked(model, dish, label)
    assert ious.min() > 0.8
    without(monkeypatch)
    assert tracked(model, dish, label)[0].min() < 0.75


def test_a_cell_that_left_is_not_another_one(model, monkeypatch):
    seed, first, last, label = LEAVING
    dish = Dish(seed, first, last)
    gone = ~(dish.labels == label).any(axis=(1, 2))
    assert gone.any()
    _, areas = tracked(model, dish, label)
    assert not areas[gone].any()
    without(monkeypatch)
    assert tracked(model, dish, label)[1][gone].any()
