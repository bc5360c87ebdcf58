"""What an act takes hold of, and the recording that it is done to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

SHAPE = (8, 64, 80)


@dataclass(frozen=True)
class Hands:
    """A viewer with the widget, in the hands of somebody who decides by chance.

    Parameters
    ----------
    random : random.Random
        Decides.
    viewer, widget
        What is handled.
    spin : callable
        Lets the window go on for so many seconds.
    """

    random: random.Random
    viewer: Any
    widget: Any
    spin: Callable[..., None]

    @property
    def controller(self) -> Any:
        """The controller of the widget."""
        return self.widget.controller

    @property
    def grid(self) -> Any:
        """The grid of the viewer."""
        return self.viewer.canvas.grid if hasattr(self.viewer, "canvas") else self.viewer.grid


def recording() -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Two bright spots that move on a dark ground, uint8 (T, Y, X)."""
    rows, columns = np.indices(SHAPE[1:])
    frames = np.full(SHAPE, 10, np.uint8)
    for t in range(SHAPE[0]):
        for y, x in ((20 + t, 20 + t), (44 - t, 60 - t)):
            frames[t][np.hypot(rows - y, columns - x) < 6] = 200
    return frames
