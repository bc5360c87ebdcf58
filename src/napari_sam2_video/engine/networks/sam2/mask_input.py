"""Masks from a person as input of SAM 2; mirrors ``SAM2VideoPredictor.add_new_mask``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt
    import torch


def resized(mask_yx: npt.NDArray[np.bool_], side: int) -> torch.Tensor:
    """A mask at the size of the network's input, float of shape ``(1, 1, side, side)``, on the CPU."""
    import torch
    import torch.nn.functional as F

    mask = torch.from_numpy(np.ascontiguousarray(mask_yx))[None, None].float()
    if mask.shape[-2:] != (side, side):
        mask = F.interpolate(mask, size=(side, side), align_corners=False, mode="bilinear", antialias=True)
        mask = (mask >= 0.5).float()
    return mask


def mask_logits(mask_yx: npt.NDArray[np.bool_], side: int) -> torch.Tensor:
    """The logits of a mask that ``SAM2Base._use_mask_as_output`` makes, shape ``(1, 1, side / 4, side / 4)``."""
    import torch.nn.functional as F

    size = (side // 4, side // 4)
    certain = resized(mask_yx, side) * 20.0 - 10.0
    return F.interpolate(certain, size=size, align_corners=False, mode="bilinear", antialias=True)
