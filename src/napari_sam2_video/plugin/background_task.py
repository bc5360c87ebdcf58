"""Background work of a panel on the files of a session, one task at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QProgressBar

from napari_sam2_video.errors import Sam2VideoError
from napari_sam2_video.plugin.widgets import button, note, set_note
from napari_sam2_video.plugin.worker import Job

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam2_video.plugin.controller import Controller
    from napari_sam2_video.session import Session

    Progress: TypeAlias = Callable[[int, int], None]

LANE = "files"


class _Stopped(Sam2VideoError):
    """The user stopped the work."""


class BackgroundTask(QObject):
    """Runs work in the background, with a progress bar, a stop button and a line for the outcome.

    It ends with the session that it was begun for: closing that stops it.

    The panel lays out `stop_button`, `bar` and `outcome`; the first two are only visible during work.

    Parameters
    ----------
    controller : Controller
        Runs the work and passes errors on.
    stop_text, tip : str
        Text and tooltip of the stop button.

    Signals
    -------
    changed
        Work began or ended.
    """

    changed = Signal()

    def __init__(self, controller: Controller, stop_text: str, tip: str) -> None:
        super().__init__()
        self._controller = controller
        self._job: Job | None = None
        self._session: Session | None = None
        self.stop_button = button(stop_text, self.stop, tip)
        self.bar = QProgressBar()
        self.outcome = note()
        controller.session_changed.connect(self._on_session)
        self._show()

    @property
    def working(self) -> bool:
        """Whether work is under way."""
        return self._job is not None

    def begin(
        self,
        doing: str,
        work: Callable[[Progress], Any],
        *,
        done: Callable[[Any], Any],
        failed: Callable[[Sam2VideoError], Any] | None = None,
        meanwhile: str = "",
        stopped: str,
    ) -> None:
        """Do something unless there is work under way.

        Parameters
        ----------
        doing : str
            What is being done, to follow "while" in a sentence.
        work : callable
            ``work(progress)`` runs on another thread and calls ``progress(done, total)`` often, which also stops it.
        done, failed : callable
            Called with the result, or with an error; without `failed` the error is reported as any other.
        meanwhile, stopped : str
            Text of the line during the work, and after the user stopped it.
        """
        if self.working:
            return

        def on_thread(job: Job) -> Any:
            def progress(count: int, total: int) -> None:
                if job.stopping():
                    raise _Stopped(stopped)
                job.report((count, total))

            return work(progress)

        def on_done(result: Any) -> None:
            if self._job is job:
                self._job = self._session = None
                # Whatever comes of that, nothing waits any more.
                try:
                    done(result)
                finally:
                    self._show()

        def on_failed(error: Sam2VideoError) -> None:
            if self._job is not job:
                # What fails because its session was closed was stopped by that.
                self._controller.notified.emit("info", stopped)
                return
            self._job = self._session = None
            set_note(self.outcome, str(error))
            self._show()
            if not isinstance(error, _Stopped):
                (failed or self._controller.error)(error)

        job = Job(doing, on_thread, done=on_done, failed=on_failed, reported=self._progressed)
        self._job, self._session = job, self._controller.session
        self.bar.setRange(0, 0)
        set_note(self.outcome, meanwhile)
        self._controller.runner.submit(job, LANE)
        self._show()

    def stop(self) -> None:
        """Stop the work at the next step."""
        if self._job is not None:
            self._job.stop()

    def _on_session(self) -> None:
        """Let go of work on a session that is not shown any more."""
        if self._job is not None and self._controller.session is not self._session:
            self._job.stop()
            self._job = self._session = None
            set_note(self.outcome, "")
            self._show()

    def _progressed(self, value: tuple[int, int]) -> None:
        if self._job is None:
            return
        count, total = value
        self.bar.setRange(0, total)
        self.bar.setValue(count)

    def _show(self) -> None:
        self.stop_button.setVisible(self.working)
        self.bar.setVisible(self.working)
        self.changed.emit()
