"""Rewrite a journal with fewer entries, without those no longer needed.

Entries that undo and redo can still reach stay as written. All earlier ones are replaced by the tables at that point.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from napari_sam2_video.storage.tables import MISREAD, Tables

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from napari_sam2_video.storage.journal import Entry
    from napari_sam2_video.storage.tables import Key, UndoStep

Place: TypeAlias = "tuple[str, Key]"

CHANGES_A_LINE = 500


def compacted(entries: Sequence[Entry], history: Sequence[int], shared: Collection[str] = ()) -> list[Entry] | None:
    """Fewer entries with the same effect, including history; None if fewer than half can be dropped.

    Parameters
    ----------
    entries : sequence of dict
        Valid entries of a journal.
    history : sequence of int
        Ids of the steps that can be undone or redone after the last entry.
    shared : collection of str
        See `Tables`.
    """
    cut = _first_needed(entries, history)
    if cut is None or 2 * cut <= len(entries):
        return None
    tables = Tables({}, shared)
    written: dict[Place, int] = {}
    try:
        for index, entry in enumerate(entries[:cut]):
            tables.apply(entry)
            for table, key, _ in entry.get("set", ()):
                written[table, key] = index
        before = {(table, key): value for table, rows in tables.rows.items() for key, value in rows.items()}
        number = tables.number
        for entry in entries[cut:]:
            tables.apply(entry)
    except MISREAD:
        return None
    kept = before.keys() & _observed(tables)
    if 2 * (cut - len({written.get(place, -1) for place in kept})) <= len(entries):
        return None
    head = [entry for entry in entries[:1] if "head" in entry]
    changes = [[*place, value] for place, value in before.items() if place in kept]
    base = [
        {"n": number, "set": changes[start : start + CHANGES_A_LINE]}
        for start in range(0, len(changes), CHANGES_A_LINE)
    ]
    fewer = [*head, *(base or [{"n": number, "set": []}]), *entries[cut:]]
    return fewer if len(fewer) < len(entries) and _amounts_to(fewer, tables, shared) else None


def _first_needed(entries: Sequence[Entry], history: Sequence[int]) -> int | None:
    """Index of the first entry of the oldest step that a later entry needs; None if such a step is missing."""
    begins = {entry["n"]: index for index, entry in enumerate(entries) if "name" in entry}
    travels = [
        (index, entry.get("undo", entry.get("redo")))
        for index, entry in enumerate(entries)
        if "undo" in entry or "redo" in entry
    ]
    if not begins.keys() >= {*history, *(step for _, step in travels)}:
        return None
    cut = min((begins[step] for step in history), default=len(entries))
    for index, step in reversed(travels):
        if index >= cut:
            cut = min(cut, begins[step])
    return cut


def _observed(tables: Tables) -> set[Place]:
    """Content of the tables, and values that undo or redo could restore."""
    places = {(table, key) for table, rows in tables.rows.items() for key in rows}
    for step in (*tables.done, *tables.undone):
        places.update(step.after)
    return places


def _amounts_to(entries: Sequence[Entry], wanted: Tables, shared: Collection[str]) -> bool:
    found = Tables({}, shared)
    try:
        for entry in entries:
            found.apply(entry)
    except MISREAD:
        return False
    return (found.number, _filled(found.rows), _steps(found)) == (wanted.number, _filled(wanted.rows), _steps(wanted))


def _filled(rows: Mapping[str, Mapping[Key, Any]]) -> dict[str, Mapping[Key, Any]]:
    return {table: kept for table, kept in rows.items() if kept}


def _steps(tables: Tables) -> tuple[list[UndoStep], list[UndoStep]]:
    return tables.done, tables.undone
