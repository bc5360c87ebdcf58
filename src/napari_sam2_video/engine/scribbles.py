"""Turn scribbles into points for the network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

PARTS: tuple[float, ...] = (1 / 6, 1 / 2, 5 / 6)
"""Positions of the points on a long stroke, as fractions of its length."""
LEAST_DISTANCE = 3.0


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
