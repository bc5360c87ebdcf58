"""Grey values of the planes of a volume, with less noise: the image that outlines of fused masks follow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_sam2_video.frames.view import FrameView

    Floats = npt.NDArray[np.float32]

SMOOTH = 0.7
"""Standard deviation of the smoothing, in pixels along the finer axis of a plane."""
LEAST = 0.02
"""Minimum weight of a neighbouring plane, relative to the plane itself, to be read."""


class GreyPlanes:
    """Smoothed planes in the contrast window of a view.

    Parameters
    ----------
    view : FrameView
        The planes.
    spacing : tuple of float
        Distance of the planes, of their rows and of their columns, in one unit.
    """

    def __init__(self, view: FrameView, spacing: tuple[float, float, float]) -> None:
        self._view = view
        between, *pixel = (length / min(spacing[1:]) for length in spacing)
        self._sigma = [SMOOTH / length for length in pixel]
        weight = float(np.exp(-0.5 * (between / SMOOTH) ** 2))
        self._beside = weight if weight >= LEAST else 0.0
        self._read: dict[int, Floats] = {}

    def on(self, plane: int) -> Floats:
        """A plane and the same with less noise, float32 of shape ``(2, Y, X)``; quick if asked for in order."""
        around = (plane - 1, plane, plane + 1) if self._beside else (plane,)
        near = [at for at in around if 0 <= at < self._view.n_frames]
        self._read = {at: self._read[at] if at in self._read else self._plane(at) for at in near}
        weights = [1.0 if at == plane else self._beside for at in near]
        total = sum((np.float32(w) * self._read[at][1] for w, at in zip(weights, near, strict=True)), np.float32(0))
        return np.stack([self._read[plane][0], total / np.float32(sum(weights))])

    def _plane(self, plane: int) -> Floats:
        grey = self._view.read(plane).mean(axis=2, dtype=np.float32)
        return np.stack([grey, gaussian_filter(grey, self._sigma)])
