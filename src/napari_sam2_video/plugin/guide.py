"""Show the next step in a line, and highlight its button."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QToolButton, QWidget

from napari_sam2_video.plugin.next_step import NextStep, Situation, next_step
from napari_sam2_video.plugin.widgets import note, set_emphasis, set_note, single_shot

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from qtpy.QtWidgets import QPushButton

    from napari_sam2_video.plugin.widget import TrackingWidget


class Guide(QWidget):
    """Names the next step; the arrow beside it opens the section where it is taken.

    Parameters
    ----------
    widget : TrackingWidget
        The widget to guide through.
    buttons : mapping of str to QPushButton
        The button of each step that has one.
    show_section : callable
        Opens a section by its name.
    """

    def __init__(
        self,
        widget: TrackingWidget,
        buttons: Mapping[str, QPushButton],
        show_section: Callable[[str], Any],
    ) -> None:
        super().__init__()
        self._widget = widget
        self._buttons = dict(buttons)
        self._show_section = show_section
        self.step = NextStep("")
        self.line = note()
        self.go_button = QToolButton()
        self.go_button.setArrowType(Qt.ArrowType.DownArrow)
        self.go_button.setToolTip("Show where this is done.")
        self.go_button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.go_button.clicked.connect(lambda: self._show_section(self.step.section))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(6, 0, 0, 0)
        layout.addWidget(self.line, 1)
        layout.addWidget(self.go_button)
        # Many signals arrive at once, and the step depends on all of them.
        self._soon = single_shot(self, self.update_step)
        controller = widget.controller
        for signal in (
            controller.session_changed,
            controller.summary_changed,
            controller.run_changed,
            controller.active_changed,
            controller.changed,
            controller.plane_changed,
            controller.preview_changed,
            controller.model_changed,
            widget.objects.prompting.armed_changed,
            widget.export.task.changed,
            widget.recording.described,
        ):
            signal.connect(self._later)
        events = controller.viewer.layers.events
        for event in (events.inserted, events.removed):
            controller.listen(event, self._later)
        controller.at_close(self._soon.stop)
        self.update_step()

    def _later(self, *_: Any) -> None:
        self._soon.start(0)

    def situation(self) -> Situation:
        """The current situation."""
        widget, controller = self._widget, self._widget.controller
        session, summary, active = controller.session, controller.summary, controller.active
        entries, preview = () if session is None else session.objects, controller.preview
        drawn = preview is not None and (preview.waiting or preview.place is not None)
        return Situation(
            images=widget.recording.layer is not None,
            loading=controller.loading,
            open=session is not None,
            problem=widget.recording.problem(),
            earlier=widget.recording.found.text() != "",
            model_problem=controller.model_missing(),
            objects=len(entries),
            armed=widget.objects.prompting.armed,
            prompted=active in summary.ready,
            locked=any(entry.id == active and entry.locked for entry in entries),
            changed=bool(summary.dirty),
            outlined=drawn or controller.shown_elsewhere() is None,
            running=controller.running,
            unfinished=widget.run_bar.continues(),
            tracked=any(found.frames for found in summary.objects.values()),
            exported=widget.export.written is not None,
            proposed=0 if session is None else len(session.proposals),
            doubtful=len(summary.review.left),
        )

    def update_step(self) -> None:
        """Show the next step, and highlight its button."""
        if self._widget.controller.viewer is None:
            return
        self.step = next_step(self.situation())
        for name, button in self._buttons.items():
            set_emphasis(button, on=name == self.step.button)
        set_note(self.line, self.step.text)
        self.go_button.setVisible(bool(self.step.section))
