"""Place an outline by votes for each pixel, and by the grey values on both sides of it.

Masks of several walks agree on an object and differ by a pixel or two in its outline, and a network whose masks are
coarser than the image makes all of them equally too wide. The image decides: each pixel near the outline is compared
with the local mean grey values of pixels that are surely inside and surely outside, as in region-based active contours
(C. Li et al., IEEE Transactions on Image Processing 17, 2008; S. Lankton and A. Tannenbaum, 2008).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import binary_dilation, binary_erosion, gaussian_filter

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]
    Masks = npt.NDArray[np.bool_]

NEAR = 1.6
"""Standard deviation, in pixels, of the smoothing that makes a mask less certain near its outline."""
UNSURE = 0.25
"""Certainty of a mask for the pixels on its outline."""
BAND = 2
"""Width of the band on each side of the outline, in pixels, in which the image may decide."""
NEXT_TO = 1.5
"""Standard deviation, in pixels, of the weights for local mean grey values."""
EVEN = 0.7
"""Standard deviation, in pixels, of the smoothing of the image's votes."""
IMAGE = 3.0
"""Weight of the image, where the votes of all walks together have weight 1."""
NOISE = 8.0
"""Minimum difference of grey values, of 255, that counts as an edge."""
ROUNDS = 2
LEAST = 0.01
FEWEST = 10


def votes_of(mask_yx: Masks) -> Floats:
    """Certainty of a mask for each pixel: 1 inside, -1 outside, down to `UNSURE` at its outline."""
    inside = 2 * gaussian_filter(mask_yx.astype(np.float32), NEAR, truncate=2) - 1
    votes: Floats = np.where(mask_yx, np.maximum(inside, UNSURE), np.minimum(inside, -UNSURE)).astype(np.float32)
    return votes


def toward_edges(votes_yx: Floats, grey_yx: npt.NDArray[np.uint8]) -> Masks:
    """Mask of the pixels with votes above 0, with its outline moved to the edges of the image.

    It moves by at most `BAND` pixels per round, and stays where the image does not contradict it.

    Parameters
    ----------
    votes_yx : ndarray of float32, shape (Y, X)
        Votes for and against each pixel, -1 to 1.
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
        inside, inside_known = _mean_near(grey, inner if np.count_nonzero(inner) >= FEWEST else mask)
        outside, outside_known = _mean_near(grey, ~outer)
        apart = inside - outside
        image_votes = np.clip((grey - (inside + outside) / 2) * apart / (apart**2 / 2 + NOISE**2), -1, 1)
        image_votes = np.where(
            inside_known & outside_known & outer & ~inner, image_votes, np.where(mask, 1, -1)
        ).astype(np.float32)
        contradicted = np.where(mask, image_votes, -image_votes) < 0
        if not contradicted.any():
            break
        contradicted = binary_dilation(contradicted)
        total = votes_yx + IMAGE * gaussian_filter(image_votes, EVEN)
        mask = np.where(contradicted, total > 0, mask) & outer | inner
    return mask


def _mean_near(grey_yx: Floats, mask_yx: Masks) -> tuple[Floats, Masks]:
    """Local mean grey value of a mask at each pixel, and whether enough of the mask is near."""
    weight = gaussian_filter(mask_yx.astype(np.float32), NEXT_TO, truncate=3)
    total = gaussian_filter(np.where(mask_yx, grey_yx, np.float32(0)), NEXT_TO, truncate=3)
    mean: Floats = total / np.maximum(weight, 1e-4)
    return mean, weight > LEAST
