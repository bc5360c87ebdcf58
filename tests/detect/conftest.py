"""A recording and a segmenter that need no network."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam2_video.engine.networks.load import load_model
from napari_sam2_video.engine.tracker import Tracker
from napari_sam2_video.frames.array import ArrayRecording
from napari_sam2_video.frames.view import FrameView, default_view
from napari_sam2_video.models.resolve import resolve_model
from napari_sam2_video.synthetic import make_clip
from napari_sam2_video.types import ModelSettings, SegmentedMask


class SquareSegmenter:
    """Sees a square of 5 pixels at every point, and all of each box; features are zero."""

    image_size = 64

    def features(self, frame, square=None):
        return np.zeros((4, 4, 4), np.float32)

    def at_points(self, frame, points_yx, square=None, *, least_iou=0.0, least_stability=0.0):
        full = np.ones((5, 5), bool)
        places = [(int(y) - 2, int(x) - 2) for y, x in points_yx]
        return [SegmentedMask(i, place, full, 0.9, 0.9, 3.0) for i, place in enumerate(places)]

    def in_boxes(self, frame, boxes_yxyx):
        return [
            SegmentedMask(i, (int(y0), int(x0)), np.ones((int(y1 - y0) + 1, int(x1 - x0) + 1), bool), 0.9, 0.9, 3.0)
            for i, (y0, x0, y1, x1) in enumerate(boxes_yxyx)
        ]


@pytest.fixture
def segmenter():
    return SquareSegmenter()


@pytest.fixture
def view():
    planes = np.zeros((3, 40, 60), np.uint8)
    planes[:, 10:16, 20:28] = 200
    recording = ArrayRecording(planes, axes="TYX")
    return FrameView(recording, default_view(recording))


@pytest.fixture(scope="session")
def dish():
    """View, truth and segmenter of a dish with eight cells."""
    clip = make_clip("dish", 0, frames=2)
    recording = ArrayRecording(clip.frames, axes="TYX")
    view = FrameView(recording, default_view(recording))
    model = load_model(resolve_model("demo"), ModelSettings("demo"))
    return view, clip.labels[0], Tracker(model, view).segmenter()


def same(found, labels_yx, label):
    """Largest IoU of an object and what was found."""
    truth = labels_yx == label
    best = 0.0
    for one in found:
        mask = np.zeros(labels_yx.shape, bool)
        (top, left), (height, width) = one.origin_yx, one.mask.shape
        mask[top : top + height, left : left + width] = one.mask
        best = max(best, (mask & truth).sum() / (mask | truth).sum())
    return best
