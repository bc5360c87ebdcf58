"""Work off the main thread: one thread per lane, and results delivered on the main thread by a timer.

A job never touches the viewer. Its reports wait in a queue until a timer on the main thread fetches them, so a slow
window is not flooded, and no signal reaches a widget that is gone. A job with a key replaces an older one with the same
key: the older one is asked to stop, and its further reports are dropped.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal  # type: ignore[attr-defined]

from napari_sam2_video.errors import DeviceMemoryError, EngineError, Sam2VideoError

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)
DRAIN_MS = 33
IDLE_CHECK_SECONDS = 1.0


def _ignore(*_: Any) -> None:
    return None


def as_sentence(error: BaseException, doing: str) -> Sam2VideoError:
    """The error itself if it is a `Sam2VideoError`, else a message that says what failed and what to do."""
    if isinstance(error, Sam2VideoError):
        return error
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or "out of memory" in str(error):
        return DeviceMemoryError(
            f"There was not enough memory while {doing}; finished frames are safe: choose a smaller model or image "
            "size, or track fewer objects at once, and continue."
        )
    sentence = str(error).strip().split("\n")[0] or type(error).__name__
    return EngineError(
        f"{doing[:1].upper()}{doing[1:]} stopped ({type(error).__name__}: {sentence}); finished frames are safe: try "
        "again, and report it if it happens again."
    )


@dataclass(eq=False)
class Job:
    """One piece of work.

    Parameters
    ----------
    name : str
        What it does, to follow "while" in a sentence: ``"tracking"``.
    work : callable
        ``work(job)`` runs on the lane's thread; it checks `stopping` often and may call `report`.
    done, failed, reported, finished : callable
        Called on the main thread with the result, the error, each reported value, and nothing, at the very end.
    key : str
        Jobs with the same key replace each other.
    """

    name: str
    work: Callable[[Job], Any]
    done: Callable[[Any], Any] = _ignore
    failed: Callable[[Sam2VideoError], Any] = _ignore
    reported: Callable[[Any], Any] = _ignore
    finished: Callable[[], Any] = _ignore
    key: str = ""
    generation: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _outbox: deque[tuple[Job, str, Any]] | None = None

    def stop(self) -> None:
        """Ask the job to end soon."""
        self._stop.set()

    def stopping(self) -> bool:
        """Whether the job was asked to end."""
        return self._stop.is_set()

    def report(self, value: Any) -> None:
        """Pass a small value to the main thread."""
        if self._outbox is not None:
            self._outbox.append((self, "reported", value))


class Lane:
    """One thread that does its jobs one after the other."""

    def __init__(self, name: str, outbox: deque[tuple[Job, str, Any]]) -> None:
        self.name = name
        self.current: Job | None = None
        self._outbox = outbox
        self._jobs: deque[Job] = deque()
        self._wake = threading.Condition()
        self._closing = False
        self._thread: threading.Thread | None = None

    def put(self, job: Job) -> list[Job]:
        """Add a job, and return the waiting jobs it replaces; the thread starts with the first job."""
        with self._wake:
            replaced = [other for other in self._jobs if job.key and other.key == job.key]
            self._jobs = deque(other for other in self._jobs if other not in replaced)
            self._jobs.append(job)
            if self._thread is None:
                # Not a daemon: a frame being written is finished even if Python is about to exit.
                self._thread = threading.Thread(target=self._run, name=f"napari-sam2-video {self.name}")
                self._thread.start()
            self._wake.notify()
        return replaced

    def close(self, last: Job | None) -> None:
        """Stop the running job, drop the waiting ones, do `last` and end the thread; returns at once."""
        with self._wake:
            self._jobs.clear()
            if self.current is not None:
                self.current.stop()
            if last is not None:
                self._jobs.append(last)
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name=f"napari-sam2-video {self.name}")
                    self._thread.start()
            self._closing = True
            self._wake.notify()

    def join(self, timeout: float) -> bool:
        """Wait until the thread of a closed lane is gone."""
        if self._thread is not None:
            self._thread.join(timeout)
            return not self._thread.is_alive()
        return True

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._jobs and not self._closing:
                    self._wake.wait(IDLE_CHECK_SECONDS)
                    if not threading.main_thread().is_alive():
                        return
                if not self._jobs:
                    return
                job = self.current = self._jobs.popleft()
            self._do(job)
            with self._wake:
                self.current = None
            self._outbox.append((job, "finished", None))
            if self._closing:
                # Nothing fetches it any more, and a job keeps its session alive.
                self._outbox.clear()
            del job

    def _do(self, job: Job) -> None:
        try:
            result = job.work(job)
        except BaseException as error:
            sentence = as_sentence(error, job.name)
            if sentence is not error:
                logger.exception("%s failed", job.name)
            self._outbox.append((job, "failed", sentence))
        else:
            self._outbox.append((job, "done", result))


class TaskRunner(QObject):
    """Lanes of work that belong to one widget.

    Signals
    -------
    busy_changed
        Emitted on the main thread when the first job starts and when the last one is done.
    ticked
        Emitted on the main thread after each delivery.
    """

    busy_changed = Signal(bool)
    ticked = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._outbox: deque[tuple[Job, str, Any]] = deque()
        self._lanes: dict[str, Lane] = {}
        self._newest: dict[str, int] = {}
        self._generations = itertools.count(1)
        self._open: set[Job] = set()
        self._closed = False
        self._timer = QTimer(self)
        self._timer.setInterval(DRAIN_MS)
        self._timer.timeout.connect(self.drain)

    def submit(self, job: Job, lane: str = "engine") -> Job:
        """Queue a job on a lane."""
        if self._closed:
            return job
        job.generation = next(self._generations)
        job._outbox = self._outbox
        if job.key:
            for other in self._open:
                if other.key == job.key:
                    other.stop()
            self._newest[job.key] = job.generation
        was_idle = not self._open
        self._open.add(job)
        if lane not in self._lanes:
            self._lanes[lane] = Lane(lane, self._outbox)
        self._open.difference_update(self._lanes[lane].put(job))
        self._timer.start()
        if was_idle:
            self.busy_changed.emit(True)
        return job

    def stale(self, job: Job) -> bool:
        """Whether a newer job with the same key was queued."""
        return bool(job.key) and self._newest.get(job.key, job.generation) != job.generation

    def forget(self, key: str) -> None:
        """Drop further reports of jobs with this key."""
        self._newest[key] = next(self._generations)
        for job in self._open:
            if job.key == key:
                job.stop()

    def busy(self) -> bool:
        """Whether any job runs, waits, or has reports that were not delivered."""
        return bool(self._open)

    def drain(self) -> None:
        """Deliver the jobs' reports; called by the timer."""
        while self._outbox and not self._closed:
            job, kind, value = self._outbox.popleft()
            if kind == "finished":
                self._open.discard(job)
                job.finished()
            elif not self.stale(job):
                getattr(job, kind)(value)
        self.ticked.emit()
        if not self._open and self._timer.isActive():
            self._timer.stop()
            self.busy_changed.emit(False)

    def close(self, last: Callable[[], None] | None = None) -> None:
        """End all lanes without waiting; `last` runs on the engine's thread after its job has stopped."""
        if self._closed:
            return
        self._closed = True
        self._timer.stop()
        if last is not None and "engine" not in self._lanes:
            self._lanes["engine"] = Lane("engine", self._outbox)
        for name, lane in self._lanes.items():
            final = last if name == "engine" else None
            lane.close(None if final is None else Job("closing the session", _call(final)))
        self._outbox.clear()
        self._open.clear()

    def join(self, timeout: float = 30.0) -> bool:
        """Wait until the threads of a closed runner are gone; True if they are."""
        end = time.monotonic() + timeout
        return all(lane.join(max(0.0, end - time.monotonic())) for lane in self._lanes.values())


def _call(function: Callable[[], None]) -> Callable[[Job], None]:
    def work(_: Job) -> None:
        function()

    return work
