"""Tidy the masks: fill holes, drop small parts, keep the largest part, smooth along the walked axis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QCheckBox, QComboBox, QFormLayout, QProgressBar, QSpinBox, QVBoxLayout, QWidget

from napari_sam2_video.errors import SessionError
from napari_sam2_video.plugin.ui import button, fill, narrow, note, row, set_note
from napari_sam2_video.plugin.worker import Job

if TYPE_CHECKING:
    from napari_sam2_video.errors import Sam2VideoError
    from napari_sam2_video.masks.clean import CleanSettings
    from napari_sam2_video.plugin.controller import Controller

LARGEST_PART = 1_000_000
ALL, ACTIVE = "all", "active"


class _Cancelled(SessionError):
    """The person stopped tidying."""


class TidyPanel(QWidget):
    """Choose steps and apply them in the background, as one step that can be undone."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self._controller = controller
        self._job: Job | None = None
        self.smooth_box = narrow(QComboBox())
        fill(self.smooth_box, [("no", 1), ("over 3 frames", 3), ("over 5 frames", 5)])
        self.fill_box = QCheckBox("Fill holes")
        self.part_box = QSpinBox()
        self.part_box.setRange(0, LARGEST_PART)
        self.part_box.setSuffix(" px")
        self.part_box.setSpecialValueText("keep all")
        self.largest_box = QCheckBox("Keep only the largest part")
        self.objects_box = narrow(QComboBox())
        fill(self.objects_box, [("All objects that are not locked", ALL), ("The chosen object", ACTIVE)])
        self.tidy_button = button("Tidy masks", self.tidy, "Painted and accepted frames stay as they are.")
        self.cancel_button = button("Stop", self.cancel, "Stop; undo takes back what was tidied.")
        self.bar = QProgressBar()
        self.outcome = note()
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Smooth", self.smooth_box)
        form.addRow("Drop parts below", self.part_box)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 0, 2, 6)
        layout.addLayout(form)
        for widget in (self.fill_box, self.largest_box, self.objects_box, row(self.tidy_button, self.cancel_button)):
            layout.addWidget(widget)
        layout.addWidget(self.bar)
        layout.addWidget(self.outcome)
        for signal in (controller.session_changed, controller.run_changed):
            signal.connect(self.update_state)
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

    def tidy(self) -> None:
        """Tidy in the background."""
        session = self._controller.session
        if session is None or self._job is not None:
            return
        settings = self.choices()
        chosen = [self._controller.active] if self.objects_box.currentData() == ACTIVE else None

        def work(job: Job) -> int:
            def told(done: int, total: int) -> None:
                if job.stopping():
                    raise _Cancelled("Tidying was stopped; undo takes back what was tidied.")
                job.report((done, total))

            return session.tidy(settings, chosen, progress=told)

        self._job = Job(
            "tidying", work, done=self._done, failed=self._failed, reported=self._progressed, finished=self._finished
        )
        self._controller.runner.submit(self._job, "files")
        self.update_state()

    def cancel(self) -> None:
        """Stop tidying."""
        if self._job is not None:
            self._job.stop()

    def _progressed(self, value: tuple[int, int]) -> None:
        done, total = value
        self.bar.setRange(0, total)
        self.bar.setValue(done)

    def _done(self, changed: int) -> None:
        masks = {0: "No mask", 1: "1 mask"}.get(changed, f"{changed} masks")
        set_note(self.outcome, f"{masks} changed." + (" Undo takes it back." if changed else ""))

    def _failed(self, error: Sam2VideoError) -> None:
        set_note(self.outcome, str(error))
        if not isinstance(error, _Cancelled):
            self._controller.error(error)

    def _finished(self) -> None:
        self._job = None
        self.update_state()

    def update_state(self, *_: Any) -> None:
        """Enable what can be done now."""
        working = self._job is not None
        chosen = (
            self.smooth_box.currentData() != 1
            or self.part_box.value() > 1
            or self.fill_box.isChecked()
            or self.largest_box.isChecked()
        )
        run = self._controller.run
        free = self._controller.session is not None and (run is None or not run.running) and not working
        self.tidy_button.setEnabled(free and chosen)
        self.tidy_button.setToolTip(
            "Painted and accepted frames stay as they are." if chosen else "Choose at least one of the steps first."
        )
        self.cancel_button.setVisible(working)
        self.bar.setVisible(working)
