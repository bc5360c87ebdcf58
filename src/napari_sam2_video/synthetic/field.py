"""Large fields of small cells; in some, a few of them run across the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_video.synthetic.motion import keep_apart, scatter, wander, wobble
from napari_sam2_video.synthetic.optics import Optics, film
from napari_sam2_video.synthetic.scene import Actor
from napari_sam2_video.synthetic.texture import smooth_field, smooth_walk

if TYPE_CHECKING:
    from numpy.typing import NDArray

RADII = (8.0, 25.0)
_TILE = (96, 96)
_FULL = 1024**2


def field_of_cells(
    rng: np.random.Generator, frames: int, size: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.uint16]]:
    """Small cells that wander, as on a whole camera frame; brightness 0 … 1 (T, Y, X) and truth (T, Y, X).

    Radii are 8 to 25 pixels whatever the size; there are 50 to 300 cells, fewer below 1024 × 1024 pixels.
    """
    count = max(int(np.exp(rng.uniform(np.log(50), np.log(300))) * min(1.0, size[0] * size[1] / _FULL)), 2)
    base = np.exp(rng.uniform(np.log(RADII[0]), np.log(RADII[1]), count))
    return _record(rng, frames, size, _wandering(rng, frames, size, base))


def crowd_of_cells(
    rng: np.random.Generator, frames: int, size: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.uint16]]:
    """The same with 300 cells on 1024 × 1024 pixels, in proportion to the area."""
    count = max(int(300 * size[0] * size[1] / _FULL), 2)
    base = np.exp(rng.uniform(np.log(RADII[0]), np.log(RADII[1]), count))
    return _record(rng, frames, size, _wandering(rng, frames, size, base))


def field_with_runners(
    rng: np.random.Generator, frames: int, size: tuple[int, int], runners: int = 3
) -> tuple[NDArray[np.float64], NDArray[np.uint16]]:
    """Still cells, and the first `runners` ids that cross the field by about half their size a frame.

    Brightness 0 … 1 (T, Y, X) and truth (T, Y, X); 30 cells on 512 × 512 pixels, in proportion to the area.
    """
    count = max(int(30 * size[0] * size[1] / 512**2), 2)
    still = _wandering(rng, frames, size, rng.uniform(14, 22, count), 0.01)
    own_radii = rng.uniform(14, 22, runners)
    levels = [actor.level for actor in still]
    running = [
        _cell(rng, n + 1, _run(rng, frames, size, 0.9 * radius), np.full(frames, radius), rng.choice(levels), -1.0 - n)
        for n, radius in enumerate(own_radii)
    ]
    for actor in still:
        actor.identity += runners
    return _record(rng, frames, size, [*running, *still])


def _wandering(
    rng: np.random.Generator, frames: int, size: tuple[int, int], base: NDArray[np.float64], pace: float = 0.12
) -> list[Actor]:
    """Cells that stay apart; `pace` is how far a cell moves in a frame, as a fraction of its radius."""
    starts, kept = scatter(rng, base, size, 1.05)
    base = base[kept]
    radii = base[:, None] * (1 + 0.05 * np.stack([smooth_walk(rng, frames, 8) for _ in base]))
    paths = np.stack([wander(rng, frames, start, pace * r) for start, r in zip(starts, base, strict=True)])
    paths = keep_apart(paths, radii)
    common = rng.uniform(0.4, 0.7)
    return [
        _cell(rng, n + 1, paths[n], radii[n], common * rng.uniform(0.85, 1.15), rng.random()) for n in range(base.size)
    ]


def _cell(
    rng: np.random.Generator,
    identity: int,
    path: NDArray[np.float64],
    radii: NDArray[np.float64],
    level: float,
    depth: float,
) -> Actor:
    frames = len(path)
    return Actor(
        identity=identity,
        centres=path,
        radii=radii,
        aspects=np.clip(1.15 + 0.1 * smooth_walk(rng, frames, 8), 1.0, 1.6),
        turns=rng.uniform(0, np.pi) + 0.25 * smooth_walk(rng, frames, 10),
        waves=wobble(rng, frames, 0.07, 8),
        level=level,
        edge=rng.uniform(0.8, 1.6),
        depth=depth,
        texture=smooth_field(rng, _TILE, rng.uniform(3, 8)) * rng.uniform(0.03, 0.12),
    )


def _run(rng: np.random.Generator, frames: int, size: tuple[int, int], step: float) -> NDArray[np.float64]:
    """(T, 2) path of about `step` pixels a frame that turns slowly and is thrown back by the border."""
    heading = rng.uniform(0, 2 * np.pi)
    turns = np.cumsum(0.08 * smooth_walk(rng, frames, 5))
    steps = step * np.stack([np.sin(heading + turns), np.cos(heading + turns)], 1)
    path = rng.uniform(0.3, 0.7, 2) * size + np.concatenate([np.zeros((1, 2)), np.cumsum(steps[1:], 0)])
    room = np.array(size) - 2 * step - 1
    return np.asarray(step + room - np.abs((path - step) % (2 * room) - room))


def _record(
    rng: np.random.Generator, frames: int, size: tuple[int, int], actors: list[Actor]
) -> tuple[NDArray[np.float64], NDArray[np.uint16]]:
    optics = Optics(
        blur=rng.uniform(0.5, 1.2),
        noise=rng.uniform(0.01, 0.05),
        bleaching=rng.uniform(0, 0.2),
        uneven=rng.uniform(0, 0.12),
    )
    return film(rng, actors, optics, optics.background(rng, rng.uniform(0.06, 0.16), size), frames)
