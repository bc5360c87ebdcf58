"""Choose between the masks of an object on a frame that was tracked from both sides."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sam2_video.geometry import mask_iou, region_of, whole_mask

if TYPE_CHECKING:
    from napari_sam2_video.types import ObjectMask

AGREE = 0.7
"""Minimum IoU for two masks to count as the same."""

MARGIN = 3.0
"""Minimum ratio of the weight of a new mask to that of the existing one for replacing it."""


@dataclass(frozen=True)
class TrackedSide:
    """The mask of one pass on a frame.

    Parameters
    ----------
    mask : ObjectMask
        The mask.
    closeness : float
        From 1 on the settled frame that the pass came from to 0 on the settled frame that it leads to.
    """

    mask: ObjectMask
    closeness: float

    @property
    def weight(self) -> float:
        """Its weight: the network's confidence, reduced with the distance from the settled frame."""
        score, iou = self.mask.object_score, self.mask.predicted_iou
        there = 1 / (1 + math.exp(-max(-60.0, min(60.0, score))))
        confidence = there * iou if self.mask.levels.any() else (1 - there) / 2
        return 0.0 if math.isnan(confidence) else confidence * math.sqrt(self.closeness)


def agree(one: ObjectMask, other: ObjectMask) -> bool:
    """Whether two masks of a frame are the same object: an IoU of `AGREE`, or both empty."""
    regions = [region_of(mask.origin_yx, mask.levels.shape) for mask in (one, other)]
    height, width = (max(region[axis].stop for region in regions) for axis in (0, 1))
    first, second = (whole_mask(mask.origin_yx, mask.levels > 0, (height, width)) for mask in (one, other))
    return mask_iou(first, second) >= AGREE


def takes_over(new: TrackedSide, old: TrackedSide) -> bool:
    """Whether the mask of a new pass replaces one that disagrees with it."""
    return new.weight > MARGIN * old.weight
