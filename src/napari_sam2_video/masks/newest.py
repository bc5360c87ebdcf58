"""The newest mask of each object on each frame, as figures by object that follow the changes of the store's tables."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from napari_sam2_video.masks.figures import FIGURES
from napari_sam2_video.masks.tables import removed_objects

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from napari_sam2_video.masks.tables import RecordInfo
    from napari_sam2_video.storage.state import State

MOST_WAITING = 64


class ObjectFigures(NamedTuple):
    """The newest masks of an object, by ascending frame.

    Parameters
    ----------
    frames, records : ndarray of int64, shape (n,)
        Frame and number of the record of each mask.
    walks : ndarray of int8, shape (n,)
        1 for a mask computed forward, -1 for one computed backward.
    figures : ndarray of `napari_sam2_video.masks.figures.FIGURES`, shape (n,)
        Its figures.
    """

    frames: npt.NDArray[np.int64]
    records: npt.NDArray[np.int64]
    walks: npt.NDArray[np.int8]
    figures: npt.NDArray[Any]

    def at(self, rows: npt.NDArray[Any]) -> ObjectFigures:
        """Some of the masks, by an index or a mask of booleans."""
        return ObjectFigures(*(column[rows] for column in self))

    def followed_by(self, changes: Sequence[tuple[set[int], ObjectFigures]]) -> ObjectFigures:
        """With changes in their order: each replaces all masks on its frames by its own masks."""
        last = {frame: number for number, (frames, _) in enumerate(changes) for frame in frames}
        parts = [self.at(~np.isin(self.frames, list(last)))]
        for number, (_, masks) in enumerate(changes):
            parts.append(masks.at(np.array([last[frame] == number for frame in masks.frames.tolist()], bool)))
        joined = ObjectFigures(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
        return joined.at(np.argsort(joined.frames, kind="stable"))

    def same_as(self, other: ObjectFigures) -> bool:
        """Whether all columns are the same; a record may have been written again under its number."""
        arrays = zip(self, other, strict=True)
        return all(np.asarray(one).tobytes() == np.asarray(two).tobytes() for one, two in arrays)


NONE = ObjectFigures(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int8), np.zeros(0, FIGURES))


class NewestMasks:
    """Figures of the newest mask of each object on each frame.

    After a change only the frames that it touched are read again; they join the other frames of an object when it is
    asked for. All methods may be called from any thread.

    Parameters
    ----------
    state : State
        The tables of the store.
    tables : sequence of str
        Those that list the records of each frame.
    """

    def __init__(self, state: State, tables: Sequence[str]) -> None:
        self._state = state
        self._tables = tuple(tables)
        self._lock = threading.Lock()
        self._mark: int | None = None
        self._objects: dict[int, ObjectFigures] = {}
        self._waiting: dict[int, list[tuple[set[int], ObjectFigures]]] = {}
        self._ids_on: dict[int, tuple[int, ...]] = {}
        self._frame_of: dict[int, int] = {}
        self._changed: dict[int, int] = {}
        self._changes = 0

    def of(self, object_ids: Iterable[int]) -> dict[int, ObjectFigures]:
        """The newest masks of some objects; the arrays must not be changed."""
        with self._lock:
            self._update()
            return {object_id: self._merged(object_id) for object_id in object_ids}

    def changed_since(self, mark: int) -> tuple[int, set[int]]:
        """The present mark, and the objects whose masks changed since an earlier one; 0 is before any change."""
        with self._lock:
            self._update()
            return self._changes, {object_id for object_id, at in self._changed.items() if at > mark}

    def _update(self) -> None:
        with self._state.lock:
            mark, changed = self._state.changed_since(self._mark)
            if changed is not None:
                changed = {(table, key) for table, key in changed if table in (*self._tables, "records", "removed")}
                if not changed:
                    self._mark = mark
                    return
            frames = self._touched(changed)
            tables = [self._state.table(name) for name in self._tables]
            if frames is None:
                lists = {int(f): [n for rows in tables for n in rows.get(f, ())] for f in set().union(*tables)}
            else:
                lists = {frame: [n for rows in tables for n in rows.get(frame, ())] for frame in sorted(frames)}
            rows = self._state.table("records")
            records: dict[int, RecordInfo] = {n: rows[n] for found in lists.values() for n in found if n in rows}
        if frames is None:
            before = {object_id: self._merged(object_id) for object_id in self._objects.keys() | self._waiting.keys()}
            self._objects, self._ids_on = _newest(lists, records, removed_objects(self._state))
            self._frame_of = {number: info.frame for number, info in records.items()}
            self._mark, self._changes = mark, self._changes + 1
            for object_id in before.keys() | self._objects.keys():
                if not before.get(object_id, NONE).same_as(self._objects.get(object_id, NONE)):
                    self._changed[object_id] = self._changes
            return
        found, ids_on = _newest(lists, records, removed_objects(self._state))
        self._mark, self._changes = mark, self._changes + 1
        touched = {object_id for frame in frames for object_id in self._ids_on.get(frame, ())} | found.keys()
        for object_id in touched:
            waiting = self._waiting.setdefault(object_id, [])
            waiting.append((frames, found.get(object_id, NONE)))
            if len(waiting) >= MOST_WAITING:
                self._merged(object_id)
            self._changed[object_id] = self._changes
        self._ids_on.update(ids_on)
        self._frame_of.update((number, info.frame) for number, info in records.items())

    def _merged(self, object_id: int) -> ObjectFigures:
        changes = self._waiting.pop(object_id, None)
        if changes:
            self._objects[object_id] = self._objects.get(object_id, NONE).followed_by(changes)
        return self._objects.get(object_id, NONE)

    def _touched(self, changed: set[tuple[str, Any]] | None) -> set[int] | None:
        """Frames on which rows changed; None for all."""
        if changed is None or any(table == "removed" for table, _ in changed):
            return None
        frames = {int(key) for table, key in changed if table in self._tables}
        for number in (key for table, key in changed if table == "records"):
            info: RecordInfo | None = self._state.get("records", number)
            frame = self._frame_of.get(number) if info is None else info.frame
            if frame is not None:
                frames.add(frame)
        return frames


def _newest(
    lists: Mapping[int, list[int]], records: Mapping[int, RecordInfo], removed: Mapping[int, int]
) -> tuple[dict[int, ObjectFigures], dict[int, tuple[int, ...]]]:
    """Newest masks by object, and the objects on each frame, from the numbers of each frame's records."""
    # Most frames of a session share one tuple of ids.
    arrays: dict[int, npt.NDArray[np.int64]] = {}
    parts: list[tuple[npt.NDArray[np.int64], npt.NDArray[Any], int, int, int]] = []
    ids_on: dict[int, tuple[int, ...]] = {}
    last_removed = max(removed.values(), default=0)
    for frame in sorted(lists):
        taken: tuple[int, ...] = ()
        for number in sorted(lists[frame], reverse=True):
            info = records.get(number)
            if info is None:
                continue
            ids = arrays.get(id(info.ids))
            if ids is None:
                ids = arrays[id(info.ids)] = np.array(info.ids, np.int64)
            figures, kept = info.figures, info.ids
            if taken or number <= last_removed:
                gone = [object_id for object_id, at in removed.items() if number <= at]
                keep = ~np.isin(ids, [*taken, *gone])
                ids, figures = ids[keep], figures[keep]
                kept = tuple(ids.tolist())
            if kept:
                taken = (*taken, *kept) if taken else kept
                parts.append((ids, figures, frame, number, info.walk))
        ids_on[frame] = taken
    return _by_object(parts), ids_on


def _by_object(
    parts: list[tuple[npt.NDArray[np.int64], npt.NDArray[Any], int, int, int]],
) -> dict[int, ObjectFigures]:
    counts = [len(part[0]) for part in parts]
    ids, figures = np.empty(sum(counts), np.int64), np.empty(sum(counts), FIGURES)
    start = 0
    for count, (own, rows, *_) in zip(counts, parts, strict=True):
        ids[start : start + count], figures[start : start + count] = own, rows
        start += count
    frames, records, walks = (
        np.repeat(np.array([part[column] for part in parts], dtype), counts)
        for column, dtype in ((2, np.int64), (3, np.int64), (4, np.int8))
    )
    order = np.argsort(ids, kind="stable")
    every, starts, lengths = np.unique(ids[order], return_index=True, return_counts=True)
    stops = starts + lengths
    masks = ObjectFigures(frames, records, walks, figures)
    return {i: masks.at(order[a:b]) for i, a, b in zip(every.tolist(), starts.tolist(), stops.tolist(), strict=True)}
