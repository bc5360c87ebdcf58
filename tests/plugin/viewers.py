"""The viewer that the tests of one process share, since making one takes longer than most tests."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import pytest

STATE = ("camera", "cursor", "dims", "grid", "text_overlay", "tooltip")
MODEL_EVENTS = ("camera", "cursor", "dims", "grid", "layers", "tooltip")


class SharedViewer:
    """A viewer for one test after the other, each of which finds it as if it were new."""

    def __init__(self) -> None:
        self._patches = pytest.MonkeyPatch()
        self._kept: Any = None
        self._fresh: dict[str, Any] = {}

    def take(self) -> Any:
        """The viewer without layers; a new one where the last was closed or its test failed."""
        from napari.settings import get_settings

        if self._kept is None:
            self._patches.setattr("napari._qt.threads.status_checker.StatusChecker.start", lambda _: None)
            get_settings().reset()
            self._kept = self.make()
            self._fresh = _state(self._kept)
        return self._kept

    @staticmethod
    def make() -> Any:
        """Another viewer, which its test closes."""
        from napari import Viewer
        from qtpy.QtWidgets import QApplication

        viewer = Viewer(show=True, show_welcome_screen=False)
        # It waits for the mouse near a hidden menu bar, and sees every event of the application for that.
        QApplication.instance().removeEventFilter(viewer.window._qt_window)
        return viewer

    def give_back(self, *, failed: bool) -> None:
        """Empty the viewer for the next test, and fail where the widget left something of its own in it."""
        from napari.settings import get_settings

        viewer = self._kept
        if viewer is None:
            return
        get_settings().reset()
        if failed or not hasattr(viewer.window, "_qt_window"):
            self.close()
            return
        for dock in list(viewer.window._wrapped_dock_widgets.values()):
            inner = dock.widget()
            viewer.window.remove_dock_widget(dock)
            inner.close()
            inner.deleteLater()
        viewer.layers.clear()
        _delete_later()
        left = _let_go(viewer)
        if left:
            self.close()
            pytest.fail(f"The widget left behind in the viewer: {left}")
        for name, values in self._fresh.items():
            getattr(viewer, name).update(values)
        viewer.title, viewer.status, viewer.theme = "napari", "Ready", get_settings().appearance.theme

    def close(self) -> None:
        """Close the viewer; the next test gets a new one."""
        viewer, self._kept = self._kept, None
        if viewer is not None:
            close_viewer(viewer)
        self._patches.undo()


def close_viewer(viewer: Any) -> None:
    """Close a viewer without saving how large its window was."""
    if hasattr(viewer.window, "_qt_window"):
        with patch.object(viewer.window._qt_window, "_save_current_window_settings"):
            viewer.close()
    _delete_later()


def _state(viewer: Any) -> dict[str, Any]:
    return {name: getattr(viewer, name).model_dump() for name in STATE}


def _delete_later() -> None:
    from qtpy.QtCore import QCoreApplication, QEvent

    QCoreApplication.processEvents()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def _let_go(viewer: Any) -> list[str]:
    """Disconnect what a test connected to a viewer itself; gives what the plugin left there."""
    models = {"viewer": viewer} | {name: getattr(viewer, name) for name in MODEL_EVENTS}
    left = []
    for name, model in models.items():
        for event, emitter in model.events.emitters.items():
            for callback in list(emitter.callbacks):
                if "napari_sam2_video" in _module(callback):
                    left.append(f"{name}.events.{event}: {callback}")
                elif _module(callback).startswith("tests."):
                    emitter.disconnect(callback)
    for name in ("mouse_move_callbacks", "mouse_drag_callbacks", "mouse_wheel_callbacks"):
        callbacks = getattr(viewer, name)
        left += [f"{name}: {callback}" for callback in callbacks if "napari_sam2_video" in _module(callback)]
        callbacks[:] = [callback for callback in callbacks if not _module(callback).startswith("tests.")]
    left += [f"{key}: {action}" for key, action in viewer.keymap.items() if "napari_sam2_video" in _module(action)]
    viewer.keymap.clear()
    return left


def _module(callback: Any) -> str:
    if isinstance(callback, tuple):
        owner = callback[0]()
        return "" if owner is None else type(owner).__module__
    return getattr(callback, "__module__", None) or type(callback).__module__
