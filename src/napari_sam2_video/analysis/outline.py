"""Place an outline by votes for each pixel, and by the grey values on both sides of it.

Masks of several walks agree on an object and differ by a pixel or two in its outline, and a network whose masks are
coarser than the image makes all of them equally too wide. The image decides: each pixel near the outline is compared
with the local mean grey values of pixels that are surely inside and surely outside, as in region-based active contours
(C. Li et al., IEEE Transactions on Image Processing 17, 2008; S. Lankton and A. Tannenbaum, 2008), and pixels side by
side tend to be on the same side: the mean field of a Markov random field.
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
NEXT_TO = 1.6
"""Standard deviation, in pixels, of the weights for local mean grey values."""
IMAGE = 2.0
"""Weight of the image, where the votes of all walks together have weight 1."""
CLEAREST = 3.0
"""Maximum of what the image says about a pixel, before that weight."""
NOISE = 8.0
"""Minimum difference of grey values, of 255, that counts as an edge."""
TOGETHER = 3.0
"""Weight of the pixels around one: an outline is smooth unless the image says otherwise."""
AROUND = 1.5
"""Standard deviation, in pixels, of their weights."""
REACH = 5
"""How far from what the image contradicts an outline may move, in pixels."""
CERTAIN = np.float32(5)
"""Votes of pixels beyond the band."""
SETTLING = 5
ROUNDS = 2
LEAST = 0.01
FEWEST = 10


def votes_of(mask_yx: Masks) -> Floats:
    """Certainty of a mask for each pixel: 1 inside, -1 outside, down to `UNSURE` at its outline."""
    inside = 2 * gaussian_filter(mask_yx.astype(np.float32), NEAR, truncate=2) - 1
    votes: Floats = np.where(mask_yx, np.maximum(inside, UNSURE), np.minimum(inside, -UNSURE)).astype(np.float32)
    return votes


def toward_edges(votes_yx: Floats, grey_yx: Floats, smooth_yx: Floats) -> Masks:
    """Mask of the pixels with votes above 0, with its outline moved to the edges of the image.

    It moves by at most `BAND` pixels per round, and stays where the image does not contradict it.

    Parameters
    ----------
    votes_yx : ndarray of float32, shape (Y, X)
        Votes for and against each pixel, -1 to 1.
    grey_yx : ndarray of float32, shape (Y, X)
        The image.
    smooth_yx : ndarray of float32, shape (Y, X)
        The same with less noise. Nothing moves unless both contradict the outline.
    """
    mask = np.asarray(votes_yx > 0)
    for _ in range(ROUNDS):
        if not mask.any():
            break
        inner, outer = binary_erosion(mask, iterations=BAND), binary_dilation(mask, iterations=BAND)
        core = inner if np.count_nonzero(inner) >= FEWEST else mask
        inside, inside_known = _mean_near(smooth_yx, core)
        outside, outside_known = _mean_near(smooth_yx, ~outer)
        apart, band = inside - outside, outer & ~inner
        side = np.where(mask, np.float32(1), np.float32(-1))
        nearer = (smooth_yx - (inside + outside) / 2) * apart
        against = (nearer * side < 0) & ((grey_yx - (inside + outside) / 2) * apart * side < 0)
        known = inside_known & outside_known & band
        contradicted = against & known & (np.abs(apart) >= NOISE)
        if not contradicted.any():
            break
        spread = _mean_near((smooth_yx - inside) ** 2, core)[0] + _mean_near((smooth_yx - outside) ** 2, ~outer)[0]
        image_votes = np.clip(nearer / (4 * spread + NOISE**2), -CLEAREST, CLEAREST) * known
        alone = np.where(band, votes_yx + IMAGE * image_votes, CERTAIN * side).astype(np.float32)
        together = np.tanh(alone)
        for _ in range(SETTLING):
            together = np.tanh(alone + TOGETHER * gaussian_filter(together, AROUND, truncate=2))
        near = binary_dilation(contradicted, iterations=REACH)
        mask = np.where(near & band, together > 0, mask)
    return mask


def _mean_near(grey_yx: Floats, mask_yx: Masks) -> tuple[Floats, Masks]:
    """Local mean grey value of a mask at each pixel, and whether enough of the mask is near."""
    weight = gaussian_filter(mask_yx.astype(np.float32), NEXT_TO, truncate=3)
    total = gaussian_filter(np.where(mask_yx, grey_yx, np.float32(0)), NEXT_TO, truncate=3)
    mean: Floats = total / np.maximum(weight, 1e-4)
    return mean, weight > LEAST
