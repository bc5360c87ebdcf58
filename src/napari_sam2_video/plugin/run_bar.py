"""The run bar, always in sight: tracking, stopping and continuing, progress, and the way to the review."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_sam2_video.plugin.track_panel import CHANGED, SELECTED
from napari_sam2_video.plugin.tracking import CHECKING, FINDING, TRACKING
from napari_sam2_video.plugin.widgets import DANGER, allow, button, note, progress_bar, row, set_note

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam2_video.plugin.controller import Controller
    from napari_sam2_video.plugin.track_panel import TrackPanel
    from napari_sam2_video.types import TrackSettings

TRACK, SEGMENT, CONTINUE = "Track", "Segment", "Continue"
NO_IMAGE = "Open an image first."
BEGIN = "Press New object, and click the object in the image."
NO_PROMPT = "No object has a prompt yet: click on an object, draw a box or paint it."
UNCHANGED = "Nothing has changed since the last run."
SAID_ABOVE = (NO_IMAGE, BEGIN, NO_PROMPT)
"""Reasons that the line of the next step already shows."""


class RunBar(QWidget):
    """Track, Stop and Continue, progress, errors, and the way to the review.

    Parameters
    ----------
    controller : Controller
        Runs the tracking, and reports.
    panel : TrackPanel
        Choices for the next run.
    model_missing : callable
        Returns why no run can start with the chosen model; empty if one can.
    review : callable
        Opens the review at the first doubtful frame.
    """

    def __init__(
        self,
        controller: Controller,
        panel: TrackPanel,
        model_missing: Callable[[], str],
        review: Callable[[], Any],
    ) -> None:
        super().__init__()
        self._controller = controller
        self._panel = panel
        self._model_missing = model_missing
        self.track_button = button(TRACK, self.start, "Track in the background (G).")
        self.stop_button = button(
            "Stop", controller.actions.stop, "Stop after this frame; finished frames are kept (H)."
        )
        self.stop_button.setStyleSheet(DANGER)
        self.review_button = button("Review", review, "Open the review at the most doubtful frame (J).")
        self.bar = progress_bar()
        self.status = note()
        self.reason = note()
        self.error = note()
        self.error.setStyleSheet("QLabel { color: #e0663f; }")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 4)
        layout.setSpacing(4)
        layout.addWidget(row(self.track_button, self.stop_button, self.review_button, stretch=0))
        for widget in (self.bar, self.status, self.reason, self.error):
            layout.addWidget(widget)
        for signal in (controller.session_changed, controller.run_changed):
            signal.connect(self.update_state)
        controller.summary_changed.connect(self._on_summary)
        controller.changed.connect(self._on_changed)
        controller.active_changed.connect(self.update_state)
        controller.selection_changed.connect(self.update_state)
        controller.notified.connect(self._on_notified)
        controller.loader.progressed.connect(self._on_loading)
        for box in (panel.objects_box, panel.range_box, panel.direction_box):
            box.currentIndexChanged.connect(self.update_state)
        controller.session_changed.connect(self._forget)
        layers = controller.viewer.layers.events
        for event in (layers.inserted, layers.removed):
            controller.listen(event, self.update_state)
        self.outcome = ""
        self._loading = ""
        self._starting = False
        self._stopped: TrackSettings | None = None
        self.update_state()

    def _forget(self) -> None:
        """Forget a requested run, so that it never starts in the next session."""
        self._starting = False
        self._stopped = None
        self.outcome = ""
        set_note(self.error, "")
        self.update_state()

    def _on_loading(self, doing: str) -> None:
        self._loading = doing
        self.update_state()

    def _on_notified(self, kind: str, sentence: str) -> None:
        """Keep an error visible after its notification has gone."""
        if kind == "error":
            set_note(self.error, "" if sentence in self.outcome else sentence)

    def _on_changed(self, _: str) -> None:
        """Hide the outcome of the last run and the last error once something changes."""
        if not self._controller.running:
            self.outcome = ""
            set_note(self.error, "")
            self.update_state()

    def _on_summary(self) -> None:
        starting, self._starting = self._starting, False
        if starting:
            self.start()
        self.update_state()

    def start(self) -> None:
        """Start a run or continue the stopped one, if nothing prevents it."""
        view = self._controller.view
        if view is not None and not view.summary.fresh:
            # A click may be newer than the summary.
            self._starting = True
            return
        if self._controller.running:
            return
        if not self.continues() and self.problem():
            self.update_state()
            self._controller.notified.emit("info", self.problem())
            return
        self.outcome = ""
        set_note(self.error, "")
        if self.continues():
            self._controller.actions.resume()
        else:
            self._stopped = self._panel.settings()
            self._controller.actions.track(self._stopped)

    def continues(self) -> bool:
        """Whether the button continues the stopped run, because nothing has changed since."""
        session = self._controller.session
        if session is None or not session.unfinished or self._model_missing():
            return False
        return self._stopped is None or self._stopped == self._panel.settings()

    def problem(self) -> str:
        """Why no run can start; empty if one can."""
        controller = self._controller
        session, summary = controller.session, controller.summary
        if controller.loading:
            return "Preparing the recording…"
        if session is None:
            return BEGIN if self._has_image() else NO_IMAGE
        missing = self._model_missing()
        if missing:
            return missing
        chosen = self._panel.objects_box.currentData()
        prompted = session.planes.prompted
        if controller.walks and prompted:
            return ""
        if not summary.ready:
            return NO_PROMPT
        if prompted and session.planes.axes[0] not in prompted and not session.masks.painted():
            letters = " and ".join(prompted)
            return f"All prompts lie on planes across {letters}: choose them at Track along, in the section Volume."
        if chosen == SELECTED:
            none = set(controller.selected) - summary.ready
            return "A selected object has no prompt yet: click on it." if none or not controller.selected else ""
        if chosen == CHANGED and not summary.dirty:
            return UNCHANGED
        return ""

    def _has_image(self) -> bool:
        from napari.layers import Image

        return any(isinstance(layer, Image) for layer in self._controller.viewer.layers)

    def show_end(self, how: str, sentence: str) -> None:
        """Show how the last run ended."""
        run = self._controller.run
        done = run.progress.done if run is not None else 0
        doing = TRACKING if run is None else run.doing
        if doing == FINDING:
            self._show_found(how, sentence)
            return
        frames = f"{done} frame{'' if done == 1 else 's'}"
        self.outcome = {
            "done": f"{frames} {'checked' if doing == CHECKING else 'tracked'}.",
            "stopped": f"Stopped after {frames}; {'they are' if done != 1 else 'it is'} kept.",
            "failed": f"Stopped after {frames}: {sentence}",
        }[how]
        self.update_state()

    def show_outcome(self, sentence: str) -> None:
        """Show what followed from the last run."""
        self.outcome = sentence
        self.update_state()

    def _show_found(self, how: str, sentence: str) -> None:
        session = self._controller.session
        count = 0 if session is None else len(session.proposals)
        found = {0: "Nothing new was found.", 1: "1 proposal to decide on."}.get(
            count, f"{count} proposals to decide on."
        )
        self.outcome = sentence if how == "failed" else f"Stopped. {found}" if how == "stopped" else found
        self.update_state()

    def _button_text(self) -> str:
        session, run = self._controller.session, self._controller.run
        if self.continues():
            left = 0 if run is None or run.doing != TRACKING else run.progress.total - run.progress.done
            return f"{CONTINUE} ({left} left)" if left > 0 else CONTINUE
        return SEGMENT if session is not None and session.n_frames == 1 else TRACK

    def update_state(self, *_: Any) -> None:
        """Update button, bar and lines from the controller."""
        controller = self._controller
        run, running, loading = controller.run, controller.running, controller.loading
        continues = not running and self.continues()
        problem = "" if running or continues else self.problem()
        self.track_button.setVisible(not running)
        allow(self.track_button, problem)
        self.track_button.setText(self._button_text())
        self.stop_button.setVisible(running)
        self.stop_button.setEnabled(running and run is not None and not run.stopping)
        self.bar.setVisible(running or loading)
        doubtful = 0 if running else len(controller.summary.review.left)
        self.review_button.setVisible(bool(doubtful) and bool(self.outcome))
        if running and run is not None:
            self.bar.setRange(0, run.progress.total)
            self.bar.setValue(run.progress.done)
            set_note(self.status, "Stopping after this frame…" if run.stopping else run.progress.text())
        elif loading:
            self.bar.setRange(0, 0)
            set_note(self.status, self._loading)
        else:
            self._loading = ""
            look = f" {doubtful} to look at." if doubtful and self.outcome else ""
            set_note(self.status, f"{self.outcome}{look}")
        is_shown = problem in SAID_ABOVE or (problem == UNCHANGED and bool(self.outcome))
        set_note(self.reason, "" if is_shown else problem)
