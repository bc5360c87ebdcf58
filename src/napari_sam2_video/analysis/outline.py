"""Where an outline lies: by the votes for each pixel, and by the grey values on both sides of it.

Masks of several walks agree on an object and differ by a pixel or two in its outline, and a network whose masks are
coarser than the image makes all of them too wide alike. The image tells: each pixel close to the outline is compared
with the mean grey value next to it of what surely is inside and of what surely is outside, as in active contours by
local regions (C. Li et al., IEEE Transactions on Image Processing 17, 2008; S. Lankton and A. Tannenbaum, 2008).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import binary_dilation, binary_erosion, distance_transform_edt, gaussian_filter

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]
    Masks = npt.NDArray[np.bool_]

NEAR = 2.0
"""Pixels from the outline at which a mask is as sure of a pixel as it can be."""
BAND = 2
"""Pixels on both sides of the outline that the image may decide on."""
NEXT_TO = 1.5
"""Deviation of the weight, in pixels, with which grey values count to the mean next to a pixel."""
EVEN = 0.7
"""Deviation, in pixels, of the smoothing of what single pixels say."""
IMAGE = 3.0
"""What the image counts, where the votes of all walks together count 1."""
NOISE = 8.0
"""Difference of grey values, of 255, from which an edge is believed."""
ROUNDS = 2
LEAST = 0.01
FEWEST = 10


def votes_of(mask_yx: Masks) -> Floats:
    """How sure a mask is of each pixel: 1 inside, -1 outside, less within `NEAR` pixels of its outline."""
    if not mask_yx.any():
        return np.full(mask_yx.shape, -1, np.float32)
    away = np.where(mask_yx, distance_transform_edt(mask_yx) - 0.5, 0.5 - distance_transform_edt(~mask_yx))
    return np.asarray(np.clip(away / NEAR, -1, 1), np.float32)


def toward_edges(votes_yx: Floats, grey_yx: npt.NDArray[np.uint8]) -> Masks:
    """Mask of the pixels with votes above 0, with its outline moved to the edges of the image.

    It moves by `BAND` pixels a round at most, and stays where the image does not contradict it.

    Parameters
    ----------
    votes_yx : ndarray of float32, shape (Y, X)
        For and against each pixel, -1 to 1.
    grey_yx : ndarray of uint8, shape (Y, X)
        The image.
    """
    mask = np.asarray(votes_yx > 0)
    grey = grey_yx.astype(np.float32)
    for _ in range(ROUNDS):
        if not mask.any():
            break
        inner = binary_erosion(mask, iterations=BAND)
        outer = binary_dilation(mask, iterations=BAND)
        inside, told = _mean_near(grey, inner if np.count_nonzero(inner) >= FEWEST else mask)
        outside, told_outside = _mean_near(grey, ~outer)
        apart = inside - outside
        says = np.clip((grey - (inside + outside) / 2) * apart / (apart**2 / 2 + NOISE**2), -1, 1)
        says = np.where(told & told_outside & outer & ~inner, says, np.where(mask, 1, -1)).astype(np.float32)
        contradicted = binary_dilation((says > 0) != mask)
        total = votes_yx + IMAGE * gaussian_filter(says, EVEN)
        mask = np.where(contradicted, total > 0, mask) & outer | inner
    return mask


def _mean_near(grey_yx: Floats, mask_yx: Masks) -> tuple[Floats, Masks]:
    """Mean grey value of a mask next to each pixel, and whether there is enough of it there."""
    weight = gaussian_filter(mask_yx.astype(np.float32), NEXT_TO, truncate=3)
    total = gaussian_filter(np.where(mask_yx, grey_yx, np.float32(0)), NEXT_TO, truncate=3)
    mean: Floats = total / np.maximum(weight, 1e-4)
    return mean, weight > LEAST
