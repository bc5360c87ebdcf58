"""The summary of a session: figures of all objects for the table, the timeline and the review."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_video.errors import SessionError
from napari_sam2_video.plugin.object_state import state_of
from napari_sam2_video.plugin.timeline_rows import TimelineRow
from napari_sam2_video.session.review import LEAST_DOUBT, SPACING, ReviewList

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from napari_sam2_video.analysis.review import ReviewItem
    from napari_sam2_video.analysis.table import Table
    from napari_sam2_video.session import Session

AT_ONCE = 16


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


@dataclass(frozen=True, eq=False)
class _Track:
    """What is computed from all frames of an object.

    Parameters
    ----------
    frames : int
        Number of frames that the model computed.
    lowest : float
        As in `ObjectSummary`.
    trust, prompted, accepted, painted : ndarray, shape (n_frames,)
        As in `TimelineRow`.
    all_accepted : bool
        Whether all of its tracked frames are accepted, and there are any.
    dirty : bool
        Whether its prompts or paint changed since it was tracked.
    doubtful : tuple of ReviewItem
        Its doubtful frames.
    """

    frames: int
    lowest: float
    trust: npt.NDArray[np.float32]
    prompted: npt.NDArray[np.bool_]
    accepted: npt.NDArray[np.bool_]
    painted: npt.NDArray[np.bool_]
    all_accepted: bool
    dirty: bool
    doubtful: tuple[ReviewItem, ...]

    @cached_property
    def is_painted(self) -> bool:
        """Whether it has paint on any frame."""
        return bool(self.painted.any())

    def is_on(self, frame: int) -> bool:
        """Whether it has a mask or paint on a frame."""
        return bool(self.painted[frame] or not np.isnan(self.trust[frame]))


class Summarizer:
    """Summarizes a session repeatedly; only objects that changed since the last time are computed again.

    Parameters
    ----------
    session : Session
        The session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._watch = session.watch_figures()
        self._tracks: dict[int, _Track] = {}
        self._left: dict[int, tuple[ReviewItem, ...]] = {}

    def summarize(self, stopping: Callable[[], bool] = lambda: False) -> SessionSummary | None:
        """Summarize the session as it is now; slow the first time with many objects and frames.

        Parameters
        ----------
        stopping : callable
            Asked between some objects and the next whether the summary is no longer needed.

        Returns
        -------
        SessionSummary or None
            None if it is no longer needed.
        """
        session = self._session
        entries = session.objects
        self._forget_changed({entry.id for entry in entries})
        missing = [entry.id for entry in entries if entry.id not in self._tracks]
        for start in range(0, len(missing), AT_ONCE):
            if stopping():
                return None
            self._tracks.update(self._computed_of_present(missing[start : start + AT_ONCE]))
        entries = tuple(entry for entry in entries if entry.id in self._tracks)
        tracks = {entry.id: self._tracks[entry.id] for entry in entries}
        self._note_settled(tracks)
        queue = session.review_queue(doubtful=[item for track in tracks.values() for item in track.doubtful])
        review = session.review_progress(queue)
        _ = review.rows  # Computed here, it costs the main thread nothing.
        doubtful = Counter(item.object_id for item in review.left)
        planes = session.planes
        dirty = frozenset(number for number, track in tracks.items() if track.dirty) | planes.changed()
        counts = Counter(one.object_id for axis in planes.axes for one in planes.prompt_sets(axis) for _ in one.items)
        objects: dict[int, ObjectSummary] = {}
        rows: list[TimelineRow] = []
        ready: set[int] = set()
        for entry in entries:
            track, count = tracks[entry.id], counts[entry.id]
            if count or track.is_painted:
                ready.add(entry.id)
            state = state_of(
                locked=entry.locked,
                ready=entry.id in ready,
                dirty=entry.id in dirty,
                doubtful=doubtful[entry.id],
                accepted=track.all_accepted,
            )
            objects[entry.id] = ObjectSummary(count, track.frames, track.lowest, doubtful[entry.id], state)
            marks = {"prompted": track.prompted, "accepted": track.accepted, "painted": track.painted}
            name, color, parent = entry.name, entry.color, entry.parent
            rows.append(TimelineRow(entry.id, name, color, track.trust, state=state, parent=parent, **marks))
        return SessionSummary(objects, frozenset(ready), dirty, tuple(rows), queue, review)

    def _forget_changed(self, present: set[int]) -> None:
        """Drop what was computed for objects that changed or are gone."""
        changed = self._watch.changed()
        if changed.everything:
            self._tracks = {}
            return
        gone = {number for frame in changed.painted for number in self._session.masks.touched(frame)}
        gone |= changed.objects
        self._tracks = {
            number: track
            for number, track in self._tracks.items()
            if number in present and number not in gone and not any(map(track.is_on, changed.painted))
        }

    def _note_settled(self, tracks: dict[int, _Track]) -> None:
        """Count places as reviewed that left the queue because the user settled them."""
        before, self._left = self._left, {number: track.doubtful for number, track in tracks.items()}
        changed = [number for number, items in before.items() if self._left.get(number) is not items]
        if changed:
            now = [item for number in changed for item in self._left.get(number, ())]
            self._session.note_settled([item for number in changed for item in before[number]], now)

    def _computed_of_present(self, object_ids: Sequence[int]) -> dict[int, _Track]:
        """Compute objects, without those that are removed meanwhile."""
        while True:
            present = self._present(object_ids)
            try:
                return self._computed(present) if present else {}
            except SessionError:
                if self._present(present) == present:
                    raise

    def _present(self, object_ids: Sequence[int]) -> list[int]:
        there = {entry.id for entry in self._session.objects}
        return [number for number in object_ids if number in there]

    def _computed(self, object_ids: Sequence[int]) -> dict[int, _Track]:
        from napari_sam2_video.analysis.review import doubt, doubt_components, review_queue

        session, n_frames = self._session, self._session.n_frames
        table = session.review_table(object_ids)
        components = doubt_components(table)
        shown = np.where(table["area_px"] > 0, 1 - doubt(table, components), -1.0).astype(np.float32)
        tracked = table["walk"] != 0
        queue = review_queue(table, threshold=LEAST_DOUBT, spacing=SPACING, components=components)
        dirty = session.dirty(object_ids)
        found = {}
        for object_id in object_ids:
            own = table.rows_of(object_id)
            frames, done = table["frame"][own], table["frame"][own][tracked[own]]
            trust = np.full(n_frames, np.nan, np.float32)
            trust[frames] = shown[own]
            accepted = _marked(list(session.accepted(object_id)), n_frames)
            found[object_id] = _Track(
                frames=len(done),
                lowest=_lowest_iou(table, own[tracked[own]]),
                trust=trust,
                prompted=_marked([one.frame for one in session.prompt_sets(object_id)], n_frames),
                accepted=accepted,
                painted=_marked(session.masks.painted(object_id), n_frames),
                all_accepted=len(done) > 0 and bool(accepted[done].all()),
                dirty=object_id in dirty,
                doubtful=tuple(item for item in queue if item.object_id == object_id),
            )
        return found


def _lowest_iou(table: Table, rows: npt.NDArray[np.intp]) -> float:
    """The lowest predicted IoU of an object's masks from the model; NaN for none."""
    ious = table["predicted_iou"][rows][table["area_px"][rows] > 0]
    ious = ious[~np.isnan(ious)]
    return float(ious.min()) if ious.size else float("nan")


def _marked(frames: Sequence[int], n_frames: int) -> npt.NDArray[np.bool_]:
    marks = np.zeros(n_frames, bool)
    marks[list(frames)] = True
    return marks
