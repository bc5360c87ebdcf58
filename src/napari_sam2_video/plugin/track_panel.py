"""What a run covers, the button that starts and stops it, and how far it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QComboBox, QProgressBar, QSpinBox, QVBoxLayout, QWidget

from napari_sam2_video.plugin.tracking import CHECKING
from napari_sam2_video.plugin.widgets import DANGER, PRIMARY, button, fill, form, narrow, note, row, set_note, stack
from napari_sam2_video.types import TrackSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam2_video.plugin.controller import Controller

DIRECTIONS = (("Both ways", "both"), ("Forward", "forward"), ("Backward", "backward"))
WHOLE, HERE, COUNT, SPAN = "whole", "here", "count", "span"
RANGES = (
    ("The whole recording", WHOLE),
    ("From this frame to the end", HERE),
    ("A number of frames from here", COUNT),
    ("From one frame to another", SPAN),
)
CHANGED, SELECTED, ALL = "changed", "selected", "all"
OBJECTS = (("Changed objects", CHANGED), ("The selected object", SELECTED), ("All objects", ALL))


class TrackPanel(QWidget):
    """Direction, range and objects of the next run."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self._controller = controller
        self.direction_box = narrow(QComboBox())
        self.range_box = narrow(QComboBox())
        self.objects_box = narrow(QComboBox())
        fill(self.direction_box, list(DIRECTIONS))
        fill(self.range_box, list(RANGES))
        fill(self.objects_box, list(OBJECTS))
        self.direction_box.setToolTip("From each object's own first prompted frame, and from each correction.")
        self.objects_box.setToolTip("Objects whose prompts did not change need no new run.")
        self.count_spin = _spin("frames from the shown one")
        self.count_spin.setMinimum(1)
        self.count_spin.setValue(10)
        self.first_spin = _spin("First frame of the range.")
        self.last_spin = _spin("Last frame of the range.")
        self.in_button = button("In", lambda: self.first_spin.setValue(controller.frame), "Begin at the shown frame.")
        self.out_button = button("Out", lambda: self.last_spin.setValue(controller.frame), "End at the shown frame.")
        self._span = row(self.first_spin, self.in_button, self.last_spin, self.out_button)
        self._form = form(
            ("Direction", self.direction_box),
            ("Range", self.range_box),
            ("Frames", self.count_spin),
            ("From, to", self._span),
            ("Objects", self.objects_box),
        )
        stack(self, self._form)
        self.range_box.currentIndexChanged.connect(self._on_range)
        controller.session_changed.connect(self._on_session)
        self._on_range()

    def _on_range(self, *_: Any) -> None:
        chosen = self.range_box.currentData()
        self._form.setRowVisible(self.count_spin, chosen == COUNT)
        self._form.setRowVisible(self._span, chosen == SPAN)

    def _on_session(self) -> None:
        session = self._controller.session
        if session is not None:
            for spin in (self.first_spin, self.last_spin):
                spin.setMaximum(session.n_frames - 1)
            self.count_spin.setMaximum(session.n_frames)
            self.last_spin.setValue(session.n_frames - 1)

    def settings(self) -> TrackSettings:
        """What is chosen now, as one frozen value."""
        controller = self._controller
        session = controller.session
        assert session is not None
        direction = self.direction_box.currentData()
        start, stop = self._span_of(controller.frame, session.n_frames, direction)
        chosen = self.objects_box.currentData()
        objects: tuple[int, ...] | None = None
        if chosen == SELECTED:
            objects = (controller.active,)
        elif chosen == ALL:
            objects = tuple(entry.id for entry in session.objects if not entry.locked)
        return TrackSettings(direction, start, stop, objects)

    def _span_of(self, here: int, n_frames: int, direction: str) -> tuple[int | None, int | None]:
        chosen = self.range_box.currentData()
        if chosen == HERE:
            return (0, here + 1) if direction == "backward" else (here, n_frames)
        if chosen == COUNT:
            count = self.count_spin.value()
            first = here - count + 1 if direction in ("backward", "both") else here
            last = here + count if direction in ("forward", "both") else here + 1
            return max(first, 0), min(last, n_frames)
        if chosen == SPAN:
            first, last = sorted((self.first_spin.value(), self.last_spin.value()))
            return first, last + 1
        return None, None


