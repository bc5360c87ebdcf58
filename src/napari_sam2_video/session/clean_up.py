"""Clean up the masks of a session, as one step that can be undone."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_video.geometry import cut_to_box
from napari_sam2_video.masks.clean import clean
from napari_sam2_video.types import FrameMasks, ObjectMask

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_sam2_video.masks.clean import CleanedMask, CleanSettings
    from napari_sam2_video.masks.store import MaskStore
    from napari_sam2_video.session.conditioning import Conditioning
    from napari_sam2_video.storage.state import State
    from napari_sam2_video.types import Direction


def clean_up(
    state: State,
    masks: MaskStore,
    inputs: Conditioning,
    settings: CleanSettings,
    object_ids: Sequence[int],
    progress: Callable[[int, int], None] | None,
) -> int:
    """Clean up the model's masks of some objects, except on painted or accepted frames.

    Returns
    -------
    int
        Number of masks that changed.
    """
    done, step = 0, None
    for count, object_id in enumerate(object_ids):
        frames = {object_id: masks.frames_done(object_id).tolist()}
        settled = {object_id: inputs.accepted(object_id) | set(masks.painted())}
        walked = masks.walked(object_id)
        for item in clean(masks.object_mask, frames, settings, untouched=settled):
            if inputs.is_accepted(object_id, item.frame) or masks.is_painted(item.frame):
                # Settled by the user meanwhile.
                continue
            if step is None:
                with state.writing():
                    number = state.next_number
                    record = {"settings": asdict(settings), "objects": list(object_ids)}
                    step = state.commit([("cleaned_up", number, record)], name="clean up masks", number=number)
            changed = _with_mask(masks, item)
            direction: Direction = "backward" if walked[item.frame] < 0 else "forward"
            masks.write(FrameMasks(item.frame, masks.shape_yx, (changed,), direction), generation=step)
            done += 1
        if progress is not None:
            progress(count + 1, len(object_ids))
    return done


def _with_mask(masks: MaskStore, item: CleanedMask) -> ObjectMask:
    """The model's mask with other pixels; new ones get the lowest level, and so yield to other objects."""
    old = masks.object_levels(item.frame, item.object_id)
    levels = item.mask.astype(np.uint8)
    if old is None:
        return ObjectMask(item.object_id, (0, 0), levels)
    top, left = old.origin_yx
    part = levels[top : top + old.levels.shape[0], left : left + old.levels.shape[1]]
    np.copyto(part, old.levels, where=(part > 0) & (old.levels > 0))
    origin, levels = cut_to_box(levels)
    return replace(old, origin_yx=origin, levels=levels)
