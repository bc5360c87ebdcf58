"""Keys that work while the widget is open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari.layers import Layer
    from napari.viewer import Viewer


@dataclass(frozen=True)
class Key:
    """A key, its line and group on the sheet, and what it does; `on_layers` keys also replace the layers' own."""

    key: str
    title: str
    action: Callable[[], Any]
    on_layers: bool = False
    group: str = ""


class Keys:
    """Binds keys to the viewer, and some to layers, and gives all of them back as they were.

    Parameters
    ----------
    viewer : Viewer
        Where they work whatever layer is selected.
    keys : sequence of Key
        The keys.
    """

    def __init__(self, viewer: Viewer, keys: Sequence[Key]) -> None:
        self.keys = tuple(keys)
        self._viewer = viewer
        self._layers: list[Layer] = []
        self._before = dict(viewer.keymap)
        for key in self.keys:
            viewer.bind_key(key.key, _calling(key.action), overwrite=True)

    def bind_layers(self, layers: Sequence[Layer]) -> None:
        """Replace keys of these layers that napari gives another meaning, such as undo."""
        self._layers = list(layers)
        for layer in layers:
            for key in self.keys:
                if key.on_layers:
                    layer.bind_key(key.key, _calling(key.action), overwrite=True)

    def close(self) -> None:
        """Give every key back."""
        for key in self.keys:
            self._viewer.bind_key(key.key, None)
        self._viewer.keymap.update(self._before)
        for layer in self._layers:
            for key in self.keys:
                if key.on_layers:
                    layer.bind_key(key.key, None)
        self._layers = []
        self._viewer = None

    def listed(self) -> str:
        """All keys and what they do, as a small table for a person."""
        rows = []
        group = ""
        for key in self.keys:
            if key.group != group:
                group = key.group
                rows.append(f"<tr><td colspan=2><b>{group}</b></td></tr>")
            rows.append(f"<tr><td>&nbsp;{_shown(key.key)}&nbsp;&nbsp;</td><td>{key.title}</td></tr>")
        rows.append("<tr><td>&nbsp;?</td><td>This sheet</td></tr>")
        rows.append("<tr><td>&nbsp;Ctrl+click&nbsp;&nbsp;</td><td>A point or scribble of the other sign</td></tr>")
        return f"<table>{''.join(rows)}</table>"


def _calling(action: Callable[[], Any]) -> Callable[[Any], None]:
    def on_key(_: Any) -> None:
        action()

    return on_key


def _shown(key: str) -> str:
    parts = key.replace("Control", "Ctrl").replace("Escape", "Esc").split("-")
    return "+".join(part.upper() if len(part) == 1 else part for part in parts)
