"""Mask logits -> levels at frame resolution, each cut to its bounding box."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_video.geometry import bounding_box
from napari_sam2_video.types import LEVEL_STEP

if TYPE_CHECKING:
    import numpy.typing as npt
    import torch

_CHUNK_PIXELS = 1 << 20


def cut_levels(
    logits_b1hw: torch.Tensor, shape_yx: tuple[int, int]
) -> list[tuple[tuple[int, int], npt.NDArray[np.uint8]]]:
    """Origin and levels of each mask, as in `napari_sam2_video.types.ObjectMask`.

    Parameters
    ----------
    logits_b1hw : torch.Tensor, shape (B, 1, S / 4, S / 4)
        Mask logits.
    shape_yx : tuple of int
        Shape of the frame.
    """
    import torch.nn.functional as F

    height, width = shape_yx
    present = logits_b1hw.flatten(1).amax(1).gt(0).tolist()
    result: list[tuple[tuple[int, int], npt.NDArray[np.uint8]]] = []
    chunk = max(1, _CHUNK_PIXELS // (height * width))
    for begin in range(0, len(present), chunk):
        if not any(present[begin : begin + chunk]):
            result.extend([((0, 0), np.zeros((0, 0), np.uint8))] * len(present[begin : begin + chunk]))
            continue
        logits = F.interpolate(logits_b1hw[begin : begin + chunk], size=shape_yx, mode="bilinear", align_corners=False)
        planes = logits[:, 0]
        levels = planes.div(LEVEL_STEP).add_(1).clamp_(0, 255).byte().mul_(planes > 0)
        result.extend(_crop(plane) for plane in levels.cpu().numpy())
    return result


def _crop(plane: npt.NDArray[np.uint8]) -> tuple[tuple[int, int], npt.NDArray[np.uint8]]:
    box = bounding_box(plane)
    if box is None:
        return (0, 0), np.zeros((0, 0), np.uint8)
    return (box[0].start, box[1].start), plane[box].copy()
