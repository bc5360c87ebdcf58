"""Clean up the masks: fill holes, drop small parts, keep the largest part, smooth along the walked axis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QCheckBox, QComboBox, QSpinBox, QWidget

from napari_sam2_video.plugin.background_task import BackgroundTask
from napari_sam2_video.plugin.widgets import (
    IN_A_RUN,
    NO_SESSION,
    allow,
    button,
    fill,
    form,
    narrow,
    row,
    set_note,
    stack,
)

if TYPE_CHECKING:
    from napari_sam2_video.masks.clean import CleanSettings
    from napari_sam2_video.plugin.controller import Controller

LARGEST_PART = 1_000_000
ALL, ACTIVE = "all", "active"


class CleanUpPanel(QWidget):
    """Choose steps and apply them in the background, as one step that can be undone."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self._controller = controller
        self.smooth_box = narrow(QComboBox())
        fill(self.smooth_box, [("off", 1), ("over 3 frames", 3), ("over 5 frames", 5)])
        self.smooth_box.setToolTip(
            "Smooth masks that flicker: each pixel gets the value it has on most of these frames."
        )
        self.fill_box = QCheckBox("Fill holes")
        self.fill_box.setToolTip("Holes enclosed by a mask become part of it.")
        self.part_box = QSpinBox()
        self.part_box.setRange(0, LARGEST_PART)
        self.part_box.setSuffix(" px")
        self.part_box.setSpecialValueText("keep all")
        self.part_box.setToolTip("Connected parts of a mask with fewer pixels are removed.")
        self.largest_box = QCheckBox("Keep only the largest part")
        self.largest_box.setToolTip("Keep the largest connected part of each mask and remove all others.")
        self.objects_box = narrow(QComboBox())
        fill(self.objects_box, [("All objects that are not locked", ALL), ("The selected object", ACTIVE)])
        self.objects_box.setToolTip("Objects to clean up.")
        self.clean_up_button = button("Clean up", self.clean_up, "Painted and accepted frames stay as they are.")
        self.task = BackgroundTask(controller, "Stop", "Stop; undo brings back the masks that changed.")
        steps = form(("Smooth", self.smooth_box), ("Remove parts below", self.part_box))
        buttons = row(self.clean_up_button, self.task.stop_button)
        choices = (steps, self.fill_box, self.largest_box, self.objects_box)
        stack(self, *choices, buttons, self.task.bar, self.task.outcome)
        for signal in (controller.session_changed, controller.run_changed, self.task.changed):
            signal.connect(self.update_state)
        for signal in (controller.session_changed, controller.changed):
            signal.connect(self._forget)
        self.smooth_box.currentIndexChanged.connect(self.update_state)
        self.part_box.valueChanged.connect(self.update_state)
        for box in (self.fill_box, self.largest_box):
            box.toggled.connect(self.update_state)
        self.update_state()

    def choices(self) -> CleanSettings:
        """The chosen steps."""
        from napari_sam2_video.masks.clean import CleanSettings

        return CleanSettings(
            smooth_frames=self.smooth_box.currentData(),
            fill_holes=self.fill_box.isChecked(),
            smallest_part=self.part_box.value(),
            keep_largest=self.largest_box.isChecked(),
        )

    def clean_up(self) -> None:
        """Clean up in the background."""
        session = self._controller.session
        if session is None:
            return
        settings = self.choices()
        chosen = [self._controller.active] if self.objects_box.currentData() == ACTIVE else None
        self.task.begin(
            "cleaning up",
            lambda progress: session.clean_up(settings, chosen, progress=progress),
            done=self._done,
            stopped="Cleaning up was stopped; undo brings back the masks that changed.",
        )

    def _done(self, changed: int) -> None:
        self._controller.deliver()
        masks = {0: "No mask", 1: "1 mask"}.get(changed, f"{changed} masks")
        set_note(
            self.task.outcome,
            f"{masks} changed." + (f" Undo brings {'it' if changed == 1 else 'them'} back." if changed else ""),
        )

    def _forget(self, *_: Any) -> None:
        """Hide the last outcome once something changes."""
        if not self.task.working:
            set_note(self.task.outcome, "")

    def update_state(self, *_: Any) -> None:
        """Enable the controls that can be used now."""
        chosen = (
            self.smooth_box.currentData() != 1
            or self.part_box.value() > 1
            or self.fill_box.isChecked()
            or self.largest_box.isChecked()
        )
        if self._controller.session is None:
            reason = NO_SESSION
        elif self._controller.running:
            reason = IN_A_RUN
        else:
            reason = "" if chosen else "Choose at least one of the steps first."
        allow(self.clean_up_button, "Cleaning up is under way." if self.task.working else reason)
