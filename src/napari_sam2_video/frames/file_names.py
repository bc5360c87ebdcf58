"""Work out what the names of image files count: time, depth, channels, or several of these."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

_LABELS = {
    **dict.fromkeys(("t", "time", "timepoint", "tp", "frame", "cycle"), "T"),
    **dict.fromkeys(("z", "slice", "zslice", "plane", "section", "depth", "focus"), "Z"),
    **dict.fromkeys(("c", "ch", "chan", "channel", "w", "wave", "wavelength"), "C"),
    **dict.fromkeys(("p", "pos", "position", "xy", "s", "series", "site", "field", "fov", "scene", "tile"), "P"),
}
_ORDER = "PTZC"
_SPARE = "TZPRAHEFGBDKLMNOUVWJ"
_CHANNEL_NAMES = re.compile(
    r"dapi|hoechst.*|fitc|tritc|[ecyrbm]?[gryc]fp\d?|m?cherry|tdtomato|cy[357]|tx?red|texas ?red|a(lexa)?\d{3}|"
    r"bf|brightfield|bright|phase|pc|ph|dic|trans|red|green|blue|far ?red|\d{3}nm",
    re.IGNORECASE,
)
_FEW_CHANNELS = 8
_FULL_ENOUGH = 0.5


@dataclass(frozen=True)
class FileOrder:
    """Files in the order of the axes that their names count.

    Parameters
    ----------
    axes : str
        Letters of the axes.
    lengths : tuple of int
        Their lengths.
    names : tuple of (str or None)
        A name for each position in C order; None if the file is missing.
    channels : tuple of str
        Names of the positions along ``C``.
    notes : tuple of str
        Notes for the user.
    """

    axes: str
    lengths: tuple[int, ...]
    names: tuple[str | None, ...]
    channels: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Slot:
    """A part in which the names differ: its value in each name, and the axis letter that precedes it."""

    values: tuple[int | str, ...]
    letter: str

    @property
    def distinct(self) -> list[Any]:
        return sorted(set(self.values), key=lambda value: natural_key(str(value)))

    @property
    def counts(self) -> bool:
        return isinstance(self.values[0], int)


def natural_key(name: str) -> tuple[Any, ...]:
    """Sort key that puts 2 before 10."""
    parts = re.split(r"(\d+)", name.lower())
    return (*((int(part), "") if n % 2 else (0, part) for n, part in enumerate(parts)), (0, name))


def arrange_names(names: Sequence[str]) -> FileOrder:
    """Find out which axes the names of the files of one recording count.

    Names with one number make a sequence along ``Z`` or ``C`` if the letters before it say so, and along ``T``
    otherwise. Names that vary in several parts, such as ``_t00_ch00`` or ``_000_DAPI``, make a grid.

    Parameters
    ----------
    names : sequence of str
        File names without folders, in natural order.
    """
    slots = _without_doubles(_slots(names))
    if len(slots) > 1:
        found = _grid(names, slots)
        if found is not None:
            return found
        words = [slot for slot in slots if not slot.counts]
        notes = _gap_notes(names, slots)
        if words:
            notes = (
                f"The file names differ in more than a number ({_listed(words[0].distinct)}), and not in every "
                "combination: all files are frames in the order of their names.",
                *notes,
            )
        return FileOrder("T", (len(names),), tuple(names), notes=notes)
    letter = _single_letter(slots[0], len(names)) if slots else "T"
    channels = tuple(str(value) for value in slots[0].distinct) if letter == "C" else ()
    return FileOrder(letter, (len(names),), tuple(names), channels, _gap_notes(names, slots))


def _slots(names: Sequence[str]) -> list[_Slot]:
    rows = [re.split(r"[_\-.\s]+", name.rpartition(".")[0] or name) for name in names]
    if len({len(row) for row in rows}) != 1:
        return []
    found: list[_Slot] = []
    before = ""
    for column in zip(*rows, strict=True):
        found.extend(_column_slots(column, before))
        before = column[0] if len(set(column)) == 1 else ""
    return found


def _column_slots(column: tuple[str, ...], before: str) -> list[_Slot]:
    if len(set(column)) == 1:
        return []
    parts = [re.findall(r"\d+|\D+", field) for field in column]
    letters = {tuple(part if not part.isdecimal() else "" for part in row) for row in parts}
    if len(letters) > 1:
        return [_Slot(column, "C" if all(_CHANNEL_NAMES.fullmatch(word) for word in column) else "")]
    found = []
    for n, values in enumerate(zip(*parts, strict=True)):
        if values[0].isdecimal() and len(set(map(int, values))) > 1:
            label = parts[0][n - 1] if n else before
            found.append(_Slot(tuple(map(int, values)), _LABELS.get(label.lower(), "")))
    return found


def _without_doubles(slots: list[_Slot]) -> list[_Slot]:
    """Drop slots that only repeat another, such as the number of a channel beside its name."""
    kept: list[_Slot] = []
    for slot in sorted(slots, key=lambda slot: (not slot.letter, slot.counts)):
        pairs = [set(zip(other.values, slot.values, strict=True)) for other in kept]
        if not any(
            len(both) == len(set(slot.values)) == len(set(other.values))
            for other, both in zip(kept, pairs, strict=True)
        ):
            kept.append(slot)
    return [slot for slot in slots if slot in kept]


def _grid(names: Sequence[str], slots: list[_Slot]) -> FileOrder | None:
    """Order along several axes; None if the names fill less than half of it."""
    count = len(names)
    running = [slot for slot in slots if len(slot.distinct) == count]
    others = [slot for slot in slots if slot not in running]
    if running and others:
        size = math.prod(len(slot.distinct) for slot in others)
        if size == count:
            slots = others
        elif len(others) == 1 and not count % size:
            slots = [_ranked(others[0]), others[0]]
    size = math.prod(len(slot.distinct) for slot in slots)
    places = list(zip(*(slot.values for slot in slots), strict=True))
    if len(slots) < 2 or len(set(places)) < count or count < _FULL_ENOUGH * size:
        return None
    if count < size and not all(slot.letter or not slot.counts for slot in slots):
        return None
    slots = sorted(_lettered(slots), key=lambda slot: (_ORDER + slot.letter).index(slot.letter))
    steps = [slot.distinct for slot in slots]
    lengths = tuple(len(values) for values in steps)
    found: list[str | None] = [None] * size
    for n, name in enumerate(names):
        place = 0
        for slot, values in zip(slots, steps, strict=True):
            place = place * len(values) + values.index(slot.values[n])
        found[place] = name
    axes = "".join(slot.letter for slot in slots)
    channels = next((tuple(map(str, values)) for letter, values in zip(axes, steps, strict=True) if letter == "C"), ())
    counted = ", ".join(f"{letter} ({_listed(values)})" for letter, values in zip(axes, steps, strict=True))
    notes = [f"The file names number {counted}."]
    if count < size:
        notes.append(
            f"{size - count} of {size} files are missing: their planes cannot be read, and the others keep their "
            "positions."
        )
    return FileOrder(axes, lengths, tuple(found), channels, tuple(notes))


def _ranked(slot: _Slot) -> _Slot:
    """Rank of each file among those with the same value in `slot`, if one number runs through all files."""
    seen: Counter[Any] = Counter()
    ranks = []
    for value in slot.values:
        ranks.append(seen[value])
        seen[value] += 1
    return _Slot(tuple(ranks), "T")


def _lettered(slots: list[_Slot]) -> list[_Slot]:
    """Give each slot a letter of its own: words are channels, numbers are time, then depth."""
    found: list[_Slot] = []
    named = [slot.letter for slot in slots if slot.letter]
    for slot in slots:
        taken = {one.letter for one in found}
        letter = slot.letter if slot.letter not in taken else ""
        if not letter:
            used = taken | set(named)
            letter = "C" if not slot.counts and "C" not in used else next(one for one in _SPARE if one not in used)
        found.append(replace(slot, letter=letter))
    return found


def _single_letter(slot: _Slot, count: int) -> str:
    if slot.letter == "Z" or (slot.letter == "C" and count <= _FEW_CHANNELS):
        return slot.letter
    return "T"


def _listed(values: Sequence[Any]) -> str:
    shown = [str(value) for value in values]
    return ", ".join(shown) if len(shown) <= 4 else f"{shown[0]}, {shown[1]} … {shown[-1]}"


def _gap_notes(names: Sequence[str], slots: list[_Slot]) -> tuple[str, ...]:
    if len(slots) != 1 or not slots[0].counts:
        return ()
    numbers = [int(value) for value in slots[0].values]
    usual = Counter(after - before for before, after in pairwise(numbers)).most_common(1)[0][0]
    holes = [n for n in range(1, len(numbers)) if numbers[n] - numbers[n - 1] > usual > 0]
    if not holes:
        return ()
    more = f", and {len(holes) - 1} more" if len(holes) > 1 else ""
    return (
        f"There is a gap in the numbers between {names[holes[0] - 1]} and {names[holes[0]]}{more}; frames are counted "
        "by the files that exist.",
    )
