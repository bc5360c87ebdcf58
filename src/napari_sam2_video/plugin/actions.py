"""Actions of the user on the open session, shared by buttons, keys and scripts in the viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from napari_sam2_video.plugin.accept_actions import AcceptActions
from napari_sam2_video.types import CT_WINDOWS

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam2_video.detect.protocol import Detector
    from napari_sam2_video.plugin.tracking import TrackRun
    from napari_sam2_video.types import CheckSettings, FindSettings, TrackSettings


class Actions(AcceptActions):
    """Acts on the active object, the shown frame and the run; each does nothing if there is nothing to act on."""

    # Runs

    def track(self, settings: TrackSettings) -> None:
        """Track in the background."""
        self._begin(lambda run: run.start(settings, self._controller.walks), "starting the run")

    def check(self, settings: CheckSettings) -> None:
        """Compare masks with those found by tracking back, in the background."""
        self._begin(lambda run: run.check(settings), "starting the check")

    def find(self, detector: Detector | str, settings: FindSettings) -> None:
        """Find objects in the background; proposals appear at the end."""
        self._begin(lambda run: run.find(detector, settings), "starting to find")

    def resume(self) -> None:
        """Continue the unfinished run."""
        self._begin(lambda run: run.resume(), "continuing the run")

    def stop(self) -> None:
        """Stop the run within a frame."""
        if self._controller.run is not None:
            self._controller.run.stop()

    def _begin(self, begin: Callable[[TrackRun], None], doing: str) -> None:
        view = self._controller.view
        if view is not None:
            view.preview.clear()
            self._controller.perform(lambda: begin(view.run), doing)

    # History and layers

    def undo(self) -> None:
        """Undo the last change of the session."""
        self._travel("undo", "Undone")

    def redo(self) -> None:
        """Redo the last undone change."""
        self._travel("redo", "Redone")

    def _travel(self, which: Literal["undo", "redo"], done: str) -> None:
        controller = self._controller
        session = controller.session
        if session is None:
            return
        if controller.running:
            controller.notified.emit("info", f"Stop the run before you {which}.")
            return
        if not (session.can_undo if which == "undo" else session.can_redo):
            controller.notified.emit("status", f"Nothing to {which}.")
            return
        name = controller.perform(getattr(session, which), which)
        if name:
            controller.notified.emit("status", f"{done}: {name}.")

    def show_window(self, name: str) -> None:
        """Show the image in a standard CT window; the session's own window stays unchanged."""
        controller = self._controller
        image = controller.image
        if image is None or image.rgb:
            return
        window = CT_WINDOWS[name]
        image.contrast_limits_range = (
            min(image.contrast_limits_range[0], window.low),
            max(image.contrast_limits_range[1], window.high),
        )
        image.contrast_limits = (window.low, window.high)
        text = f"Window {name}: {window.low:g} to {window.high:g}."
        seen = None if controller.session is None else controller.session.view.settings.window
        if seen is not None and (seen.low, seen.high) != (window.low, window.high):
            text = f"{text} SAM 2 still sees {seen.low:g} to {seen.high:g}."
        controller.notified.emit("status", text)

    def restore_layers(self) -> None:
        """Add the session's layers that are missing from the viewer."""
        controller = self._controller
        if controller.view is not None:
            for _ in controller.view.restoring():
                continue
            controller.set_active(controller.active)
            controller.layers_lost.emit("")
