"""Keep the viewer on a plane while something is drawn on it."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.plugin.layers import shown_point

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.layers import Layer
    from napari.viewer import Viewer

NEAR = 1e-6


def plane_held(viewer: Viewer, layer: Layer, event: Any) -> Iterator[None]:
    """Keep the viewer on one whole plane of a layer from the press of a mouse button until it is released.

    It is called in one of the layer's ``mouse_drag_callbacks``, before napari's own. napari's drawing tools raise a
    TypeError if their shape is not in view (napari 0.9.2), which happens if the viewer moves to another frame, or is
    between two frames of the layer because another layer has finer ones.
    """
    first = viewer.dims.ndim - layer.ndim
    hidden = [axis - first for axis in viewer.dims.not_displayed if axis >= first]
    place = np.round(shown_point(viewer, layer))[hidden]

    def hold() -> None:
        point = shown_point(viewer, layer)
        if np.allclose(point[hidden], place, rtol=0, atol=NEAR):
            return
        point[hidden] = place
        world = layer.data_to_world(point)
        viewer.dims.set_point([first + axis for axis in hidden], [float(world[axis]) for axis in hidden])
        # The event has the viewer's earlier position.
        at = np.array(event.position, float)
        drawn = np.array(layer.world_to_data(at[first:]), float)
        drawn[hidden] = place
        at[first:] = layer.data_to_world(drawn)
        inspect.unwrap(event).position = tuple(at.tolist())

    hold()
    yield
    while event.type == "mouse_move":
        hold()
        yield


def drop_drags(layer: Layer) -> None:
    """End a drag of the mouse in a layer, because what it draws is about to be replaced.

    napari's own callbacks would continue it, and there is no public way to end them.
    """
    layer._mouse_drag_gen.clear()
    layer._persisted_mouse_event.clear()
