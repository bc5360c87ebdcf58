"""Everything that a session knows as tables that follow from the journal, with undo and redo.

A table maps keys to values that are never changed in place. Every change is a journal entry that sets keys; entries
of one step can be undone together. Opening replays the journal, undo and redo included, so the history survives.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from napari_sam2_video.errors import SessionVersionError, StoreError

if TYPE_CHECKING:
    from napari_sam2_video.masks.journal import Entry, Journal

Key: TypeAlias = int | str
Change: TypeAlias = tuple[str, Key, Any]
Decoder: TypeAlias = Callable[[Key, Any], Any]

JOURNAL_SCHEMA = 1
HISTORY_STEPS = 50


@dataclass
class Step:
    """Something that can be undone: for each key of a table that it touched, the value before it and behind it."""

    id: int
    name: str
    before: dict[tuple[str, Key], Any] = field(default_factory=dict)
    after: dict[tuple[str, Key], Any] = field(default_factory=dict)


class Ledger:
    """Tables over a journal.

    Parameters
    ----------
    journal : Journal
        The open journal.
    decoders : mapping of str to callable
        Turns a value of a table, as it stands in the journal, into what is kept in memory; raises ValueError,
        TypeError, KeyError or IndexError for what cannot be right. Tables without one keep the value as it is.

    Attributes
    ----------
    lock : RLock
        Guards the tables; never held while something is written to disk.
    notes : list of str
        Sentences about what could not be understood.
    """

    def __init__(self, journal: Journal, decoders: dict[str, Decoder]) -> None:
        self.lock = threading.RLock()
        self.notes = list(journal.notes)
        self._writing = threading.RLock()
        self._journal = journal
        self._decoders = decoders
        self._tables: dict[str, dict[Key, Any]] = {}
        self._groups: dict[tuple[str, str], dict[str, Any]] = {}
        self._done: list[Step] = []
        self._undone: list[Step] = []
        self._number = 0
        self._replay(journal.entries)
        journal.entries = []
        if self._number == 0 and not journal.read_only:
            journal.append({"n": 0, "head": {"schema": JOURNAL_SCHEMA, "history": HISTORY_STEPS}})

    def table(self, name: str) -> dict[Key, Any]:
        """Live table; hold `lock` while iterating, and never change it."""
        return self._tables.setdefault(name, {})

    def get(self, name: str, key: Key, default: Any = None) -> Any:
        """Value of a key."""
        with self.lock:
            return self._tables.get(name, {}).get(key, default)

    def group(self, name: str, owner: int) -> dict[str, Any]:
        """Copy of the rows of a table whose keys begin with ``owner:``, by what follows it."""
        with self.lock:
            return dict(self._groups.get((name, str(owner)), {}))

    @property
    def next_number(self) -> int:
        """Number that the next entry will have."""
        return self._number + 1

    @property
    def undoable(self) -> str | None:
        """Name of the step that `undo` would take back."""
        with self.lock:
            return self._done[-1].name if self._done else None

    @property
    def redoable(self) -> str | None:
        """Name of the step that `redo` would do again."""
        with self.lock:
            return self._undone[-1].name if self._undone else None

    @property
    def last_step(self) -> int | None:
        """Id of the step that `undo` would take back."""
        with self.lock:
            return self._done[-1].id if self._done else None

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
            What is set; a value of None removes the key. Values are as they stand in the journal.
        name : str, optional
            Begins a new step of that name, which clears what could be redone.
        step : int, optional
            Adds to that step instead. With neither, the changes cannot be undone.
        number : int, optional
            What `next_number` was when the changes were prepared; checked.

        Returns
        -------
        int
            Number of the entry, which is also the id of a step begun with it.
        """
        with self._writing:
            own = self._number + 1
            if number is not None and number != own:
                raise StoreError("Two changes of the session met; do the last one again.")
            entry: Entry = {"n": own, "set": [_plain(change) for change in changes]}
            if name is not None:
                entry["name"] = name
            elif step is not None:
                entry["step"] = step
            changes_made = self._read_changes(entry)
            self._journal.append(entry)
            self._apply(entry, changes_made)
            return own

    def writing(self) -> threading.RLock:
        """Lock to hold around `next_number` and the `commit` that relies on it."""
        return self._writing

    def undo(self) -> tuple[str, frozenset[tuple[str, Key]]] | None:
        """Take the last step back; its name and the keys it touched, or None if there is none."""
        return self._travel("undo", self._done)

    def redo(self) -> tuple[str, frozenset[tuple[str, Key]]] | None:
        """Do the step taken back last again."""
        return self._travel("redo", self._undone)

    def _travel(self, word: str, stack: list[Step]) -> tuple[str, frozenset[tuple[str, Key]]] | None:
        with self._writing:
            if not stack:
                return None
            step = stack[-1]
            entry = {"n": self._number + 1, word: step.id}
            self._journal.append(entry)
            self._apply(entry)
            return step.name, frozenset(step.after)

    def values_in_history(self, table: str) -> list[Any]:
        """Values of a table that undo or redo could bring back."""
        with self.lock:
            sides = [side for step in (*self._done, *self._undone) for side in (step.before, step.after)]
            return [v for side in sides for (t, _), v in side.items() if t == table and v is not None]

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
            except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError):
                misread += 1
        if misread:
            self.notes.append(
                f"{misread} entries of the journal make no sense and were left out; do again what is missing."
            )

    def _read_changes(self, entry: Entry) -> list[Change]:
        return [(str(t), _key(k), self._decoded(t, k, v)) for t, k, v in entry["set"]]

    def _apply(self, entry: Entry, changes: list[Change] | None = None) -> None:
        number = entry["n"]
        if not isinstance(number, int) or number < 0:
            raise ValueError("an entry without a number")
        with self.lock:
            self._number = max(self._number, number)
            if "undo" in entry:
                self._move(self._done, self._undone, entry["undo"], forward=False)
            elif "redo" in entry:
                self._move(self._undone, self._done, entry["redo"], forward=True)
            elif "set" in entry:
                changes = self._read_changes(entry) if changes is None else changes
                step = self._step_of(entry, number)
                for table, key, value in changes:
                    if step is not None:
                        step.before.setdefault((table, key), self._tables.get(table, {}).get(key))
                        step.after[table, key] = value
                    self._put(table, key, value)

    def _decoded(self, table: str, key: Key, value: Any) -> Any:
        decoder = self._decoders.get(table)
        return value if decoder is None or value is None else decoder(key, value)

    def _step_of(self, entry: Entry, number: int) -> Step | None:
        if "name" in entry:
            step = Step(number, str(entry["name"]))
            self._undone.clear()
            self._done.append(step)
            del self._done[:-HISTORY_STEPS]
            return step
        wanted = entry.get("step")
        return next((s for s in reversed(self._done) if s.id == wanted), None) if wanted is not None else None

    def _move(self, source: list[Step], target: list[Step], step_id: int, *, forward: bool) -> None:
        if not source or source[-1].id != step_id:
            raise ValueError("a step that is not the last one")
        step = source.pop()
        for (table, key), value in (step.after if forward else step.before).items():
            self._put(table, key, value)
        target.append(step)

    def _put(self, table: str, key: Key, value: Any) -> None:
        _set(self._tables.setdefault(table, {}), key, value)
        if isinstance(key, str):
            owner, colon, rest = key.partition(":")
            if colon:
                _set(self._groups.setdefault((table, owner), {}), rest, value)


def _plain(value: Any) -> Any:
    """Numbers of NumPy, which scripts pass as ids and frames, as numbers that JSON knows."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


def _key(key: Any) -> Key:
    if isinstance(key, bool) or not isinstance(key, int | str):
        raise TypeError("a key is a number or a text")
    return key


def _set(rows: dict[Any, Any], key: Key, value: Any) -> None:
    if value is None:
        rows.pop(key, None)
    else:
        rows[key] = value
