"""Planes of thick slices reach the network as squares of square pixels, and come back voxel for voxel."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from napari_sam2_video.engine.isotropic import Fit, FittedFrames, FittedTracker
from napari_sam2_video.types import BoxPrompt, MaskPrompt, ObjectMask, PointPrompt, ScribblePrompt
from tests.fakes import FakeTracker


class Planes:
    n_frames, shape_yx, key = 3, (7, 31), "planes"

    def read(self, frame):
        rows = np.arange(7, dtype=np.uint8)[:, None, None] * 30
        return np.broadcast_to(rows, (7, 31, 3)).copy()


@pytest.mark.parametrize(("shape", "spacing"), [((7, 31), (5.0, 1.0)), ((31, 8), (1.0, 3.3)), ((12, 40), (1.0, 1.0))])
def test_masks_come_back_as_they_went_in(shape, spacing):
    fit = Fit.of(shape, spacing)
    mask = np.random.default_rng(0).random(shape) < 0.4
    shown = fit.prompt(MaskPrompt(1, 0, mask))
    assert shown.mask.shape == (fit.side, fit.side)
    back = fit.mask(ObjectMask(1, (0, 0), shown.mask.astype(np.uint8) * 7))
    whole = np.zeros(shape, np.uint8)
    (y, x), (height, width) = back.origin_yx, back.levels.shape
    whole[y : y + height, x : x + width] = back.levels
    assert ((whole > 0) == mask).all()


def test_a_plane_is_square_with_square_pixels_and_goes_on_beyond_its_sides():
    fit = Fit.of((7, 31), (5.0, 1.0))
    frame = FittedFrames(Planes(), fit).read(0)
    assert frame.shape == (35, 35, 3)
    assert (frame[:, :2] == frame[:, 2:3]).all()
    assert (frame[:, 33:] == frame[:, 32:33]).all()
    assert (frame[2::5, 10, 0] == np.arange(7) * 30).all()
    assert frame[4, 10, 0] == 12
    assert Fit.of((20, 20), (1.0, 1.0)).is_plain()


def test_prompts_land_on_the_same_voxel():
    fit = Fit.of((7, 31), (5.0, 1.0))
    frame = FittedFrames(Planes(), fit).read(0)
    point = fit.prompt(PointPrompt(1, 0, 3, 4))
    assert frame[round(point.y), round(point.x), 0] == 90
    assert (point.y, point.x) == (17, 6)
    box = fit.prompt(BoxPrompt(1, 0, 1, 2, 5, 20))
    assert (box.y0, box.x0, box.y1, box.x1) == (7, 4, 27, 22)
    assert fit.prompt(ScribblePrompt(1, 0, ((3, 4), (5, 20)))).path == ((17, 6), (27, 22))


def test_a_tracker_of_fitted_frames_speaks_of_planes():
    fit = Fit.of((7, 31), (5.0, 1.0))
    tracker = FittedTracker(FakeTracker(FittedFrames(Planes(), fit)), fit)
    mask = tracker.condition(1, 0, [PointPrompt(1, 0, 3, 15)])
    assert mask.origin_yx[0] + mask.levels.shape[0] <= 7
    assert mask.levels[3 - mask.origin_yx[0], 15 - mask.origin_yx[1]] > 0
    preview = tracker.preview(1, 0, [PointPrompt(1, 0, 3, 15)])
    assert preview.shape_yx == (7, 31)
    assert tracker.scratch().memory.entries(1) == {}


def test_a_tracker_beside_another_shares_its_network_and_nothing_else(tmp_path):
    from napari_sam2_video.engine.memory_store import MemoryStore
    from napari_sam2_video.engine.tracker import Tracker

    network = SimpleNamespace(key="network", image_size=64, preset=SimpleNamespace(hidden_dim=64), device="cpu")
    first = Tracker(network, Planes(), MemoryStore(tmp_path / "first"), batch_size=2)
    fit = Fit.of((7, 31), (5.0, 1.0))
    second = first.beside(FittedFrames(Planes(), fit), MemoryStore(tmp_path / "second"))
    assert second.model is first.model
    assert second.memory is not first.memory
    assert second.features is not first.features
    assert second.view.shape_yx == (35, 35)
