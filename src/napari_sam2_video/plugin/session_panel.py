"""The session's folder, opening and closing it, and its history."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFileDialog, QWidget

from napari_sam2_video.plugin.widgets import NO_SESSION, allow, button, note, row, set_note, stack

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Image

    from napari_sam2_video.plugin.controller import Controller


class SessionPanel(QWidget):
    """Where everything is kept, and undo and redo."""

    def __init__(self, controller: Controller, chosen_layer: Callable[[], Image | None]) -> None:
        super().__init__()
        self._controller = controller
        self._chosen_layer = chosen_layer
        self.about = note()
        self.open_button = button("Open session…", self.choose, "Open a .sam2v folder and go on where it was left.")
        self.close_button = button("Close session", controller.close_session, "Everything is in its folder already.")
        self.undo_button = button("Undo", controller.actions.undo, "Take back the last change (Ctrl+Z).")
        self.redo_button = button("Redo", controller.actions.redo, "Make it again (Ctrl+Shift+Z).")
        self.last = note()
        history, doors = row(self.undo_button, self.redo_button), row(self.open_button, self.close_button)
        stack(self, self.about, history, self.last, doors)
        for signal in (controller.session_changed, controller.changed):
            signal.connect(lambda *_: set_note(self.last, ""))
            signal.connect(self.update_state)
        controller.run_changed.connect(self.update_state)
        controller.notified.connect(self._on_told)
        self.update_state()

    def choose(self) -> None:
        """Ask for a session folder and open it."""
        folder = QFileDialog.getExistingDirectory(self, "Open a session (.sam2v)")
        if folder:
            self.open(Path(folder))

    def open(self, folder: Path) -> None:
        """Open a session; the chosen image layer serves where the recording was an array."""
        from napari_sam2_video.plugin.reader import made_of_array

        self._controller.open_session(folder, self._chosen_layer() if made_of_array(folder) else None)

    def _on_told(self, kind: str, sentence: str) -> None:
        if kind == "status":
            set_note(self.last, sentence)

    def update_state(self, *_: object) -> None:
        """Say where the session is and what can be undone."""
        session = self._controller.session
        run = self._controller.run
        running = run is not None and run.running
        allow(self.close_button, NO_SESSION if session is None else "")
        undo = session.can_undo if session is not None else None
        redo = session.can_redo if session is not None else None
        self.undo_button.setEnabled(bool(undo) and not running)
        self.redo_button.setEnabled(bool(redo) and not running)
        self.undo_button.setToolTip(f"Take back: {undo} (Ctrl+Z)" if undo else "Nothing to take back (Ctrl+Z)")
        self.redo_button.setToolTip(f"Make again: {redo} (Ctrl+Shift+Z)" if redo else "Nothing to make again")
        if session is None:
            set_note(self.about, "A session begins with the first object; every change is saved in its folder at once.")
        else:
            set_note(self.about, f"Saved in {session.folder}. {' '.join(session.notes)}".strip())
