"""Accept frames that are right as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam2_video.plugin.frame_actions import FrameActions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_sam2_video.session import Session


class AcceptActions(FrameActions):
    """Accepts frames, and withdraws acceptance."""

    def accept(self, start: int, stop: int, objects: Sequence[int] | None = None) -> bool:
        """Accept objects on those of the frames from `start` up to, not including, `stop` that have a mask.

        A frame without a mask is not accepted, because runs would end there.

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
            session.accept_frames({number: found for number, found in spans.items() if found})
            return True

        left = sum(stop - start - sum(len(span) for span in found) for found in spans.values())
        if left and objects is None:
            frames = "1 frame has" if left == 1 else f"{left} frames have"
            controller.notified.emit("info", f"{frames} no mask yet and stay open.")
        return bool(controller.perform(accept, "accepting frames"))

    def accept_here(self, objects: Sequence[int] | None = None) -> bool:
        """Accept objects on the shown frame, or on the shown plane of a volume; the active one if not given.

        Returns
        -------
        bool
            Whether anything was accepted.
        """
        controller = self._controller
        session, active, elsewhere = controller.session, controller.active, controller.shown_elsewhere()
        if session is not None and self._is_beyond():
            return False
        if elsewhere is None or session is None:
            return self.accept(controller.frame, controller.frame + 1, objects)
        axis, plane = elsewhere
        chosen = ([active] if active else []) if objects is None else objects
        there = [number for number in chosen if session.planes.section(axis, number, plane).any()]
        if not there:
            if chosen:
                controller.notified.emit("info", f"Nothing to accept: there is no mask on plane {axis} {plane}.")
            return False

        def accept() -> bool:
            session.planes.accept_objects(axis, there, plane)
            return True

        return bool(controller.perform(accept, "accepting a plane"))

    def accept_all(self) -> None:
        """Accept every object that has a mask on the shown frame or plane."""
        session = self._controller.session
        if session is not None:
            self.accept_here([entry.id for entry in session.objects])

    def unaccept_here(self) -> None:
        """Withdraw acceptance of the active object on the shown frame or plane."""
        controller = self._controller
        session, active, frame = controller.session, controller.active, controller.frame
        if session is None or not active or self._is_beyond():
            return
        elsewhere = controller.shown_elsewhere()

        def withdraw() -> None:
            if elsewhere is None:
                session.unaccept(active, frame, frame + 1)
            else:
                axis, plane = elsewhere
                session.planes.unaccept(axis, active, plane)

        controller.perform(withdraw, "changing what is accepted")


def _masked_spans(session: Session, object_id: int, start: int, stop: int) -> tuple[range, ...]:
    """Runs of frames on which an object is tracked or painted."""
    from napari_sam2_video.spans import frame_runs

    done = session.masks.frames_done(object_id)
    known = done[(done >= start) & (done < stop)].tolist()
    return frame_runs({*known, *(frame for frame in session.masks.painted(object_id) if start <= frame < stop)})
