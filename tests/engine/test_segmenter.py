"""Many clicks at once select what single clicks select."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from napari_sam2_video.engine.segmenter import enlarged
from napari_sam2_video.engine.tracker import Tracker
from tests.engine.conftest import make_model

CLICK, BOX = np.array([1], np.int32), np.array([2, 3], np.int32)


@pytest.fixture(scope="module", params=["tiny", "demo"])
def model(request):
    return make_model(request.param)


@pytest.fixture
def points():
    return np.random.default_rng(4).uniform(5, 90, (5, 2)).astype(np.float32)


def test_clicks_decoded_together_are_those_decoded_alone(model, scene, points):
    embedding = model.embed(model.prepare(scene.read(0)))
    together = model.decode_clicks(embedding, points[:, None], CLICK, scene.shape_yx, least_iou=-1e9)
    for n, point in enumerate(points):
        _, alone = model.decode_points(embedding, point[None], CLICK, scene.shape_yx)
        rows = together.prompts == n
        assert torch.allclose(together.ious[rows], alone.ious, atol=1e-5)
        assert torch.allclose(together.scores[rows], alone.scores[:, 0], atol=1e-4)
        if alone.scores[0] > 0:
            assert torch.allclose(together.logits[rows], alone.logits[:, 0], atol=1e-3)


def test_boxes_decoded_together_are_those_decoded_alone(model, scene, points):
    embedding = model.embed(model.prepare(scene.read(0)))
    boxes = np.stack([points, points + 20], axis=1)
    together = model.decode_clicks(embedding, boxes, BOX, scene.shape_yx)
    assert together.prompts.tolist() == list(range(len(boxes)))
    for n, corners in enumerate(boxes):
        alone, _ = model.decode_points(embedding, corners, BOX, scene.shape_yx)
        assert torch.allclose(together.ious[n], alone.ious, atol=1e-5)
        if alone.scores[0] > 0:
            assert torch.allclose(together.logits[n], alone.logits[0, 0], atol=1e-3)


def test_masks_of_too_low_predicted_iou_are_left_out(model, scene, points):
    embedding = model.embed(model.prepare(scene.read(0)))
    every = model.decode_clicks(embedding, points[:, None], CLICK, scene.shape_yx, least_iou=-1e9)
    middle = float(every.ious.median())
    some = model.decode_clicks(embedding, points[:, None], CLICK, scene.shape_yx, least_iou=middle)
    kept = every.ious >= middle
    assert torch.equal(some.prompts, every.prompts[kept])
    assert torch.allclose(some.logits, every.logits[kept], atol=1e-4)
    none = model.decode_clicks(embedding, points[:, None], CLICK, scene.shape_yx, least_iou=1e9)
    assert len(none.prompts) == len(none.logits) == 0


@pytest.mark.parametrize("shape_yx", [(64, 64), (37, 90), (16, 16), (128, 40)])
def test_a_mask_is_enlarged_as_torch_does_it(shape_yx):
    logits = torch.nn.functional.avg_pool2d(torch.randn(1, 1, 18, 18, generator=torch.Generator().manual_seed(3)), 3, 1)
    logits[..., :5, :] = logits[..., 12:, :] = logits[..., :4] = -1.0
    whole = F.interpolate(logits, size=shape_yx, mode="bilinear", align_corners=False)[0, 0] > 0
    (top, left), mask = enlarged(logits[0, 0].numpy(), shape_yx)
    made = np.zeros(shape_yx, bool)
    made[top : top + mask.shape[0], left : left + mask.shape[1]] = mask
    assert np.array_equal(made, whole.numpy())


def test_features_of_every_level_count_alike(model, scene):
    features = Tracker(model, scene).segmenter().features(0)
    side = model.image_size // 8
    assert features.shape[1:] == (side, side)
    assert np.isfinite(features).all()
    assert np.square(features).mean() == pytest.approx(1.0, rel=1e-3)


def test_a_square_is_looked_at_alone(model, scene, points):
    segmenter = Tracker(model, scene).segmenter()
    square = (10, 20, 48)
    inside = np.array([[30, 40], [40, 60]], np.float32)
    masks = segmenter.at_points(0, inside, square)
    assert {mask.prompt for mask in masks} <= {0, 1}
    for mask in masks:
        (top, left), (height, width) = mask.origin_yx, mask.mask.shape
        assert not mask.mask.any() or (top >= 10 and left >= 20 and top + height <= 58 and left + width <= 68)
    assert not np.array_equal(segmenter.features(0), segmenter.features(0, square))
