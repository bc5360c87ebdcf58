"""The two sides of a comparison: our tracker and Meta's predictor, on the same scene with the same weights."""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_sam2_video.engine.features import FeatureCache
from napari_sam2_video.engine.networks.sam2.build import build_network
from napari_sam2_video.engine.networks.sam2.model import Sam2Model
from napari_sam2_video.engine.plan import ObjectState, Pass, Plan, plan_run
from napari_sam2_video.engine.tracker import Tracker
from napari_sam2_video.models.presets import PRESETS
from napari_sam2_video.types import PointPrompt, TrackSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_sam2_video.types import FrameSource

PREDICTOR = "sam2.sam2_video_predictor.SAM2VideoPredictor"
_BIAS = "sam_mask_decoder.pred_obj_score_head.layers.2.bias"


class Scene:
    """Discs that move over a textured background; a FrameSource."""

    is_volume = False

    def __init__(self, n_frames: int, side: int) -> None:
        self.n_frames = n_frames
        self.shape_yx = (side, side)
        self.key = f"scene-{n_frames}-{side}"

    @functools.lru_cache(maxsize=256)  # noqa: B019
    def read(self, frame: int) -> np.ndarray:
        side = self.shape_yx[0]
        y, x = np.mgrid[:side, :side] / side
        image = 80 + 30 * np.sin(x * 20) * np.cos(y * 14)
        for number, (cy, cx) in enumerate(self.centres(6, frame)):
            image[np.hypot(y - cy, x - cx) < 0.06] = 150 + 15 * number
        noise = np.random.default_rng(frame).normal(0, 4, image.shape)
        return np.repeat(np.clip(image + noise, 0, 255).astype(np.uint8)[..., None], 3, axis=2)

    @staticmethod
    def centres(count: int, frame: int) -> list[tuple[float, float]]:
        """Points to click on, as fractions of the frame."""
        rng = np.random.default_rng(5)
        start, step = rng.uniform(0.15, 0.85, (count, 2)), rng.uniform(-0.004, 0.004, (count, 2))
        return [tuple(row) for row in np.clip(start + step * frame, 0.05, 0.95)]

    def clicks(self, count: int, frame: int = 0) -> list[PointPrompt]:
        side = self.shape_yx[0]
        return [PointPrompt(i, frame, y * side, x * side) for i, (y, x) in enumerate(self.centres(count, frame), 1)]


@functools.lru_cache(maxsize=2)
def weights(preset: str, size: int) -> dict[str, torch.Tensor]:
    """Seeded random weights whose object score starts above 0, so that masks are not all gated away."""
    torch.manual_seed(7)
    state = build_network(PRESETS[preset], size).state_dict()
    state[_BIAS].fill_(4.0)
    return {k: v.clone() for k, v in state.items()}


def our_model(
    preset: str, size: int, *, device: str = "cpu", precision: str = "fp32", arithmetic: str = "exact"
) -> Sam2Model:
    network = build_network(PRESETS[preset], size)
    network.load_state_dict(weights(preset, size))
    return Sam2Model(
        network,
        PRESETS[preset],
        name=preset,
        sha256="random",
        device=device,
        precision=precision,
        arithmetic=arithmetic,
    )


def their_model(preset: str, size: int, *, device: str = "cpu") -> Any:
    predictor = build_network(PRESETS[preset], size, target=PREDICTOR)
    predictor.load_state_dict(weights(preset, size))
    predictor.add_all_frames_to_correct_as_cond = True
    return predictor.to(device).eval()


