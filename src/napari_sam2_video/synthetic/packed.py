"""A z-stack of nuclei packed in depth: where one ends, the next begins beneath it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter1d

from napari_sam2_video.synthetic.motion import wobble
from napari_sam2_video.synthetic.optics import Optics, film
from napari_sam2_video.synthetic.scene import Actor
from napari_sam2_video.synthetic.texture import smooth_field

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TRIES = 600
_SMALLEST = 0.3


def packed_nuclei(
    rng: np.random.Generator, frames: int, size: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.uint16]]:
    """Ellipsoids at all depths with slices 2 to 4 pixels thick, blurred along z as a microscope blurs.

    Brightness 0 … 1 (Z, Y, X) and truth (Z, Y, X). Most nuclei begin and end within the stack.
    """
    side = min(size)
    typical = side * rng.uniform(0.05, 0.085)
    step = rng.uniform(2, 4) * side / 256
    places = _pack(rng, frames, size, typical, step)
    common = rng.uniform(0.4, 0.65)
    slices = np.arange(frames)
    shape = smooth_field(rng, size, rng.uniform(3, 7))
    actors = []
    for n, (z, y, x, radius) in enumerate(places):
        part = np.sqrt(np.maximum(1 - ((slices - z) * step / radius) ** 2, 0))
        actors.append(
            Actor(
                identity=n + 1,
                centres=np.array([y, x]) + rng.normal(0, 0.02 * radius, 2) * (slices - z)[:, None],
                radii=radius * np.where(part >= _SMALLEST, part, 0),
                aspects=np.full(frames, rng.uniform(1.0, 1.35)),
                turns=np.full(frames, rng.uniform(0, np.pi)),
                waves=wobble(rng, frames, 0.05, 10),
                level=common * rng.uniform(0.75, 1.25),
                edge=1.3,
                depth=rng.random(),
                texture=shape * rng.uniform(0.03, 0.15),
            )
        )
    optics = Optics(blur=rng.uniform(0.5, 1.0))
    ground = optics.background(rng, rng.uniform(0.05, 0.15), size)
    images, labels = film(rng, actors, optics, ground, frames, fades=False)
    images = gaussian_filter1d(images, rng.uniform(1.0, 2.0) / step, axis=0, mode="nearest")
    return images + rng.uniform(0.01, 0.04) * rng.standard_normal(images.shape, np.float32), labels


def _pack(
    rng: np.random.Generator, frames: int, size: tuple[int, int], typical: float, step: float
) -> NDArray[np.float64]:
    """(N, 4) rows of z in slices, y, x and radius in pixels, of balls that at most touch."""
    depth = frames * step
    balls = np.empty((0, 4))
    for _ in range(_TRIES):
        radius = typical * np.exp(rng.normal(0, 0.15))
        ball = np.array([rng.uniform(0, depth), rng.uniform(0, size[0]), rng.uniform(0, size[1]), radius])
        away = np.sqrt(((balls[:, :3] - ball[:3]) ** 2).sum(1))
        if (away > balls[:, 3] + radius).all():
            balls = np.vstack([balls, ball])
    balls[:, 0] /= step
    return balls
