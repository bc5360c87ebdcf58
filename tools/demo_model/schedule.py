"""The stages of the training: single frames first, then clips with the memory, then the size it ships with."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from demo_model.unroll import Weights

_MODES = {"box": 0.4, "point": 0.45, "points": 0.15}
_CLIP_MODES = {"box": 0.37, "point": 0.38, "points": 0.1, "mask": 0.15}


@dataclass(frozen=True)
class Stage:
    """A stretch of training in which nothing but the learning rate changes.

    Parameters
    ----------
    side : int
        Side in pixels of the network's image.
    clips, objects, frames : int
        Clips in a batch, objects followed in each, frames of each.
    rate : float
        Highest learning rate; it rises over `warmup` steps and falls on a half cosine to `floor` of it.
    """

    name: str
    steps: int
    side: int
    clips: int
    objects: int
    frames: int
    rate: float
    weights: Weights
    modes: dict[str, float] = field(default_factory=lambda: _CLIP_MODES)
    warmup: int = 100
    floor: float = 0.1

    def rate_at(self, step: int) -> float:
        """Learning rate of the step, counted from 0 in this stage."""
        fall = self.floor + (1 - self.floor) * 0.5 * (1 + math.cos(math.pi * step / self.steps))
        return self.rate * min(1.0, (step + 1) / self.warmup) * fall


STAGES = (
    Stage("look", 900, 128, 12, 6, 1, 1.2e-3, Weights(2.0, 1.0, True), _MODES, floor=0.7),
    Stage("outline", 2600, 128, 12, 6, 1, 1e-3, Weights(0.5, 0.5, False, 0.2), _MODES, floor=0.4),
    Stage("remember", 1100, 128, 4, 4, 4, 8e-4, Weights(0.3, 0.2, False, 0.25), floor=0.5),
    Stage("follow", 1000, 128, 3, 4, 8, 5e-4, Weights(0.2, 0.0, False, 0.3), floor=0.4),
    Stage("finish", 1400, 256, 2, 4, 6, 4e-4, Weights(0.1, 0.0, False, 0.3), floor=0.02),
)
