"""One pass of the network over a batch of clips, with its memory in use, and the loss of it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from demo_model.losses import Truth, cell_iou, frame_loss, scenery_loss, where_loss
from napari_sam2_video.synthetic.clicks import error_middle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from demo_model.data import Batch

_MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
_DEVIATION = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
_LOGIT_LIMIT = 32.0
_POINTERS = 16
_CAREFUL = 0.6


@dataclass(frozen=True)
class Weights:
    """What counts, and how much.

    Parameters
    ----------
    where, scenery : float
        Weights of the two helpers.
    balanced : bool
        Weigh object and surroundings alike.
    correction : float
        How often a frame of the clip gets a correcting click.
    unwatched : int
        Frames at the start that are followed without learning from them, so that memories are as worn as they get.
    stretch : int
        Frames after which gradients are cut off, so that a long clip fits into memory; 0 for never.
    lost : float
        Mean IoU below which a clip's one correcting click is given; 0 gives it on a random frame.
    encoder : bool
        Let the image encoder learn as well, which costs as much as following three objects.
    """

    where: float = 0.5
    scenery: float = 0.0
    balanced: bool = False
    correction: float = 0.0
    unwatched: int = 0
    stretch: int = 0
    lost: float = 0.0
    encoder: bool = True


@dataclass(frozen=True)
class Result:
    """Loss to walk down, and what to write in the log."""

    loss: torch.Tensor
    figures: dict[str, float]


class _Past:
    """What the network remembers of a batch of clips, and the frame of its correcting click."""

    def __init__(self, objects: int, timed: int) -> None:
        self.objects = objects
        self.corrected_at = 0
        self._timed = timed
        self._outputs: dict[str, dict[int, Any]] = {"cond_frame_outputs": {}, "non_cond_frame_outputs": {}}

    def step(
        self,
        network: Any,
        t: int,
        views: tuple[Any, Any, Any],
        points: dict[str, torch.Tensor] | None,
        mask: torch.Tensor | None,
        previous: torch.Tensor | None = None,
    ) -> dict[str, Any]:
        return network.track_step(  # type: ignore[no-any-return]
            t, t == 0, *views, points, mask, self._outputs, self._timed, prev_sam_mask_logits=previous
        )

    def keep(self, t: int, output: dict[str, Any]) -> None:
        key = "cond_frame_outputs" if t in (0, self.corrected_at) else "non_cond_frame_outputs"
        self._outputs[key][t] = output

    def detach(self) -> None:
        """Cut the gradients off, and forget what no later frame reads."""
        for kept in self._outputs.values():
            for t, output in kept.items():
                kept[t] = {
                    "maskmem_features": output["maskmem_features"].detach(),
                    "maskmem_pos_enc": [position.detach() for position in output["maskmem_pos_enc"]],
                    "obj_ptr": output["obj_ptr"].detach(),
                }


def _stretches(frames: int, weights: Weights) -> Iterator[int]:
    """Where each stretch ends: the frames that are not learned from, then `stretch` frames each, or all the rest."""
    stop = 0
    if weights.unwatched:
        stop = min(weights.unwatched, frames)
        yield stop
    while stop < frames:
        stop = min(stop + weights.stretch, frames) if weights.stretch else frames
        yield stop


class Unroller(nn.Module):
    """A network with the two helper heads that only training uses."""

    def __init__(self, network: Any, seed: int = 0) -> None:
        super().__init__()
        self.network = network
        self.device: torch.device = next(network.parameters()).device
        width = network.hidden_dim
        self.where = nn.Linear(width, 1).to(self.device)
        self.scenery = nn.Conv2d(width, 64, 1).to(self.device)
        self._rng = np.random.default_rng(seed)
        self._tokens: list[torch.Tensor] = []
        self._answers: list[tuple[torch.Tensor, ...]] = []
        decoder = network.sam_mask_decoder
        decoder.transformer.register_forward_hook(lambda _module, _given, made: self._tokens.append(made[1]))
        inner = decoder.predict_masks

        def listen(*args: Any, **kwargs: Any) -> Any:
            answer = inner(*args, **kwargs)
            self._answers.append(answer)
            return answer

        decoder.predict_masks = listen

    def forward(self, batch: Batch, weights: Weights) -> Iterator[Result]:
        """Loss and figures of each stretch of the clips; take the gradients of one before asking for the next."""
        frames = batch.images.shape[1]
        past = _Past(len(batch.masks) // len(batch.images), max(frames, _POINTERS))
        helping = self._rng.random() < weights.correction
        chance = self._rng.integers(weights.unwatched, max(frames - 1, 1))
        past.corrected_at = (-1 if weights.lost else int(chance)) if helping else frames
        first = 0
        for stop in _stretches(frames, weights):
            yield self._stretch(batch, weights, past, range(first, stop))
            past.detach()
            first = stop

    def tracked(self, batch: Batch) -> Iterator[tuple[int, torch.Tensor, torch.Tensor]]:
        """Track the objects of one clip without learning; yields frame, mask logits (N, 4, H, W) and quality (N, 4)."""
        clips, frames = batch.images.shape[:2]
        past = _Past(len(batch.masks) // clips, max(frames, _POINTERS))
        past.corrected_at = frames
        with torch.no_grad():
            features = self._encode(batch, range(frames))
            for t in range(frames):
                self._answers.clear()
                self._tokens.clear()
                views = self._views(features, clips, t, past.objects)
                past.keep(t, past.step(self.network, t, views, *(self._prompt(batch) if t == 0 else (None, None))))
                masks, quality, *_ = self._answers[0]
                yield t, masks.float(), quality.float()

    def _encode(self, batch: Batch, frames: range) -> dict[str, Any]:
        given = torch.from_numpy(batch.images[:, frames.start : frames.stop]).to(self.device)
        images = given.permute(0, 1, 4, 2, 3).float().div(255)
        shown = (images - _MEAN.to(self.device)) / _DEVIATION.to(self.device)
        return self.network.forward_image(shown.flatten(0, 1))  # type: ignore[no-any-return]

    def _stretch(self, batch: Batch, weights: Weights, past: _Past, frames: range) -> Result:
        network = self.network
        watched = frames.start >= weights.unwatched
        tokens = network.image_size // 16
        with torch.set_grad_enabled(watched and weights.encoder):
            features = self._encode(batch, frames)
        loss = torch.zeros((), device=self.device)
        if weights.scenery and watched:
            answer = F.pixel_shuffle(self.scenery(features["backbone_fpn"][-1]), 4).float()
            labels = batch.everything[:, frames.start : frames.stop]
            loss = loss + weights.scenery * scenery_loss(answer, labels.reshape(-1, *labels.shape[2:]))
        ious, presence, helped = [], [], float("nan")
        passes = 0
        for t in frames:
            truth = Truth.of(batch.masks[:, t], tokens, self.device)
            views = self._views(features, len(batch.images), t - frames.start, past.objects)
            points, mask = self._prompt(batch) if t == 0 else (None, None)
            self._answers.clear()
            self._tokens.clear()
            with torch.set_grad_enabled(watched):
                output = past.step(network, t, views, points, mask)
            before = self._iou(output, truth)
            if mask is None and (t == past.corrected_at or (past.corrected_at < 0 and before < weights.lost and t)):
                past.corrected_at = t
                click = self._click(output, batch.masks[:, t])
                if points is not None:
                    click = {key: torch.cat([points[key], click[key]], 1) for key in click}
                previous = output["pred_masks"].detach().clamp(-_LOGIT_LIMIT, _LOGIT_LIMIT)
                with torch.set_grad_enabled(watched):
                    output = past.step(network, t, views, click, None, previous)
                helped = self._iou(output, truth) - before
            past.keep(t, output)
            for (masks, quality, _, score), image_tokens in zip(self._answers, self._tokens, strict=True):
                if not watched:
                    break
                masks, quality, score = masks.float(), quality.float(), score.float()
                loss = loss + frame_loss(masks, quality, score, truth, balanced=weights.balanced)
                if weights.where:
                    loss = loss + weights.where * where_loss(self.where(image_tokens)[..., 0].float(), truth)
                passes += 1
            if mask is None:
                ious.append(self._iou(output, truth))
                presence.append(self._presence(output, truth))
        figures = {"loss": float(loss.detach()) / max(passes, 1), "correction": helped}
        if ious:
            figures |= {"last": ious[-1], "presence": float(np.mean(presence))}
        if frames.start == 0 and batch.mode != "mask":
            figures["first"] = ious[0]
        return Result(loss / max(passes, 1), figures)

    def _views(
        self, features: dict[str, Any], clips: int, t: int, objects: int
    ) -> tuple[list[torch.Tensor], list[torch.Tensor], list[tuple[int, int]]]:
        """Features of frame `t` of each clip, repeated for every object followed in it."""

        def pick(level: torch.Tensor) -> torch.Tensor:
            return level.unflatten(0, (clips, -1))[:, t].repeat_interleave(objects, 0)

        picked = {key: [pick(level) for level in features[key]] for key in ("backbone_fpn", "vision_pos_enc")}
        return self.network._prepare_backbone_features(picked)[1:]  # type: ignore[no-any-return]

    def _prompt(self, batch: Batch) -> tuple[dict[str, torch.Tensor] | None, torch.Tensor | None]:
        if batch.mode != "mask":
            return self._points(batch.points, batch.point_labels), None
        side = self.network.image_size
        full = torch.from_numpy(batch.masks[:, :1]).to(self.device).float()
        return None, (F.interpolate(full, size=(side, side), mode="area") > 0.5).float()

    def _click(self, output: dict[str, Any], masks: NDArray[np.bool_]) -> dict[str, torch.Tensor]:
        """A click on each object's error: anywhere, as `sam2` gives when it trains, or where a person would click."""
        side = self.network.image_size
        part = masks.shape[-1] // side
        shown = (output["pred_masks_high_res"][:, 0] > 0).cpu().numpy()
        truth = masks[:, part // 2 :: part, part // 2 :: part]
        points = np.zeros((len(masks), 1, 2), np.float32)
        labels = np.ones((len(masks), 1), np.int32)
        for n in range(len(masks)):
            wrong = truth[n] != shown[n]
            region = wrong if wrong.any() else truth[n] if truth[n].any() else ~truth[n]
            if self._rng.random() < _CAREFUL:
                y, x = error_middle(region)
            else:
                rows, columns = np.nonzero(region)
                chosen = self._rng.integers(rows.size)
                x, y = columns[chosen], rows[chosen]
            points[n, 0] = x, y
            labels[n, 0] = truth[n, y, x]
        return self._points(points, labels)

    def _points(self, points: NDArray[np.float32], labels: NDArray[np.int32]) -> dict[str, torch.Tensor]:
        given = {"point_coords": points, "point_labels": labels}
        return {key: torch.from_numpy(value).to(self.device) for key, value in given.items()}

    @staticmethod
    def _iou(output: dict[str, Any], truth: Truth) -> float:
        with torch.no_grad():
            each = cell_iou(output["pred_masks"][:, 0].float(), truth.cover)
        return float((each * truth.present).sum() / truth.present.sum().clamp(min=1))

    @staticmethod
    def _presence(output: dict[str, Any], truth: Truth) -> float:
        said = (output["object_score_logits"][:, 0] > 0).float()
        return float((said == truth.present).float().mean())


@contextlib.contextmanager
def lean_attention(device: str = "cpu") -> Iterator[None]:
    """On a CPU, plain attention: for the training's small token counts the fused kernel's way back is slow there."""
    if device != "cpu":
        yield
        return
    fused = F.scaled_dot_product_attention

    def plain(
        query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, dropout_p: float = 0.0, **_: Any
    ) -> torch.Tensor:
        with torch.autocast("cpu", enabled=False):
            value = value.to(query.dtype)
            scores = query @ key.to(query.dtype).transpose(-2, -1)
            return torch.softmax(scores * query.shape[-1] ** -0.5, -1) @ value

    F.scaled_dot_product_attention = plain  # type: ignore[assignment]
    try:
        yield
    finally:
        F.scaled_dot_product_attention = fused
