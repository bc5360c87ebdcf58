"""Two cells that look alike cross and touch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SIDE = 160


def crossing_cells(
    rng: np.random.Generator, frames: int, size: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.uint16]]:
    """Two round cells of similar brightness, the second in front; brightness 0 … 1 (T, Y, X) and truth (T, Y, X)."""
    scale = min(size) / _SIDE
    radius = scale * rng.uniform(11, 16, 2)
    angle = rng.uniform(0, np.pi)
    between = rng.uniform(0.6, 1.4) * np.pi / 2
    reach = scale * rng.uniform(48, 58)
    level = 0.55 + rng.uniform(-0.12, 0.12, 2)
    texture = [gaussian_filter(rng.normal(0, 1, size), 3) for _ in range(2)]
    y, x = np.mgrid[: size[0], : size[1]]
    along = np.linspace(-1, 1, frames)
    aside = rng.uniform(-0.4, 0.4) * radius[0]
    sway = scale * 6 * gaussian_filter(rng.normal(0, 1, (frames, 2, 2)), (4, 0, 0))
    images = np.empty((frames, *size))
    labels = np.zeros((frames, *size), np.uint16)
    for t in range(frames):
        image = np.full(size, 0.18)
        for cell, turned in enumerate((angle, angle + between)):
            middle = np.array(size) / 2
            centre = middle + reach * along[t] * np.array([np.sin(turned), np.cos(turned)]) + sway[t, cell]
            if cell:
                centre = centre + aside * np.array([np.cos(turned), -np.sin(turned)])
            inside = np.hypot(y - centre[0], x - centre[1]) < radius[cell]
            moved = np.roll(texture[cell], np.round(centre).astype(int), axis=(0, 1))
            image[inside] = (level[cell] + 0.25 * moved)[inside]
            labels[t][inside] = cell + 1
        images[t] = gaussian_filter(image, 1.0) + rng.normal(0, 0.03, size)
    return images, labels
