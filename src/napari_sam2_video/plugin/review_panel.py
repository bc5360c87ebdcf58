"""Where to look next: the timeline, doubtful frames, and accepting what is right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QScrollArea, QWidget

from napari_sam2_video.plugin.timeline import Timeline
from napari_sam2_video.plugin.tracking import CHECKING
from napari_sam2_video.plugin.widgets import IN_A_RUN, allow, button, note, row, set_note, stack
from napari_sam2_video.types import CheckSettings

if TYPE_CHECKING:
    from napari_sam2_video.plugin.controller import Controller

TIMELINE_HEIGHT = 190
NOTHING_TRACKED = "Nothing is tracked yet."
NO_DOUBT = "There is no doubtful frame."
NO_OBJECT = "Select an object first."


class ReviewPanel(QWidget):
    """The timeline and the review queue of the session."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self._controller = controller
        self._visited: set[tuple[int, int]] = set()
        self.timeline = Timeline()
        self.timeline.picked.connect(self._on_picked)
        holder = QScrollArea()
        holder.setWidgetResizable(True)
        holder.setWidget(self.timeline)
        holder.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        holder.setMaximumHeight(TIMELINE_HEIGHT)
        self._holder = holder
        self.legend = note(
            "Yellow trusted, dark blue doubtful, grey not tracked; ▼ prompted, ● painted, white line accepted."
        )
        self.next_button = button("Next doubtful frame", self.next_doubtful, "Go to the most doubtful frame left (J).")
        self.accept_button = button(
            "Accept", self.accept, "Accept the selected object on this frame (W); runs leave it as it is."
        )
        self.span_button = button(
            "Accept to here", self.accept_span, "Accept the selected object from the last accepted frame to this one."
        )
        self.undo_accept_button = button(
            "Not accepted", self.unaccept, "This frame is not accepted any more: runs may change it again."
        )
        self.accept_next_button = button(
            "Accept, next", self.accept_and_next, "Accept this frame and go to the next doubtful one (Shift+J)."
        )
        self.accept_all_button = button(
            "Accept all", controller.actions.accept_all, "Accept all objects on this frame (Shift+W)."
        )
        self.check_button = button(
            "Check by tracking back",
            self.check,
            "Track every object back from later frames: where that leads elsewhere, the track went astray, "
            "and its doubt grows from there on. No mask changes.",
        )
        self.why = note()
        self._checking = False
        stack(
            self,
            holder,
            row(self.next_button, self.check_button),
            self.why,
            row(self.accept_button, self.accept_next_button, self.accept_all_button),
            row(self.span_button, self.undo_accept_button),
            self.legend,
        )
        controller.session_changed.connect(self._on_session)
        controller.summary_changed.connect(self.update_rows)
        controller.active_changed.connect(self._on_position)
        controller.frame_changed.connect(self._on_position)
        controller.run_changed.connect(self._on_run)
        self._on_session()

    def _on_session(self) -> None:
        self._visited.clear()
        self._checking = False
        self.update_rows()
        set_note(self.why, "")

    def _on_run(self) -> None:
        run = self._controller.run
        if run is not None and run.running:
            self._visited.clear()
            set_note(self.why, "")
            self._checking = run.doing == CHECKING
        self._allow_check()

    def _allow_check(self) -> None:
        run = self._controller.run
        reason = NOTHING_TRACKED if run is None or not self._tracked else IN_A_RUN if run.running else ""
        allow(self.check_button, reason)

    @property
    def _tracked(self) -> bool:
        return any(found.frames for found in self._controller.summary.objects.values())

    def _on_position(self, *_: Any) -> None:
        self.timeline.set_position(self._controller.frame, self._controller.active)
        reason = "" if self._controller.active else NO_OBJECT
        for widget in (self.accept_button, self.accept_next_button, self.span_button, self.undo_accept_button):
            allow(widget, reason)
        allow(self.accept_all_button, reason)

    def update_rows(self) -> None:
        """Show the newest summary."""
        session, summary = self._controller.session, self._controller.summary
        self.timeline.set_rows(summary.rows, 1 if session is None else session.n_frames)
        height = self.timeline.sizeHint().height() + 4
        self._holder.setMinimumHeight(min(height, TIMELINE_HEIGHT))
        allow(self.next_button, "" if summary.queue else NO_DOUBT if self._tracked else NOTHING_TRACKED)
        self._allow_check()
        self._report_check()
        self._on_position()

    def check(self) -> None:
        """Compare all masks with those found by tracking back."""
        self._controller.actions.check(CheckSettings())

    def _report_check(self) -> None:
        """Say what a check found, once the summary after its end is there."""
        view = self._controller.view
        if not self._checking or view is None or view.run.running or not view.summary.fresh:
            return
        self._checking = False
        count = len(self._controller.summary.queue)
        places = "place" if count == 1 else "places"
        set_note(self.why, f"Checked: {count or 'no'} {places} to look at.")

    def _on_picked(self, object_id: int, frame: int) -> None:
        if object_id:
            self._controller.set_active(object_id)
        self._controller.go_to(frame)

    def next_doubtful(self) -> None:
        """Go to the most doubtful frame that was not visited since the last run."""
        left = [item for item in self._controller.summary.queue if (item.object_id, item.frame) not in self._visited]
        if not left:
            text = "Every doubtful frame was looked at." if self._visited else NO_DOUBT
            set_note(self.why, text)
            self._visited.clear()
            return
        item = left[0]
        self._visited.add((item.object_id, item.frame))
        self._controller.set_active(item.object_id)
        self._controller.go_to(item.frame)
        where = f"Object {item.object_id}, frame {item.frame}"
        set_note(self.why, f"{where}: {item.reason} (doubt {item.doubt:.2f}); {len(left) - 1} more.")

    def accept(self) -> bool:
        """Accept the active object on the shown frame; whether there was something to accept."""
        frame = self._controller.frame
        return self._controller.actions.accept(frame, frame + 1)

    def accept_and_next(self) -> None:
        """Accept the active object on the shown frame, and go to the next doubtful one."""
        if self.accept():
            self.next_doubtful()

    def accept_span(self) -> None:
        """Accept the active object from the accepted frame before this one (or the first) up to this one."""
        session, frame = self._controller.session, self._controller.frame
        if session is not None and self._controller.active:
            before = [f for f in session.accepted(self._controller.active) if f < frame]
            self._controller.actions.accept(max(before, default=0), frame + 1)

    def unaccept(self) -> None:
        """The active object is not accepted on the shown frame any more."""
        frame = self._controller.frame
        self._controller.actions.unaccept(frame, frame + 1)
