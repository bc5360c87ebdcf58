"""Undo and redo of the session, as the viewer does them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from napari_sam2_video.plugin.controller import Controller


def travel(controller: Controller, which: Literal["undo", "redo"]) -> None:
    """Take the session's last step back, or make it again, and show what it is now."""
    session = controller.session
    if session is None:
        return
    if controller.run is not None and controller.run.running:
        controller.told.emit("info", "Stop the run before you undo.")
        return
    told = controller.guarded(getattr(session, which), which)
    controller.tell_changes()
    if controller.masks is not None:
        controller.masks.refresh()
    controller.update_preview()
    verb = "Took back" if which == "undo" else "Made again"
    controller.told.emit("status", f"{verb}: {told}" if told else f"There is nothing to {which}.")
