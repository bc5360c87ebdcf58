"""Undo and redo in a session."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_sam2_video.session.context import Context

_EVENTS = {
    "objects": "objects",
    "removed": "masks",
    "prompts": "prompts",
    "accepted": "accepted",
    **{f"prompts_{axis}": "prompts" for axis in "zyx"},
    **{f"accepted_{axis}": "accepted" for axis in "zyx"},
    "masks": "masks",
    # A run that made no mask still changed what is left to track.
    "conditioned": "masks",
    "run": "masks",
    "fused": "masks",
    "other": "reviewed",
    "paint": "masks",
    "model": "model",
    "proposals": "proposals",
    "reviewed": "reviewed",
}


def travel(context: Context, *, back: bool) -> str | None:
    """Undo the last step, or redo the last undone one; returns its name, None if there is none.

    Raises
    ------
    SessionError
        If a run is under way, or the session cannot be changed.
    """
    context.check_writable()
    with context.busy.idle("A run is under way; stop it before you undo or redo."):
        moved = context.state.undo() if back else context.state.redo()
    if moved is None:
        return None
    name, keys = moved
    topics = {_EVENTS[table] for table, _ in keys if table in _EVENTS}
    # Even a step without a visible effect, such as a run that was stopped at once, changes what can be undone.
    context.events.announce(*(sorted(topics) or ["masks"]))
    return name
