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

if TYPE_CHECKING:
    from collections.abc import Iterator

    from demo_model.data import Batch

_MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
_DEVIATION = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
_LOGIT_LIMIT = 32.0
_POINTERS = 16


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
    """

    where: float = 0.5
    scenery: float = 0.0
    balanced: bool = False
    correction: float = 0.0
    unwatched: int = 0


@dataclass(frozen=True)
class Result:
    """Loss to walk down, and what to write in the log."""

    loss: torch.Tensor
    figures: dict[str, float]


class Unroller(nn.Module):
    """A network with the two helper heads that only training uses."""

    def __init__(self, network: Any, seed: int = 0) -> None:
        super().__init__()
        self.network = network
        width = network.hidden_dim
        self.where = nn.Linear(width, 1)
        self.scenery = nn.Conv2d(width, 64, 1)
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

    def forward(self, batch: Batch, weights: Weights) -> Result:
        network = self.network
        clips, frames = batch.images.shape[:2]
        objects = len(batch.masks) // clips
        tokens = network.image_size // 16
        images = torch.from_numpy(batch.images).flatten(0, 1).permute(0, 3, 1, 2).float().div(255)
        images = ((images - _MEAN) / _DEVIATION).unflatten(0, (clips, frames))
        features = self._encode(images, weights.unwatched)
        loss = torch.zeros(())
        if weights.scenery:
            answer = F.pixel_shuffle(self.scenery(features["backbone_fpn"][-1].flatten(0, 1)), 4).float()
            labels = batch.everything.reshape(-1, *batch.everything.shape[2:])
            loss = loss + weights.scenery * scenery_loss(answer, labels)

        def of_frame(t: int) -> tuple[list[torch.Tensor], list[torch.Tensor], list[tuple[int, int]]]:
            def pick(level: torch.Tensor) -> torch.Tensor:
                return level[:, t].repeat_interleave(objects, 0)

            picked = {key: [pick(level) for level in features[key]] for key in ("backbone_fpn", "vision_pos_enc")}
            return network._prepare_backbone_features(picked)[1:]  # type: ignore[no-any-return]

        past: dict[str, dict[int, Any]] = {"cond_frame_outputs": {}, "non_cond_frame_outputs": {}}
        helping = self._rng.random() < weights.correction
        corrected = int(self._rng.integers(weights.unwatched, max(frames - 1, 1))) if helping else -1
        ious, presence, helped = [], [], []
        passes = 0
        for t in range(frames):
            truth = Truth.of(batch.masks[:, t], tokens)
            vision, positions, sizes = of_frame(t)
            points, mask = self._prompt(batch) if t == 0 else (None, None)

            def step(
                points: dict[str, torch.Tensor] | None,
                mask: torch.Tensor | None,
                previous: torch.Tensor | None = None,
                t: int = t,
                vision: Any = vision,
                positions: Any = positions,
                sizes: Any = sizes,
            ) -> dict[str, Any]:
                with torch.set_grad_enabled(t >= weights.unwatched):
                    return network.track_step(  # type: ignore[no-any-return]
                        t, t == 0, vision, positions, sizes, points, mask, past, max(frames, _POINTERS),
                        run_mem_encoder=t < frames - 1, prev_sam_mask_logits=previous,
                    )  # fmt: skip

            self._answers.clear()
            self._tokens.clear()
            output = step(points, mask)
            if t == corrected and mask is None:
                before = self._iou(output, truth)
                click = self._click(output, batch.masks[:, t])
                if points is not None:
                    click = {key: torch.cat([points[key], click[key]], 1) for key in click}
                previous = output["pred_masks"].detach().clamp(-_LOGIT_LIMIT, _LOGIT_LIMIT)
                output = step(click, None, previous)
                helped.append(self._iou(output, truth) - before)
            heard = zip(self._answers, self._tokens, strict=True) if t >= weights.unwatched else ()
            for (masks, quality, _, score), image_tokens in heard:
                masks, quality, score = masks.float(), quality.float(), score.float()
                loss = loss + frame_loss(masks, quality, score, truth, balanced=weights.balanced)
                if weights.where:
                    loss = loss + weights.where * where_loss(self.where(image_tokens)[..., 0].float(), truth)
                passes += 1
            key = "cond_frame_outputs" if t == 0 or t == corrected else "non_cond_frame_outputs"
            past[key][t] = output
            if mask is None:
                ious.append(self._iou(output, truth))
                presence.append(self._presence(output, truth))
            else:
                ious.append(float("nan"))
        figures = {"loss": float(loss.detach()) / max(passes, 1), "first": ious[0], "last": ious[-1]}
        figures["presence"] = float(np.mean(presence)) if presence else float("nan")
        figures["correction"] = helped[0] if helped else float("nan")
        return Result(loss / max(passes, 1), figures)

    def _encode(self, images: torch.Tensor, unwatched: int) -> dict[str, list[torch.Tensor]]:
        """Features (B, T, …) of (B, T, 3, S, S) images, those of the first `unwatched` frames without gradient."""
        parts = []
        for watched, part in ((False, images[:, :unwatched]), (True, images[:, unwatched:])):
            if part.shape[1]:
                with torch.set_grad_enabled(watched):
                    parts.append((self.network.forward_image(part.flatten(0, 1)), part.shape[:2]))
        return {
            key: [
                torch.cat([made[key][n].unflatten(0, shape) for made, shape in parts], 1)
                for n in range(len(parts[0][0][key]))
            ]
            for key in ("backbone_fpn", "vision_pos_enc")
        }

    def _prompt(self, batch: Batch) -> tuple[dict[str, torch.Tensor] | None, torch.Tensor | None]:
        if batch.mode != "mask":
            return {
                "point_coords": torch.from_numpy(batch.points),
                "point_labels": torch.from_numpy(batch.point_labels),
            }, None
        side = self.network.image_size
        full = torch.from_numpy(batch.masks[:, :1].astype(np.float32))
        return None, (F.interpolate(full, size=(side, side), mode="area") > 0.5).float()

    def _click(self, output: dict[str, Any], masks: np.ndarray[Any, Any]) -> dict[str, torch.Tensor]:
        """A click on each object's error, as `sam2` gives when it trains."""
        side = self.network.image_size
        part = masks.shape[-1] // side
        shown = (output["pred_masks_high_res"][:, 0] > 0).numpy()
        truth = masks[:, part // 2 :: part, part // 2 :: part]
        points = np.zeros((len(masks), 1, 2), np.float32)
        labels = np.ones((len(masks), 1), np.int32)
        for n in range(len(masks)):
            wrong = truth[n] != shown[n]
            rows, columns = np.nonzero(wrong if wrong.any() else truth[n])
            if not rows.size:
                rows, columns = np.nonzero(~truth[n])
            chosen = self._rng.integers(rows.size)
            points[n, 0] = columns[chosen], rows[chosen]
            labels[n, 0] = truth[n, rows[chosen], columns[chosen]]
        return {"point_coords": torch.from_numpy(points), "point_labels": torch.from_numpy(labels)}

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
def lean_attention() -> Iterator[None]:
    """Plain attention for the training's small token counts, where the fused kernel's way back is slow on a CPU."""
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
