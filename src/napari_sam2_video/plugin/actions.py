"""What a person does to the open session: buttons, keys and the viewer's scripts share these methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from napari_sam2_video.types import PointPrompt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_sam2_video.plugin.controller import Controller
    from napari_sam2_video.plugin.tracking import TrackRun
    from napari_sam2_video.session import Session
    from napari_sam2_video.types import CheckSettings, TrackSettings

Where: TypeAlias = Literal["here", "on", "until"]


class Actions:
    """Acts on the active object, the shown frame and the run; each does nothing where there is nothing to act on."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller

    # Objects

    def new_object(self, name: str | None = None) -> int:
        """Add an object and make it the active one; 0 where there is no session."""
        controller = self._controller
        session = controller.session
        if session is None:
            return 0
        object_id = controller.perform(lambda: session.add_object(name), "adding an object") or 0
        if object_id:
            controller.set_active(object_id)
        return int(object_id)

    def delete_object(self) -> None:
        """Delete the active object."""
        controller = self._controller
        session, active = controller.session, controller.active
        if session is not None and active:
            controller.perform(lambda: session.remove_object(active), "deleting the object")
            self._refresh()

    def change_objects(self, change: Callable[[], Any]) -> None:
        """Join, part or exchange objects."""
        self._controller.perform(change, "changing the objects")
        self._refresh()

    def step_object(self, step: int) -> None:
        """Make the object after or before the active one the active one."""
        controller = self._controller
        numbers = [entry.id for entry in controller.session.objects] if controller.session is not None else []
        if numbers:
            at = numbers.index(controller.active) if controller.active in numbers else -step
            controller.set_active(numbers[(at + step) % len(numbers)])

    def show_only_active(self) -> None:
        """Hide the masks of all objects but the active one, or show all again."""
        layer = self._controller.masks.masks if self._controller.masks is not None else None
        if layer is not None:
            layer.show_selected_label = not layer.show_selected_label
            text = "Only the selected object is shown." if layer.show_selected_label else "All objects are shown."
            self._controller.notified.emit("status", text)

    # The shown frame

    def point_at_mouse(self) -> None:
        """Add an object with a point where the mouse is in the image."""
        controller = self._controller
        view = controller.view
        if view is None:
            return
        world = np.asarray(controller.viewer.cursor.position, float)[-view.image.ndim :]
        frame, y, x = view.geometry.to_pixel(view.image.world_to_data(world))
        height, width = view.geometry.shape_yx
        if not (0 <= y < height and 0 <= x < width):
            controller.notified.emit("info", "The mouse is not over the image: point at the object first.")
            return
        object_id = self.new_object()
        if object_id:
            controller.perform(lambda: view.session.add_prompt(PointPrompt(object_id, frame, y, x)), "adding a point")

    def go_to_prompted(self, step: int) -> None:
        """Show the next or the previous frame on which the active object has prompts or paint."""
        controller = self._controller
        session, active, frame = controller.session, controller.active, controller.frame
        if session is None or not active:
            return
        frames = {found.frame for found in session.prompt_sets(active)} | set(session.masks.painted(active))
        ahead = sorted(other for other in frames if (other - frame) * step > 0)
        if ahead:
            controller.go_to(ahead[0] if step > 0 else ahead[-1])
        else:
            where = "after" if step > 0 else "before"
            controller.notified.emit("status", f"Object {active} has no prompts {where} frame {frame}.")

    def copy_from_previous(self) -> None:
        """Give the active object the mask that it has on the frame before."""
        controller = self._controller
        session, active, frame = controller.session, controller.active, controller.frame
        if session is None or not active:
            return
        if frame == 0:
            controller.notified.emit("info", "This is the first frame; there is none before it to copy from.")
            return
        controller.perform(lambda: session.copy_mask(active, frame - 1, to=frame), "copying the mask")
        self._refresh()

    def next_candidate(self) -> None:
        """Show the next candidate of the preview."""
        if self._controller.preview is not None:
            self._controller.preview.cycle()

    def use_candidate(self) -> None:
        """Make the shown candidate the object's mask prompt on this frame."""
        controller = self._controller
        session, preview = controller.session, controller.preview
        mask = preview.chosen_mask() if preview is not None else None
        if session is not None and mask is not None:
            controller.perform(lambda: session.set_prompts(mask.object_id, mask.frame, [mask]), "using the candidate")

    def clear_frame(self) -> None:
        """Remove the active object's prompts and paint on the shown frame."""
        controller = self._controller
        session, active, frame = controller.session, controller.active, controller.frame
        if session is None or not active:
            return

        def remove() -> None:
            if session.prompt_sets(active, frame):
                session.set_prompts(active, frame, [])
            if frame in session.masks.painted(active):
                session.clear_paint(frame, active)

        controller.perform(remove, "clearing the frame")
        self._refresh()

    def mark_absent(self, where: Where) -> None:
        """The active object is not on the shown frame, nor after it (``"on"``) or before it (``"until"``)."""
        controller = self._controller
        session, active, frame = controller.session, controller.active, controller.frame
        if session is None or not active:
            return
        start = 0 if where == "until" else frame
        stop = session.n_frames if where == "on" else frame + 1
        controller.perform(lambda: session.mark_absent(active, start, stop), "removing the object from frames")
        self._refresh()

    def set_mother(self, mother: int | None, *, ends: bool) -> None:
        """The active object came from `mother` by division, and is on the shown frame for the first time.

        It is removed from the frames before, and the mother, if she `ends`, from this frame on.
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
        self._refresh()

    def accept(self, start: int, stop: int, objects: Sequence[int] | None = None) -> bool:
        """Accept objects on those of the frames from `start` up to, not including, `stop` that have a mask.

        A frame without a mask is not accepted: runs would end there, and never go beyond.

        Parameters
        ----------
        start, stop : int
            The frames.
        objects : sequence of int, optional
            The objects; the active one if not given.

        Returns
        -------
        bool
            Whether anything was accepted.
        """
        controller = self._controller
        session, active = controller.session, controller.active
        chosen = ([active] if active else []) if objects is None else objects
        if session is None or not chosen:
            return False
        spans = {number: _masked_spans(session, number, start, stop) for number in chosen}
        if not any(spans.values()):
            text = "Nothing to accept: there is no mask here yet. Track first, or say that the object is Not here."
            controller.notified.emit("info", text)
            return False

        def accept() -> bool:
            for number, found in spans.items():
                for span in found:
                    session.accept(number, span.start, span.stop)
            return True

        left = sum(stop - start - sum(len(span) for span in found) for found in spans.values())
        if left and objects is None:
            frames = "1 frame has" if left == 1 else f"{left} frames have"
            controller.notified.emit("info", f"{frames} no mask yet and stay open.")
        return bool(controller.perform(accept, "accepting frames"))

    def accept_all(self) -> None:
        """Accept every object that has a mask on the shown frame."""
        session, frame = self._controller.session, self._controller.frame
        if session is not None:
            self.accept(frame, frame + 1, [entry.id for entry in session.objects])

    def unaccept(self, start: int, stop: int) -> None:
        """The active object is not accepted any more on the frames from `start` up to, not including, `stop`."""
        session, active = self._controller.session, self._controller.active
        if session is not None and active:
            self._controller.perform(lambda: session.unaccept(active, start, stop), "changing accepted frames")

    # Runs

    def track(self, settings: TrackSettings) -> None:
        """Track in the background."""
        self._begin(lambda run: run.start(settings), "starting the run")

    def check(self, settings: CheckSettings) -> None:
        """Compare masks with those found by tracking back, in the background."""
        self._begin(lambda run: run.check(settings), "starting the check")

    def resume(self) -> None:
        """Continue the run that was not finished."""
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
        """Redo the change that was undone last."""
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
            controller.notified.emit("status", f"There is nothing to {which}.")
            return
        name = controller.perform(getattr(session, which), which)
        self._refresh()
        if name:
            controller.notified.emit("status", f"{done}: {name}.")

    def restore_layers(self) -> None:
        """Add the session's layers that are missing in the viewer."""
        controller = self._controller
        if controller.view is not None:
            for _ in controller.view.restoring():
                continue
            controller.set_active(controller.active)
            controller.layers_lost.emit("")

    def _refresh(self) -> None:
        if self._controller.masks is not None:
            self._controller.masks.refresh()


def _masked_spans(session: Session, object_id: int, start: int, stop: int) -> tuple[range, ...]:
    """Stretches of some frames on which an object is tracked or painted."""
    from napari_sam2_video.spans import frame_runs

    known = {int(frame) for frame in session.masks.frames_done(object_id)} | set(session.masks.painted(object_id))
    return frame_runs(frame for frame in known if start <= frame < stop)
