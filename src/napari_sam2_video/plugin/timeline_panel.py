"""The timeline with its controls: zoom, grouping and scroll bar."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QScrollArea, QScrollBar, QWidget

from napari_sam2_video.plugin.timeline import Timeline
from napari_sam2_video.plugin.timeline_rows import BY_FAMILY, BY_STATE, UNGROUPED
from napari_sam2_video.plugin.widgets import button, fill, narrow, note, row, stack

if TYPE_CHECKING:
    from napari_sam2_video.plugin.controller import Controller

HEIGHT = 156
STEP = 2.0
GROUPS = (("All objects", UNGROUPED), ("By state", BY_STATE), ("By family", BY_FAMILY))


class TimelinePanel(QWidget):
    """The timeline of the shown session."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self._controller = controller
        self.timeline = Timeline()
        self.timeline.picked.connect(self._on_picked)
        self.timeline.zoomed.connect(self._on_zoomed)
        self.group_box = narrow(QComboBox())
        fill(self.group_box, list(GROUPS))
        self.group_box.setToolTip("Show the objects in groups; click the name of a group to fold or open it.")
        self.group_box.currentIndexChanged.connect(self._on_group)
        self.closer_button = button("+", lambda: self.timeline.zoom(STEP), "Show fewer frames (Ctrl+wheel).")
        self.wider_button = button("−", lambda: self.timeline.zoom(1 / STEP), "Show more frames (Ctrl+wheel).")
        self.whole_button = button("All", self._show_all, "Show all frames.")
        for made in (self.closer_button, self.wider_button, self.whole_button):
            made.setFixedWidth(made.fontMetrics().horizontalAdvance(made.text()) + 20)
        self._holder = QScrollArea()
        self._holder.setWidgetResizable(True)
        self._holder.setWidget(self.timeline)
        self._holder.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._holder.setMaximumHeight(HEIGHT)
        self.bar = QScrollBar(Qt.Orientation.Horizontal)
        self.bar.hide()
        self.bar.valueChanged.connect(lambda first: self.timeline.show_frames(first, len(self.timeline.frames)))
        self.legend = note(
            "Yellow trusted, dark blue doubtful, grey not tracked; ▼ prompted, ● painted, white line accepted."
        )
        stack(
            self,
            row(self.group_box, self.closer_button, self.wider_button, self.whole_button, stretch=0),
            self._holder,
            self.bar,
            self.legend,
        )
        layout: Any = self.layout()
        layout.setContentsMargins(0, 0, 0, 0)
        controller.session_changed.connect(self.update_rows)
        controller.summary_changed.connect(self.update_rows)
        controller.active_changed.connect(self._on_position)
        controller.frame_changed.connect(self._on_position)
        self.update_rows()

    def update_rows(self) -> None:
        """Show the newest summary."""
        session, summary = self._controller.session, self._controller.summary
        self.timeline.set_rows(summary.rows, 1 if session is None else session.n_frames)
        self._fit()
        self._on_zoomed()
        self._on_position()

    def _fit(self) -> None:
        self._holder.setMinimumHeight(min(self.timeline.sizeHint().height() + 4, HEIGHT))

    def _on_position(self, *_: Any) -> None:
        active = self._controller.active
        moved = active != self.timeline.active
        self.timeline.set_position(self._controller.frame, active)
        line = self.timeline.line_of(active) if moved else None
        if line is not None:
            self._holder.ensureVisible(0, self.timeline.y_of(line), 0, 30)

    def _on_picked(self, object_id: int, frame: int) -> None:
        if object_id:
            self._controller.set_active(object_id)
        self._controller.go_to(frame)

    def _on_group(self, *_: Any) -> None:
        self.timeline.set_grouping(self.group_box.currentData())
        self._fit()

    def _show_all(self) -> None:
        self.timeline.show_frames(0, self.timeline.n_frames)

    def _on_zoomed(self) -> None:
        """Update the scroll bar to the shown frames; it is hidden if all are shown."""
        frames, n_frames = self.timeline.frames, self.timeline.n_frames
        blocked = self.bar.blockSignals(True)
        self.bar.setRange(0, n_frames - len(frames))
        self.bar.setPageStep(len(frames))
        self.bar.setValue(frames.start)
        self.bar.blockSignals(blocked)
        self.bar.setVisible(len(frames) < n_frames)
