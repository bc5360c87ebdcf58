"""A person's word that an object is not on some frames, as one step that can be undone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_video.session.prompts import key_of
from napari_sam2_video.spans import bounds_of
from napari_sam2_video.types import FrameMasks, ObjectMask

if TYPE_CHECKING:
    from napari_sam2_video.masks.store import MaskStore
    from napari_sam2_video.session.conditioning import Inputs
    from napari_sam2_video.storage.state import State
    from napari_sam2_video.storage.tables import Change
    from napari_sam2_video.types import Direction

ABSENT_SCORE = -10.0


def mark_absent(
    state: State, masks: MaskStore, inputs: Inputs, object_id: int, span: range, *, name: str, extra: list[Change]
) -> None:
    """Remove an object's prompts, masks and paint on some frames, and accept them as they are then.

    Parameters
    ----------
    state : State
        The session's tables.
    masks : MaskStore
        The masks and the paint.
    inputs : Inputs
        What the object is given.
    object_id : int
        The object.
    span : range
        Frames on which it is not.
    name : str
        Name of the step.
    extra : list of (table, key, value)
        Changes that belong to the same step.
    """
    changes: list[Change] = [("accepted", object_id, bounds_of(inputs.accepted(object_id) | frozenset(span))), *extra]
    prompted = (int(frame) for frame in state.group("prompts", object_id))
    changes += [("prompts", key_of(object_id, f), None) for f in prompted if f in span]
    changes += [("conditioned", key_of(object_id, f), None) for f in inputs.conditioned(object_id) if f in span]
    walked = masks.walked(object_id)
    painted = set(masks.painted(object_id))
    nothing = np.zeros((0, 0), np.uint8)
    with state.writing():
        number = state.next_number
        step = state.commit(changes, name=name, number=number)
        for frame in span:
            old = masks.object_levels(frame, object_id)
            if old is not None and old.levels.any():
                gone = ObjectMask(object_id, (0, 0), nothing, ABSENT_SCORE, old.predicted_iou)
                direction: Direction = "backward" if walked[frame] < 0 else "forward"
                masks.write(FrameMasks(frame, masks.shape_yx, (gone,), direction), generation=step)
            if frame in painted:
                left = masks.object_mask(frame, object_id)
                masks.paint(frame, (0, 0), np.zeros(masks.shape_yx, np.uint8), left, step=step)
