"""The dock widget, which combines the panels."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtGui import QKeySequence, QShortcut  # type: ignore[attr-defined]
from qtpy.QtWidgets import QLabel, QMessageBox, QToolButton, QVBoxLayout, QWidget

from napari_sam2_video.plugin.auto_track import AutoTrack
from napari_sam2_video.plugin.clean_up_panel import CleanUpPanel
from napari_sam2_video.plugin.controller import Controller
from napari_sam2_video.plugin.early_clicks import EarlyClicks
from napari_sam2_video.plugin.export_panel import ExportPanel
from napari_sam2_video.plugin.find_panel import FindPanel
from napari_sam2_video.plugin.guide import Guide
from napari_sam2_video.plugin.key_sheet import all_keys
from napari_sam2_video.plugin.keyboard_focus import KeyboardFocus
from napari_sam2_video.plugin.keys import Keys
from napari_sam2_video.plugin.measure_panel import MeasurePanel
from napari_sam2_video.plugin.model_line import ModelLine
from napari_sam2_video.plugin.model_panel import ModelPanel
from napari_sam2_video.plugin.objects_panel import ObjectsPanel
from napari_sam2_video.plugin.planes_panel import PlanesPanel
from napari_sam2_video.plugin.recent_sessions import session_of
from napari_sam2_video.plugin.recording_panel import RecordingPanel
from napari_sam2_video.plugin.review_panel import ReviewPanel
from napari_sam2_video.plugin.run_bar import RunBar
from napari_sam2_video.plugin.scripting import SessionHandle
from napari_sam2_video.plugin.session_panel import SessionPanel
from napari_sam2_video.plugin.settings import PLUGIN, read_settings, write_setting
from napari_sam2_video.plugin.tour import Tour
from napari_sam2_video.plugin.track_panel import TrackPanel
from napari_sam2_video.plugin.widgets import Panels, Section, button, row

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.viewer import Viewer

    from napari_sam2_video.plugin.recent_sessions import RecentSession

WIDTH = 340
STATUS_SECONDS = 4000


class TrackingWidget(QWidget):
    """Track objects with SAM 2.

    Attributes
    ----------
    handle : SessionHandle
        The same session for scripts.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self.controller = controller = Controller(napari_viewer, self)
        self.recording = RecordingPanel(controller)
        self.model = ModelPanel(controller)
        self.objects = ObjectsPanel(controller, self.begin)
        self.finding = FindPanel(controller, self.begin)
        self.track = TrackPanel(controller)
        self.planes = PlanesPanel(controller, self.objects.seeds)
        self.review = ReviewPanel(controller, lambda: self.objects.prompting.arm("point"))
        self.early_clicks = EarlyClicks(controller)
        self.auto_track = AutoTrack(controller, self.track.settings)
        self.run_bar = RunBar(controller, self.track, self.model.missing, self.open_review)
        self.planes.fused.connect(self.run_bar.show_outcome)
        self.model_line = ModelLine(controller, self.open_models, self._get_model, lambda: self.recording.layer)
        self.recording.described.connect(self.model_line.update_state)
        self.clean_up = CleanUpPanel(controller)
        self.measurements = MeasurePanel(controller)
        self.export = ExportPanel(controller)
        self.session = SessionPanel(controller, lambda: self.recording.layer)
        self.handle = SessionHandle(controller, self.start_session)
        opened = read_settings().sections.split(",")
        self.sections = {
            name: Section(title, panel, tip, expanded=name in opened)
            for name, (title, panel, tip) in {
                "recording": ("Recording", self.recording, "What the model sees: image, axes, channels and contrast."),
                "model": ("Model", self.model, "Which model tracks, and on which device."),
                "objects": ("Objects and prompts", self.objects, "The objects to track, and their prompts."),
                "find": ("Find", self.finding, "Find objects that nobody clicked, and decide on what is proposed."),
                "track": ("Run", self.track, "Which frames and which objects the next run tracks."),
                "planes": (
                    "Volume",
                    self.planes,
                    "Track a volume along three axes, and fuse the results.",
                ),
                "review": ("Review", self.review, "Which frames to look at, and accepting what is right."),
                "clean_up": (
                    "Clean up masks",
                    self.clean_up,
                    "Fill holes, remove specks, smooth over time or depth.",
                ),
                "measurements": ("Measurements", self.measurements, "Sizes, positions and movement of the objects."),
                "export": ("Export", self.export, "Write masks, tables, tracks and videos."),
                "session": ("Session", self.session, "The session's folder, recent sessions, and history."),
            }.items()
        }
        self._closed = False
        self._lay_out()
        self.sections["planes"].setVisible(False)
        self.keys = Keys(controller.viewer, all_keys(self))
        controller.session_changed.connect(self._on_session)
        controller.notified.connect(self._tell)
        for section in self.sections.values():
            section.header.clicked.connect(self._remember_sections)
        self.sections["model"].toggled.connect(lambda opened: self.model.probe() if opened else None)
        self.sections["export"].toggled.connect(lambda opened: self.export.offer_formats() if opened else None)
        if self.sections["model"].expanded:
            self.model.probe()
        if self.sections["export"].expanded:
            self.export.offer_formats()
        controller.listen(controller.viewer.layers.events.inserted, self._on_inserted)
        self.recording.continued.connect(lambda folder: self.session.open(Path(folder)))
        controller.at_close(self.keys.close)
        self.keyboard = KeyboardFocus(controller.viewer, self)
        controller.at_close(self.keyboard.close)
        # The dock discards its widget without closing it (see `event`); a closing window takes it along.
        self.destroyed.connect(partial(controller.close, window_gone=True))

    def _lay_out(self) -> None:
        inside = QWidget()
        stack = QVBoxLayout(inside)
        stack.setContentsMargins(2, 2, 2, 2)
        stack.setSpacing(2)
        for section in self.sections.values():
            stack.addWidget(section)
        stack.addStretch(1)
        self.panels = Panels()
        self.panels.setWidgetResizable(True)
        self.panels.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.panels.setWidget(inside)
        self.help_button = QToolButton()
        self.help_button.setText("Keys")
        self.help_button.setToolTip("All keys of this widget (?).")
        self.help_button.clicked.connect(self.show_keys)
        self.help_button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        # napari has no name for this key.
        QShortcut(QKeySequence("?"), self).activated.connect(self.show_keys)
        self.tour_button = QToolButton()
        self.tour_button.setText("Tour")
        self.tour_button.setToolTip("A two-minute tour of the widget with sample cells.")
        self.tour_button.clicked.connect(lambda: self.tour.offer())
        self.tour_button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.tour = Tour(self, self.recording.open_sample, self._show_only)
        self.guide = Guide(
            self,
            {
                "open": self.recording.open_button,
                "continue": self.recording.continue_button,
                "new": self.objects.new_button,
                "click": self.objects.tools["point"],
                "track": self.run_bar.track_button,
                "review": self.review.next_button,
                "export": self.export.export_button,
            },
            self.show_section,
        )
        self.tour.changed.connect(lambda: self.guide.setVisible(self.tour.at is None))
        self.undo_button, self.redo_button = self.session.undo_button, self.session.redo_button
        title = QLabel("<b>SAM 2 video</b>")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.setSpacing(2)
        layout.addWidget(row(title, self.undo_button, self.redo_button, self.tour_button, self.help_button, stretch=0))
        layout.addWidget(self.tour)
        layout.addWidget(self.guide)
        layout.addWidget(self.panels, 1)
        layout.addWidget(self.run_bar)
        layout.addWidget(self.model_line)
        self.setMinimumWidth(WIDTH)

    def _remember_sections(self) -> None:
        """Store which sections are open."""
        opened = ",".join(name for name, section in self.sections.items() if section.expanded)
        write_setting("interface", "sections", opened)

    def show_keys(self) -> None:
        """List the keys."""
        box = QMessageBox(self)
        box.setWindowTitle("Keys of SAM 2 video tracking")
        box.setTextFormat(Qt.TextFormat.RichText)
        box.setText(self.keys.listed())
        box.setInformativeText("Change them in napari's preferences, under Shortcuts; their names begin with SAM 2.")
        restore = button("Restore defaults", self.keys.restore, "Reset all shortcuts to their defaults.")
        box.addButton(restore, QMessageBox.ButtonRole.ResetRole)
        box.addButton(QMessageBox.StandardButton.Close)
        box.open()

    # Sessions

    def begin(self, then: Callable[[], Any]) -> None:
        """Start a session for an action, or continue the recording's existing one."""
        layer = self.recording.layer
        found = None if layer is None or self.recording.problem() else session_of(layer)
        answer = "new" if found is None else ask_to_continue(self, found)
        if answer == "new":
            self.start_session(then)
        elif answer == "continue" and found is not None:
            self.session.open(Path(found.folder), then)

    def start_session(self, then: Callable[[], Any] | None = None) -> None:
        """Make a session from the chosen layer and settings, then call `then`."""
        problem = self.recording.problem()
        layer, choices = self.recording.layer, self.recording.choices()
        if problem or layer is None or choices is None:
            self.sections["recording"].set_expanded(True)
            self.controller.notified.emit("info", problem or "Open an image first.")
            return
        self.controller.start_session(layer, choices, then)

    def open_session(self, folder: Path) -> None:
        """Open a session folder and continue where it was left off."""
        self.session.open(folder)

    def show_section(self, name: str) -> None:
        """Open a section, and scroll to it."""
        section = self.sections[name]
        section.set_expanded(True)
        # A section that was folded has no height yet.
        QTimer.singleShot(0, lambda: self.panels.ensureWidgetVisible(section))

    def _show_only(self, name: str) -> None:
        for other, section in self.sections.items():
            section.set_expanded(other == name)

    def open_models(self) -> None:
        """Open the model panel."""
        self.show_section("model")

    def _get_model(self, name: str) -> None:
        self.open_models()
        self.model.choose(name)

    def open_review(self) -> None:
        """Open the review at the most doubtful frame."""
        self.show_section("review")
        self.review.next_doubtful()

    def _on_session(self) -> None:
        controller = self.controller
        opened = controller.session is not None
        self.sections["planes"].setVisible(bool(self.planes.volume.axes()))
        if opened:
            self.sections["recording"].set_expanded(False)
            self.sections["objects"].set_expanded(True)
            assert controller.run is not None
            controller.run.ended.connect(self.run_bar.show_end)
            controller.run.ended.connect(self.planes.follow_run)
            self._bind_layers()

    def _bind_layers(self) -> None:
        prompts, masks = self.controller.prompts, self.controller.masks
        if prompts is not None and masks is not None:
            own = (prompts.points, prompts.shapes, masks.masks, masks.preview)
            self.keys.bind_layers([layer for layer in own if layer is not None])

    def _on_inserted(self, event: Any) -> None:
        masks = self.controller.masks
        if masks is not None and (event.value is masks.masks or event.value is masks.preview):
            self._bind_layers()

    def _tell(self, kind: str, sentence: str) -> None:
        from napari.utils.notifications import show_error, show_info

        if kind == "error":
            show_error(sentence)
        elif kind == "info":
            show_info(sentence)
        self.controller.viewer.status = sentence

    # The end

    def event(self, event: QEvent | None) -> bool:  # noqa: D102
        if event is not None and event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self.close_down()
        return super().event(event)

    def closeEvent(self, event: Any) -> None:  # noqa: D102
        self.close_down()
        super().closeEvent(event)

    def close_down(self) -> None:
        """Stop a run within a frame, close the session and disconnect from the viewer; returns at once."""
        if self._closed or not hasattr(self, "keys"):
            return
        self._closed = True
        self.controller.close()


def ask_to_continue(parent: QWidget, found: RecentSession) -> str:
    """Ask whether to continue a session; ``"continue"``, ``"new"`` or ``""`` for neither."""
    box = QMessageBox(parent)
    box.setWindowTitle("Continue?")
    box.setText(f"This recording already has a session ({found.text()}).")
    box.setInformativeText(f"It is in {found.folder}.")
    continuing = box.addButton("Continue it", QMessageBox.ButtonRole.AcceptRole)
    fresh = box.addButton("New session", QMessageBox.ButtonRole.DestructiveRole)
    box.addButton(QMessageBox.StandardButton.Cancel)
    box.setDefaultButton(continuing)
    box.exec()
    clicked = box.clickedButton()
    return "continue" if clicked is continuing else "new" if clicked is fresh else ""


def find_widget(viewer: Viewer) -> TrackingWidget:
    """The widget of a viewer, opened if needed."""
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN)
    return widget  # type: ignore[no-any-return]
