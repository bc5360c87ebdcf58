"""Masks of objects on the planes of a walk, from their sections and from the user's prompts on those planes."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_video.analysis.interpolation import moved_alike
from napari_sam2_video.engine.prompts import mask_as_object
from napari_sam2_video.geometry import bounding_box, whole_mask
from napari_sam2_video.session.planes.refining import refined
from napari_sam2_video.session.planes.sections import main_part
from napari_sam2_video.types import ObjectMask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import numpy.typing as npt

    from napari_sam2_video.session.planes.sections import Sections
    from napari_sam2_video.session.tracker import TrackerLike
    from napari_sam2_video.types import Prompt

    Masks = npt.NDArray[np.bool_]

GONE = -10.0
ALIKE = 0.6
"""Minimum Dice of two masks between which others are interpolated."""


def step_of(spacing: tuple[float, float, float]) -> int:
    """How far apart the planes are that the network segments, in planes.

    The planes across thick slices are much closer together than the slices. Segmenting all of them costs many times as
    much as the slices, and shows hardly more than every n-th.

    Parameters
    ----------
    spacing : tuple of float
        Distance of the planes, of their rows and of their columns, in one unit.
    """
    return max(1, round(max(spacing[1:]) / spacing[0]))


class PlaneMasks:
    """Masks of objects on the planes of a walk.

    The network segments every `step_of` planes, planes with the user's prompts, and as many between two of them as it
    takes to find where an object ends. On the others, masks are interpolated.

    Parameters
    ----------
    tracker : TrackerLike
        Answers prompts.
    guides : mapping of int to Sections
        Sections of each object.
    asked : callable
        Returns the user's prompts for an object on a plane.
    spacing : tuple of float
        Distance of the planes, of their rows and of their columns, in one unit.
    """

    def __init__(
        self,
        tracker: TrackerLike,
        guides: Mapping[int, Sections],
        asked: Callable[[int, int], Sequence[Prompt]],
        spacing: tuple[float, float, float],
    ) -> None:
        self._tracker = tracker
        self._guides = guides
        self._asked = asked
        self._step = step_of(spacing)
        self._spacing_yx = spacing[1:]
        self._coarser = int(np.argmax(self._spacing_yx))
        self._segmented: dict[int, dict[int, ObjectMask]] = {}
        self._between: dict[int, dict[int, ObjectMask]] = {}

    def mask(self, object_id: int, plane: int) -> ObjectMask:
        """Mask of an object on a plane."""
        if self._is_segmented(object_id, plane):
            return self._segment(object_id, plane)
        if not self._guides[object_id].prompts(object_id, plane):
            return _gone(object_id)
        if plane not in self._between.get(object_id, {}):
            last = self._guides[object_id].n_planes - 1
            low, high = plane, plane
            while not self._is_segmented(object_id, low):
                low -= 1
            while not self._is_segmented(object_id, high) and high < last:
                high += 1
            self._between[object_id] = dict(self._filled(object_id, low, high))
        return self._between[object_id][plane]

    def _is_segmented(self, object_id: int, plane: int) -> bool:
        return plane % self._step == 0 or bool(self._asked(object_id, plane))

    def _filled(self, object_id: int, low: int, high: int) -> Iterator[tuple[int, ObjectMask]]:
        """Masks of the planes from one to another, which the network segments, in ascending order.

        What is interpolated is how far the network moved the outline of the section, so that a plane keeps what its own
        section shows. Where the network did more than that, the plane in the middle is segmented, too.
        """
        sections = self._guides[object_id]
        ends = [self._segment(object_id, at) for at in (low, high)]
        masks = [whole_mask(m.origin_yx, m.levels > 0, sections.plane_shape) for m in ends]
        cut = [main_part(sections.on(at)) for at in range(low, high + 1)]
        yield low, ends[0]
        if high - low > 1 and _are_outlines_alone(masks, (cut[0], cut[-1]), self._coarser):
            score, iou = (min(getattr(m, name) for m in ends) for name in ("object_score", "predicted_iou"))
            for at, mask in enumerate(moved_alike(cut, masks[0], masks[1], self._spacing_yx), start=low + 1):
                yield at, replace(mask_as_object(object_id, mask, score, iou), prompted=False)
        elif high - low > 1:
            middle = (low + high) // 2
            yield from self._filled(object_id, low, middle)
            yield from self._filled(object_id, middle, high)
        yield high, ends[1]

    def _segment(self, object_id: int, plane: int) -> ObjectMask:
        """Mask from the network; those of neighbouring planes are kept."""
        kept = self._segmented.setdefault(object_id, {})
        if plane not in kept:
            for far in [other for other in kept if abs(other - plane) > self._step]:
                del kept[far]
            kept[plane] = self._answer(object_id, plane)
        return kept[plane]

    def _answer(self, object_id: int, plane: int) -> ObjectMask:
        asked, sections = self._asked(object_id, plane), self._guides[object_id]
        if asked:
            preview = refined(partial(self._tracker.preview, object_id, plane), asked, sections, self._spacing_yx)
            return preview.candidates[preview.best]
        prompts = sections.prompts(object_id, plane)
        if not prompts:
            return _gone(object_id)
        preview = self._tracker.preview(object_id, plane, prompts)
        return preview.candidates[preview.best]


def _are_outlines_alone(masks: Sequence[Masks], sections: Sequence[Masks], axis: int) -> bool:
    """Whether two masks are similar, and end with their sections along an axis: only outlines moved."""
    both = 2 * int(np.count_nonzero(masks[0] & masks[1]))
    if both < max(1, ALIKE * sum(int(np.count_nonzero(mask)) for mask in masks)):
        return False
    boxes = [(bounding_box(mask), bounding_box(section)) for mask, section in zip(masks, sections, strict=True)]
    return all(found is not None and cut is not None and found[axis] == cut[axis] for found, cut in boxes)


def _gone(object_id: int) -> ObjectMask:
    return ObjectMask(object_id, (0, 0), np.zeros((0, 0), np.uint8), GONE, 1.0)
