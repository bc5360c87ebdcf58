"""What the demo model's file promises: it is the one catalogued, it is small, and it does follow objects."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_sam2_video.engine.networks.sam2.build import build_network
from napari_sam2_video.models.demo import DEMO_BYTES, DEMO_FILE, DEMO_SHA256
from napari_sam2_video.models.presets import DEMO
from napari_sam2_video.synthetic import SyntheticClip, sample_time_series

if TYPE_CHECKING:
    from pathlib import Path

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def weights_file() -> Path:
    return files("napari_sam2_video.models.demo").joinpath(DEMO_FILE)  # type: ignore[return-value]


@pytest.fixture(scope="module")
def weights(weights_file: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = torch.load(weights_file, weights_only=True)
    return loaded["model"]  # type: ignore[no-any-return]


def test_file_is_the_one_catalogued(weights_file: Path) -> None:
    content = weights_file.read_bytes()
    assert len(content) == DEMO_BYTES
    assert hashlib.sha256(content).hexdigest() == DEMO_SHA256


def test_model_is_small_enough_to_ship(weights: dict[str, Any]) -> None:
    assert DEMO_BYTES <= 10_000_000
    assert sum(value.numel() for value in weights.values()) <= 5_000_000


def test_weights_fit_the_predictor_of_the_sam2_package_without_a_missing_key(weights: dict[str, Any]) -> None:
    predictor = build_network(DEMO, target="sam2.sam2_video_predictor.SAM2VideoPredictor")
    predictor.load_state_dict(weights, strict=True)


def test_weights_are_finite(weights: dict[str, Any]) -> None:
    assert all(bool(torch.isfinite(value).all()) for value in weights.values())


def test_a_box_on_the_first_frame_is_followed(weights: dict[str, Any]) -> None:
    clip = sample_time_series(frames=6)
    objects = [i for i in clip.object_ids if (clip.mask(i).sum((1, 2)) > 300).all()][:3]
    masks = _follow(weights, clip, objects)
    for row, object_id in enumerate(objects):
        truth = clip.mask(object_id)
        ious = (masks[row] & truth).sum((1, 2)) / (masks[row] | truth).sum((1, 2))
        assert ious.min() > 0.6, f"object {object_id}: {ious}"


def _follow(weights: dict[str, Any], clip: SyntheticClip, objects: list[int]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """(N, T, Y, X) masks of the objects, all in one batch, from a box on each."""
    network: Any = build_network(DEMO)
    network.load_state_dict(weights)
    frames = np.clip(clip.frames / 4000 * 255, 0, 255).astype(np.float32) / 255
    normal = (frames[:, None] - np.array([0.485, 0.456, 0.406]).reshape(1, 3, 1, 1)) / np.array(
        [0.229, 0.224, 0.225]
    ).reshape(1, 3, 1, 1)
    corners = []
    for object_id in objects:
        rows, columns = np.nonzero(clip.labels[0] == object_id)
        corners.append([[columns.min(), rows.min()], [columns.max(), rows.max()]])
    box = {
        "point_coords": torch.tensor(np.array(corners), dtype=torch.float32),
        "point_labels": torch.tensor([[2, 3]] * len(objects), dtype=torch.int32),
    }
    past: dict[str, dict[int, Any]] = {"cond_frame_outputs": {}, "non_cond_frame_outputs": {}}
    masks = np.zeros((len(objects), *clip.labels.shape), bool)
    with torch.inference_mode():
        for t, image in enumerate(torch.from_numpy(normal.astype(np.float32))):
            features = network.forward_image(image[None])
            for key in ("backbone_fpn", "vision_pos_enc"):
                features[key] = [level.expand(len(objects), -1, -1, -1) for level in features[key]]
            _, vision, positions, sizes = network._prepare_backbone_features(features)
            answer = network.track_step(
                t, t == 0, vision, positions, sizes, box if t == 0 else None, None, past, len(normal)
            )
            past["non_cond_frame_outputs" if t else "cond_frame_outputs"][t] = answer
            masks[:, t] = answer["pred_masks_high_res"][:, 0].numpy() > 0
    return masks
