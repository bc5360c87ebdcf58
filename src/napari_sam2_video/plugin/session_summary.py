"""What table, timeline and Track button show of all objects, gathered off the main thread."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal  # type: ignore[attr-defined]

from napari_sam2_video.plugin.timeline import TimelineRow
from napari_sam2_video.plugin.worker import Job

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_sam2_video.analysis.review import ReviewItem
    from napari_sam2_video.analysis.table import Table
    from napari_sam2_video.errors import Sam2VideoError
    from napari_sam2_video.plugin.worker import Runner
    from napari_sam2_video.session import Session

KEY = "summary"
SECONDS_IN_A_RUN = 1.0


@dataclass(frozen=True)
class ObjectSummary:
    """What the table says of an object: prompts, tracked frames, and the lowest predicted IoU (NaN for none)."""

    prompts: int = 0
    frames: int = 0
    lowest: float = float("nan")


@dataclass(frozen=True)
class SessionSummary:
    """A snapshot of a session.

    Parameters
    ----------
    objects : dict of int to ObjectSummary
        By object id.
    ready : frozenset of int
        Objects that have a prompt or paint.
    dirty : frozenset of int
        Objects of those that changed since they were tracked.
    rows : tuple of TimelineRow
        The timeline.
    queue : tuple of ReviewItem
        Frames that deserve a look, the most doubtful first.
    """

    objects: dict[int, ObjectSummary] = field(default_factory=dict)
    ready: frozenset[int] = frozenset()
    dirty: frozenset[int] = frozenset()
    rows: tuple[TimelineRow, ...] = ()
    queue: tuple[ReviewItem, ...] = ()


class SummaryUpdater(QObject):
    """Keeps the summary of one session fresh: at once after a change, and once a second while a run makes many.

    Signals
    -------
    changed
        A new summary is there.
    failed : str
        A sentence.
    """

    changed = Signal()
    failed = Signal(str)

    def __init__(self, runner: Runner, session: Session) -> None:
        super().__init__()
        self._runner = runner
        self._session = session
        self._last = 0.0
        self._waiting = False
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.timeout.connect(self.gather)
        self.newest = SessionSummary()

    @property
    def fresh(self) -> bool:
        """Whether no newer summary is being made."""
        return not self._waiting and not self._later.isActive()

    def update(self) -> None:
        """Make a summary soon; a run is not slowed down by it."""
        wait = SECONDS_IN_A_RUN - (time.monotonic() - self._last) if self._session.running else 0.0
        if wait <= 0:
            self.gather()
        elif not self._later.isActive():
            self._later.start(round(1000 * wait) + 1)

    def gather(self) -> None:
        """Make a summary now, in the background."""
        self._later.stop()
        self._last = time.monotonic()
        self._waiting = True
        session = self._session
        job = Job("summarizing the session", lambda _: summarize(session), self._on_done, self._on_failed, key=KEY)
        self._runner.submit(job, KEY)

    def _on_done(self, summary: SessionSummary) -> None:
        self._waiting = False
        self.newest = summary
        self.changed.emit()

    def _on_failed(self, error: Sam2VideoError) -> None:
        self._waiting = False
        self.failed.emit(str(error))

    def close(self) -> None:
        """Gather no more."""
        self._later.stop()
        self._runner.forget(KEY)


def summarize(session: Session) -> SessionSummary:
    """Summarize a session; may take long where there are many objects and frames."""
    from napari_sam2_video.analysis.review import doubt

    objects: dict[int, ObjectSummary] = {}
    ready: set[int] = set()
    prompted: dict[int, list[int]] = {}
    painted: dict[int, list[int]] = {}
    for entry in session.objects:
        scores = session.scores(entry.id)
        prompts = session.prompt_sets(entry.id)
        prompted[entry.id] = [found.frame for found in prompts]
        painted[entry.id] = list(session.masks.painted(entry.id))
        if prompts or painted[entry.id]:
            ready.add(entry.id)
        predicted = (scores["area"] > 0) & (scores["walk"] != 0) & ~np.isnan(scores["predicted_iou"])
        ious = scores["predicted_iou"][predicted]
        lowest = float(ious.min()) if ious.size else float("nan")
        count = sum(len(found.items) for found in prompts)
        objects[entry.id] = ObjectSummary(count, len(session.masks.frames_done(entry.id)), lowest)
    table = session.review_table()
    doubts = doubt(table)
    rows = tuple(
        _row(session, entry, table, doubts, prompted[entry.id], painted[entry.id])
        for entry in session.objects
        if entry.id in objects
    )
    queue = session.review_queue(table=table)
    return SessionSummary(objects, frozenset(ready), frozenset(session.dirty()), rows, queue)


def _row(
    session: Session,
    entry: Any,
    table: Table,
    doubts: npt.NDArray[np.float64],
    prompted: list[int],
    painted: list[int],
) -> TimelineRow:
    own = table["object_id"] == entry.id
    frames = table["frame"][own]
    trust = np.full(session.n_frames, np.nan)
    trust[frames] = np.where(table["area_px"][own] > 0, 1 - doubts[own], -1.0)
    given = {"prompted": prompted, "painted": painted, "accepted": sorted(session.accepted(entry.id))}
    marks = {name: np.zeros(session.n_frames, bool) for name in given}
    for name, where in given.items():
        marks[name][where] = True
    return TimelineRow(entry.id, entry.name, entry.color, trust, **marks)
