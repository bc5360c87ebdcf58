"""Where to look next: the review list, the timeline, and accepting what is right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QLabel, QWidget

from napari_sam2_video.plugin.review_list import ReviewView
from napari_sam2_video.plugin.review_walk import ReviewWalk
from napari_sam2_video.plugin.timeline_panel import TimelinePanel
from napari_sam2_video.plugin.tracking import CHECKING
from napari_sam2_video.plugin.widgets import IN_A_RUN, allow, button, note, progress_bar, row, set_note, stack
from napari_sam2_video.types import CheckSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam2_video.plugin.controller import Controller

LIST_HEIGHT = 176
MOST_CHOICES = 4
NOTHING_TRACKED = "Nothing is tracked yet."
NO_DOUBT = "There is no doubtful frame."
NO_OBJECT = "Select an object first."
ONE_PLANE = "Only frames of the session are accepted several at a time, and the viewer shows a plane"
NO_PLACE = "Go to a place of the list first (J)."


class ReviewPanel(QWidget):
    """The review list, the answers to a place, and the timeline."""

    def __init__(self, controller: Controller, correct: Callable[[], Any]) -> None:
        super().__init__()
        self._controller = controller
        self.walk = ReviewWalk(controller, correct)
        self.list = ReviewView(controller)
        self.list.setFixedHeight(LIST_HEIGHT)
        self.list.setToolTip("Doubtful places, the most doubtful first; click one to go there.")
        self.list.picked.connect(self.walk.go_to)
        self.progress = progress_bar()
        self.count = QLabel()
        self.timeline_panel = TimelinePanel(controller)
        self.timeline = self.timeline_panel.timeline
        self.next_button = button("Next", self.next_doubtful, "Go to the next place of the list (J).")
        self.accept_next_button = button(
            "Accept, next", self.accept_and_next, "Right: accept it and go to the next place (Shift+J)."
        )
        self.wrong_button = button(
            "Wrong",
            self.walk.wrong,
            "Wrong: correct it now. After the run, the next place is shown (Shift+K).",
        )
        self.later_button = button("Later", self.walk.later, "Put this place at the end of the list (Shift+H).")
        answer = "Choose this answer."
        self.choice_buttons = [button("", self._choosing(number), answer) for number in range(MOST_CHOICES)]
        self.accept_button = button(
            "Accept", self.accept, "Accept the selected object on this frame or plane (W); runs will not change it."
        )
        self.accept_all_button = button(
            "Accept all", controller.actions.accept_all, "Accept all objects on this frame or plane (Shift+W)."
        )
        self.span_button = button(
            "To here", self.accept_span, "Accept the selected object from the last accepted frame to this one."
        )
        self.undo_accept_button = button(
            "Not accepted", self.unaccept, "Withdraw the acceptance: runs may change this frame or plane again."
        )
        self.check_button = button(
            "Check by tracking back",
            self.check,
            "Track every object back from later frames. Where that ends elsewhere, the track has gone wrong, "
            "and its doubt rises from there. No mask changes.",
        )
        self.why = note()
        self._checking = False
        stack(
            self,
            row(self.count, self.progress, stretch=1),
            self.list,
            row(self.accept_next_button, self.wrong_button, self.later_button, self.next_button),
            *self.choice_buttons,
            self.why,
            self.timeline_panel,
            row(self.accept_button, self.accept_all_button, self.span_button, self.undo_accept_button),
            row(self.check_button),
        )
        self.walk.moved.connect(self._on_place)
        controller.session_changed.connect(self._on_session)
        controller.summary_changed.connect(self.update_rows)
        controller.active_changed.connect(self._on_position)
        controller.frame_changed.connect(self._on_position)
        controller.plane_changed.connect(self._on_position)
        controller.run_changed.connect(self._on_run)
        self._on_session()

    def _on_session(self) -> None:
        self._checking = False
        self.update_rows()
        set_note(self.why, "")

    def _on_run(self) -> None:
        run = self._controller.run
        if run is not None and run.running:
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
        reason = "" if self._controller.active else NO_OBJECT
        for widget in (self.accept_button, self.undo_accept_button, self.accept_all_button):
            allow(widget, reason)
        elsewhere = self._controller.shown_elsewhere()
        allow(self.span_button, reason or ("" if elsewhere is None else f"{ONE_PLANE} across {elsewhere[0]}."))

    def _on_place(self, sentence: str) -> None:
        """The current place changed."""
        current = self.walk.current
        self.list.show_current(current)
        set_note(self.why, sentence)
        for widget in (self.accept_next_button, self.wrong_button, self.later_button):
            allow(widget, "" if current is not None else NO_PLACE)
        choices = () if current is None else current.choices[:MOST_CHOICES]
        for number, made in enumerate(self.choice_buttons):
            made.setVisible(number < len(choices))
            made.setText(choices[number].capitalize() if number < len(choices) else "")

    def _choosing(self, number: int) -> Callable[[], None]:
        def choose() -> None:
            current = self.walk.current
            if current is not None and number < len(current.choices):
                self.walk.judge(current.choices[number])

        return choose

    def update_rows(self) -> None:
        """Show the newest summary."""
        review = self._controller.summary.review
        self.progress.setRange(0, max(1, review.total))
        self.progress.setValue(review.reviewed)
        self.progress.setVisible(bool(review.total))
        set_note(self.count, f"{review.reviewed} of {review.total} reviewed" if review.total else "")
        self.list.setVisible(bool(review.left or review.wrong))
        self.list.show_review(review, self.walk.current)
        allow(self.next_button, "" if review.left else NO_DOUBT if self._tracked else NOTHING_TRACKED)
        self._allow_check()
        self._report_check()
        self._on_position()
        self._on_place(self.why.text())

    def check(self) -> None:
        """Compare all masks with those found by tracking back."""
        self._controller.actions.check(CheckSettings())

    def _report_check(self) -> None:
        """Report the result of a check, once the summary after it is ready."""
        view = self._controller.view
        if not self._checking or view is None or view.run.running or not view.summary.fresh:
            return
        self._checking = False
        count = len(self._controller.summary.review.left)
        places = "place" if count == 1 else "places"
        set_note(self.why, f"Checked: {count or 'no'} {places} to look at.")

    def next_doubtful(self) -> None:
        """Go to the next place of the list."""
        self.walk.next()

    def accept(self) -> bool:
        """Accept the active object on the shown frame or plane; returns whether there was something to accept."""
        return self._controller.actions.accept_here()

    def accept_and_next(self) -> None:
        """Accept the current place, or what is shown if the user went elsewhere, and go to the next place."""
        if self.walk.here:
            self.walk.judge("right")
        elif self.accept():
            self.walk.next()

    def accept_span(self) -> None:
        """Accept the active object from the accepted frame before this one (or the first) up to this one."""
        session, frame = self._controller.session, self._controller.frame
        if session is not None and self._controller.active:
            before = [f for f in session.accepted(self._controller.active) if f < frame]
            self._controller.actions.accept(max(before, default=0), frame + 1)

    def unaccept(self) -> None:
        """Withdraw acceptance of the active object on the shown frame or plane."""
        self._controller.actions.unaccept_here()
