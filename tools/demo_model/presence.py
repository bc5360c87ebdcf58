"""Train the score of presence alone: does the mask show its object?

The decoder's token that the score is read from holds more information than the score uses. So the small network that
reads it is trained on tokens collected while the model tracks, which needs no gradients through the rest. What the
model remembers depends on the score, so the next round tracks with the new one and adds its tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F

from demo_model.losses import VISIBLE, Truth, cell_iou
from demo_model.schedule import SINGLE_MODES

if TYPE_CHECKING:
    from demo_model.data import Dealer
    from demo_model.unroll import Unroller

RIGHT, LOST = 0.5, 0.3
_OBJECTS = 4
_HELD_OUT = 5
_PATIENCE = 12


@dataclass(frozen=True)
class Tokens:
    """What the score is read from, and what it should say; M tokens.

    Parameters
    ----------
    tokens : (M, C) float32 tensor
    right : (M,) float32 tensor
        1 where the mask shows its object, 0 where the object is not to be seen or the mask is elsewhere.
    clips : (M,) integer tensor
        The clip that each comes from.
    """

    tokens: torch.Tensor
    right: torch.Tensor
    clips: torch.Tensor

    def __add__(self, other: Tokens) -> Tokens:
        later = other.clips + int(self.clips.max()) + 1
        return Tokens(
            torch.cat([self.tokens, other.tokens]), torch.cat([self.right, other.right]), torch.cat([self.clips, later])
        )


def collect(unroller: Unroller, dealer: Dealer, clips: int, frames: int) -> Tokens:
    """Track four objects through each of `clips` clips; frames on which it is not clear what is right are left out."""
    found: list[torch.Tensor] = []
    head = unroller.network.sam_mask_decoder.pred_obj_score_head
    hook = head.register_forward_pre_hook(lambda _, given: found.append(given[0].detach().float()))
    tokens, rights, sources = [], [], []
    try:
        for clip in range(clips):
            batch = dealer.batch(1, _OBJECTS, frames, unroller.network.image_size, SINGLE_MODES)
            for t, masks, quality in unroller.tracked(batch):
                truth = Truth.of(batch.masks[:, t], unroller.network.image_size // 16, unroller.device)
                best = quality[:, 1:].argmax(1) + 1
                iou = cell_iou(masks[torch.arange(len(best)), best], truth.cover)
                there = truth.area >= VISIBLE
                right = there & (iou >= RIGHT)
                clear = right | (truth.area == 0) | (there & (iou < LOST))
                if t:
                    tokens.append(found[-1][clear])
                    rights.append(right[clear].float())
                    sources.append(torch.full((int(clear.sum()),), clip))
                found.clear()
    finally:
        hook.remove()
    return Tokens(torch.cat(tokens), torch.cat(rights), torch.cat(sources))


def fit(head: Any, data: Tokens, *, keep: float, epochs: int = 80, seed: int = 0) -> dict[str, float]:
    """Train the head in place; every fifth clip is held out and decides when to stop and where the threshold lies.

    Parameters
    ----------
    head : torch.nn.Module
        ``pred_obj_score_head`` of a mask decoder.
    data : Tokens
    keep : float
        Share of the right masks held out whose score is to be above 0.

    Returns
    -------
    dict
        Shares of the right and of the wrong masks held out whose score is above 0.
    """
    held = data.clips % _HELD_OUT == 0
    learned = (~held).nonzero()[:, 0]
    optimiser = torch.optim.AdamW(head.parameters(), lr=4e-4, weight_decay=0.05)
    order = torch.Generator().manual_seed(seed)
    best, state, waited = float("inf"), {}, 0
    for _ in range(epochs):
        for rows in learned[torch.randperm(len(learned), generator=order)].split(64):
            loss = F.binary_cross_entropy_with_logits(head(data.tokens[rows])[:, 0], data.right[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        with torch.no_grad():
            now = float(F.binary_cross_entropy_with_logits(head(data.tokens[held])[:, 0], data.right[held]))
        waited += 1
        if now < best:
            best, waited = now, 0
            state = {key: value.clone() for key, value in head.state_dict().items()}
        if waited >= _PATIENCE:
            break
    head.load_state_dict(state)
    with torch.no_grad():
        scores = head(data.tokens[held & (data.right > 0)])[:, 0]
        head.layers[-1].bias -= torch.quantile(scores, 1 - keep)
        above = (head(data.tokens)[:, 0] > 0).float()
    right = data.right > 0
    return {"right": float(above[held & right].mean()), "wrong": float(above[held & ~right].mean())}


def start_fresh(head: Any, seed: int = 0) -> None:
    """Give the head fresh random weights."""
    torch.manual_seed(seed)
    for layer in head.layers:
        torch.nn.init.kaiming_uniform_(layer.weight, a=np.sqrt(5))
        torch.nn.init.zeros_(layer.bias)
