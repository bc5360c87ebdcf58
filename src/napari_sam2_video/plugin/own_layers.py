"""The plugin's own layers: recognized by metadata instead of by name, and protected from accidental deletion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from napari_sam2_video.plugin.settings import PLUGIN

if TYPE_CHECKING:
    from napari.layers import Layer


_MADE: WeakSet[Layer] = WeakSet()
"""A duplicate made by the user has the same metadata, but belongs to the user."""


def mark_own(layer: Layer, what: str, *, locked: bool = True) -> None:
    """Note in a layer's metadata that it is the plugin's.

    Parameters
    ----------
    layer : Layer
        The layer.
    what : str
        What it shows.
    locked : bool
        Lock it, so that napari does not delete it with the Delete key or button; the user can unlock it in the layer's
        menu. napari before 0.9.2 has no lock.
    """
    layer.metadata[PLUGIN] = what
    _MADE.add(layer)
    if locked and hasattr(layer, "locked"):
        layer.locked = True


def own_layers(viewer: Any, what: str) -> list[Layer]:
    """The plugin's visible layers in a viewer, under any name."""
    return [layer for layer in viewer.layers if layer in _MADE and layer.metadata.get(PLUGIN) == what]
