"""Tidy the masks of a session, as one step that can be undone."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_video.masks.clean import clean
from napari_sam2_video.types import FrameMasks, ObjectMask

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_sam2_video.masks.clean import CleanedMask, CleanSettings
    from napari_sam2_video.masks.store import MaskStore
    from napari_sam2_video.session.conditioning import Inputs
    from napari_sam2_video.storage.state import Ledger
    from napari_sam2_video.types import Direction


def tidy(
    ledger: Ledger,
    masks: MaskStore,
    inputs: Inputs,
    settings: CleanSettings,
    object_ids: Sequence[int],
    progress: Callable[[int, int], None] | None,
) -> int:
    """Tidy what the model computed for some objects, but for frames that a person painted or accepted.

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
            if inputs.is_accepted(object_id, item.frame) or ledger.get("paint", item.frame):
                # Settled by the person meanwhile.
                continue
            if step is None:
                with ledger.writing():
                    number = ledger.next_number
                    said = {"settings": asdict(settings), "objects": list(object_ids)}
                    step = ledger.commit([("tidied", number, said)], name="tidy masks", number=number)
            changed = _with_mask(masks, item)
            direction: Direction = "backward" if walked[item.frame] < 0 else "forward"
            masks.write(FrameMasks(item.frame, masks.shape_yx, (changed,), direction), generation=step)
            done += 1
        if progress is not None:
            progress(count + 1, len(object_ids))
    return done


def _with_mask(masks: MaskStore, item: CleanedMask) -> ObjectMask:
    """The model's mask with other pixels: those that are new have the lowest level, and so yield to other objects."""
    old = masks.object_levels(item.frame, item.object_id)
    levels = item.mask.astype(np.uint8)
    if old is None:
        return ObjectMask(item.object_id, (0, 0), levels)
    top, left = old.origin_yx
    part = levels[top : top + old.levels.shape[0], left : left + old.levels.shape[1]]
    np.copyto(part, old.levels, where=(part > 0) & (old.levels > 0))
    rows, columns = np.flatnonzero(levels.any(axis=1)), np.flatnonzero(levels.any(axis=0))
    if not rows.size:
        return ObjectMask(
            item.object_id, (0, 0), np.zeros((0, 0), np.uint8), old.object_score, old.predicted_iou, old.prompted
        )
    cut = levels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    origin = (int(rows[0]), int(columns[0]))
    return ObjectMask(item.object_id, origin, cut, old.object_score, old.predicted_iou, old.prompted)
