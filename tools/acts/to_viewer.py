"""What a person does to the layers and to the view."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from tools.acts.hands import SHAPE, recording

if TYPE_CHECKING:
    from tools.acts.hands import Hands


def change_layers(hands: Hands) -> str:
    """Do something to a layer or to the list."""
    layers = hands.viewer.layers
    what = hands.random.choice(("hide", "select", "labels", "remove", "image", "move", "rename", "delete selected"))
    layer = hands.random.choice(list(layers)) if layers else None
    if what == "labels":
        labels = np.zeros(SHAPE[1:], np.uint8)
        for number in range(1, 4):
            y, x = hands.random.randrange(50), hands.random.randrange(60)
            labels[y : y + 10, x : x + 10] = number
        hands.viewer.add_labels(labels, name="found")
    elif what == "image" or layer is None:
        if not any(type(one).__name__ == "Image" for one in layers):
            hands.viewer.add_image(recording(), name="spots")
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
    elif layer is not hands.controller.image or hands.random.random() < 0.2:
        layers.remove(layer)
    return f"layers: {what} {layer}"


def change_view(hands: Hands) -> str:
    """Change how the viewer shows things, or close the session."""
    what = hands.random.choice(("3D", "theme", "contrast", "close", "grid", "size"))
    if what == "3D":
        hands.viewer.dims.ndisplay = 5 - hands.viewer.dims.ndisplay
    elif what == "theme":
        hands.viewer.theme = hands.random.choice(("dark", "light"))
    elif what == "contrast" and "spots" in hands.viewer.layers:
        hands.viewer.layers["spots"].contrast_limits = (0, hands.random.randrange(50, 255))
    elif what == "grid":
        hands.grid.enabled = not hands.grid.enabled
    elif what == "size":
        hands.viewer.window.resize(*hands.random.choice(((1100, 760), (1024, 768), (1280, 800), (800, 600))))
    elif what == "close":
        hands.controller.close_session()
    return f"view: {what}"