@dataclass
class Ours:
    """Our tracker, and the mask logits that it made."""

    model: Sam2Model
    scene: Scene
    logits: dict[tuple[int, int], torch.Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tracker = Tracker(self.model, self.scene, features=FeatureCache(4 << 30))

    def first_pass(self, objects: int) -> Iterator[Any]:
        """Prompt on frame 0 and track forward; the first step is the prompts."""
        for click in self.scene.clicks(objects):
            self.tracker.condition(click.object_id, 0, [click])
        yield None
        last = self.scene.n_frames - 1
        passes = tuple(Pass(i, "forward", 0, last) for i in range(1, objects + 1))
        yield from self.tracker.run(Plan(passes, self.scene.n_frames), on_logits=self._keep)

    def correct(self, frame: int) -> Iterator[Any]:
        """Correct object 1 on a frame and track it again from there; the first step is the correction."""
        count = self.scene.n_frames
        tracked = np.ones(count, np.int8)
        click = self.scene.clicks(1, frame)[0]
        self.tracker.condition(1, frame, [click], tracked=tracked)
        yield None
        state = ObjectState(1, frozenset({0, frame}), frozenset({frame}), frozenset(), tracked)
        plan = plan_run([state], TrackSettings("forward"), count)
        yield from self.tracker.run(plan, on_logits=self._keep)

    def _keep(self, object_id: int, frame: int, logits: torch.Tensor) -> None:
        self.logits[object_id, frame] = logits


class Theirs:
    """Meta's predictor; its frames are resized and normalised before any clock runs."""

    def __init__(self, predictor: Any, model: Sam2Model, scene: Scene) -> None:
        self.predictor, self.scene = predictor, scene
        self.state = predictor_state(predictor, frame_tensor(model, scene), scene.shape_yx)

    def _click(self, click: PointPrompt) -> None:
        xy = np.array([[click.x, click.y]], np.float32)
        label = np.array([1], np.int32)
        self.predictor.add_new_points_or_box(self.state, click.frame, click.object_id, points=xy, labels=label)

    def first_pass(self, objects: int) -> Iterator[Any]:
        for click in self.scene.clicks(objects):
            self._click(click)
        yield None
        yield from self.predictor.propagate_in_video(self.state)

    def correct(self, frame: int) -> Iterator[Any]:
        self._click(self.scene.clicks(1, frame)[0])
        yield None
        yield from self.predictor.propagate_in_video(self.state, start_frame_idx=frame)

    @property
    def logits(self) -> dict[tuple[int, int], torch.Tensor]:
        found = {}
        for index, object_id in self.state["obj_idx_to_id"].items():
            outputs = self.state["output_dict_per_obj"][index]
            for frame, out in itertools.chain(
                outputs["non_cond_frame_outputs"].items(), outputs["cond_frame_outputs"].items()
            ):
                found[object_id, frame] = out["pred_masks"][0, 0]
        return found


def frame_tensor(model: Sam2Model, frames: FrameSource) -> torch.Tensor:
    """All frames as Meta's predictor takes them, resized as ours are; float32 (T, 3, S, S)."""
    shown = np.stack([model.prepare(frames.read(t)) for t in range(frames.n_frames)])
    images = torch.from_numpy(shown / 255.0).permute(0, 3, 1, 2).float()
    images -= torch.tensor((0.485, 0.456, 0.406))[:, None, None]
    images /= torch.tensor((0.229, 0.224, 0.225))[:, None, None]
    return images.to(model.device)


def predictor_state(predictor: Any, images: torch.Tensor, shape_yx: tuple[int, int]) -> dict[str, Any]:
    """Open frames that are in memory in Meta's predictor, which only knows files; its progress bars are left out."""
    import sam2.sam2_video_predictor as module

    module.tqdm = lambda frames, **_: frames
    load = module.load_video_frames
    module.load_video_frames = lambda **_: (images, *shape_yx)
    try:
        return predictor.init_state("unused")  # type: ignore[no-any-return]
    finally:
        module.load_video_frames = load


def disagreement(ours: Ours, theirs: Theirs) -> float:
    """Largest difference of any logit that both sides made; 0 where they are equal bit for bit."""
    expected = theirs.logits
    common = [key for key in ours.logits if key in expected]
    if not common:
        raise AssertionError("The two sides have no frame in common.")
    if all(torch.equal(ours.logits[key], expected[key]) for key in common):
        return 0.0
    return max(float((ours.logits[key] - expected[key]).abs().max()) for key in common)
