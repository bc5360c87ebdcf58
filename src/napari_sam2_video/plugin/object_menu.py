"""The menu of an object: merge, split, swap, copy and delete it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from qtpy.QtGui import QCursor
from qtpy.QtWidgets import QInputDialog, QMenu

from napari_sam2_video.plugin.cutting_line import split_along_line
from napari_sam2_video.types.checks import frame_span_from_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtWidgets import QWidget

    from napari_sam2_video.plugin.controller import Controller

    Change: TypeAlias = Callable[[int, int, int], object]

MOST = 2**31 - 1


def object_menu(parent: QWidget, controller: Controller, object_id: int) -> QMenu | None:
    """The menu of an object for the shown frame; None if there is no such object.

    Each entry has a letter, and each change is one step in the history.
    """
    session, frame = controller.session, controller.frame
    if session is None or object_id not in {entry.id for entry in session.objects}:
        return None
    change = controller.actions.change_objects
    menu = QMenu(parent)
    others = [entry for entry in session.objects if entry.id != object_id]
    merge, swap = QMenu("&Merge into this object", menu), QMenu("S&wap from this frame on with", menu)
    for other in others:
        title = f"&{other.id} · {other.name.replace('&', '&&')}"
        merge.addAction(title, partial(change, partial(session.merge_objects, object_id, other.id)))
        swap.addAction(title, partial(change, partial(session.swap_objects, object_id, other.id, frame)))
    for choice in (merge, swap):
        choice.setEnabled(bool(others))
        menu.addMenu(choice)
    parts = partial(change, partial(session.split_object, object_id, frame))
    menu.addAction("S&plit into its parts", parts)
    menu.addAction("Split along a &line…", partial(split_along_line, controller, object_id))
    menu.addAction("&Copy the mask to the next frame", partial(change, partial(session.copy_mask, object_id, frame)))
    menu.addAction("Re&number…", partial(_renumber, parent, controller, object_id))
    menu.addSeparator()
    menu.addMenu(_on_frames("&Absent", menu, controller, object_id, session.mark_absent))
    menu.addMenu(_on_frames("Delete masks and p&rompts", menu, controller, object_id, session.delete_masks))
    menu.addAction("&Delete the object", partial(change, partial(session.remove_object, object_id)))
    menu.setEnabled(not controller.running)
    return menu


def show_object_menu(parent: QWidget, controller: Controller) -> None:
    """Open the menu of the active object at the mouse."""
    menu = object_menu(parent, controller, controller.active)
    if menu is None:
        controller.notified.emit("info", "There is no object yet: press New object.")
        return
    menu.popup(QCursor.pos())


def _on_frames(title: str, menu: QMenu, controller: Controller, object_id: int, change: Change) -> QMenu:
    """A menu of the frames to change an object on."""
    frame, session = controller.frame, controller.session
    assert session is not None
    chosen = QMenu(title, menu)
    spans = {
        "On &this frame": (frame, frame + 1),
        "&From this frame on": (frame, session.n_frames),
        "&Up to this frame": (0, frame + 1),
    }
    for text, span in spans.items():
        chosen.addAction(text, partial(controller.actions.change_objects, partial(change, object_id, *span)))
    chosen.addAction("On a &range…", partial(_on_range, menu, controller, object_id, change))
    return chosen


def objects_menu(parent: QWidget, controller: Controller, objects: tuple[int, ...]) -> QMenu | None:
    """The menu of several objects; None if there is no session. Each change is one step in the history."""
    session = controller.session
    if session is None:
        return None
    change = controller.actions.change_objects
    menu = QMenu(parent)
    here = "frame" if controller.shown_elsewhere() is None else "plane"
    accept = partial(controller.actions.accept_here, objects)
    menu.addAction(f"&Accept these {len(objects)} objects on this {here}", accept)
    menu.addAction("&Lock", partial(change, partial(session.lock_objects, objects, locked=True)))
    menu.addAction("&Unlock", partial(change, partial(session.lock_objects, objects, locked=False)))
    menu.addSeparator()
    menu.addAction(f"&Delete these {len(objects)} objects", partial(change, partial(session.remove_objects, objects)))
    menu.setEnabled(not controller.running)
    return menu


def _on_range(menu: QMenu, controller: Controller, object_id: int, change: Change) -> None:
    """Ask for a range of frames and change the object there."""
    session = controller.session
    text, chosen = QInputDialog.getText(
        menu.parentWidget(), f"Object {object_id}", "Frames A to B-1, as A:B", text=f"{controller.frame}:"
    )
    if session is None or not chosen:
        return

    def work() -> None:
        start, stop = frame_span_from_text(text)
        change(object_id, start or 0, session.n_frames if stop is None else stop)

    controller.actions.change_objects(work)


def _renumber(parent: QWidget, controller: Controller, object_id: int) -> None:
    """Ask for another id, and keep the object the active one if it was."""
    session, active = controller.session, controller.active
    free = 1 + max(entry.id for entry in session.objects) if session is not None else 1
    number, chosen = QInputDialog.getInt(parent, "Renumber", f"New id of object {object_id}", free, 1, MOST)
    if session is None or not chosen:
        return
    controller.actions.change_objects(partial(session.renumber_object, object_id, number))
    if active == object_id and number in {entry.id for entry in session.objects}:
        controller.set_active(number)
