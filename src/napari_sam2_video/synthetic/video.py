"""Colour video: patterned shapes that move, turn and hide one another before a patterned background."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_video.synthetic.motion import random_radius, scatter, wander, wobble
from napari_sam2_video.synthetic.optics import Optics, film
from napari_sam2_video.synthetic.scene import Actor
from napari_sam2_video.synthetic.texture import smooth_field, smooth_walk

if TYPE_CHECKING:
    from numpy.typing import NDArray


def shapes(
    rng: np.random.Generator, frames: int, size: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.uint16]]:
    """Brightness 0 … 1 (T, Y, X, 3) and truth (T, Y, X)."""
    side = min(size)
    optics = Optics.random(rng, 0.25)
    ground = patterned_ground(rng, size)
    mean = ground.mean((0, 1))
    count = int(rng.integers(2, 7))
    radii = np.array([random_radius(rng, side, 0.07, 0.19) for _ in range(count)])
    starts, kept = scatter(rng, radii, size)
    speed = side * rng.uniform(0.003, 0.016)
    actors = [
        moving_shape(rng, n + 1, wander(rng, frames, start, speed, 0.93), radius, size, _unlike(rng, mean))
        for n, (start, radius) in enumerate(zip(starts, radii[kept], strict=True))
    ]
    return film(rng, actors, optics, ground, frames, fades=False)


def hidden_shapes(
    rng: np.random.Generator, frames: int, size: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.uint16]]:
    """Two shapes that a third one hides completely, one after the other, for a while.

    Brightness 0 … 1 (T, Y, X, 3) and truth (T, Y, X); the shape in front has the id 3.
    """
    side = min(size)
    optics = Optics.random(rng, 0.25)
    ground = patterned_ground(rng, size)
    mean = ground.mean((0, 1))
    small = side * rng.uniform(0.07, 0.1, 2)
    middle = np.array(size) / 2
    axis = rng.uniform(0, 2 * np.pi)
    along = np.array([np.sin(axis), np.cos(axis)])
    starts = [middle - 0.2 * side * along, middle + 0.2 * side * along]
    paths = [wander(rng, frames, start, 0.003 * side, 0.93) for start in starts]
    large = 2.2 * float(small.max())
    moments = np.array([-0.15, 0.35, 0.7, 1.15]) * (frames - 1)
    first, second = (path[int(moment)] for path, moment in zip(paths, moments[1:3], strict=True))
    places = np.stack([first - 1.1 * side * along, first, second, second + 1.1 * side * along])
    front = np.stack([np.interp(np.arange(frames), moments, places[:, i]) for i in range(2)], 1)
    actors = [
        moving_shape(rng, n + 1, path, radius, size, _unlike(rng, mean))
        for n, (path, radius) in enumerate(zip([*paths, front], [*small, large], strict=True))
    ]
    return film(rng, actors, optics, ground, frames, fades=False)


def moving_shape(
    rng: np.random.Generator,
    identity: int,
    path: NDArray[np.float64],
    radius: float,
    size: tuple[int, int],
    colour: NDArray[np.float64],
) -> Actor:
    """A shape of this `colour` (3,) and `radius` along `path` (T, 2), nearer the eye the larger its id."""
    frames = len(path)
    pattern = smooth_field(rng, size, rng.uniform(3, 14))
    if rng.random() < 0.3:
        pattern = np.sign(pattern).astype(np.float32)
    return Actor(
        identity=identity,
        centres=path,
        radii=radius * (1 + 0.05 * smooth_walk(rng, frames, 10)),
        aspects=np.clip(1 + abs(rng.normal(0, 0.4)) + 0.1 * smooth_walk(rng, frames, 10), 1.0, 2.2),
        turns=np.linspace(0, rng.normal(0, 0.03) * frames, frames) + rng.uniform(0, np.pi),
        waves=wobble(rng, frames, rng.uniform(0.03, 0.25), 12),
        level=1.0,
        edge=rng.uniform(0.7, 1.6),
        depth=-float(identity),
        texture=pattern * rng.uniform(0.03, 0.18),
        colour=colour,
    )


def patterned_ground(rng: np.random.Generator, size: tuple[int, int]) -> NDArray[np.float64]:
    """(Y, X, 3) background of one colour with soft stains and a fine grain."""
    base = rng.uniform(0.1, 0.9, 3)
    stains = smooth_field(rng, size, rng.uniform(0.1, 0.4) * min(size))[..., None] * rng.normal(0, 0.08, 3)
    grain = smooth_field(rng, size, rng.uniform(2, 8))[..., None] * rng.uniform(0, 0.05)
    return np.asarray(np.clip(base + stains + grain, 0, 1), np.float64)


def _unlike(rng: np.random.Generator, ground: NDArray[np.float64]) -> NDArray[np.float64]:
    """A colour that stands out from the background."""
    colour = ground
    while np.abs(colour - ground).max() < 0.3 or abs(colour.mean() - ground.mean()) < 0.08:
        colour = rng.uniform(0.02, 0.98, 3)
    return colour
