"""Keys that work while the widget is open, and can be changed among napari's own shortcuts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from qtpy.QtCore import QTimer

from napari_sam2_video.plugin.settings import PLUGIN, read_settings, write_setting

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari.layers import Layer
    from napari.viewer import Viewer


# napari has one action manager for all viewers; it knows the actions of the widget that was opened last.
_OWNER: WeakValueDictionary[str, Keys] = WeakValueDictionary()


class _Keymap:
    """What napari's action manager binds to: the keymap of one viewer."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer

    def bind_key(self, key: Any, *function: Any, **options: Any) -> Any:
        return self._viewer.bind_key(key, *function, **options)


@dataclass(frozen=True)
class Key:
    """A default key, its line and group on the key sheet, and its action.

    `on_layers` keys also replace those of layers. A changed key is stored under a name derived from the title.
    """

    key: str
    title: str
    action: Callable[[], Any]
    on_layers: bool = False
    group: str = ""

    @property
    def name(self) -> str:
        """Name of the action in napari."""
        words = "".join(letter if letter.isalnum() else " " for letter in self.title.lower()).split()
        return f"{PLUGIN}:{'_'.join(words)}"


class Keys:
    """Binds keys to the viewer, and some to layers, and restores all of them at the end.

    They are registered with napari's action manager, so that *Preferences → Shortcuts* can change them. At startup,
    napari warns about shortcuts whose actions do not exist yet, so changed ones are stored in the plugin's settings.

    Parameters
    ----------
    viewer : Viewer
        The viewer, where they work with any layer selected.
    keys : sequence of Key
        The keys.
    """

    def __init__(self, viewer: Viewer, keys: Sequence[Key]) -> None:
        from napari.settings import get_settings
        from napari.utils.action_manager import action_manager

        self.keys = tuple(keys)
        self._viewer = viewer
        self._manager = action_manager
        self._settings = get_settings().shortcuts
        self._layers: list[Layer] = []
        self._before = dict(viewer.keymap)
        self._bound: dict[str, list[str]] = {key.name: [] for key in self.keys}
        _OWNER[PLUGIN] = self
        chosen = _read_chosen()
        keymap = _Keymap(viewer)
        for key in self.keys:
            action_manager.register_action(key.name, _calling(key.action), f"SAM 2: {key.title}", keymap)
            self._bind(key, chosen.get(key.name, [key.key]))
        action_manager.events.shortcut_changed.connect(self._on_changed)
        self._settings.events.shortcuts.connect(self._on_settings)
        self._leave_napari_alone()

    def _bind(self, key: Key, shortcuts: Sequence[str]) -> None:
        self._bound[key.name] = [_binding(shortcut) for shortcut in shortcuts]
        for shortcut in self._bound[key.name]:
            self._manager.bind_shortcut(key.name, shortcut)
            # If another viewer has the widget, too, napari already knows the shortcut.
            self._viewer.bind_key(shortcut, _calling(key.action), overwrite=True)

    def _on_changed(self, event: Any) -> None:
        """A shortcut of any action was added, or all of one were removed."""
        key = next((key for key in self.keys if key.name == event.name), None)
        if key is None or _OWNER.get(PLUGIN) is not self:
            return
        bound = self._bound[key.name]
        if not event.shortcut:
            self._on_layers(key, bind=False)
            bound.clear()
        elif _binding(event.shortcut) not in bound:
            bound.append(_binding(event.shortcut))
            self._on_layers(key, bind=True)
        changed = {key.name: self._bound[key.name] for key in self.keys if self._bound[key.name] != [_binding(key.key)]}
        write_setting("interface", "keys", json.dumps(changed))

    def _on_settings(self, *_: Any) -> None:
        QTimer.singleShot(0, self._leave_napari_alone)

    def _leave_napari_alone(self) -> None:
        """Remove the plugin's shortcuts from napari's settings."""
        found = self._settings.shortcuts
        others = {name: shortcuts for name, shortcuts in found.items() if not name.startswith(f"{PLUGIN}:")}
        if len(others) != len(found):
            self._settings.shortcuts = others

    def restore(self) -> None:
        """Reset all shortcuts to their defaults."""
        for key in self.keys:
            self._manager.unbind_shortcut(key.name)
            self._manager.bind_shortcut(key.name, _binding(key.key))

    def bind_layers(self, layers: Sequence[Layer]) -> None:
        """Replace keys of these layers that have another meaning in napari, such as undo."""
        self._layers = list(layers)
        for key in self.keys:
            self._on_layers(key, bind=True)

    def _on_layers(self, key: Key, *, bind: bool) -> None:
        if key.on_layers:
            for layer in self._layers:
                for shortcut in self._bound[key.name]:
                    if bind:
                        layer.bind_key(shortcut, _calling(key.action), overwrite=True)
                    else:
                        layer.bind_key(shortcut, None)

    def close(self) -> None:
        """Restore every key, and remove the actions from napari's list."""
        self._manager.events.shortcut_changed.disconnect(self._on_changed)
        self._settings.events.shortcuts.disconnect(self._on_settings)
        own = _OWNER.get(PLUGIN) is self
        for key in self.keys:
            self._on_layers(key, bind=False)
            for shortcut in self._bound[key.name]:
                self._viewer.bind_key(shortcut, None)
            if own:
                self._manager.unbind_shortcut(key.name)
                # An action without a keymap is not listed, and keeps no reference to this viewer.
                self._manager.register_action(key.name, _nothing, f"SAM 2: {key.title}", None)
        if own:
            del _OWNER[PLUGIN]
        self._viewer.keymap.update(self._before)
        self._layers = []
        self._viewer = None

    def shown(self, key: Key) -> str:
        """The current shortcuts of a key, as text."""
        return " or ".join(_shown(shortcut) for shortcut in self._bound[key.name]) or "–"

    def listed(self) -> str:
        """All keys and what they do, in two columns of groups."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for key in self.keys:
            groups.setdefault(key.group, []).append((self.shown(key), key.title))
        groups.setdefault("Prompts", []).append(("Ctrl+click", "A point of the other sign"))
        groups.setdefault("Session", []).append(("?", "This sheet"))
        columns, room = ["", ""], [0, 0]
        for group, lines in groups.items():
            # The first column holds half of all lines.
            at = int(2 * room[0] >= len(self.keys))
            rows = (f"<tr><td>&nbsp;{key}&nbsp;&nbsp;</td><td>{title}</td></tr>" for key, title in lines)
            columns[at] += f"<tr><td colspan=2><b>{group}</b></td></tr>{''.join(rows)}"
            room[at] += len(lines)
        cells = "".join(f"<td><table>{column}</table></td>" for column in columns)
        return f"<table cellspacing=8><tr>{cells}</tr></table>"


def _read_chosen() -> dict[str, list[str]]:
    """Shortcuts that the user changed, by action name."""
    try:
        found = json.loads(read_settings().keys or "{}")
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {str(name): [str(one) for one in bound] for name, bound in found.items() if isinstance(bound, list)}


def _binding(key: Any) -> str:
    """A shortcut in napari's notation."""
    from napari.utils.key_bindings import coerce_keybinding

    return str(coerce_keybinding(key))


def _calling(action: Callable[[], Any]) -> Callable[..., None]:
    def on_key(_: Any = None) -> None:
        action()

    return on_key


def _nothing() -> None:
    """Do nothing: the action of a key while no widget is open."""


def _shown(key: str) -> str:
    names = {"Escape": "Esc", "Left": "←", "Right": "→", "Up": "↑", "Down": "↓"}
    return "+".join(names.get(part, part) for part in key.split("+"))
