"""What a side hands over: masks as label images, and what they cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Cost:
    """Seconds of a run by the clock and of CPU time, from the prompts on.

    Parameters
    ----------
    first, first_cpu : float
        To the first frame's masks; the network is loaded already.
    each, each_cpu : float
        For each further frame.
    """

    first: float
    first_cpu: float
    each: float
    each_cpu: float


@dataclass(frozen=True)
class Tracked:
    """Label images (T, Y, X) in which the highest logit wins, the same after a correction, and the cost."""

    labels: NDArray[np.uint16]
    cost: Cost
    corrected: NDArray[np.uint16] | None = None
    peak_mb: float = 0.0


def cost_of(marks: list[tuple[float, float]]) -> Cost:
    """Cost of a run from (clock, processor) at its begin and after each frame; two marks at least."""
    begin, first, last = marks[0], marks[1], marks[-1]
    steps = max(len(marks) - 2, 1)
    return Cost(first[0] - begin[0], first[1] - begin[1], (last[0] - first[0]) / steps, (last[1] - first[1]) / steps)
