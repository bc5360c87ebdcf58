"""The session's folder, opening and closing, recent sessions, and undo."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QComboBox, QFileDialog, QWidget

from napari_sam2_video.plugin.background_task import BackgroundTask
from napari_sam2_video.plugin.reader import array_of_session, axes_of_session
from napari_sam2_video.plugin.recent_sessions import RecentSession, recent_sessions, remember
from napari_sam2_video.plugin.sample_data import sample_layer
from napari_sam2_video.plugin.stacked_layers import stacked_again
from napari_sam2_video.plugin.widgets import NO_SESSION, allow, button, fill, narrow, note, row, set_note, stack
from napari_sam2_video.session.kept_source import FILE as SOURCE_FILE
from napari_sam2_video.session.kept_source import keep_source

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Image

    from napari_sam2_video.plugin.controller import Controller

RECENT = "Recent sessions…"
UNDER_WAY = "The data is being copied."


class SessionPanel(QWidget):
    """The session's folder, and undo and redo."""

    def __init__(self, controller: Controller, chosen_layer: Callable[[], Image | None]) -> None:
        super().__init__()
        self._controller = controller
        self._chosen_layer = chosen_layer
        self._remembered: RecentSession | None = None
        self.about = note()
        self.open_button = button("Open session…", self.choose, "Open a .sam2v folder to continue where you left off.")
        self.close_button = button(
            "Close session",
            controller.close_session,
            "Remove its layers from the viewer; everything stays in its folder.",
        )
        self.recent_box = narrow(QComboBox())
        self.recent_box.setToolTip("Recent sessions; choose one to continue it.")
        self.undo_button = button("Undo", controller.actions.undo, "Undo the last change (Ctrl+Z).")
        self.redo_button = button("Redo", controller.actions.redo, "Redo the last undone change (Ctrl+Shift+Z).")
        self.last = note()
        self.copy_button = button(
            "Keep a copy of the data",
            self.keep_copy,
            "Copy the image, which is not a file, into the session's folder, so that the session opens without the "
            "layer.",
        )
        self.task = BackgroundTask(controller, "Cancel", "Stop copying.")
        doors = row(self.open_button, self.close_button)
        copying = (self.copy_button, self.task.bar, self.task.outcome)
        stack(self, self.about, self.last, doors, self.recent_box, *copying)
        self.task.changed.connect(self.update_state)
        for signal in (controller.session_changed, controller.changed):
            signal.connect(lambda *_: set_note(self.last, ""))
            signal.connect(self.update_state)
        controller.run_changed.connect(self.update_state)
        controller.summary_changed.connect(self._remember)
        controller.notified.connect(self._on_notified)
        self.recent_box.activated.connect(self._on_recent)
        self.offer_recent()
        self.update_state()

    def choose(self) -> None:
        """Ask for a session folder and open it."""
        folder = QFileDialog.getExistingDirectory(self, "Open a session (.sam2v)")
        if folder:
            self.open(Path(folder))

    def open(self, folder: Path, then: Callable[[], object] | None = None) -> None:
        """Open a session; if it was made from an array, use the layer or sample with that array."""
        controller = self._controller
        source = array_of_session(folder)
        image = None
        if source is not None:
            from napari.layers import Image, Layer

            chosen = self._chosen_layer()
            images = [layer for layer in controller.viewer.layers if isinstance(layer, Image)]
            ordered = sorted(images, key=lambda layer: (layer.name != source.name, layer is not chosen))
            image = next((layer for layer in ordered if source.fits(layer)), None)
            if image is None:
                image = stacked_again(source.name, images, axes_of_session(folder, len(source.shape)))
                if image is not None:
                    controller.viewer.add_layer(image)
            if image is None:
                sample = sample_layer(source.name)
                if sample is not None:
                    image = controller.viewer.add_layer(Layer.create(*sample))
                    if not source.fits(image):
                        controller.viewer.layers.remove(image)
                        image = None
            if image is None:
                controller.error(
                    f"The session {folder.stem} was made from the layer {source.name}, which is not a file: show that "
                    "image in the viewer first, then open the session again."
                )
                return
        controller.open_session(folder, image, then)

    def keep_copy(self) -> None:
        """Copy an image that is not a file into the session's folder, in the background."""
        session = self._controller.session
        if session is not None:
            self.task.begin(
                "copying the data",
                lambda _: keep_source(session.folder, session.recording),
                done=lambda _: set_note(self.task.outcome, "The session keeps a copy of its data."),
                meanwhile="Copying the data…",
                stopped="The copy was cancelled.",
            )

    def offer_recent(self) -> None:
        """List recent sessions."""
        entries = [(f"{Path(entry.folder).stem} ({entry.text()})", entry.folder) for entry in recent_sessions()]
        fill(self.recent_box, [(RECENT, None), *entries])
        self.recent_box.setVisible(bool(entries))

    def _on_recent(self, *_: object) -> None:
        folder = self.recent_box.currentData()
        self.recent_box.setCurrentIndex(0)
        if folder is not None:
            self.open(Path(folder))

    def _remember(self) -> None:
        """Update the session's entry in the list of recent ones, if it changed."""
        view = self._controller.view
        if view is None or self._controller.running or not view.session.objects:
            return
        entry = RecentSession.of(view.session, view.summary.newest)
        last = self._remembered
        if last is None or (last.folder, last.objects, last.frames) != (entry.folder, entry.objects, entry.frames):
            self._remembered = entry
            remember(entry)
            self.offer_recent()

    def _on_notified(self, kind: str, sentence: str) -> None:
        if kind == "status":
            set_note(self.last, sentence)

    def update_state(self, *_: object) -> None:
        """Show where the session is and what can be undone."""
        session = self._controller.session
        running = self._controller.running
        self.copy_button.setVisible(
            session is not None and session.recording.path is None and not (session.folder / SOURCE_FILE).is_file()
        )
        allow(self.copy_button, UNDER_WAY if self.task.working else "")
        allow(self.close_button, NO_SESSION if session is None else "")
        undo = session.can_undo if session is not None else None
        redo = session.can_redo if session is not None else None
        self.undo_button.setEnabled(bool(undo) and not running)
        self.redo_button.setEnabled(bool(redo) and not running)
        self.undo_button.setToolTip(f"Undo: {undo} (Ctrl+Z)" if undo else "Nothing to undo (Ctrl+Z).")
        self.redo_button.setToolTip(f"Redo: {redo} (Ctrl+Shift+Z)" if redo else "Nothing to redo (Ctrl+Shift+Z).")
        if session is None:
            set_note(self.about, "A session starts with the first object; every change is saved at once.")
        else:
            set_note(self.about, f"Saved in {session.folder}. {' '.join(session.notes)}".strip())
