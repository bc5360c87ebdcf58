"""Watch changes of the viewer's image layers."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Image

    from napari_sam2_video.plugin.controller import Controller

WATCHED = ("data", "scale", "translate", "axis_labels", "contrast_limits")


class ImageWatch:
    """Reports changes of image layers that affect what can be tracked in them, and which can be combined.

    Parameters
    ----------
    controller : Controller
        Provides the viewer.
    changed : callable
        Called with the layer and the name of what changed: ``"data"``, ``"scale"``, ``"translate"``, ``"axis_labels"``
        or ``"contrast_limits"``.
    """

    def __init__(self, controller: Controller, changed: Callable[[Image, str], Any]) -> None:
        self._changed = changed
        self._watched: list[tuple[Image, Callable[[Any], None]]] = []
        controller.at_close(lambda: self.watch([]))

    def watch(self, images: list[Image]) -> None:
        """Watch these layers and no others."""
        kept = []
        for layer, callback in self._watched:
            if any(layer is one for one in images):
                kept.append((layer, callback))
            else:
                for name in WATCHED:
                    layer.events[name].disconnect(callback)
        for layer in images:
            if not any(layer is one for one, _ in kept):
                callback = partial(self._on_event, layer)
                for name in WATCHED:
                    layer.events[name].connect(callback)
                kept.append((layer, callback))
        self._watched = kept

    def _on_event(self, layer: Image, event: Any) -> None:
        self._changed(layer, str(event.type))
