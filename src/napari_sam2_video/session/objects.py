"""The objects of a session."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from napari_sam2_video.errors import SessionError
from napari_sam2_video.masks.codec import MAX_ID


@dataclass(frozen=True)
class ObjectInfo:
    """One object.

    Parameters
    ----------
    id : int
        From 1; never changes.
    name : str
        What a person calls it.
    color : tuple of int
        Red, green and blue from 0 to 255.
    locked : bool
        True where neither runs nor strokes may change it.
    parent : int, optional
        Object that it came from.
    parent_frame : int, optional
        First frame on which it stands apart from its parent.
    """

    id: int
    name: str
    color: tuple[int, int, int]
    locked: bool = False
    parent: int | None = None
    parent_frame: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Form in the journal, without the id."""
        return {k: v for k, v in asdict(self).items() if k != "id"}


def object_from_json(key: Any, value: Any) -> ObjectInfo:
    """Object of its journal form; raises ValueError, TypeError or KeyError for anything else."""
    if isinstance(key, bool) or not isinstance(key, int) or not 1 <= key <= MAX_ID:
        raise ValueError("object ids are whole numbers from 1")
    red, green, blue = (int(c) for c in value["color"])
    parent, frame = value["parent"], value["parent_frame"]
    return ObjectInfo(
        key,
        str(value["name"]),
        (red, green, blue),
        bool(value["locked"]),
        None if parent is None else int(parent),
        None if frame is None else int(frame),
    )


def check_object(info: ObjectInfo, others: dict[int, ObjectInfo], n_frames: int) -> None:
    """Refuse what cannot be.

    Raises
    ------
    SessionError
        If a colour is out of range, or the parent is unknown, the object itself or one of its descendants.
    """
    if not info.name.strip():
        raise SessionError(f"Object {info.id} needs a name.")
    if len(info.color) != 3 or not all(isinstance(c, int | np.integer) and 0 <= c <= 255 for c in info.color):
        raise SessionError(f"The colour {info.color} of object {info.id} is not three numbers from 0 to 255.")
    if info.parent is None:
        if info.parent_frame is not None:
            raise SessionError(f"Object {info.id} has a frame of division and no parent; give the parent.")
        return
    if info.parent_frame is not None and not 0 <= info.parent_frame < n_frames:
        raise SessionError(f"Object {info.id} cannot begin on frame {info.parent_frame}; there are {n_frames}.")
    ancestor: int | None = info.parent
    seen = {info.id}
    while ancestor is not None:
        if ancestor in seen:
            raise SessionError(
                f"Object {info.id} cannot descend from object {info.parent}: it would be its own ancestor."
            )
        if ancestor not in others:
            raise SessionError(f"There is no object {ancestor} to be a parent.")
        seen.add(ancestor)
        ancestor = others[ancestor].parent
