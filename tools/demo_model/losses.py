"""What the network is asked for: masks, their quality, whether the object is there, and two helpers for the encoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    from numpy.typing import NDArray

VISIBLE = 24
_OFFSET_SCALE = 32.0


@dataclass(frozen=True)
class Truth:
    """One frame's truth of N objects.

    Parameters
    ----------
    cover : (N, 4 * s, 4 * s) tensor
        Part of each cell of the mask logits that the object covers.
    coarse : (N, s, s) tensor
        The same at the stride of the image tokens.
    area : (N,) tensor
        Pixels of the full frame.
    """

    cover: torch.Tensor
    coarse: torch.Tensor
    area: torch.Tensor

    @classmethod
    def of(cls, masks: NDArray[np.bool_], tokens: int, device: torch.device) -> Truth:
        """Truth of (N, 256, 256) masks for a network with `tokens` image tokens a side."""
        full = torch.from_numpy(masks).to(device).float()
        cover = F.avg_pool2d(full[:, None], full.shape[-1] // (4 * tokens))[:, 0]
        return cls(cover, F.avg_pool2d(cover[:, None], 4)[:, 0], full.sum((1, 2)))

    @property
    def present(self) -> torch.Tensor:
        """(N,) 1 if there is enough of the object to be drawn."""
        return (self.area >= VISIBLE).float()


def dice(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """1 - the soft Dice of (..., H, W) logits and targets."""
    chance = logits.sigmoid()
    both = (chance * target).sum((-2, -1))
    return 1 - (2 * both + 1) / (chance.sum((-2, -1)) + target.sum((-2, -1)) + 1)


def balanced_bce(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Cross-entropy in which object and surroundings weigh the same."""
    share = target.mean((-2, -1), keepdim=True).clamp(0.005, 0.995)
    weight = 0.5 * target / share + 0.5 * (1 - target) / (1 - share)
    return (F.binary_cross_entropy_with_logits(logits, target, reduction="none") * weight).mean((-2, -1))


def area_bce(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Cross-entropy by the object's area, so that edges sit where they are and small objects count."""
    total = F.binary_cross_entropy_with_logits(logits, target, reduction="none").sum((-2, -1))
    cells = target.shape[-2] * target.shape[-1]
    return total / (target.sum((-2, -1)) + 0.004 * cells)


def cell_iou(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Intersection over union of (..., H, W) masks counted in cells."""
    mask, truth = (logits > 0).float(), (target > 0.5).float()
    both = (mask * truth).sum((-2, -1))
    return (both + 1e-6) / (mask.sum((-2, -1)) + truth.sum((-2, -1)) - both + 1e-6)


def frame_loss(
    masks: torch.Tensor, quality: torch.Tensor, score: torch.Tensor, truth: Truth, *, balanced: bool
) -> torch.Tensor:
    """Loss of one frame from the decoder's raw answer.

    Parameters
    ----------
    masks : (N, 4, H, W) tensor
        Logits of the single mask and the three candidates.
    quality : (N, 4) tensor
        Predicted IoU of each.
    score : (N, 1) tensor
        Logit of the object's being there.
    balanced : bool
        Weigh object and surroundings alike, as early training needs.
    """
    target = truth.cover[:, None].expand_as(masks)
    edges = 2 * balanced_bce(masks, target) if balanced else area_bce(masks, target)
    each = edges + dice(masks, target)
    several = each[:, 1:]
    mask_loss = 0.5 * each[:, 0] + 0.3 * several.mean(1) + 0.2 * several.min(1).values
    with torch.no_grad():
        actual = cell_iou(masks, target)
    quality_loss = (quality - actual).abs().mean(1)
    certain = ((truth.area == 0) | (truth.area >= VISIBLE)).float()
    weight = certain * torch.where(truth.area == 0, 2.0, 1.0)
    there = F.binary_cross_entropy_with_logits(score[:, 0], truth.present, reduction="none")
    seen = truth.present
    return ((mask_loss + 0.5 * quality_loss) * seen + 0.5 * there * weight).mean()


def where_loss(logits: torch.Tensor, truth: Truth) -> torch.Tensor:
    """Loss of a linear reading (N, s * s) of the decoder's image tokens: which of them lie in the object."""
    target = truth.coarse.flatten(1)[:, None]
    return (balanced_bce(logits[:, None], target) * truth.present).mean()


def scenery_loss(answer: torch.Tensor, labels: NDArray[np.uint8]) -> torch.Tensor:
    """Loss of a dense reading of the image encoder alone: object or not, borders, and the way to the object's middle.

    Parameters
    ----------
    answer : (N, 4, H, W) tensor
    labels : (N, 256, 256) array
        Ids of all objects.
    """
    step = labels.shape[-1] // answer.shape[-1]
    ids = labels[:, step // 2 :: step, step // 2 :: step]
    border = np.zeros(ids.shape, bool)
    border[:, 1:] |= ids[:, 1:] != ids[:, :-1]
    border[:, :, 1:] |= ids[:, :, 1:] != ids[:, :, :-1]
    away = np.zeros((len(ids), 2, *ids.shape[1:]), np.float32)
    rows, columns = np.mgrid[: ids.shape[1], : ids.shape[2]].astype(np.float32)
    for n, plane in enumerate(ids):
        count = np.maximum(np.bincount(plane.ravel(), minlength=256), 1)
        for axis, place in enumerate((rows, columns)):
            middle = np.bincount(plane.ravel(), place.ravel(), 256) / count
            away[n, axis] = (middle[plane] - place) * (step / _OFFSET_SCALE)
    inside, at_border = (torch.from_numpy(part).to(answer.device).float() for part in (ids > 0, border))
    ways = (answer[:, 2:] - torch.from_numpy(away).to(answer.device)).abs().sum(1)
    return (
        F.binary_cross_entropy_with_logits(answer[:, 0], inside)
        + F.binary_cross_entropy_with_logits(answer[:, 1], at_border)
        + (ways * inside).sum() / inside.sum().clamp(min=1)
    )
