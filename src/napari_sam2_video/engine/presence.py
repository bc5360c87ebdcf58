"""Decide whether a mask is still the object, or something else beyond its end.

The network's object score alone mistakes a neighbour for the object where the object ends: on most slices beyond the
end of a nucleus it is above 0. So the score, the predicted IoU, the change of area, the motion and how much the object
has shrunk are combined. The weights come from a logistic regression on 1,000 frames tracked with the demo model, of
packed nuclei that end and of plain recordings (seeds for choosing); see ``docs/quality.md``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from napari_sam2_video.engine.windows import area_of, looked_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_sam2_video.engine.windows import Place
    from napari_sam2_video.types import ObjectMask

BIAS = 0.16
SCORE, PREDICTED_IOU, AREA_CHANGE, GROWTH, MOTION, SHRUNK = -0.40, -3.73, 1.78, 1.27, 3.10, -2.68
LIKELY = 0.2
FARTHEST = 2.0


def has_ended(mask: ObjectMask, place: Place, seen: Sequence[tuple[int, Place]]) -> bool:
    """Whether a mask is more likely something else than the object.

    Parameters
    ----------
    mask : ObjectMask
        The mask found.
    place : Place
        Its place.
    seen : sequence of (int, Place)
        How many frames ago the object was seen, and where; the nearest first.
    """
    if not seen or place.extent_yx is None:
        return False
    area, areas = area_of(place), [area_of(one) for _, one in seen]
    last = seen[0][1]
    change = math.log(area / areas[0])
    apart = min(FARTHEST, _apart(place, last) / math.sqrt(4 * areas[0] / math.pi))
    total = (
        BIAS
        + SCORE * mask.object_score
        + PREDICTED_IOU * mask.predicted_iou
        + AREA_CHANGE * abs(change)
        + GROWTH * change
        + MOTION * apart**2
        + SHRUNK * math.log(areas[0] / max(areas))
    )
    return total > math.log(LIKELY / (1 - LIKELY))


def _apart(place: Place, last: Place) -> float:
    """Distance of two places in pixels, each relative to its window; both windows have the same size."""
    y, x = place.centre_yx[0] - last.centre_yx[0], place.centre_yx[1] - last.centre_yx[1]
    (top, left, side), (top_before, left_before, side_before) = looked_at(place.window), looked_at(last.window)
    if side == side_before:
        y, x = y - (top - top_before), x - (left - left_before)
    return math.hypot(y, x)
