"""Tables that follow from journal entries, and the steps that can be undone and redone."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from napari_sam2_video.storage.journal import Entry

Key: TypeAlias = int | str
Change: TypeAlias = tuple[str, Key, Any]
Decoder: TypeAlias = Callable[[Key, Any], Any]

HISTORY_STEPS = 50
REMEMBERED_CHANGES = 1 << 16
MISREAD = (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError)


@dataclass
class UndoStep:
    """A step that can be undone: for each key of a table it touched, the value before and after it."""

    id: int
    name: str
    before: dict[tuple[str, Key], Any] = field(default_factory=dict)
    after: dict[tuple[str, Key], Any] = field(default_factory=dict)


class Tables:
    """The tables that result from a sequence of journal entries.

    Parameters
    ----------
    decoders : mapping of str to callable
        Turns a value of a table from its journal form into that in memory; raises one of `MISREAD` for invalid values.
        Tables without one keep the value unchanged.
    shared : collection of str
        Tables of lists of numbers, the highest first, to which several steps add at the same time. Undo and redo of a
        step keep the numbers that others added since.

    Attributes
    ----------
    rows : dict of str to dict
        Value of each key of each table.
    groups : dict of (str, str) to dict
        By table and the part of its keys before the colon: the values by the part after it.
    done, undone : list of UndoStep
        Steps that can be undone and redone, the next one last.
    number : int
        The highest number of an entry.
    changes : int
        How often a row was set or removed so far.
    latest : deque of (str, Key)
        Table and key of the latest of these changes, the newest last.
    """

    def __init__(self, decoders: Mapping[str, Decoder], shared: Collection[str] = ()) -> None:
        self.rows: dict[str, dict[Key, Any]] = {}
        self.groups: dict[tuple[str, str], dict[str, Any]] = {}
        self.done: list[UndoStep] = []
        self.undone: list[UndoStep] = []
        self.number = 0
        self.changes = 0
        self.latest: deque[tuple[str, Key]] = deque(maxlen=REMEMBERED_CHANGES)
        self._decoders = decoders
        self._shared = frozenset(shared)

    def read(self, entry: Entry) -> list[Change]:
        """Changes of an entry with decoded values; raises one of `MISREAD` for invalid ones."""
        return [(str(t), _key(k), self._decoded(t, k, v)) for t, k, v in entry["set"]]

    def apply(self, entry: Entry, changes: Sequence[Change] | None = None) -> None:
        """Apply an entry; raises one of `MISREAD` if it is invalid, with only `number` changed.

        Parameters
        ----------
        entry : dict
            The entry.
        changes : sequence of (table, key, value), optional
            Result of `read` for it, if already called.
        """
        number = entry["n"]
        if not isinstance(number, int) or number < 0:
            raise ValueError("an entry without a number")
        self.number = max(self.number, number)
        if "undo" in entry:
            self._move(self.done, self.undone, entry["undo"], forward=False)
        elif "redo" in entry:
            self._move(self.undone, self.done, entry["redo"], forward=True)
        elif "set" in entry:
            changes = self.read(entry) if changes is None else changes
            step = self._step_of(entry, number)
            for table, key, value in changes:
                if step is not None:
                    step.before.setdefault((table, key), self.rows.get(table, {}).get(key))
                    step.after[table, key] = value
                self.put(table, key, value)

    def _decoded(self, table: str, key: Key, value: Any) -> Any:
        decoder = self._decoders.get(table)
        return value if decoder is None or value is None else decoder(key, value)

    def _step_of(self, entry: Entry, number: int) -> UndoStep | None:
        if "name" in entry:
            step = UndoStep(number, str(entry["name"]))
            self.undone.clear()
            self.done.append(step)
            del self.done[:-HISTORY_STEPS]
            return step
        wanted = entry.get("step")
        return next((s for s in reversed(self.done) if s.id == wanted), None) if wanted is not None else None

    def _move(self, source: list[UndoStep], target: list[UndoStep], step_id: int, *, forward: bool) -> None:
        if not source or source[-1].id != step_id:
            raise ValueError("a step that is not the last one")
        step = source.pop()
        left, reached = (step.before, step.after) if forward else (step.after, step.before)
        for (table, key), value in reached.items():
            if table in self._shared:
                now = self.rows.get(table, {}).get(key)
                self.put(table, key, _with_others(now, left[table, key], value))
            else:
                self.put(table, key, value)
        target.append(step)

    def put(self, table: str, key: Key, value: Any) -> None:
        """Set a row; None removes it."""
        self.changes += 1
        self.latest.append((table, key))
        _set(self.rows.setdefault(table, {}), key, value)
        if isinstance(key, str):
            owner, colon, rest = key.partition(":")
            if colon:
                _set(self.groups.setdefault((table, owner), {}), rest, value)


def _with_others(now: Any, left: Any, reached: Any) -> Any:
    """The list of numbers that a step reaches, with those that other steps added to the one that it leaves."""
    added = set(now or ()).difference(left or (), reached or ())
    return type(now)(sorted(added.union(reached or ()), reverse=True)) if added else reached


def _key(key: Any) -> Key:
    if isinstance(key, bool) or not isinstance(key, int | str):
        raise TypeError("a key must be a number or text")
    return key


def _set(rows: dict[Any, Any], key: Key, value: Any) -> None:
    if value is None:
        rows.pop(key, None)
    else:
        rows[key] = value
