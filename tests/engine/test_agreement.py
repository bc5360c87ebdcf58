"""Which memories of an object go together."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_sam2_video.engine.agreement import agreeing, unbroken
from napari_sam2_video.engine.memory import ConditioningEntry, MemoryEntry
from napari_sam2_video.engine.memory_store import MemoryStore
from napari_sam2_video.engine.networks.load import load_model
from napari_sam2_video.engine.plan import Pass, Plan
from napari_sam2_video.engine.tracker import Tracker
from napari_sam2_video.engine.windows import Place, Window
from napari_sam2_video.models.resolve import resolve_model
from napari_sam2_video.synthetic import make_clip
from napari_sam2_video.types import BoxPrompt, ModelSettings, ObjectMask

NOWHERE = ObjectMask(1, (0, 0), np.zeros((0, 0), np.uint8), 0.0, 0.0, False)


def entry(frame, centre=None, window=None, size=20.0):
    extent = None if centre is None else (size, size)
    place = Place(window, centre or (0.0, 0.0), extent, size)
    return MemoryEntry(frame, None, torch.zeros(1, 4), place)


def prompted(*entries):
    return {e.frame: ConditioningEntry(i, e, torch.zeros(1, 1, 4, 4), NOWHERE) for i, e in enumerate(entries)}


def test_prompted_frames_that_show_the_object_elsewhere_are_left_out():
    held = prompted(entry(0, (50, 50)), entry(8, (55, 52)), entry(20, (90, 50)))
    assert list(agreeing(held, 3)) == [0, 8]
    assert list(agreeing(held, 19)) == [20]


def test_what_counts_is_where_the_network_saw_the_object_in_its_window():
    held = prompted(entry(0, (50, 50), Window(0, 0, 100)), entry(9, (250, 50), Window(200, 0, 100)))
    assert list(agreeing(held, 5)) == [0, 9]
    other_side = prompted(entry(0, (50, 50), Window(0, 0, 100)), entry(9, (50, 50), Window(0, 0, 200)))
    assert list(agreeing(other_side, 9)) == [9]


@pytest.mark.parametrize(("direction", "step"), [("forward", -1), ("backward", 1)])
def test_memories_before_a_correction_count_up_to_the_first_jump(direction, step):
    (start,) = prompted(entry(10, (50, 50))).values()
    steady = {10 + step * age: entry(10 + step * age, (50 + 4 * age, 50)) for age in (1, 2, 3)}
    jumped = {10 + step * 4: entry(10 + step * 4, (90, 50)), 10 + step * 5: entry(10 + step * 5, (91, 50))}
    assert unbroken({**jumped, **steady}, start, direction) == steady


def test_memories_before_an_absence_do_not_count():
    (start,) = prompted(entry(10, (50, 50))).values()
    assert unbroken({9: entry(9), 8: entry(8, (50, 50))}, start, "forward") == {}


def test_an_object_prompted_again_far_from_where_it_was_is_tracked_on():
    demo = load_model(resolve_model("demo"), ModelSettings())
    clip = make_clip("cross", 0, frames=40, size=(160, 160))
    frames, truth = (np.concatenate([each[:1], each[30:34]]) for each in (clip.frames, clip.labels == 1))
    frames = (frames * (255 / frames.max())).astype(np.uint8)

    class Shown:
        n_frames, shape_yx, key, is_volume = 5, (160, 160), "cross", False

        def read(self, frame):
            return np.repeat(frames[frame][..., None], 3, axis=2)

    tracker = Tracker(demo, Shown(), MemoryStore(), window="auto")
    for t in (0, 1):
        rows, columns = np.nonzero(truth[t])
        box = BoxPrompt(1, t, rows.min(), columns.min(), rows.max(), columns.max())
        tracker.condition(1, t, [box])
    for found in tracker.run(Plan((Pass(1, "forward", 1, 4),), 5)):
        (mask,) = found.objects
        shown = np.zeros((160, 160), bool)
        (top, left), (height, width) = mask.origin_yx, mask.levels.shape
        shown[top : top + height, left : left + width] = mask.levels > 0
        assert (shown & truth[found.frame]).sum() > 0.7 * (shown | truth[found.frame]).sum()
