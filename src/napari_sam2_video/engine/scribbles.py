"""Scribbles -> the points that the network is asked with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

MOST_POINTS = 3
LEAST_DISTANCE = 3.0


def scribble_points(path_yx: Sequence[tuple[float, float]]) -> npt.NDArray[np.float64]:
    """Points spread evenly over a stroke.

    The stroke is cut into parts of one length, and the middle of each is a point: strokes are least exact where they
    begin and end. Short strokes give fewer points, so that no two lie on the same few pixels.

    Parameters
    ----------
    path_yx : sequence of (float, float)
        Points ``(y, x)`` of the stroke, in pixels of the frame.

    Returns
    -------
    ndarray of float64, shape (N, 2)
        One to `MOST_POINTS` points ``(y, x)`` on the stroke, in its order.
    """
    path = np.asarray(path_yx, np.float64)
    steps = np.hypot(*np.diff(path, axis=0).T)
    along = np.concatenate(([0.0], np.cumsum(steps)))
    length = float(along[-1])
    count = int(np.clip(length // LEAST_DISTANCE, 1, MOST_POINTS))
    at = (np.arange(count) + 0.5) / count * length
    return np.stack([np.interp(at, along, path[:, axis]) for axis in (0, 1)], axis=1)