class RunBar(QWidget):
    """The Track and Stop button, the progress of the run and the reason why no run can start; always in sight."""

    def __init__(self, controller: Controller, panel: TrackPanel, model_missing: Callable[[], str]) -> None:
        super().__init__()
        self._controller = controller
        self._panel = panel
        self._model_missing = model_missing
        self.track_button = button("Track", self.start, "Track in the background (G).")
        self.track_button.setStyleSheet(PRIMARY)
        self.stop_button = button("Stop", controller.actions.stop, "Stop within a frame; what is done is kept (H).")
        self.stop_button.setStyleSheet(DANGER)
        self.resume_button = button("Go on", controller.actions.resume, "Go on with the run that was stopped.")
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setMaximumHeight(8)
        self.status = note()
        self.reason = note()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 4)
        layout.setSpacing(4)
        layout.addWidget(row(self.track_button, self.stop_button, self.resume_button, stretch=0))
        for widget in (self.bar, self.status, self.reason):
            layout.addWidget(widget)
        for signal in (controller.session_changed, controller.run_changed):
            signal.connect(self.update_state)
        controller.summary_changed.connect(self._on_summary)
        controller.changed.connect(self._on_changed)
        controller.active_changed.connect(self.update_state)
        panel.objects_box.currentIndexChanged.connect(self.update_state)
        controller.session_changed.connect(self._forget_start)
        self.outcome = ""
        self._starting = False
        self.update_state()

    def _forget_start(self) -> None:
        """A run that was asked for in one session never starts in the next."""
        self._starting = False

    def _on_changed(self, _: str) -> None:
        """What is said of the last run holds until something changes."""
        run = self._controller.run
        if run is not None and not run.running:
            self.outcome = ""
            self.update_state()

    def _on_summary(self) -> None:
        starting, self._starting = self._starting, False
        if starting:
            self.start()
        self.update_state()

    def start(self) -> None:
        """Start a run, if nothing stands against it."""
        view = self._controller.view
        if view is not None and not view.summary.fresh:
            # A click may be newer than what is known of it.
            self._starting = True
            return
        if self.problem():
            self.update_state()
            self._controller.notified.emit("info", self.problem())
            return
        self.outcome = ""
        self._controller.actions.track(self._panel.settings())

    def problem(self) -> str:
        """Why no run can start, empty where one can."""
        session = self._controller.session
        if self._controller.loading:
            return "Preparing the recording…"
        if session is None:
            return "Press New object, and click the object in the image."
        missing = self._model_missing()
        if missing:
            return missing
        chosen = self._panel.objects_box.currentData()
        ready = self._controller.summary.ready
        if not ready:
            return "No object has a prompt yet: click on an object, draw a box or paint it."
        if chosen == SELECTED:
            return "" if self._controller.active in ready else "The selected object has no prompt yet: click on it."
        if chosen == CHANGED and not self._controller.summary.dirty:
            return "Nothing changed since the last run."
        return ""

    def told_end(self, how: str, sentence: str) -> None:
        """Say how the last run ended."""
        run = self._controller.run
        done = run.progress.done if run is not None else 0
        checked = run is not None and run.doing == CHECKING
        session = self._controller.session
        # What changed in the run cannot be gone on with.
        button = "Go on" if session is not None and session.unfinished else "Track"
        self.outcome = {
            "done": f"Done: {done} frames {'checked' if checked else 'tracked'}.",
            "stopped": f"Stopped after {done} frames; {'they are kept.' if checked else f'press {button} to finish.'}",
            "failed": f"Stopped after {done} frames: {sentence}",
        }[how]
        self.update_state()

    def update_state(self, *_: Any) -> None:
        """Bring button, bar and lines to what the controller says."""
        run = self._controller.run
        session = self._controller.session
        running = run is not None and run.running
        problem = "" if running else self.problem()
        self.track_button.setVisible(not running)
        self.track_button.setEnabled(not problem)
        self.stop_button.setVisible(running)
        self.stop_button.setEnabled(running and run is not None and not run.stopping)
        self.resume_button.setVisible(not running and session is not None and session.unfinished)
        self.bar.setVisible(running)
        if running and run is not None:
            total = run.progress.total
            self.bar.setRange(0, total)
            self.bar.setValue(run.progress.done)
            set_note(self.status, "Stopping after this frame…" if run.stopping else run.progress.text())
        else:
            set_note(self.status, self.outcome)
        set_note(self.reason, problem)


def _spin(tip: str) -> QSpinBox:
    spin = QSpinBox()
    spin.setMaximum(10_000_000)
    spin.setToolTip(tip)
    return spin
