"""Choose what a run covers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QCheckBox, QComboBox, QSpinBox, QWidget

from napari_sam2_video.plugin.settings import read_settings, write_setting
from napari_sam2_video.plugin.widgets import button, fill, form, narrow, narrow_spin, row, stack
from napari_sam2_video.types import TrackSettings

if TYPE_CHECKING:
    from napari_sam2_video.plugin.controller import Controller

DIRECTIONS = (("Both ways", "both"), ("Forward", "forward"), ("Backward", "backward"))
WHOLE, HERE, COUNT, SPAN = "whole", "here", "count", "span"
RANGES = (
    ("The whole recording", WHOLE),
    ("From this frame to the end", HERE),
    ("This frame and some on each side", COUNT),
    ("From one frame to another", SPAN),
)
CHANGED, SELECTED, ALL = "changed", "selected", "all"
OBJECTS = (("Changed objects", CHANGED), ("Selected objects", SELECTED), ("All objects", ALL))


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
        self.range_box.setToolTip("Frames that the next run tracks.")
        self.objects_box.setToolTip("Objects whose prompts have not changed are not tracked again.")
        self.count_spin = _spin("Frames before and after the shown one, in each direction that is tracked.")
        self.count_spin.setMinimum(1)
        self.count_spin.setValue(10)
        self.first_spin = _spin("First frame of the range.")
        self.last_spin = _spin("Last frame of the range.")
        self.in_button = button("In", lambda: self.first_spin.setValue(controller.frame), "Start at the shown frame.")
        self.out_button = button("Out", lambda: self.last_spin.setValue(controller.frame), "End at the shown frame.")
        self._span = row(narrow_spin(self.first_spin), self.in_button, narrow_spin(self.last_spin), self.out_button)
        self._form = form(
            ("Direction", self.direction_box),
            ("Range", self.range_box),
            ("Frames each way", self.count_spin),
            ("Objects", self.objects_box),
        )
        self._form.insertRow(self._form.rowCount() - 1, self._span)
        self.follow_box = QCheckBox("Follow the run")
        self.follow_box.setToolTip("Show each frame as soon as it is tracked.")
        self.follow_box.setChecked(read_settings().follow_run)
        self.follow_box.toggled.connect(lambda on: write_setting("interface", "follow_run", on))
        stack(self, self._form, self.follow_box)
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
        """The current choices, as one frozen value."""
        controller = self._controller
        session = controller.session
        assert session is not None
        direction = self.direction_box.currentData()
        start, stop = self._span_of(controller.frame, session.n_frames, direction)
        chosen = self.objects_box.currentData()
        objects: tuple[int, ...] | None = None
        if chosen == SELECTED:
            objects = controller.selected
        elif chosen == ALL:
            objects = tuple(entry.id for entry in session.objects if not entry.locked)
        return TrackSettings(direction, start, stop, objects)

    def _span_of(self, here: int, n_frames: int, direction: str) -> tuple[int | None, int | None]:
        chosen = self.range_box.currentData()
        if chosen == HERE:
            return (0, here + 1) if direction == "backward" else (here, n_frames)
        if chosen == COUNT:
            count = self.count_spin.value()
            first = here - count if direction in ("backward", "both") else here
            last = here + count + 1 if direction in ("forward", "both") else here + 1
            return max(first, 0), min(last, n_frames)
        if chosen == SPAN:
            first, last = sorted((self.first_spin.value(), self.last_spin.value()))
            return first, last + 1
        return None, None


def _spin(tip: str) -> QSpinBox:
    spin = QSpinBox()
    spin.setMaximum(10_000_000)
    spin.setToolTip(tip)
    return spin
