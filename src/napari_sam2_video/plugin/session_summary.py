"""Figures of all objects for the table, timeline and Track button, gathered off the main thread."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]

from napari_sam2_video.plugin.summarizer import SessionSummary, Summarizer
from napari_sam2_video.plugin.widgets import single_shot
from napari_sam2_video.plugin.worker import Job

if TYPE_CHECKING:
    from napari_sam2_video.errors import Sam2VideoError
    from napari_sam2_video.plugin.worker import TaskRunner
    from napari_sam2_video.session import Session

KEY = "summary"
SECONDS_IN_A_RUN = 1.0
SHARE_IN_A_RUN = 0.2  # of a core, at most, while a run changes hundreds of objects


class SummaryUpdater(QObject):
    """Keeps the summary of a session up to date: at once after a change, and at most once a second during a run.

    Signals
    -------
    changed
        There is a new summary.
    failed : str
        An error message.
    """

    changed = Signal()
    failed = Signal(str)

    def __init__(self, runner: TaskRunner, session: Session) -> None:
        super().__init__()
        self._runner = runner
        self._session = session
        self._summarizer = Summarizer(session)
        self._last = self._took = 0.0
        self._waiting = False
        self._later = single_shot(self, self.update)
        self.newest = SessionSummary()

    @property
    def fresh(self) -> bool:
        """Whether no newer summary is being made."""
        return not self._waiting and not self._later.isActive()

    def update(self) -> None:
        """Make a summary soon, without slowing down a run."""
        if not self._session.running:
            self.gather()
            return
        wait = max(SECONDS_IN_A_RUN, self._took / SHARE_IN_A_RUN) - (time.monotonic() - self._last)
        if self._waiting:
            # Another one would replace the one being made, and none would ever be finished.
            wait = max(wait, SECONDS_IN_A_RUN)
        if wait <= 0:
            self.gather()
        elif not self._later.isActive():
            self._later.start(round(1000 * wait) + 1)

    def gather(self) -> None:
        """Make a summary now, in the background."""
        self._later.stop()
        self._last = time.monotonic()
        self._waiting = True
        summarizer = self._summarizer
        # Most objects are computed before the first run and after each one, which says nothing about those in a run.
        in_a_run = self._session.running

        def work(job: Job) -> tuple[SessionSummary | None, float]:
            begin = time.monotonic()
            found = summarizer.summarize(job.stopping)
            return found, time.monotonic() - begin if in_a_run else 0.0

        job = Job("summarizing the session", work, self._on_done, self._on_failed, key=KEY)
        self._runner.submit(job, KEY)

    def _on_done(self, found: tuple[SessionSummary, float]) -> None:
        self._waiting = False
        self.newest, self._took = found
        self.changed.emit()

    def _on_failed(self, error: Sam2VideoError) -> None:
        self._waiting = False
        self.failed.emit(str(error))

    def close(self) -> None:
        """Stop making summaries."""
        self._runner.forget(KEY)
        self._later.stop()
