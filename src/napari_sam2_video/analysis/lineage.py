"""Lineage: mothers and daughters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_video.errors import SessionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from napari_sam2_video.analysis.table import Table
    from napari_sam2_video.types.tracked_object import TrackedObject


def check_lineage(objects: Sequence[TrackedObject], first_frames: Mapping[int, int] | None = None) -> None:
    """Refuse an impossible lineage.

    Parameters
    ----------
    objects : sequence of TrackedObject
        All objects.
    first_frames : mapping of int to int, optional
        First frame on which each object has pixels; objects without pixels are omitted.

    Raises
    ------
    SessionError
        If a parent does not exist, an object is among its own ancestors, or a parent does not appear before its
        daughter.
    """
    by_id = {entry.id: entry for entry in objects}
    for entry in objects:
        if entry.parent is None:
            continue
        if entry.parent not in by_id:
            raise SessionError(
                f"Object {entry.id} is marked as the daughter of object {entry.parent}, which does not exist; "
                "choose another parent."
            )
        _check_no_cycle(entry, by_id)
        if first_frames is not None:
            _check_order(entry, entry.parent, first_frames)


def _check_no_cycle(entry: TrackedObject, by_id: Mapping[int, TrackedObject]) -> None:
    seen = {entry.id}
    parent = entry.parent
    while parent is not None and parent in by_id:
        if parent in seen:
            raise SessionError(
                f"Object {entry.id} would be among its own ancestors; choose another parent than {entry.parent}."
            )
        seen.add(parent)
        parent = by_id[parent].parent


def _check_order(entry: TrackedObject, parent: int, first_frames: Mapping[int, int]) -> None:
    own = first_frames.get(entry.id)
    parents = first_frames.get(parent)
    born = entry.parent_frame if own is None else own
    if parents is not None and born is not None and parents >= born:
        raise SessionError(
            f"Object {parent} is first seen on frame {parents}, not before its daughter {entry.id} on frame {born}; "
            "choose another parent."
        )


def first_frames(table: Table) -> dict[int, int]:
    """First frame on which each object in a table of measurements has pixels."""
    found = table["area_px"] > 0
    return {
        object_id: int(table["frame"][found & (table["object_id"] == object_id)].min())
        for object_id in np.unique(table["object_id"][found]).tolist()
    }


def lineage_graph(objects: Iterable[TrackedObject], present: Iterable[int] | None = None) -> dict[int, list[int]]:
    """Parents of each daughter, as the graph of a napari Tracks layer.

    Parameters
    ----------
    objects : iterable of TrackedObject
        All objects.
    present : iterable of int, optional
        Ids with a track; others are omitted, because napari refuses a graph that names them.

    Returns
    -------
    dict of int to list of int
        Daughter to ``[parent]``.
    """
    kept = None if present is None else set(present)
    return {
        entry.id: [entry.parent]
        for entry in objects
        if entry.parent is not None and (kept is None or {entry.id, entry.parent} <= kept)
    }
