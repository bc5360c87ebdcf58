"""A tour of the widget with the sample, step by step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QFrame, QHBoxLayout

from napari_sam2_video.plugin.settings import read_settings, write_setting
from napari_sam2_video.plugin.widgets import PRIMARY, button, note, set_note, single_shot

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam2_video.plugin.widget import TrackingWidget

OFFER = "New here? Track sample cells in two minutes, step by step."
END = "That's all. Your own recordings work the same way: drop them onto the viewer."


@dataclass(frozen=True)
class Lesson:
    """What to do, the section it needs, and whether it was done."""

    text: str
    section: str
    done: Callable[[], bool]


class Tour(QFrame):
    """Offers the tour once, and guides through it; each step ends when the user has done it.

    Parameters
    ----------
    widget : TrackingWidget
        The widget.
    open_sample : callable
        Opens the sample.
    show_only : callable
        Opens a section by name, and folds the others.

    Signals
    -------
    changed
        The tour began or ended.
    """

    changed = Signal()

    def __init__(self, widget: TrackingWidget, open_sample: Callable[[], Any], show_only: Callable[[str], Any]) -> None:
        super().__init__()
        self._widget = widget
        self._open_sample = open_sample
        self._show_only = show_only
        self._exported: Any = None
        self._start_frame = 0
        self.at: int | None = None
        self.lessons = self._lessons()
        self.text = note()
        self.start_button = button("Show me", self.start, "Open the sample and start the tour.")
        self.start_button.setStyleSheet(PRIMARY)
        self.close_button = button("No, thanks", self.end, "Close the tour; Tour opens it again.")
        self.setFrameShape(QFrame.Shape.StyledPanel)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 4)
        layout.setSpacing(4)
        layout.addWidget(self.text, 1)
        layout.addWidget(self.start_button)
        layout.addWidget(self.close_button)
        controller = widget.controller
        self._soon = single_shot(self, self.advance)
        for signal in (
            controller.session_changed, controller.summary_changed, controller.run_changed, controller.changed,
            controller.frame_changed, widget.export.task.changed,
        ):  # fmt: skip
            signal.connect(self._later)
        controller.listen(controller.viewer.dims.events.point, self._later)
        controller.at_close(self._soon.stop)
        self.setVisible(not read_settings().tour_seen)
        set_note(self.text, OFFER)

    def _lessons(self) -> tuple[Lesson, ...]:
        controller, widget = self._widget.controller, self._widget

        def looked() -> bool:
            axis = next((n for n, length in enumerate(controller.viewer.dims.nsteps) if length > 1), 0)
            return int(controller.viewer.dims.current_step[axis]) != self._start_frame

        def reviewed() -> bool:
            session = controller.session
            return session is not None and any(session.accepted(entry.id) for entry in session.objects)

        return (
            Lesson("Move the slider below the image, or press →: these cells move through 40 frames.", "", looked),
            Lesson("Press New object. The model will see the image as you see it.", "objects", self._has_object),
            Lesson("Click in the middle of a cell.", "objects", lambda: bool(controller.summary.ready)),
            Lesson(
                "The outline shows what the model thinks is the cell. If something is missing, click there; if it is "
                "too much, hold Ctrl and click. Then press Track.",
                "objects",
                lambda: not controller.running and any(one.frames for one in controller.summary.objects.values()),
            ),
            Lesson(
                "Move through the frames. Where the mask is right, press W to accept it. Where it is wrong, click, and "
                "press Track again: only what changed is tracked.",
                "review",
                reviewed,
            ),
            Lesson(
                "Choose a format and press Export…: this writes masks, tables, tracks and videos.",
                "export",
                lambda: widget.export.written is not self._exported,
            ),
        )

    def _has_object(self) -> bool:
        session = self._widget.controller.session
        return session is not None and bool(session.objects)

    def offer(self) -> None:
        """Offer the tour again."""
        self.at = None
        set_note(self.text, OFFER)
        self.start_button.show()
        self.close_button.setText("No, thanks")
        self.show()

    def start(self) -> None:
        """Open the sample, and begin."""
        self._remember()
        self._widget.controller.close_session()
        self._open_sample()
        self._exported = self._widget.export.written
        dims = self._widget.controller.viewer.dims
        axis = next((n for n, length in enumerate(dims.nsteps) if length > 1), 0)
        self._start_frame = int(dims.current_step[axis])
        self.start_button.hide()
        self.close_button.setText("Close")
        self._show(0)

    def end(self) -> None:
        """Close the tour for good."""
        self._remember()
        self.at = None
        self.hide()
        self.changed.emit()

    def _remember(self) -> None:
        write_setting("interface", "tour_seen", True)

    def _later(self, *_: Any) -> None:
        if self.at is not None:
            self._soon.start(0)

    def advance(self) -> None:
        """Advance to the first step that is not done yet."""
        if self.at is None or self._widget.controller.viewer is None:
            return
        at = self.at
        while at < len(self.lessons) and self.lessons[at].done():
            at += 1
        if at != self.at:
            self._show(at)

    def _show(self, at: int) -> None:
        if at >= len(self.lessons):
            self.at = None
            set_note(self.text, END)
            self.changed.emit()
            return
        self.at = at
        lesson = self.lessons[at]
        if lesson.section:
            self._show_only(lesson.section)
        self.changed.emit()
        set_note(self.text, f"<b>{at + 1} of {len(self.lessons)}</b> {lesson.text}")
