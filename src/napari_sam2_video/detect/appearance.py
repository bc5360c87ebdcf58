"""Learn the appearance of objects from a few examples, and compute how similar each place of a frame is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Features = npt.NDArray[np.float32]
    """Shape ``(C, h, w)``."""


@dataclass(frozen=True)
class Seen:
    """An example in the network's features.

    Parameters
    ----------
    features : ndarray of float32, shape (C, h, w)
        Features of the region around it.
    share : ndarray of float32, shape (h, w)
        Fraction of each feature cell covered by the object.
    others : ndarray of float32, shape (h, w)
        Fraction of each cell covered by any example.
    """

    features: Features
    share: npt.NDArray[np.float32]
    others: npt.NDArray[np.float32]


class Appearance:
    """Directions in the space of features that lead from the surroundings to each of the examples.

    Each direction is Fisher's linear discriminant with a diagonal covariance: the difference of the masked means,
    divided by the variance around them.

    Parameters
    ----------
    examples : sequence of Seen
        At least one.
    """

    def __init__(self, examples: Sequence[Seen]) -> None:
        inside = [_mean(one.features, one.share) for one in examples]
        outside = [_mean(one.features, 1 - one.others) for one in examples]
        spread = [
            _spread(one.features, one.share, middle) + _spread(one.features, 1 - one.others, around)
            for one, middle, around in zip(examples, inside, outside, strict=True)
        ]
        variance = np.mean(spread, axis=0)
        self._outside = np.mean(outside, axis=0)
        away = np.stack(inside) - self._outside
        directions = away / (variance + 0.1 * variance.mean() + 1e-6)
        self._directions = directions / np.maximum((directions * away).sum(axis=1, keepdims=True), 1e-6)

    def likeness(self, features: Features) -> npt.NDArray[np.float32]:
        """Similarity of each cell to the most similar example, shape ``(h, w)``.

        0 is the mean of the surroundings of the examples, 1 that of an example.
        """
        flat = features.reshape(len(features), -1) - self._outside[:, None]
        return np.asarray((self._directions @ flat).max(axis=0).reshape(features.shape[1:]), np.float32)


def cell_shares(
    mask_yx: npt.NDArray[np.bool_], box: tuple[int, int, int, int], shape: tuple[int, int]
) -> npt.NDArray[np.float32]:
    """Fraction of each cell of a grid over a box that a mask covers.

    Parameters
    ----------
    mask_yx : ndarray of bool, shape (Y, X)
        A mask of the frame.
    box : tuple of int
        First row and column of the grid, and those after the last; it may reach beyond the frame.
    shape : tuple of int
        Number of cells along y and x.
    """
    totals = np.pad(mask_yx.astype(np.float32).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    rows, columns = (
        np.clip(np.rint(np.linspace(first, last, count + 1)).astype(int), 0, length)
        for first, last, count, length in zip(box[:2], box[2:], shape, mask_yx.shape, strict=True)
    )
    corners = totals[rows][:, columns]
    sums = corners[1:, 1:] - corners[:-1, 1:] - corners[1:, :-1] + corners[:-1, :-1]
    areas = np.outer(np.diff(rows), np.diff(columns))
    return np.asarray(sums / np.maximum(areas, 1), np.float32)


def _mean(features: Features, weights: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.asarray((features * weights).sum((1, 2)) / max(float(weights.sum()), 1e-6), np.float32)


def _spread(
    features: Features, weights: npt.NDArray[np.float32], middle: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    return _mean((features - middle[:, None, None]) ** 2, weights)
