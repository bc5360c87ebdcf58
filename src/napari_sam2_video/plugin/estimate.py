"""Estimate what a run will need, measured on a few frames on request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QWidget

from napari_sam2_video.plugin.widgets import IN_A_RUN, NO_SESSION, allow, button, note, set_note, stack
from napari_sam2_video.plugin.worker import Job

if TYPE_CHECKING:
    from napari_sam2_video.errors import Sam2VideoError
    from napari_sam2_video.plugin.controller import Controller

KEY = "budget"


class Estimate(QWidget):
    """A button that measures, and a label with the estimate."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self._controller = controller
        self._measuring = False
        self.sentence = note()
        self.button = button(
            "Estimate this run", self.measure, "Measure a few frames, and estimate the time and memory of the next run."
        )
        stack(self, self.button, self.sentence)
        layout = self.layout()
        if layout is not None:
            layout.setContentsMargins(0, 0, 0, 0)

    def measure(self) -> None:
        """Measure a frame in the background, and show what the whole run will need."""
        session = self._controller.session
        if session is None:
            return

        def work(job: Job) -> str:
            from napari_sam2_video.budget import measure_budget
            from napari_sam2_video.preload import preload_for

            preload_for(session.model_settings)
            sentence: str = measure_budget(session, stop=job.stopping).sentence()
            return sentence

        set_note(self.sentence, "Measuring a few frames…")
        self._measuring = True
        self.update_state()
        self._controller.runner.submit(
            Job(
                "measuring a frame", work,
                done=lambda text: set_note(self.sentence, text), failed=self._on_failed,
                finished=self._on_finished, key=KEY,
            )
        )  # fmt: skip

    def forget(self) -> None:
        """Drop a measurement of other settings or another session, finished or not."""
        self._controller.runner.forget(KEY)
        set_note(self.sentence, "")

    def update_state(self) -> None:
        """Enable the button if there is something to measure."""
        controller = self._controller
        allow(self.button, NO_SESSION if controller.session is None else IN_A_RUN if controller.running else "")
        if self._measuring:
            self.button.setEnabled(False)

    def _on_failed(self, error: Sam2VideoError) -> None:
        set_note(self.sentence, "")
        self._controller.error(error)

    def _on_finished(self) -> None:
        self._measuring = False
        self.update_state()
