"""What the timeline shows: rows of objects, groups of rows, and their colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_video.plugin.object_state import STATES

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import numpy.typing as npt

EMPTY_COLOR = (90, 90, 96)
ABSENT_COLOR = (52, 52, 58)
# cividis, which is safe for colour blindness: doubtful is dark blue, certain is yellow.
SCALE = np.array(
    [(0, 34, 78), (18, 53, 112), (59, 73, 108), (87, 93, 109), (112, 113, 115), (138, 134, 120), (165, 156, 116),
     (195, 179, 105), (225, 204, 85), (254, 232, 56)],
    float,
)  # fmt: skip
BY_STATE, BY_FAMILY, UNGROUPED = "state", "family", ""


@dataclass(frozen=True)
class TimelineRow:
    """The data of an object in the timeline.

    Parameters
    ----------
    object_id : int
        The object.
    trust : ndarray of float, shape (n_frames,)
        From 0 to 1; NaN if nothing is tracked, -1 where the object is absent.
    prompted, accepted, painted : ndarray of bool, shape (n_frames,)
        Marks.
    state : str
        A key of `STATES`.
    parent : int, optional
        The object it came from by division.
    """

    object_id: int
    name: str
    color: tuple[int, int, int]
    trust: npt.NDArray[np.floating]
    prompted: npt.NDArray[np.bool_]
    accepted: npt.NDArray[np.bool_]
    painted: npt.NDArray[np.bool_]
    state: str = "tracked"
    parent: int | None = None


@dataclass(frozen=True)
class Line:
    """One line of the timeline: an object, or a group with its objects below it unless it is folded."""

    title: str
    rows: tuple[TimelineRow, ...]
    group: str | None = None
    folded: bool = False


def lines_of(rows: Sequence[TimelineRow], grouping: str, folded: Collection[str]) -> tuple[Line, ...]:
    """Lines for rows of objects.

    Parameters
    ----------
    rows : sequence of TimelineRow
        The objects.
    grouping : str
        `BY_STATE`, `BY_FAMILY` (an object and all its descendants), or `UNGROUPED`.
    folded : collection of str
        Keys of the folded groups.
    """
    if not grouping:
        return tuple(Line(row.name, (row,)) for row in rows)
    groups: dict[str, list[TimelineRow]] = {}
    titles: dict[str, str] = {}
    if grouping == BY_STATE:
        for state, about in STATES.items():
            titles[state] = about.title
            groups[state] = [row for row in rows if row.state == state]
    else:
        first = _first_ancestors(rows)
        names = {row.object_id: row.name for row in rows}
        for row in rows:
            ancestor = first[row.object_id]
            groups.setdefault(str(ancestor), []).append(row)
            titles[str(ancestor)] = f"Family of {names[ancestor]}"
    lines: list[Line] = []
    for key, members in groups.items():
        if grouping == BY_FAMILY and len(members) == 1:
            lines.append(Line(members[0].name, (members[0],)))
        elif members:
            is_folded = key in folded
            lines.append(Line(f"{titles[key]} ({len(members)})", tuple(members), key, is_folded))
            lines += [] if is_folded else [Line(row.name, (row,)) for row in members]
    return tuple(lines)


def _first_ancestors(rows: Sequence[TimelineRow]) -> dict[int, int]:
    parents = {row.object_id: row.parent for row in rows}
    found = {}
    for object_id in parents:
        ancestor, seen = object_id, {object_id}
        while (parent := parents.get(ancestor)) in parents and parent is not None and parent not in seen:
            ancestor = parent
            seen.add(parent)
        found[object_id] = ancestor
    return found


def lowest_trust(rows: Sequence[TimelineRow], first: int, stop: int, columns: int) -> npt.NDArray[np.float64]:
    """Trust of a line on the frames from `first` up to, not including, `stop`: the lowest of its objects, a column."""
    if len(rows) == 1:
        return narrowed(rows[0].trust[first:stop], columns)
    known = np.stack([narrowed(row.trust[first:stop], columns) for row in rows])
    shown = np.where(known >= 0, known, np.inf).min(axis=0)
    absent = (known < 0).any(axis=0)
    return np.where(np.isinf(shown), np.where(absent, -1.0, np.nan), shown)


def colors_of(trust: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    """RGB of trust values, shape ``(..., 3)``; grey where nothing is tracked, darker where the object is absent."""
    known = np.clip(np.nan_to_num(trust), 0, 1) * (len(SCALE) - 1)
    low = np.floor(known).astype(int).clip(0, len(SCALE) - 2)
    share = (known - low)[..., None]
    colors = SCALE[low] * (1 - share) + SCALE[low + 1] * share
    colors[np.isnan(trust)] = EMPTY_COLOR
    colors[trust < 0] = ABSENT_COLOR
    rounded: npt.NDArray[np.uint8] = np.rint(colors).astype(np.uint8)
    return rounded


def narrowed(trust: npt.NDArray[np.floating], columns: int) -> npt.NDArray[np.float64]:
    """One value per column: the lowest of the frames it stands for, so that no doubtful frame hides."""
    n = len(trust)
    if n <= columns:
        return trust[(np.arange(columns) * n) // columns].astype(np.float64)
    edges = (np.arange(columns) * n) // columns
    filled = np.where(np.isnan(trust), np.inf, trust)
    lowest = np.minimum.reduceat(filled, edges)
    return np.where(np.isinf(lowest), np.nan, lowest).astype(np.float64)
