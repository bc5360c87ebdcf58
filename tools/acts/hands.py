"""What an act takes hold of, and the recording that it is done to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from pathlib import Path

SHAPE = (8, 64, 80)


@dataclass
class Hands:
    """A viewer with the widget, in the hands of somebody who decides by chance.

    Parameters
    ----------
    random : random.Random
        Decides.
    viewer : Viewer
        What is handled.
    folder : Path
        Where there are files to open, and where files are written.
    spin : callable
        Lets the window go on for so many seconds.
    on_opened : callable
        Called with each widget that is opened.
    """

    random: random.Random
    viewer: Any
    folder: Path
    spin: Callable[..., None]
    on_opened: Callable[[Any], None]

    def __post_init__(self) -> None:
        self.open_widget()

    def open_widget(self) -> None:
        """Open the widget, with all its sections."""
        self.dock, self.widget = self.viewer.window.add_plugin_dock_widget("napari-sam2-video")
        self.on_opened(self.widget)
        for section in self.widget.sections.values():
            section.set_expanded(True)

    def close_widget(self) -> None:
        """Close the widget, as its dock's button does."""
        self.viewer.window.remove_dock_widget(self.dock)
        self.dock = None

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
