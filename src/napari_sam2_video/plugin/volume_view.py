"""A volume in the viewer: planes across each axis, the crosshair, and switching to 3D and back."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.plugin.layers import put_on, take_off, transform_of
from napari_sam2_video.plugin.own_layers import mark_own
from napari_sam2_video.plugin.plane_views import FLAT, planes_of, show_across

if TYPE_CHECKING:
    from napari.layers import Layer, Vectors

    from napari_sam2_video.plugin.controller import Controller

CROSSHAIR_NAME = "SAM 2 crosshair"
CROSSHAIR_COLOR = "#f0e442"


class VolumeView:
    """How the session's volume is displayed."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._viewer: Any = controller.viewer
        self._modes: dict[int, tuple[Layer, str]] = {}
        self._active: Layer | None = None
        self._crosshair: Vectors | None = None
        self._on = False
        controller.listen(self._viewer.dims.events.ndisplay, self._on_ndisplay)
        controller.listen(self._viewer.layers.selection.events.active, self._on_active)
        controller.listen(self._viewer.dims.events.point, self._draw)
        controller.session_changed.connect(self._on_session)
        self._viewer.mouse_drag_callbacks.append(self._on_press)
        controller.at_close(self.close)

    def axes(self) -> tuple[str, ...]:
        """Axes of the volume, the session's own first; empty without a volume."""
        session = self._controller.session
        axes = () if session is None else session.planes.axes
        return axes if len(axes) > 1 else ()

    def show_across(self, axis: str) -> None:
        """Show the planes across an axis of the volume, at the position of the sliders."""
        controller = self._controller
        if controller.view is None or axis not in self.axes():
            return
        self._viewer.dims.ndisplay = FLAT
        planes = planes_of(controller.view.geometry, controller.view.session)
        show_across(self._viewer, controller.view.image, planes, axis)

    def show_in_3d(self) -> None:
        """Show the masks in 3D, or return to the planes with the same tools armed."""
        self._viewer.dims.ndisplay = FLAT if self._viewer.dims.ndisplay > FLAT else FLAT + 1

    def set_crosshair(self, on: bool) -> None:
        """Turn the crosshair on or off: it moves the planes of all axes to the clicked voxel."""
        self._on = on
        self._draw()

    def set_brush_through(self, on: bool) -> None:
        """Paint a ball through the planes, or a disc on the shown plane; both are round in real units."""
        masks = self._controller.masks
        layer = None if masks is None else masks.masks
        if layer is not None:
            layer.n_edit_dimensions = FLAT + 1 if on and layer.ndim > FLAT else FLAT

    def close(self) -> None:
        """Disconnect from the viewer."""
        self._modes.clear()
        if self._on_press in self._viewer.mouse_drag_callbacks:
            self._viewer.mouse_drag_callbacks.remove(self._on_press)
        self._take_crosshair()

    def _on_session(self) -> None:
        self._take_crosshair()
        self._modes.clear()
        for layer in self._layers():
            layer.events.mode.connect(partial(self._on_mode, layer))
            self._on_mode(layer)
        self._draw()

    def _layers(self) -> list[Layer]:
        controller = self._controller
        if controller.prompts is None or controller.masks is None:
            return []
        own = (controller.prompts.points, controller.prompts.shapes, controller.masks.masks)
        return [layer for layer in own if layer is not None]

    def _on_mode(self, layer: Layer, *_: Any) -> None:
        if self._viewer.dims.ndisplay == FLAT:
            self._modes[id(layer)] = (layer, str(layer.mode))

    def _on_active(self) -> None:
        if self._viewer.dims.ndisplay == FLAT and self._viewer.layers.selection.active in self._layers():
            self._active = self._viewer.layers.selection.active

    def _on_ndisplay(self) -> None:
        """Rearm the tools that napari drops in 3D."""
        if self._viewer.dims.ndisplay != FLAT:
            return
        for layer, mode in list(self._modes.values()):
            if layer in self._viewer.layers and str(layer.mode) != mode:
                layer.mode = mode
        if self._active is not None and self._active in self._viewer.layers:
            self._viewer.layers.selection.active = self._active

    def _on_press(self, _: Any, event: Any) -> None:
        """Move the planes across all axes to the clicked voxel."""
        view = self._controller.view
        if not self._on or view is None or not self.axes() or self._viewer.dims.ndisplay != FLAT:
            return
        self._viewer.dims.set_point(range(self._viewer.dims.ndim), [float(at) for at in event.position])

    def _draw(self, *_: Any) -> None:
        """Draw the lines through the voxel in which all planes meet."""
        view = self._controller.view
        if not self._on or view is None or not self.axes():
            self._take_crosshair()
            return
        from napari.layers import Vectors

        geometry, image = view.geometry, view.image
        first = self._viewer.dims.ndim - image.ndim
        point = np.round(image.world_to_data(np.asarray(self._viewer.dims.point, float)[first:]))
        lines = []
        for axis in (geometry.axes.index(letter) for letter in self.axes()):
            start, along = np.array(point, float), np.zeros(image.ndim)
            # No farther than the voxel centres, or napari would number the planes from another origin.
            start[axis], along[axis] = 0, geometry.shape[axis] - 1
            lines.append((start, along))
        data = np.array(lines)
        if self._crosshair is None or self._crosshair not in self._viewer.layers:
            self._crosshair = Vectors(
                data, name=CROSSHAIR_NAME, edge_width=max(geometry.shape_yx) / 800, vector_style="line",
                edge_color=CROSSHAIR_COLOR, opacity=0.8, **transform_of(image),
            )  # fmt: skip
            mark_own(self._crosshair, "crosshair", locked=False)
            put_on(self._viewer, self._crosshair)
        elif not np.array_equal(self._crosshair.data, data):
            self._crosshair.data = data

    def _take_crosshair(self) -> None:
        take_off(self._viewer, self._crosshair)
        self._crosshair = None
