"""Add prompts and label images to a session that may already have some of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.engine.prompts import settle_prompts
from napari_sam2_video.frames.crossing import VOLUME_AXES, PlaneStack
from napari_sam2_video.types import MaskPrompt

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    from napari_sam2_video.session.session import Session
    from napari_sam2_video.types import Prompt
    from napari_sam2_video.types.prompts import Seeds


def add_prompts(session: Session, prompts: Iterable[Prompt], seeds: Iterable[Seeds] = ()) -> None:
    """Add prompts that a session does not have yet, on planes of any walk, and the objects they name.

    Raises
    ------
    PromptError, SessionError
        If one does not fit the recording.
    """
    planes = session.planes
    wanted: dict[tuple[str, int, int], list[Prompt]] = {}
    for given in prompts:
        axis = planes.axes[0] if given.axis is None else planes.checked([given.axis])[0]
        view = planes.view(axis)
        fitting = given.fitted(view.n_frames, view.shape_yx)
        wanted.setdefault((axis, given.object_id, given.frame), []).append(replace(fitting, axis=None))
    known = {one.id for one in session.objects}
    together: dict[tuple[str, int, int], list[Prompt]] = {}
    for (axis, object_id, plane), given_there in wanted.items():
        there = planes.prompts(axis, object_id, plane) if object_id in known else ()
        missing = [prompt for prompt in given_there if prompt not in there]
        if missing:
            together[axis, object_id, plane] = [*there, *missing]
            settle_prompts(object_id, plane, together[axis, object_id, plane], planes.view(axis))
    for object_id in sorted({object_id for _, object_id, _ in together} - known):
        session.add_object(object_id=object_id)
    for (axis, object_id, plane), prompts_there in together.items():
        planes.set_prompts(axis, object_id, plane, prompts_there)
    for labels, at in seeds:
        if isinstance(at, str):
            _add_volume(session, np.asarray(labels), at)
            continue
        missing_labels = _missing_seeds(session, np.asarray(labels), at)
        if missing_labels is not None:
            session.add_seeds(missing_labels, at)


def _add_volume(session: Session, labels: npt.NDArray[Any], which: str) -> None:
    """Make objects from the labels of a volume, with axes in the recording's order, that the session lacks."""
    view = session.view
    if labels.ndim == len(VOLUME_AXES) and view.walk_axis in "YX" and session.planes.axes[1:]:
        labels = PlaneStack(*VOLUME_AXES).turned(labels, PlaneStack.of(view))
    if labels.shape != (session.n_frames, *session.shape_yx):
        session.add_volume_seeds(labels, which)
    left = labels
    for one in session.objects:
        for given in session.prompt_sets(one.id):
            if "mask" not in given.kinds:
                continue
            mask = next(p.mask for p in session.prompts(one.id, given.frame) if isinstance(p, MaskPrompt))
            label = int(labels[given.frame][mask][0])
            if label > 0 and np.array_equal(labels[given.frame] == label, mask):
                left = np.where(left == label, np.zeros_like(left), left)
                break
    if left is labels or (left > 0).any():
        session.add_volume_seeds(left, which)


def _missing_seeds(session: Session, labels_yx: npt.NDArray[Any], frame: int) -> npt.NDArray[Any] | None:
    """Labels that no object of the session has as its mask on this frame; None if there are none."""
    there = [p.mask for one in session.objects for p in session.prompts(one.id, frame) if isinstance(p, MaskPrompt)]
    left = labels_yx
    for mask in there:
        if mask.shape == labels_yx.shape and mask.any():
            label = labels_yx[mask][0]
            if label > 0 and np.array_equal(labels_yx == label, mask):
                left = np.where(mask, np.zeros_like(left), left)
    return None if left is not labels_yx and not (left > 0).any() else left
