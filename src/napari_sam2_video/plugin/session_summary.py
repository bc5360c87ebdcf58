"""Figures of all objects for the table, timeline and Track button, gathered off the main thread."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal  # type: ignore[attr-defined]

from napari_sam2_video.plugin.object_state import state_of
from napari_sam2_video.plugin.timeline_rows import TimelineRow
from napari_sam2_video.plugin.worker import Job
from napari_sam2_video.session.review import ReviewList

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_sam2_video.analysis.review import ReviewItem
    from napari_sam2_video.analysis.table import Table
    from napari_sam2_video.errors import Sam2VideoError
    from napari_sam2_video.plugin.worker import TaskRunner
    from napari_sam2_video.session import Session

KEY = "summary"
SECONDS_IN_A_RUN = 1.0


@dataclass(frozen=True)
class ObjectSummary:
    """Figures of an object in the table.

    Parameters
    ----------
    prompts, frames : int
        How many prompts it has, and on how many frames it is tracked.
    lowest : float
        The lowest predicted IoU; NaN for none.
    doubtful : int
        Number of its places left to review.
    state : str
        A key of `STATES`.
    """

    prompts: int = 0
    frames: int = 0
    lowest: float = float("nan")
    doubtful: int = 0
    state: str = "empty"


@dataclass(frozen=True)
class SessionSummary:
    """A snapshot of a session.

    Parameters
    ----------
    objects : dict of int to ObjectSummary
        By object id.
    ready : frozenset of int
        Objects that have a prompt, on a plane of any walk, or paint.
    dirty : frozenset of int
        Those that changed since they were tracked.
    rows : tuple of TimelineRow
        The timeline.
    queue : tuple of ReviewItem
        Places to review, the most doubtful first.
    review : ReviewList
        State of the review.
    """

    objects: dict[int, ObjectSummary] = field(default_factory=dict)
    ready: frozenset[int] = frozenset()
    dirty: frozenset[int] = frozenset()
    rows: tuple[TimelineRow, ...] = ()
    queue: tuple[ReviewItem, ...] = ()
    review: ReviewList = field(default_factory=ReviewList)


class SummaryUpdater(QObject):
    """Keeps the summary of a session up to date: at once after a change, and once a second during a run.

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
        """Make a summary soon, without slowing down a run."""
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
        session, before = self._session, self.newest.queue
        job = Job(
            "summarizing the session", lambda _: summarize(session, before), self._on_done, self._on_failed, key=KEY
        )
        self._runner.submit(job, KEY)

    def _on_done(self, summary: SessionSummary) -> None:
        self._waiting = False
        self.newest = summary
        self.changed.emit()

    def _on_failed(self, error: Sam2VideoError) -> None:
        self._waiting = False
        self.failed.emit(str(error))

    def close(self) -> None:
        """Stop making summaries."""
        self._runner.forget(KEY)
        self._later.stop()


def summarize(session: Session, before: tuple[ReviewItem, ...] = ()) -> SessionSummary:
    """Summarize a session; slow with many objects and frames.

    Parameters
    ----------
    session : Session
        The session.
    before : tuple of ReviewItem
        The queue of the previous summary; places that left it because the user settled them count as reviewed.
    """
    from napari_sam2_video.analysis.review import doubt

    table = session.review_table()
    queue = session.review_queue(table=table)
    session.note_settled(before, queue)
    review = session.review_progress(queue)
    doubtful = Counter(item.object_id for item in review.left)
    planes = session.planes
    dirty = frozenset(session.dirty()) | planes.changed()
    counts = Counter(one.object_id for axis in planes.axes for one in planes.prompt_sets(axis) for _ in one.items)
    trusts = _trusts(table, doubt(table), session.n_frames)
    frames_done, ious, nowhere = _done(table), _lowest_ious(table), np.zeros(0, np.int64)
    objects: dict[int, ObjectSummary] = {}
    rows: list[TimelineRow] = []
    ready: set[int] = set()
    for entry in session.objects:
        prompted = [found.frame for found in session.prompt_sets(entry.id)]
        painted = list(session.masks.painted(entry.id))
        accepted = session.accepted(entry.id)
        done = frames_done.get(entry.id, nowhere)
        count = counts[entry.id]
        if count or painted:
            ready.add(entry.id)
        state = state_of(
            locked=entry.locked,
            ready=entry.id in ready,
            dirty=entry.id in dirty,
            doubtful=doubtful[entry.id],
            accepted=done.size > 0 and accepted.issuperset(done.tolist()),
        )
        lowest = ious.get(entry.id, float("nan"))
        objects[entry.id] = ObjectSummary(count, len(done), lowest, doubtful[entry.id], state)
        trust = trusts.get(entry.id)
        trust = np.full(session.n_frames, np.nan, np.float32) if trust is None else trust
        settled = {"prompted": prompted, "accepted": sorted(accepted), "painted": painted}
        marks = {name: _marked(frames, session.n_frames) for name, frames in settled.items()}
        rows.append(TimelineRow(entry.id, entry.name, entry.color, trust, state=state, parent=entry.parent, **marks))
    return SessionSummary(objects, frozenset(ready), dirty, tuple(rows), queue, review)


def _lowest_ious(table: Table) -> dict[int, float]:
    """The lowest predicted IoU of each object's masks from the model."""
    predicted = (table["area_px"] > 0) & (table["walk"] != 0) & ~np.isnan(table["predicted_iou"])
    lowest = {}
    for object_id in table.object_ids():
        own = table.rows_of(object_id)
        ious = table["predicted_iou"][own][predicted[own]]
        if ious.size:
            lowest[object_id] = float(ious.min())
    return lowest


def _done(table: Table) -> dict[int, npt.NDArray[np.int64]]:
    """Frames on which the model computed each object."""
    rows = {object_id: table.rows_of(object_id) for object_id in table.object_ids()}
    return {object_id: table["frame"][own][table["walk"][own] != 0] for object_id, own in rows.items()}


def _trusts(table: Table, doubts: npt.NDArray[np.float64], n_frames: int) -> dict[int, npt.NDArray[np.float32]]:
    """Trust of each object of a table on every frame, as in `TimelineRow`."""
    shown = np.where(table["area_px"] > 0, 1 - doubts, -1.0).astype(np.float32)
    trusts = {}
    for object_id in table.object_ids():
        own = table.rows_of(object_id)
        trust = np.full(n_frames, np.nan, np.float32)
        trust[table["frame"][own]] = shown[own]
        trusts[object_id] = trust
    return trusts


def _marked(frames: Sequence[int], n_frames: int) -> npt.NDArray[np.bool_]:
    marks = np.zeros(n_frames, bool)
    marks[list(frames)] = True
    return marks
