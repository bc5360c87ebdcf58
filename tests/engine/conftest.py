"""Networks with random weights, a moving scene, and Meta's predictor on the same frames."""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch

from napari_sam2_video.engine.features import FeatureCache
from napari_sam2_video.engine.memory_store import MemoryStore
from napari_sam2_video.engine.networks.sam2.build import build_network
from napari_sam2_video.engine.networks.sam2.model import Sam2Model
from napari_sam2_video.engine.tracker import Tracker
from napari_sam2_video.models.presets import PRESETS

SIZE = 128
PREDICTOR = "sam2.sam2_video_predictor.SAM2VideoPredictor"


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    torch.set_num_threads(1)


class Scene:
    """Two discs that move over a textured ground; a FrameSource."""

    n_frames: int
    shape_yx = (96, 120)
    is_volume = False

    def __init__(self, n_frames=12, shape_yx=(96, 120)):
        self.n_frames = n_frames
        self.shape_yx = shape_yx
        self.key = f"scene-{n_frames}-{shape_yx}"
        self.reads: list[int] = []

    def read(self, frame):
        self.reads.append(frame)
        return self.pixels(frame)

    @functools.lru_cache(maxsize=64)  # noqa: B019
    def pixels(self, frame):
        yy, xx = np.mgrid[: self.shape_yx[0], : self.shape_yx[1]]
        image = 60 + 20 * np.sin(yy / 9) * np.cos(xx / 7)
        for i, (y, x) in enumerate(self.centres(frame)):
            image = np.where(np.hypot(yy - y, xx - x) < 11, 170 + 40 * i, image)
        noise = np.random.default_rng(frame).normal(0, 4, image.shape)
        return np.repeat(np.clip(image + noise, 0, 255).astype(np.uint8)[..., None], 3, axis=2)

    @staticmethod
    def centres(frame):
        return (30 + 1.5 * frame, 30 + 2.0 * frame), (60 - 1.0 * frame, 90 - 1.5 * frame)


@functools.lru_cache(maxsize=2)
def random_weights(preset):
    """Seeded weights whose object score starts above 0, so that masks are not all gated away."""
    torch.manual_seed(7)
    network = build_network(PRESETS[preset], SIZE)
    state = network.state_dict()
    state["sam_mask_decoder.pred_obj_score_head.layers.2.bias"].fill_(4.0)
    return {k: v.clone() for k, v in state.items()}


@functools.lru_cache(maxsize=4)
def make_model(preset="tiny", precision="fp32", size=SIZE):
    network = build_network(PRESETS[preset], size)
    network.load_state_dict(random_weights(preset))
    return Sam2Model(network, PRESETS[preset], name=preset, sha256=f"random-{preset}", precision=precision)


@functools.lru_cache(maxsize=2)
def make_predictor(preset="tiny"):
    predictor = build_network(PRESETS[preset], SIZE, target=PREDICTOR)
    predictor.load_state_dict(random_weights(preset))
    predictor.add_all_frames_to_correct_as_cond = True
    return predictor


class Meta:
    """Meta's predictor on a scene; gives mask logits by object and frame."""

    def __init__(self, scene, monkeypatch, preset="tiny"):
        model = make_model(preset)
        frames = np.stack([model.prepare(scene.pixels(t)) for t in range(scene.n_frames)])
        images = torch.from_numpy(frames / 255.0).permute(0, 3, 1, 2).float()
        images -= torch.tensor((0.485, 0.456, 0.406))[:, None, None]
        images /= torch.tensor((0.229, 0.224, 0.225))[:, None, None]
        monkeypatch.setattr("sam2.sam2_video_predictor.load_video_frames", lambda **_: (images, *scene.shape_yx))
        self.predictor = make_predictor(preset)
        self.state = self.predictor.init_state("unused")

    def points(self, object_id, frame, points_yx=(), labels=(), box=None):
        xy = np.array(points_yx, np.float32).reshape(-1, 2)[:, ::-1].copy() if len(points_yx) else None
        corners = None if box is None else np.array([box[1], box[0], box[3], box[2]], np.float32)
        self.predictor.add_new_points_or_box(
            self.state,
            frame,
            object_id,
            points=xy,
            labels=None if xy is None else np.array(labels, np.int32),
            box=corners,
        )

    def mask(self, object_id, frame, mask):
        self.predictor.add_new_mask(self.state, frame, object_id, mask)

    def propagate(self, **kwargs):
        for _ in self.predictor.propagate_in_video(self.state, **kwargs):
            pass
        return self.logits()

    def logits(self):
        found = {}
        for index, object_id in self.state["obj_idx_to_id"].items():
            outputs = self.state["output_dict_per_obj"][index]
            for t, out in itertools.chain(
                outputs["non_cond_frame_outputs"].items(), outputs["cond_frame_outputs"].items()
            ):
                found[object_id, t] = out["pred_masks"][0, 0].clone()
        return found


@dataclass
class Run:
    """Our tracker on a scene, with the logits it made."""

    tracker: Tracker
    logits: dict[tuple[int, int], torch.Tensor] = field(default_factory=dict)

    def go(self, plan, **kwargs):
        def keep(object_id, frame, logits):
            self.logits[object_id, frame] = logits.clone()

        return list(self.tracker.run(plan, on_logits=keep, **kwargs))


@pytest.fixture
def scene():
    return Scene()


@pytest.fixture
def make_run():
    def make(scene, preset="tiny", folder=None, **kwargs):
        kwargs.setdefault("features", FeatureCache())
        return Run(Tracker(make_model(preset), scene, MemoryStore(folder), **kwargs))

    return make


@pytest.fixture
def meta(scene, monkeypatch):
    return functools.partial(Meta, scene, monkeypatch)
