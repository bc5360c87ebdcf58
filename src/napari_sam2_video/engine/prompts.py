"""The prompts of one object on one frame, checked and in the order the network wants them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_video.errors import PromptError
from napari_sam2_video.types import BoxPrompt, MaskPrompt, ObjectMask, PointPrompt

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_sam2_video.types import FrameSource, Prompt


@dataclass(frozen=True)
class SettledPrompts:
    """What the network is told of one object on one frame.

    Parameters
    ----------
    points_yx : ndarray of float32, shape (N, 2)
        Box corners first, then points, in frame pixels.
    labels : ndarray of int32, shape (N,)
        2 and 3 for the corners of a box, 1 for positive and 0 for negative points.
    mask : ndarray of bool, shape (Y, X), optional
        The mask prompt.
    """

    points_yx: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int32]
    mask: npt.NDArray[np.bool_] | None


def settle_prompts(object_id: int, frame: int, prompts: Sequence[Prompt], view: FrameSource) -> SettledPrompts:
    """Check prompts against the frame they are meant for; boxes are cut off at its edges.

    Raises
    ------
    PromptError
        If one lies outside, does not fit, or there are none, two boxes or two masks.
    """
    height, width = view.shape_yx
    if not 0 <= frame < view.n_frames:
        raise PromptError(f"There is no frame {frame}: the recording has the frames 0 to {view.n_frames - 1}.")
    boxes = [p for p in prompts if isinstance(p, BoxPrompt)]
    points = [p for p in prompts if isinstance(p, PointPrompt)]
    masks = [p.mask for p in prompts if isinstance(p, MaskPrompt)]
    if not prompts:
        raise PromptError(f"Object {object_id} has no prompt on frame {frame}.")
    if len(boxes) > 1 or len(masks) > 1:
        raise PromptError(f"Object {object_id} has more than one box or mask on frame {frame}: keep one.")
    low, high = np.array([-0.5, -0.5]), np.array([height - 0.5, width - 0.5])
    rows: list[tuple[float, float, int]] = []
    for box in boxes:
        start = np.clip([min(box.y0, box.y1), min(box.x0, box.x1)], low, high)
        end = np.clip([max(box.y0, box.y1), max(box.x0, box.x1)], low, high)
        if not (end > start).all():
            raise PromptError(
                f"The box of object {object_id} on frame {frame} is empty or lies outside the frame, "
                f"which has {height} x {width} pixels."
            )
        rows += [(*start, 2), (*end, 3)]
    for point in points:
        if not (-0.5 <= point.y <= height - 0.5 and -0.5 <= point.x <= width - 0.5):
            raise PromptError(
                f"The point ({point.y:g}, {point.x:g}) of object {object_id} lies outside frame {frame}, "
                f"which has {height} x {width} pixels."
            )
        rows.append((point.y, point.x, int(point.positive)))
    mask = masks[0] if masks else None
    if mask is not None and mask.shape != (height, width):
        raise PromptError(
            f"The mask of object {object_id} on frame {frame} has {mask.shape} pixels, the frame {(height, width)}."
        )
    return SettledPrompts(
        np.array([r[:2] for r in rows], np.float32).reshape(-1, 2), np.array([r[2] for r in rows], np.int32), mask
    )


def mask_as_object(
    object_id: int, mask: npt.NDArray[np.bool_], object_score: float, predicted_iou: float
) -> ObjectMask:
    """Take a drawn mask, boolean of shape ``(Y, X)``, as what is shown, at the highest level."""
    rows, columns = np.nonzero(mask)
    if rows.size == 0:
        return ObjectMask(object_id, (0, 0), np.zeros((0, 0), np.uint8), object_score, predicted_iou, True)
    top, left = int(rows.min()), int(columns.min())
    crop = mask[top : int(rows.max()) + 1, left : int(columns.max()) + 1]
    return ObjectMask(object_id, (top, left), crop.astype(np.uint8) * 255, object_score, predicted_iou, True)
