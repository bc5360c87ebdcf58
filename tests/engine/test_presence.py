"""An object ends where it ends, and is not continued into its neighbour."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_sam2_video.engine.memory_store import MemoryStore
from napari_sam2_video.engine.networks.load import load_model
from napari_sam2_video.engine.networks.outputs import Decoded
from napari_sam2_video.engine.plan import Pass, Plan
from napari_sam2_video.engine.presence import has_ended
from napari_sam2_video.engine.tracker import Tracker
from napari_sam2_video.engine.windows import Place, Window
from napari_sam2_video.models.resolve import resolve_model
from napari_sam2_video.synthetic import make_clip
from napari_sam2_video.types import MaskPrompt, ModelSettings, ObjectMask
from tests.engine.conftest import make_model


def mask(score=4.0, iou=0.93):
    return ObjectMask(1, (0, 0), np.ones((4, 4), np.uint8), score, iou)


def place(y=50.0, x=50.0, size=20.0, window=None):
    return Place(window, (y, x), (size, size), size)


def seen(*places):
    return list(enumerate(places, 1))


@pytest.mark.parametrize(
    ("found", "where", "before", "ended"),
    [
        (mask(), place(), seen(place(), place()), False),
        (mask(3.0, 0.9), place(size=17), seen(place(size=19), place()), False),
        (mask(3.0, 0.9), place(y=54), seen(place()), False),
        (mask(0.0, 0.6), place(y=60, size=26), seen(place(size=12), place(size=16), place()), True),
        (mask(2.5, 0.9), place(y=68, size=25), seen(place(size=14), place(size=18), place()), True),
        (mask(), place(), [], False),
        (mask(), Place(None, (50, 50), None, 20), seen(place()), False),
    ],
)
def test_score_iou_area_and_motion_count_together(found, where, before, ended):
    assert has_ended(found, where, before) is ended


def test_motion_is_that_within_the_window():
    before = seen(place(50, 50, 14, Window(0, 0, 128)), place(50, 50, 20, Window(0, 0, 128)))
    assert has_ended(mask(2.5, 0.9), place(74, 50, 14, Window(0, 0, 128)), before)
    assert not has_ended(mask(2.5, 0.9), place(74, 50, 14, Window(24, 0, 128)), before)


def test_absent_objects_are_as_the_network_leaves_them():
    model = make_model()
    found = Decoded(
        torch.ones(2, 1, 32, 32), torch.tensor([0.9, 0.8]), torch.ones(2, 256), torch.tensor([[3.0], [-2.0]])
    )
    gone = model.absent(found)
    assert (gone.logits == -1024).all()
    assert gone.scores.tolist() == [[-3.0], [-2.0]]
    assert torch.equal(gone.pointers, model._net.no_obj_ptr.detach().expand(2, -1))


class Shown:
    """Frames as the engine takes them, as planes of a volume or over time."""

    key = "packed"

    def __init__(self, frames, is_volume):
        self.frames, self.is_volume = frames, is_volume
        self.n_frames, self.shape_yx = len(frames), frames.shape[1:]

    def read(self, frame):
        return np.repeat(self.frames[frame][..., None], 3, axis=2)


@pytest.fixture(scope="module")
def packed():
    """A volume from its middle on, and three nuclei that end in it."""
    clip = make_clip("packed", 1, frames=24, size=(192, 192))
    low, high = np.percentile(clip.frames, (0.5, 99.8))
    frames = np.clip((clip.frames[12:] - low) * (255 / (high - low)), 0, 255).astype(np.uint8)
    labels = clip.labels[12:]
    areas = np.bincount(labels[0].ravel())
    ending = [i for i in np.argsort(-areas) if i and areas[i] > 150 and not (labels[-3:] == i).any()]
    assert len(ending) >= 3
    return frames, labels, ending[:3]


def beyond_the_end(packed, is_volume):
    """Share of the planes beyond the end of a nucleus on which it is not found."""
    frames, labels, ending = packed
    model = load_model(resolve_model("demo"), ModelSettings())
    tracker = Tracker(model, Shown(frames, is_volume), MemoryStore(), window="auto")
    for n, label in enumerate(ending, 1):
        tracker.condition(n, 0, [MaskPrompt(n, 0, labels[0] == label)])
    plan = Plan(tuple(Pass(n, "forward", 0, len(frames) - 1) for n in (1, 2, 3)), len(frames))
    right = []
    for found in tracker.run(plan):
        there = {n: (labels[found.frame] == label).any() for n, label in enumerate(ending, 1)}
        right += [not one.levels.any() for one in found.objects if not there[one.object_id]]
    return np.mean(right)


def test_nuclei_end_in_a_volume(packed):
    assert beyond_the_end(packed, is_volume=True) > max(0.7, beyond_the_end(packed, is_volume=False))
