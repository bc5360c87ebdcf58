"""What a person does to the layers, to the view, and to the widget as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from tools.acts.hands import SHAPE, recording

if TYPE_CHECKING:
    from tools.acts.hands import Hands

CHANGES = (
    "hide", "select", "labels", "remove", "image", "move", "rename", "delete selected", "another", "file", "data",
    "scale", "duplicate",
)  # fmt: skip
VIEWS = ("3D", "theme", "contrast", "close", "grid", "size", "order", "dock", "reset")


def change_layers(hands: Hands) -> str:
    """Do something to a layer or to the list."""
    layers = hands.viewer.layers
    what = hands.random.choice(CHANGES)
    layer = hands.random.choice(list(layers)) if layers else None
    images = [one for one in layers if type(one).__name__ == "Image"]
    if what == "labels":
        labels = np.zeros(SHAPE[1:], np.uint8)
        for number in range(1, 4):
            y, x = hands.random.randrange(50), hands.random.randrange(60)
            labels[y : y + 10, x : x + 10] = number
        hands.viewer.add_labels(labels, name="found")
    elif what == "image" or layer is None:
        if not images:
            hands.viewer.add_image(recording(), name="spots")
    elif what == "another" and len(images) < 3:
        hands.viewer.add_image(recording()[:, :, ::-1], name="other spots")
    elif what == "file" and len(images) < 3:
        hands.viewer.open(str(hands.folder / "recording.tif"))
    elif what == "hide":
        layer.visible = not layer.visible
    elif what == "select":
        layers.selection.active = layer
    elif what == "rename":
        layer.name = f"{layer.name[:12]} {hands.random.randrange(99)}"
    elif what == "delete selected":
        layers.remove_selected()
    elif what == "move":
        layers.move(layers.index(layer), hands.random.randrange(len(layers)))
    elif what == "duplicate" and len(layers) < 12:
        hands.viewer.layers.append(type(layer).create(*layer.as_layer_data_tuple()))
    elif what == "data" and images and hands.random.random() < 0.3:
        hands.random.choice(images).data = recording()[::-1]
    elif what == "scale" and images:
        image = hands.random.choice(images)
        image.scale = [hands.random.choice((1.0, 2.0))] * image.ndim
    elif what == "remove" and (layer is not hands.controller.image or hands.random.random() < 0.2):
        layers.remove(layer)
    return f"layers: {what} {layer}"


def change_view(hands: Hands) -> str:
    """Change how the viewer shows things, close the session, or close the widget and open it again."""
    what = hands.random.choice(VIEWS)
    dims = hands.viewer.dims
    if what == "3D":
        dims.ndisplay = 5 - dims.ndisplay
    elif what == "theme":
        hands.viewer.theme = hands.random.choice(("dark", "light"))
    elif what == "contrast" and "spots" in hands.viewer.layers:
        hands.viewer.layers["spots"].contrast_limits = (0, hands.random.randrange(50, 255))
    elif what == "grid":
        hands.grid.enabled = not hands.grid.enabled
    elif what == "size":
        hands.viewer.window.resize(*hands.random.choice(((1024, 768), (800, 600), (900, 640))))
    elif what == "order":
        order = hands.random.choice((tuple(range(dims.ndim)), (*range(1, dims.ndim), 0)))
        dims.order = order
    elif what == "reset":
        dims.order, dims.ndisplay = tuple(range(dims.ndim)), 2
        hands.viewer.reset_view()
    elif what == "close" and hands.random.random() < 0.5:
        hands.controller.close_session()
    elif what == "dock" and hands.random.random() < 0.3:
        hands.close_widget()
        hands.spin(hands.random.choice((0.0, 0.1)))
        hands.open_widget()
    return f"view: {what}"
