"""The objects of a session."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_sam2_video.analysis.lineage import check_lineage
from napari_sam2_video.errors import SessionError
from napari_sam2_video.masks.codec import MAX_ID
from napari_sam2_video.results import TrackedObject


def object_from_json(key: Any, value: Any) -> TrackedObject:
    """Object of its journal form; raises ValueError, TypeError or KeyError for anything else."""
    if isinstance(key, bool) or not isinstance(key, int) or not 1 <= key <= MAX_ID:
        raise ValueError("object ids are whole numbers from 1")
    red, green, blue = (int(c) for c in value["color"])
    parent, frame = value["parent"], value["parent_frame"]
    return TrackedObject(
        key,
        str(value["name"]),
        (red, green, blue),
        None if parent is None else int(parent),
        None if frame is None else int(frame),
        bool(value["locked"]),
    )


def check_object(info: TrackedObject, others: dict[int, TrackedObject], n_frames: int) -> None:
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
    check_lineage([info, *(other for other in others.values() if other.id != info.id)])
