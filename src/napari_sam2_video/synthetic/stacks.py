"""Z-stacks: nuclei and organs that appear, change their section and vanish; and an abdomen in Hounsfield units."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_video.synthetic.motion import random_radius, scatter, wobble
from napari_sam2_video.synthetic.optics import Optics, film
from napari_sam2_video.synthetic.scene import Actor
from napari_sam2_video.synthetic.texture import smooth_field, smooth_walk

if TYPE_CHECKING:
    from numpy.typing import NDArray


def nuclei(
    rng: np.random.Generator,
    frames: int,
    size: tuple[int, int],
    *,
    scale: float = 1.0,
    crowd: float = 1.0,
    spread: float = 0.0,
) -> tuple[NDArray[np.float64], NDArray[np.uint16]]:
    """Ellipsoidal nuclei of a fluorescence stack; brightness 0 … 1 (T, Y, X) and truth (T, Y, X).

    `scale` below 1 makes them smaller and more; `crowd` above 1 makes still more, so that they touch; `spread` makes
    their brightness uneven (deviation of its logarithm).
    """
    side = min(size) * scale
    contrast = rng.uniform(0.35, 0.7)
    optics = Optics.random(rng, contrast)
    background = rng.uniform(0.03, 0.2)
    count = int(rng.integers(8, 20) / scale**1.5 * crowd)
    typical = random_radius(rng, side, 0.055, 0.1)
    largest = np.clip(typical * np.exp(rng.normal(0, 0.18, count)), 0.05 * side, 0.13 * side)
    starts, kept = scatter(rng, largest, size, 1.05 if crowd <= 1 else 0.85)
    largest = largest[kept]
    elongation = 1 + abs(rng.normal(0, 0.35))
    edge = rng.uniform(0.8, 2.0)
    grain = rng.uniform(3, 8)
    roughness = rng.uniform(0.02, 0.1)
    uneven = np.exp(spread * rng.standard_normal(kept.size)) if spread else np.ones(kept.size)
    shared = smooth_field(rng, size, grain) if crowd > 1 else None
    actors = []
    for n in range(kept.size):
        middle = rng.uniform(-0.1, 1.1) * frames
        half = rng.uniform(0.35, 0.9) * frames
        actors.append(
            Actor(
                identity=n + 1,
                centres=_leaning(rng, frames, starts[n], 0.0025 * side),
                radii=largest[n] * section(frames, middle, half),
                aspects=np.full(frames, np.clip(elongation + rng.normal(0, 0.1), 1.0, 1.9)),
                turns=np.full(frames, rng.uniform(0, np.pi)),
                waves=wobble(rng, frames, roughness, 10),
                level=background + contrast * rng.uniform(0.6, 1.2) * uneven[n],
                edge=edge,
                depth=abs(middle - frames / 2) / frames,
                texture=(smooth_field(rng, size, grain) if shared is None else shared) * rng.uniform(0.03, 0.18),
            )
        )
    return film(rng, actors, optics, optics.background(rng, background, size), frames, fades=False)


def organs(
    rng: np.random.Generator, frames: int, size: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.uint16]]:
    """Large soft shapes of several greys, side by side, as in MRI or EM; brightness 0 … 1 and truth."""
    side = min(size)
    contrast = rng.uniform(0.25, 0.5)
    optics = Optics.random(rng, contrast)
    background = rng.uniform(0.2, 0.7)
    count = int(rng.integers(3, 8))
    largest = np.array([random_radius(rng, side, 0.08, 0.2) for _ in range(count)])
    starts, kept = scatter(rng, largest, size, 1.15)
    largest = largest[kept]
    edge = rng.uniform(0.8, 2.0)
    membrane = rng.uniform(-0.3, 0.3) if rng.random() < 0.35 else 0.0
    actors = []
    for n in range(kept.size):
        sign = 1 if rng.random() < 0.5 else -1
        actors.append(
            Actor(
                identity=n + 1,
                centres=_leaning(rng, frames, starts[n], 0.005 * side),
                radii=largest[n]
                * section(frames, rng.uniform(0.1, 0.9) * frames, rng.uniform(0.5, 1.3) * frames)
                * (1 + 0.08 * smooth_walk(rng, frames, 6)),
                aspects=np.clip(1 + abs(rng.normal(0, 0.35)) + 0.15 * smooth_walk(rng, frames, 8), 1.0, 2.0),
                turns=rng.uniform(0, np.pi) + 0.3 * smooth_walk(rng, frames, 10),
                waves=wobble(rng, frames, rng.uniform(0.08, 0.22), 6),
                level=float(np.clip(background + sign * contrast * rng.uniform(0.6, 1.2), 0.02, 1.0)),
                edge=edge,
                depth=rng.random(),
                texture=smooth_field(rng, size, rng.uniform(3, 12)) * rng.uniform(0.02, 0.15),
                ring=membrane,
            )
        )
    return film(rng, actors, optics, optics.background(rng, background, size), frames, fades=False)


def section(frames: int, middle: float, half: float) -> NDArray[np.float64]:
    """(T,) radius, relative to the largest, of an ellipsoid cut at each frame; 0 outside it and where tiny."""
    squared = 1 - ((np.arange(frames) - middle) / half) ** 2
    radius = np.sqrt(np.maximum(squared, 0))
    return np.where(radius > 0.4, radius, 0)


def _leaning(rng: np.random.Generator, frames: int, start: NDArray[np.float64], slope: float) -> NDArray[np.float64]:
    lean = rng.normal(0, slope, 2) * (np.arange(frames) - frames / 2)[:, None]
    sway = slope * np.stack([smooth_walk(rng, frames, 6) for _ in range(2)], 1)
    return start + lean + sway
