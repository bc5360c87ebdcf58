"""Smooth random fields: uneven backgrounds, textures, drifting shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import map_coordinates, spline_filter

if TYPE_CHECKING:
    from numpy.typing import NDArray


def smooth_field(rng: np.random.Generator, shape: tuple[int, int], grain: float) -> NDArray[np.float32]:
    """Random (Y, X) float32 field of mean about 0 and deviation about 1 whose features are `grain` pixels wide."""
    grain = max(float(grain), 1.0)
    coarse = spline_filter(rng.standard_normal([int(np.ceil(side / grain)) + 4 for side in shape]), order=3)
    start = rng.uniform(1.0, 2.0, 2)
    rows, columns = (start[axis] + np.arange(shape[axis]) / grain for axis in range(2))
    return _separable_cubic(coarse, rows, columns).astype(np.float32)


def _separable_cubic(
    coefficients: NDArray[np.float64], rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> NDArray[np.float64]:
    def weights(positions: NDArray[np.float64], length: int) -> NDArray[np.float64]:
        matrix = np.zeros((positions.size, length))
        base = np.floor(positions).astype(int)
        t = positions - base
        parts = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
        for offset, part in enumerate(parts, start=-1):
            np.add.at(matrix, (np.arange(positions.size), np.clip(base + offset, 0, length - 1)), part / 6)
        return matrix

    across, along = coefficients.shape
    return np.asarray(weights(rows, across) @ coefficients @ weights(columns, along).T)


def smooth_walk(rng: np.random.Generator, steps: int, grain: float) -> NDArray[np.float64]:
    """Random curve of `steps` values, mean about 0 and deviation about 1, that turns about every `grain` steps."""
    knots = rng.standard_normal(int(np.ceil(steps / grain)) + 4)
    positions = rng.uniform(1.0, 2.0) + np.arange(steps) / grain
    return np.asarray(map_coordinates(knots, positions[None], order=3, mode="nearest"))
