"""A click that corrects a mask changes it where it was clicked, and leaves the rest as it was.

The network draws the whole object again for every click, and draws its other edges somewhat differently, or loses a
part that nobody asked about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt
    import torch

LOCAL = 0.5
"""Largest change by a click, as a fraction of the mask before; beyond that, the mask was on something else."""

REACH = 3
"""Largest distance, in pixels of the logits, of a click from the mask for it to count without the network."""

_FINER = 4
_SURE = 4.0


def refined(
    before: torch.Tensor,
    after: torch.Tensor,
    points_yx: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int32],
    shape_yx: tuple[int, int],
) -> torch.Tensor:
    """Logits before a correction, changed where the clicks are.

    Around a click they are those after it. If the network does not follow a click near the mask, only the pixel there
    changes. If a click is far from the mask, or changes much of it, the result is `after`.

    Parameters
    ----------
    before, after : torch.Tensor, shape (1, 1, S / 4, S / 4)
        Logits of the mask that is corrected, and of what the network draws instead.
    points_yx : ndarray of float32, shape (N, 2)
        The clicks, in pixels of what the network saw.
    labels : ndarray of int32, shape (N,)
        1 for clicks on the object, 0 for those beside it.
    shape_yx : tuple of int
        Shape of what the network saw.
    """
    import torch
    from scipy import ndimage

    side = after.shape[-1]
    old, new = (_finer(logits) for logits in (before, after))
    if not new.any():
        return after
    changed = np.zeros_like(old)
    result = before.to(after).clone()
    for point, label in zip(points_yx.tolist(), labels.tolist(), strict=True):
        at = [min(int((x + 0.5) * side / length), side - 1) for x, length in zip(point, shape_yx, strict=True)]
        near = tuple(slice(max(n - 1, 0) * _FINER, (n + 2) * _FINER) for n in at)
        regions, _ = ndimage.label(new & ~old if label else old & ~new)
        rows, columns = np.nonzero(regions[near])
        if rows.size:
            centre = [(n - max(n - 1, 0) + 0.5) * _FINER - 0.5 for n in at]
            nearest = np.hypot(rows - centre[0], columns - centre[1]).argmin()
            changed |= regions == regions[near][rows[nearest], columns[nearest]]
            continue
        around = tuple(slice(max(n - REACH, 0) * _FINER, (n + REACH + 1) * _FINER) for n in at)
        if not old[around].any():
            return after
        spot = result[..., at[0], at[1]]
        result[..., at[0], at[1]] = spot.clamp(min=_SURE) if label else spot.clamp(max=-_SURE)
    if changed.sum() > LOCAL * old.sum():
        return after
    cells = changed.reshape(side, _FINER, side, _FINER).any(axis=(1, 3))
    taken = torch.from_numpy(ndimage.binary_dilation(cells)).to(after.device)
    return torch.where(taken, after, result)


def _finer(logits: torch.Tensor) -> npt.NDArray[np.bool_]:
    """The mask of logits ``(1, 1, S / 4, S / 4)`` at four times their resolution."""
    import torch.nn.functional as F

    larger = F.interpolate(logits.float(), scale_factor=_FINER, mode="bilinear", align_corners=False)
    return np.asarray(larger[0, 0].cpu().numpy() > 0)
