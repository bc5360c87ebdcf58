"""Remove pixels of neighbours from a mask before an object remembers it.

If two masks overlap, each object would remember the shared part as its own, and soon follow the other one. So a pixel
only counts for the mask with the higher level, as in the label image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_video.geometry import whole_mask

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    import numpy.typing as npt
    import torch

    from napari_sam2_video.engine.windows import Window
    from napari_sam2_video.types import ObjectMask

_OUTSIDE = -10.0
"""Logit of a pixel that belongs to a neighbour; see ``SAM2Base._apply_non_overlapping_constraints``."""


@dataclass(frozen=True)
class Neighbours:
    """Stored masks of a session's other objects, for objects that are tracked without them.

    Parameters
    ----------
    ids : callable
        Returns the ids of all objects.
    masks : callable
        Returns the stored masks of a frame.
    """

    ids: Callable[[], Collection[int]]
    masks: Callable[[int], Sequence[ObjectMask]]

    def beside(self, frame: int, here: Collection[int]) -> list[ObjectMask]:
        """Masks of all objects except those in `here`; nothing is read if there are no others."""
        others = set(self.ids()).difference(here)
        return [mask for mask in self.masks(frame) if mask.object_id in others] if others else []


def lost_pixels(
    masks: Sequence[ObjectMask], others: Sequence[ObjectMask], shape_yx: tuple[int, int]
) -> dict[int, npt.NDArray[np.bool_]]:
    """Pixels of masks that belong to another mask of a frame.

    Parameters
    ----------
    masks : sequence of ObjectMask
        Masks of different objects on a frame.
    others : sequence of ObjectMask
        Masks of further objects on the frame, which take pixels but are not in the result.
    shape_yx : tuple of int
        Shape of the frame.

    Returns
    -------
    dict of int to ndarray of bool, shape (Y, X)
        By index into `masks`, without those that lose nothing.
    """
    every = [*masks, *others]
    first = np.array([one.origin_yx for one in every]).reshape(-1, 2)
    last = first + np.array([one.levels.shape for one in every]).reshape(-1, 2)
    found: dict[int, npt.NDArray[np.bool_]] = {}
    for i, mask in enumerate(masks):
        meet = (np.minimum(last, last[i]) > np.maximum(first, first[i])).all(axis=1)
        lost = np.zeros(mask.levels.shape, bool)
        for j in np.flatnonzero(meet):
            if j == i:
                continue
            low, high = np.maximum(first[i], first[j]), np.minimum(last[i], last[j])
            own = mask.levels[_part(low, high, first[i])]
            other = every[j].levels[_part(low, high, first[j])]
            wins = other >= own if every[j].object_id < mask.object_id else other > own
            lost[_part(low, high, first[i])] |= wins & (own > 0)
        if lost.any():
            found[i] = whole_mask(mask.origin_yx, lost, shape_yx)
    return found


def without_pixels(logits: torch.Tensor, lost_yx: npt.NDArray[np.bool_], window: Window | None) -> torch.Tensor:
    """Logits ``(1, 1, S / 4, S / 4)`` of a window, None for the whole frame, without pixels ``(Y, X)`` of the frame."""
    import torch
    import torch.nn.functional as F

    seen = lost_yx if window is None else window.crop_mask(lost_yx)
    share = F.interpolate(torch.from_numpy(seen)[None, None].float(), size=logits.shape[-2:], mode="area")
    return torch.where((share >= 0.5).to(logits.device), logits.clamp(max=_OUTSIDE), logits)


def _part(low: npt.NDArray[np.int64], high: npt.NDArray[np.int64], first: npt.NDArray[np.int64]) -> tuple[slice, slice]:
    (top, left), (bottom, right) = low - first, high - first
    return slice(top, bottom), slice(left, right)
