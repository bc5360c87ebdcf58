"""Actions of the user on objects: add, delete, merge, split and swap them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam2_video.plugin.plane_views import FLAT
from napari_sam2_video.plugin.prompt_layers import IN_3D
from napari_sam2_video.types import PointPrompt

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam2_video.plugin.controller import Controller


class ObjectActions:
    """Acts on objects; each does nothing if there is nothing to act on."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller

    def new_object(self, name: str | None = None) -> int:
        """Add an object and make it the active one; 0 if there is no session."""
        controller = self._controller
        session = controller.session
        if session is None:
            return 0
        object_id = controller.perform(lambda: session.add_object(name), "adding an object") or 0
        if object_id:
            controller.set_active(object_id)
        return int(object_id)

    def delete_objects(self) -> None:
        """Delete the selected objects."""
        session, chosen = self._controller.session, self._controller.selected
        if session is not None and chosen:
            self.change_objects(lambda: session.remove_objects(chosen))

    def change_objects(self, change: Callable[[], Any]) -> None:
        """Merge, split or swap objects."""
        self._controller.perform(change, "changing the objects")

    def step_object(self, step: int) -> None:
        """Activate the next or the previous object."""
        controller = self._controller
        numbers = [entry.id for entry in controller.session.objects] if controller.session is not None else []
        if numbers:
            at = numbers.index(controller.active) if controller.active in numbers else -step
            controller.set_active(numbers[(at + step) % len(numbers)])

    def show_only_active(self) -> None:
        """Hide the masks of all objects except the active one, or show all again."""
        layer = self._controller.masks.masks if self._controller.masks is not None else None
        if layer is not None:
            layer.show_selected_label = not layer.show_selected_label
            text = "Only the selected object is shown." if layer.show_selected_label else "All objects are shown."
            self._controller.notified.emit("status", text)

    def new_object_at(self, world: tuple[float, ...]) -> int:
        """Add an object with a prompt at a point of the viewer's world, on the shown plane; 0 if that fails."""
        controller = self._controller
        view = controller.view
        if view is None:
            return 0
        if controller.viewer.dims.ndisplay > FLAT:
            controller.notified.emit("info", IN_3D)
            return 0
        found = view.shown_pixel_at(world)
        if found is None:
            controller.notified.emit("info", "The mouse is not over the image; point at the object first.")
            return 0
        axis, plane, y, x = found
        object_id = self.new_object()
        if object_id:
            point = PointPrompt(object_id, plane, y, x)
            controller.perform(lambda: view.session.planes.add_prompt(axis, point), "adding a point")
        return object_id

    def set_mother(self, mother: int | None, *, ends: bool) -> None:
        """Record that the active object came from `mother` by division, and first appears on the shown frame.

        It is removed from earlier frames, and the mother from this frame on if she `ends`.
        """
        controller = self._controller
        session, active, frame = controller.session, controller.active, controller.frame
        if session is None or not active:
            return

        def change() -> None:
            if mother is None or frame == 0:
                session.edit_object(active, parent=mother, parent_frame=None if mother is None else frame)
            else:
                session.mark_absent(active, 0, frame, parent=mother)
            if mother is not None and ends:
                session.mark_absent(mother, frame, session.n_frames)

        controller.perform(change, "setting the mother")
