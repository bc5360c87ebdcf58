"""What the controller tells the panels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]

from napari_sam2_video.plugin.worker import as_sentence

if TYPE_CHECKING:
    from collections.abc import Callable


class Signals(QObject):
    """The signals of the controller, all emitted on the main thread.

    Signals
    -------
    session_changed
        Another session is open, or none.
    changed : str
        Something of the session changed: ``"objects"``, ``"prompts"``, ``"masks"``, ``"accepted"``, ``"model"``.
    active_changed, frame_changed : int
        The active object (0 for none), and the shown frame.
    preview_changed, run_changed
        What `preview` or `run` tells is new.
    figures_changed
        `figures` are new.
    layers_lost : str
        A sentence: layers of the session are gone and can be restored.
    told : str, str
        ``"error"`` or ``"info"`` and a sentence for the person.
    """

    session_changed = Signal()
    changed = Signal(str)
    active_changed = Signal(int)
    frame_changed = Signal(int)
    preview_changed = Signal()
    run_changed = Signal()
    figures_changed = Signal()
    layers_lost = Signal(str)
    told = Signal(str, str)

    def error(self, error: BaseException | str) -> None:
        """Tell the person what went wrong."""
        self.told.emit("error", str(error))

    def guarded(self, action: Callable[[], Any], doing: str) -> Any:
        """Do something on the main thread; an error becomes a sentence for the person, and None is returned."""
        try:
            return action()
        except Exception as error:
            self.error(as_sentence(error, doing))
            return None
