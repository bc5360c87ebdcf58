"""The menu of an object in the table: what joins, parts and exchanges objects."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QMenu

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from napari_sam2_video.plugin.controller import Controller


def object_menu(parent: QWidget, controller: Controller, object_id: int) -> QMenu | None:
    """The menu of an object, for the frame that is shown; None where there is no session.

    Parameters
    ----------
    parent : QWidget
        Owns the menu.
    controller : Controller
        Does what is chosen.
    object_id : int
        The object.
    """
    session, frame = controller.session, controller.frame
    if session is None:
        return None
    change = controller.actions.change_objects
    menu = QMenu(parent)
    others = [entry for entry in session.objects if entry.id != object_id]
    swap, merge = QMenu("Exchange from this frame on with", menu), QMenu("Merge into this object", menu)
    for other in others:
        title = f"{other.id} · {other.name}"
        swap.addAction(title, partial(change, partial(session.swap_objects, object_id, other.id, frame)))
        merge.addAction(title, partial(change, partial(session.merge_objects, object_id, other.id)))
    for choice in (swap, merge):
        choice.setEnabled(bool(others))
        menu.addMenu(choice)
    menu.addAction(
        "Make an object of each part on this frame", partial(change, partial(session.split_object, object_id, frame))
    )
    menu.addAction("Delete", partial(change, partial(session.remove_object, object_id)))
    menu.setEnabled(not controller.running)
    return menu
