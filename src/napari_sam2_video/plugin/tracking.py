"""Runs in the background, and their progress."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]

from napari_sam2_video.plugin.worker import Job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_sam2_video.detect.protocol import Detector
    from napari_sam2_video.errors import Sam2VideoError
    from napari_sam2_video.plugin.worker import TaskRunner
    from napari_sam2_video.session import Session
    from napari_sam2_video.types import CheckSettings, FindProgress, FindSettings, FrameDone, TrackSettings

KEY = "track"
TRACKING, CHECKING, FINDING = "tracking", "checking", "finding"
REFRESH_SECONDS = 0.1
RATE_WINDOW = 30


@dataclass(frozen=True)
class Progress:
    """Progress of a run.

    Parameters
    ----------
    done, total : int
        Frames, counted once per direction; `total` is 0 until the first frame is done.
    rate : float
        Frames per second, recently.
    """

    done: int
    total: int
    rate: float

    @property
    def seconds_left(self) -> float | None:
        """Expected seconds to the end; None while unknown."""
        return (self.total - self.done) / self.rate if self.rate > 0 and self.total else None

    def text(self) -> str:
        """The progress as one line of text."""
        if not self.total:
            return "Preparing the model and the first frame…"
        left = self.seconds_left
        tail = "" if left is None else f" · {self.rate:.3g} frames/s · {_duration(left)} left"
        return f"{self.done} of {self.total} frames{tail}"


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 60} min {whole % 60:02d} s" if whole >= 60 else f"{whole} s"


class TrackRun(QObject):
    """At most one run of a session at a time.

    Signals
    -------
    started, progressed
        The run began; progress was made (at most ten times a second).
    frames : object
        Set of the frames whose masks were made since the last signal.
    ended : str, str
        How it ended (``"done"``, ``"stopped"`` or ``"failed"``), and a message.

    Attributes
    ----------
    doing : str
        `TRACKING`, `CHECKING` or `FINDING`: what the current or last run does.
    """

    started = Signal()
    progressed = Signal()
    frames = Signal(object)
    ended = Signal(str, str)

    def __init__(self, runner: TaskRunner, session: Session) -> None:
        super().__init__()
        self._runner = runner
        self._session = session
        self._job: Job | None = None
        self._bar: Any = None
        self.doing = TRACKING
        self._fresh: set[int] = set()
        self._last = 0.0
        self._times: deque[tuple[float, int]] = deque(maxlen=RATE_WINDOW)
        self.progress = Progress(0, 0, 0.0)

    @property
    def running(self) -> bool:
        """Whether a run is under way."""
        return self._job is not None

    @property
    def stopping(self) -> bool:
        """Whether the run was asked to stop but has not stopped yet."""
        return self._job is not None and self._job.stopping()

    def start(self, settings: TrackSettings, walks: tuple[str, ...] = ()) -> None:
        """Track in the background; a volume along the axes in `walks`, if any."""
        session = self._session
        if walks:
            self._begin(lambda stop: session.track_planes(settings, axes=walks, stop=stop), TRACKING)
        else:
            self._begin(lambda stop: session.track(settings, stop=stop), TRACKING)

    def resume(self) -> None:
        """Continue a run that was stopped or interrupted."""
        session = self._session
        self._begin(lambda stop: session.resume(stop=stop), TRACKING)

    def check(self, settings: CheckSettings) -> None:
        """Compare masks with those found by tracking back."""
        session = self._session
        self._begin(lambda stop: session.check(settings, stop=stop), CHECKING)

    def find(self, detector: Detector | str, settings: FindSettings) -> None:
        """Find objects; proposals are made at the end."""
        session = self._session
        self._begin(lambda stop: session.find(detector, settings, stop=stop), FINDING)

    def stop(self) -> None:
        """Stop within a frame."""
        if self._job is not None:
            self._job.stop()
            self.progressed.emit()

    def _begin(self, open_run: Callable[[Callable[[], bool]], Iterator[FrameDone | FindProgress]], doing: str) -> None:
        from napari_sam2_video.errors import SessionError

        if self.running:
            raise SessionError("A run is under way in this session; wait for it, or stop it first.")

        def work(job: Job) -> None:
            from napari_sam2_video.preload import preload_for

            preload_for(self._session.model_settings)
            run: Any = open_run(job.stopping)
            # Always close the generator here, on the thread that ran it.
            try:
                for done in run:
                    job.report(done)
                    if job.stopping():
                        break
            finally:
                run.close()

        self.progress = Progress(0, 0, 0.0)
        self._times.clear()
        self._fresh.clear()
        self.doing = doing
        self._job = Job(
            doing,
            work,
            done=lambda _: self._finish("stopped" if self.stopping else "done", ""),
            failed=self._on_failed,
            reported=self._on_frame,
            key=KEY,
        )
        from napari.utils import progress

        self._bar = progress(total=0, desc=doing.capitalize())
        self._runner.submit(self._job)
        self.started.emit()

    def _on_frame(self, done: FrameDone | FindProgress) -> None:
        now = time.monotonic()
        if self._times and done.done < self._times[-1][1]:
            # The next walk of a volume counts its own planes.
            self._times.clear()
        self._times.append((now, done.done))
        if self.doing == TRACKING and getattr(done, "axis", None) is None:
            self._fresh.add(done.frame)
        first, counted = self._times[0]
        rate = (done.done - counted) / (now - first) if now > first else 0.0
        self.progress = Progress(done.done, done.total, rate)
        if now - self._last >= REFRESH_SECONDS or done.done == done.total:
            self._report(now)

    def _report(self, now: float) -> None:
        self._last = now
        if self._bar is not None:
            if self._bar.total != self.progress.total:
                self._bar.reset(total=self.progress.total)
            self._bar.update(self.progress.done - self._bar.n)
        fresh, self._fresh = self._fresh, set()
        if fresh:
            self.frames.emit(fresh)
        self.progressed.emit()

    def _on_failed(self, error: Sam2VideoError) -> None:
        self._finish("failed", str(error))

    def _finish(self, how: str, sentence: str) -> None:
        self._report(time.monotonic())
        self._job = None
        self.close()
        self.ended.emit(how, sentence)

    def close(self) -> None:
        """Remove the bar from napari's activity dock."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
