"""Keep the keyboard focus on the viewer after clicks in the widget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtWidgets import QAbstractSpinBox, QApplication, QLineEdit, QWidget

if TYPE_CHECKING:
    from napari.viewer import Viewer

DONE = {Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Escape}


class KeyboardFocus(QObject):
    """Returns the keyboard focus to the canvas after a click on a button, a list, the table or the timeline.

    Only fields for text or numbers keep it, until Enter or Escape. Arrow keys, Space and the widget's own keys
    therefore act on the viewer, and never press a button.
    """

    def __init__(self, viewer: Viewer, widget: QWidget) -> None:
        super().__init__(widget)
        self._viewer: Any = viewer
        self._widget = widget
        app: Any = QApplication.instance()
        app.focusChanged.connect(self._on_focus)
        self._app = app

    def _on_focus(self, _: QWidget | None, now: QWidget | None) -> None:
        if now is None or not self._widget.isAncestorOf(now):
            return
        if isinstance(now, QLineEdit | QAbstractSpinBox):
            now.installEventFilter(self)
        elif QApplication.activePopupWidget() is None:
            self.give_back()

    def eventFilter(self, watched: Any, event: Any) -> bool:  # noqa: D102
        if event.type() == QEvent.Type.KeyPress and event.key() in DONE:
            # The field handles the key first.
            QTimer.singleShot(0, self.give_back)
        elif event.type() == QEvent.Type.FocusOut:
            watched.removeEventFilter(self)
        return super().eventFilter(watched, event)

    def give_back(self) -> None:
        """Give the canvas the keyboard focus."""
        if self._viewer is not None:
            self._viewer.window._qt_viewer.canvas.native.setFocus()

    def close(self) -> None:
        """Stop managing the focus."""
        self._app.focusChanged.disconnect(self._on_focus)
        self._viewer = None
