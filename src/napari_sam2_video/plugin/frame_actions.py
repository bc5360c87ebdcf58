"""Actions of the user on the active object and the shown frame."""

from __future__ import annotations

from typing import Literal, TypeAlias

from napari_sam2_video.plugin.layers import BEYOND, is_beyond
from napari_sam2_video.plugin.object_actions import ObjectActions

Where: TypeAlias = Literal["here", "on", "until"]
ELSEWHERE = "Objects can only be marked absent on the session's own frames, but the viewer shows a plane"


class FrameActions(ObjectActions):
    """Acts on the shown frame; each does nothing if there is nothing to act on."""

    def _is_beyond(self) -> bool:
        """Whether the viewer shows no frame of the recording; if so, the user is notified."""
        controller = self._controller
        beyond = controller.image is not None and is_beyond(controller.viewer, controller.image)
        if beyond:
            controller.notified.emit("info", f"Nothing was changed: {BEYOND}.")
        return beyond

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
        """Copy the active object's mask from the previous frame."""
        controller = self._controller
        session, active, frame = controller.session, controller.active, controller.frame
        if session is None or not active or self._is_beyond():
            return
        if frame == 0:
            controller.notified.emit("info", "This is the first frame; there is none before it to copy from.")
            return
        controller.perform(lambda: session.copy_mask(active, frame - 1, to=frame), "copying the mask")

    def next_candidate(self) -> None:
        """Show the next candidate of the preview, or of the preview under the mouse."""
        hover = self._controller.hover
        if hover is not None and hover.shown:
            hover.cycle()
        elif self._controller.preview is not None:
            self._controller.preview.cycle()

    def use_candidate(self) -> None:
        """Make the shown candidate the object's mask prompt on this frame or plane."""
        controller = self._controller
        session, preview = controller.session, controller.preview
        mask = preview.chosen_mask() if preview is not None else None
        if session is not None and preview is not None and preview.place is not None and mask is not None:
            place = preview.place
            controller.perform(lambda: session.planes.set_prompts(*place, [mask]), "using the candidate")

    def clear_frame(self) -> None:
        """Remove the active object's prompts and paint on the shown frame, or its prompts on the shown plane."""
        controller = self._controller
        session, active, frame = controller.session, controller.active, controller.frame
        if session is None or not active or self._is_beyond():
            return
        elsewhere = controller.shown_elsewhere()

        def remove() -> None:
            if elsewhere is not None:
                axis, plane = elsewhere
                if plane in session.planes.accepted(axis, active):
                    session.planes.unaccept(axis, active, plane)
                session.planes.set_prompts(axis, active, plane, [])
                return
            if session.prompt_sets(active, frame):
                session.set_prompts(active, frame, [])
            if frame in session.masks.painted(active):
                session.clear_paint(frame, active)

        controller.perform(remove, "clearing the frame")

    def mark_absent(self, where: Where) -> None:
        """Mark the active object as absent on the shown frame, from it on (``"on"``) or up to it (``"until"``)."""
        controller = self._controller
        session, active, frame = controller.session, controller.active, controller.frame
        if session is None or not active or self._is_beyond():
            return
        elsewhere = controller.shown_elsewhere()
        if elsewhere is not None:
            controller.notified.emit("info", f"{ELSEWHERE} across {elsewhere[0]}.")
            return
        start = 0 if where == "until" else frame
        stop = session.n_frames if where == "on" else frame + 1
        controller.perform(lambda: session.mark_absent(active, start, stop), "removing the object from frames")
