"""Time series of cells: they move, deform, touch, divide, leave and enter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_video.synthetic.motion import keep_apart, random_radius, scatter, wander, wobble
from napari_sam2_video.synthetic.optics import Optics, film
from napari_sam2_video.synthetic.scene import Actor
from napari_sam2_video.synthetic.texture import smooth_field, smooth_walk

if TYPE_CHECKING:
    from numpy.typing import NDArray

DIVISION = 4


def fluorescent_cells(
    rng: np.random.Generator, frames: int, size: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.uint16]]:
    """Filled cells, bright on dark or dark on bright; brightness 0 … 1 (T, Y, X) and truth (T, Y, X)."""
    contrast = rng.uniform(0.3, 0.7)
    dark = rng.random() < 0.3
    background = rng.uniform(0.05, 0.25) if not dark else rng.uniform(0.75, 0.95)
    alike = rng.random() < 0.3
    optics = Optics.random(rng, contrast)
    rim = rng.uniform(-0.35, 0.45) * contrast if rng.random() < 0.4 else 0.0
    core = rng.uniform(-0.4, 0.4) * contrast if rng.random() < 0.4 else 0.0
    actors = _population(rng, frames, size)
    for actor in actors:
        own = contrast * (1.0 if alike else rng.uniform(0.6, 1.3))
        actor.level = float(np.clip(background - own if dark else background + own, 0.02, 1.2))
        actor.ring, actor.core = rim, core
    return film(rng, actors, optics, optics.background(rng, background, size), frames)


def phase_contrast_cells(
    rng: np.random.Generator, frames: int, size: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.uint16]]:
    """Cells hardly brighter or darker than their surroundings, seen by a dark rim within a bright halo."""
    background = rng.uniform(0.4, 0.6)
    optics = Optics.random(rng, 0.25)
    halo = rng.uniform(0.15, 0.4)
    ring = -rng.uniform(0.1, 0.3)
    body = rng.uniform(-0.15, 0.06)
    core = -rng.uniform(0.0, 0.15)
    actors = _population(rng, frames, size)
    for actor in actors:
        actor.level, actor.halo, actor.ring, actor.core = background + body, halo, ring, core
    return film(rng, actors, optics, optics.background(rng, background, size), frames)


def _population(rng: np.random.Generator, frames: int, size: tuple[int, int]) -> list[Actor]:
    side = min(size)
    count = int(rng.integers(4, 12))
    typical = random_radius(rng, side, 0.055, 0.14)
    base = np.clip(typical * np.exp(rng.normal(0, 0.2, count)), 0.048 * side, 0.18 * side)
    starts, kept = scatter(rng, base, size)
    base, count = base[kept], kept.size
    radii = np.repeat(base[:, None], frames, 1)
    radii *= 1 + 0.06 * np.stack([smooth_walk(rng, frames, 8) for _ in range(count)])
    speed = side * rng.uniform(0.002, 0.012)
    drift = rng.normal(0, 0.006 * side, 2) * (rng.random() < 0.3)
    paths = np.stack([wander(rng, frames, start, speed) for start in starts])
    paths += drift * np.arange(frames)[None, :, None]
    paths = keep_apart(paths, radii)
    elongation = 1 + abs(rng.normal(0, 0.4))
    roughness = rng.uniform(0.03, 0.16)
    edge = rng.uniform(0.8, 2.2)
    textured = rng.random() < 0.6
    actors = [
        Actor(
            identity=n + 1,
            centres=paths[n],
            radii=radii[n],
            aspects=np.clip(elongation + 0.1 * smooth_walk(rng, frames, 8), 1.0, 2.2),
            turns=rng.uniform(0, np.pi) + 0.25 * smooth_walk(rng, frames, 10),
            waves=wobble(rng, frames, roughness, 8),
            level=0.0,
            edge=edge,
            depth=rng.random(),
            texture=smooth_field(rng, size, rng.uniform(3, 10)) * rng.uniform(0.03, 0.2) if textured else None,
        )
        for n in range(count)
    ]
    if rng.random() < 0.25 and frames >= 2 * DIVISION:
        divide(rng, actors, int(rng.integers(count)), int(rng.integers(DIVISION, frames - 2)))
    return actors


def divide(rng: np.random.Generator, actors: list[Actor], index: int, moment: int) -> None:
    """Let a cell be two from frame `moment` on: the larger daughter keeps the id, the smaller gets a new one."""
    mother = actors[index]
    frames = mother.radii.size
    early = slice(moment - DIVISION, moment)
    mother.aspects[early] = np.linspace(mother.aspects[moment - DIVISION], 1.8, DIVISION)
    turn = mother.turns[moment - 1]
    mother.turns[early] = turn
    axis = np.array([np.sin(turn), np.cos(turn)])
    radius = mother.radii[moment - 1]
    after = np.arange(frames - moment)
    apart = radius * np.minimum(0.62 + 0.06 * after, 1.1)[:, None] * axis
    middle = mother.centres[moment:].copy()
    mother.centres[moment:] = middle - 0.8 * apart
    mother.radii[moment:] = 0.74 * radius
    mother.aspects[moment:] = 1.1
    radii = np.zeros(frames)
    radii[moment:] = 0.66 * radius
    centres = mother.centres.copy()
    centres[moment:] = middle + apart
    actors.append(
        Actor(
            identity=len(actors) + 1,
            centres=centres,
            radii=radii,
            aspects=np.full(frames, 1.1),
            turns=mother.turns + 0.3,
            waves=0.5 * mother.waves,
            level=mother.level,
            edge=mother.edge,
            depth=mother.depth + 0.01 * rng.random(),
            texture=mother.texture,
        )
    )
