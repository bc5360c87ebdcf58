"""The state of a session as tables that follow from the journal, with undo and redo.

A table maps keys to values that are never changed in place. Every change is a journal entry that sets keys; entries
of one step can be undone together. Opening replays the journal, undo and redo included, so the history survives.
"""

from __future__ import annotations

import threading
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.errors import SessionVersionError, StoreError
from napari_sam2_video.storage.compaction import compacted
from napari_sam2_video.storage.tables import HISTORY_STEPS, MISREAD, Tables

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from napari_sam2_video.storage.journal import Entry, Journal
    from napari_sam2_video.storage.tables import Change, Decoder, Key, UndoStep

JOURNAL_SCHEMA = 1
COMPACT_BYTES = 1 << 20


class State:
    """Tables over a journal.

    Parameters
    ----------
    journal : Journal
        The open journal.
    decoders : mapping of str to callable
        Turns a value of a table from its journal form into that in memory; raises ValueError, TypeError, KeyError or
        IndexError for invalid values. Tables without one keep the value unchanged.
    shared : collection of str
        Tables of lists of numbers to which several steps add at the same time, see `Tables`.

    Attributes
    ----------
    lock : RLock
        Guards the tables; never held during writes to disk.
    notes : list of str
        Notes about invalid entries.
    """

    def __init__(self, journal: Journal, decoders: Mapping[str, Decoder], shared: Collection[str] = ()) -> None:
        self.lock = threading.RLock()
        self.notes = list(journal.notes)
        self._writing = threading.RLock()
        self._journal = journal
        self._tables = Tables(decoders, shared)
        self._shared = shared
        self._replay(journal.entries)
        if not journal.read_only and not self.notes and journal.size >= COMPACT_BYTES:
            self._shorten(journal.entries)
        if not journal.entries and not journal.read_only:
            journal.append({"n": 0, "head": {"schema": JOURNAL_SCHEMA, "history": HISTORY_STEPS}})
        journal.entries = []

    def table(self, name: str) -> dict[Key, Any]:
        """Live table; hold `lock` while iterating, and never change it."""
        return self._tables.rows.setdefault(name, {})

    def get(self, name: str, key: Key, default: Any = None) -> Any:
        """Value of a key."""
        with self.lock:
            return self._tables.rows.get(name, {}).get(key, default)

    def leave_out(self, name: str, keys: Iterable[Key]) -> None:
        """Ignore rows of a table, which stay in the journal."""
        with self.lock:
            for key in keys:
                self._tables.put(name, key, None)

    def group(self, name: str, owner: int) -> dict[str, Any]:
        """Copy of the rows of a table whose keys begin with ``owner:``, by what follows it."""
        with self.lock:
            return dict(self._tables.groups.get((name, str(owner)), {}))

    def changed_since(self, mark: int | None) -> tuple[int, set[tuple[str, Key]] | None]:
        """Table and key of each row that was set or removed since an earlier call.

        Parameters
        ----------
        mark : int or None
            The mark that the earlier call returned; None if there was none.

        Returns
        -------
        mark : int
            The present mark.
        changed : set of (str, int or str) or None
            None if any row may have changed.
        """
        with self.lock:
            now, latest = self._tables.changes, self._tables.latest
            if mark is None or now - mark > len(latest):
                return now, None
            return now, set(islice(reversed(latest), now - mark))

    @property
    def next_number(self) -> int:
        """Number that the next entry will have."""
        return self._tables.number + 1

    @property
    def undoable(self) -> str | None:
        """Name of the step that `undo` would undo."""
        with self.lock:
            return self._tables.done[-1].name if self._tables.done else None

    @property
    def redoable(self) -> str | None:
        """Name of the step that `redo` would do again."""
        with self.lock:
            return self._tables.undone[-1].name if self._tables.undone else None

    @property
    def last_step(self) -> int | None:
        """Id of the step that `undo` would undo."""
        with self.lock:
            return self._tables.done[-1].id if self._tables.done else None

    def commit(
        self,
        changes: Sequence[Change],
        *,
        name: str | None = None,
        step: int | None = None,
        number: int | None = None,
    ) -> int:
        """Make changes durable and visible, in this order.

        Parameters
        ----------
        changes : sequence of (table, key, value)
            Values to set, in journal form; None removes the key.
        name : str, optional
            Begins a new step with that name, which clears the redo history.
        step : int, optional
            Adds to that step instead. With neither, the changes cannot be undone.
        number : int, optional
            The `next_number` when the changes were prepared, which is checked.

        Returns
        -------
        int
            Number of the entry, which is also the id of a step begun with it.
        """
        with self._writing:
            own = self._tables.number + 1
            if number is not None and number != own:
                raise StoreError("The session changed at the same time; repeat your last action.")
            entry: Entry = {"n": own, "set": [_plain(change) for change in changes]}
            if name is not None:
                entry["name"] = name
            elif step is not None:
                entry["step"] = step
            changes_made = self._tables.read(entry)
            self._journal.append(entry)
            self._apply(entry, changes_made)
            return own

    def writing(self) -> threading.RLock:
        """Lock to hold from `next_number` to the `commit` that relies on it."""
        return self._writing

    def undo(self) -> tuple[str, frozenset[tuple[str, Key]]] | None:
        """Undo the last step; returns its name and the keys it touched, or None if there is none."""
        return self._travel("undo", self._tables.done)

    def redo(self) -> tuple[str, frozenset[tuple[str, Key]]] | None:
        """Redo the last undone step."""
        return self._travel("redo", self._tables.undone)

    def _travel(self, word: str, stack: list[UndoStep]) -> tuple[str, frozenset[tuple[str, Key]]] | None:
        with self._writing:
            if not stack:
                return None
            step = stack[-1]
            entry = {"n": self._tables.number + 1, word: step.id}
            self._journal.append(entry)
            self._apply(entry)
            return step.name, frozenset(step.after)

    def values_in_history(self, table: str) -> list[Any]:
        """Values of a table that undo or redo could restore."""
        with self.lock:
            sides = [side for step in (*self._tables.done, *self._tables.undone) for side in (step.before, step.after)]
            return [v for side in sides for (t, _), v in side.items() if t == table and v is not None]

    def values_before_later_steps(self, table: str, key: Key, step: int) -> list[Any]:
        """Values of a row that undo would restore before it reaches a step, which a run still adds to."""
        with self.lock:
            later = takewhile(lambda one: one.id != step, reversed(self._tables.done))
            return [one.before[table, key] for one in later if (table, key) in one.before]

    def close(self) -> None:
        """Close the journal."""
        self._journal.close()

    def _replay(self, entries: Sequence[Entry]) -> None:
        if entries:
            head = entries[0].get("head")
            schema = head.get("schema") if isinstance(head, dict) else None
            if isinstance(schema, int) and schema > JOURNAL_SCHEMA:
                raise SessionVersionError(
                    "The session was written by a newer version of napari-sam2-video; update it to open the session."
                )
        misread = 0
        for entry in entries:
            try:
                self._apply(entry)
            except MISREAD:
                misread += 1
        if misread:
            self.notes.append(f"{misread} invalid entries of the journal were skipped; repeat what is missing.")

    def _apply(self, entry: Entry, changes: Sequence[Change] | None = None) -> None:
        with self.lock:
            self._tables.apply(entry, changes)

    def _shorten(self, entries: Sequence[Entry]) -> None:
        """Replace a journal if most of it is no longer needed."""
        steps = (*self._tables.done, *self._tables.undone)
        fewer = compacted(entries, [step.id for step in steps], self._shared)
        if fewer is None:
            return
        try:
            self._journal.replace(fewer)
        except StoreError as error:
            self.notes.append(f"The journal could not be compacted: {error}")


def _plain(value: Any) -> Any:
    """Convert NumPy numbers, which scripts pass as ids and frames, to JSON numbers."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value
