"""Split an object along a line that the user draws across it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer

from napari_sam2_video.plugin.layers import take_off, transform_of
from napari_sam2_video.plugin.own_layers import mark_own, own_layers

if TYPE_CHECKING:
    from napari_sam2_video.plugin.controller import Controller

LINE_NAME, LINE = "SAM 2 cutting line", "cutting line"


def split_along_line(controller: Controller, object_id: int) -> None:
    """Let the user draw a line, split the object along it on that frame, and remove the line."""
    from napari.layers import Shapes

    session, viewer, geometry, image = controller.session, controller.viewer, controller.geometry, controller.image
    if session is None or geometry is None or image is None:
        return
    before = viewer.layers.selection.active
    width = max(1.0, max(geometry.shape_yx) / 200)
    layer = Shapes(ndim=geometry.ndim, name=LINE_NAME, edge_color="white", edge_width=width, **transform_of(image))

    def put_away(*_: Any) -> None:
        if layer in viewer.layers:
            controller.session_changed.disconnect(put_away)
            take_off(viewer, layer)
            viewer.layers.selection.active = before if before in viewer.layers else None

    def cut() -> None:
        if layer in viewer.layers and not len(layer.data):
            # napari drops lines that are too short but keeps their colour, and then fails on the switch to 3D.
            layer.data = []
        elif layer in viewer.layers:
            pixels = [geometry.to_pixel(point) for point in layer.data[-1]]
            put_away()
            line_yx = [(y, x) for _, y, x in pixels]
            controller.actions.change_objects(partial(session.split_object, object_id, pixels[0][0], line_yx))

    def on_data(event: Any) -> None:
        if str(event.action) == "added":
            # napari has not finished its own drawing at this point.
            QTimer.singleShot(0, cut)

    take_off(viewer, *own_layers(viewer, LINE))
    mark_own(layer, LINE, locked=False)
    viewer.add_layer(layer)
    controller.session_changed.connect(put_away)
    layer.bind_key("Escape", lambda _: put_away(), overwrite=True)
    layer.events.data.connect(on_data)
    viewer.layers.selection.active = layer
    layer.mode = "add_path"
    if layer.mode != "add_path":
        put_away()
        controller.notified.emit("info", "The viewer shows three dimensions; a line is drawn in two.")
        return
    controller.notified.emit("status", f"Draw a line across object {object_id}; Escape cancels.")
