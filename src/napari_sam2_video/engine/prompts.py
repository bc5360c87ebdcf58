"""Check the prompts of one object on one frame, and order them for the network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_video.errors import PromptError
from napari_sam2_video.geometry import cut_to_box
from napari_sam2_video.types import BoxPrompt, MaskPrompt, ObjectMask, PointPrompt, ScribblePrompt

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_sam2_video.types import FrameSource, Prompt

PARTS: tuple[float, ...] = (1 / 6, 1 / 2, 5 / 6)
"""Positions of the points on a long stroke, as fractions of its length."""
LEAST_DISTANCE = 3.0


@dataclass(frozen=True)
class SettledPrompts:
    """The prompts of one object on one frame in the form the network expects.

    Parameters
    ----------
    points_yx : ndarray of float32, shape (N, 2)
        Box corners first, then points, in frame pixels.
    labels : ndarray of int32, shape (N,)
        2 and 3 for the corners of a box, 1 for positive and 0 for negative points, those of scribbles included.
    mask : ndarray of bool, shape (Y, X), optional
        The mask prompt.
    """

    points_yx: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int32]
    mask: npt.NDArray[np.bool_] | None


def settle_prompts(object_id: int, frame: int, prompts: Sequence[Prompt], view: FrameSource) -> SettledPrompts:
    """Prompts of one frame in the network's order; boxes are clipped to the frame.

    Raises
    ------
    PromptError
        If one does not fit the recording, there are none, or there are two boxes or two masks.
    """
    if not prompts:
        raise PromptError(f"Object {object_id} has no prompt on frame {frame}.")
    fitting = [prompt.fitted(view.n_frames, view.shape_yx) for prompt in prompts]
    boxes = [p for p in fitting if isinstance(p, BoxPrompt)]
    masks = [p.mask for p in fitting if isinstance(p, MaskPrompt)]
    if len(boxes) > 1 or len(masks) > 1:
        raise PromptError(f"Object {object_id} has more than one box or mask on frame {frame}; keep one.")
    rows = [row for box in boxes for row in ((box.y0, box.x0, 2), (box.y1, box.x1, 3))]
    for prompt in fitting:
        if isinstance(prompt, PointPrompt):
            rows.append((prompt.y, prompt.x, int(prompt.positive)))
        elif isinstance(prompt, ScribblePrompt):
            rows += [(y, x, int(prompt.positive)) for y, x in scribble_points(prompt.path)]
    return SettledPrompts(
        np.array([r[:2] for r in rows], np.float32).reshape(-1, 2),
        np.array([r[2] for r in rows], np.int32),
        masks[0] if masks else None,
    )


def scribble_points(path_yx: Sequence[tuple[float, float]]) -> npt.NDArray[np.float64]:
    """Points spread over a stroke, away from its ends, where strokes are least exact.

    Short strokes give only their midpoint, so that no two points lie on the same few pixels.

    Parameters
    ----------
    path_yx : sequence of (float, float)
        Points ``(y, x)`` of the stroke, in pixels of the frame.

    Returns
    -------
    ndarray of float64, shape (N, 2)
        One point ``(y, x)``, or as many as `PARTS`, in the order of the stroke.
    """
    path = np.asarray(path_yx, np.float64)
    steps = np.hypot(*np.diff(path, axis=0).T)
    along = np.concatenate(([0.0], np.cumsum(steps)))
    length = float(along[-1])
    at = np.asarray(PARTS if length >= LEAST_DISTANCE * len(PARTS) else (0.5,)) * length
    return np.stack([np.interp(at, along, path[:, axis]) for axis in (0, 1)], axis=1)


def mask_as_object(
    object_id: int, mask: npt.NDArray[np.bool_], object_score: float, predicted_iou: float
) -> ObjectMask:
    """Object mask at the highest level from a drawn mask, boolean of shape ``(Y, X)``."""
    origin, inside = cut_to_box(mask)
    return ObjectMask(object_id, origin, inside.astype(np.uint8) * 255, object_score, predicted_iou, True)
