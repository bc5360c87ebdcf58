"""The stages of the training: single frames first, then clips with the memory, then the size it ships with."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from demo_model.unroll import Weights

SINGLE_MODES = {"box": 0.4, "point": 0.45, "points": 0.15}
_CLIP_MODES = {"box": 0.37, "point": 0.38, "points": 0.1, "mask": 0.15}


@dataclass(frozen=True)
class Stage:
    """A stretch of training in which nothing but the learning rate changes.

    Parameters
    ----------
    side : int
        Side in pixels of the network's image.
    clips, objects, frames : int
        Clips in one worker's share of a batch, objects followed in each, frames of each.
    recordings : str
        Collection to take clips from.
    crowded : float
        Part of the steps that are spent on single frames of many small nuclei instead.
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
    recordings: str = "short"
    crowded: float = 0.0
    warmup: int = 100
    floor: float = 0.1

    def rate_at(self, step: int) -> float:
        """Learning rate of the step, counted from 0 in this stage."""
        fall = self.floor + (1 - self.floor) * 0.5 * (1 + math.cos(math.pi * step / self.steps))
        return self.rate * min(1.0, (step + 1) / self.warmup) * fall


STAGES = (
    Stage("look", 900, 128, 6, 6, 1, 1.2e-3, Weights(2.0, 1.0, True), SINGLE_MODES, floor=0.7),
    Stage("outline", 1100, 128, 8, 6, 1, 1e-3, Weights(0.5, 0.5, False, 0.2), SINGLE_MODES, floor=0.5),
    Stage("remember", 800, 128, 2, 4, 4, 8e-4, Weights(0.3, 0.2, False, 0.25), floor=0.7),
    Stage("finish", 500, 256, 1, 6, 3, 5e-4, Weights(0.1, 0.0, False, 0.2), floor=0.8, warmup=20),
    Stage(
        "endure", 900, 256, 1, 4, 12, 4e-4, Weights(0.1, 0.0, False, 0.3, 9),
        floor=0.04, warmup=10, recordings="long", crowded=0.3,
    ),
    Stage(
        "withstand", 420, 256, 1, 4, 20, 3e-4, Weights(0.0, 0.0, False, 0.6, 0, 4, 0.75, encoder=False),
        floor=0.1, warmup=20, recordings="hard", crowded=0.08,
    ),
)  # fmt: skip
