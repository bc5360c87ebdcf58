"""A dish whose cells divide, enter and leave."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_video.synthetic.motion import keep_apart, scatter, wander, wobble
from napari_sam2_video.synthetic.optics import Optics, film
from napari_sam2_video.synthetic.scene import Actor
from napari_sam2_video.synthetic.series import DIVISION, divide
from napari_sam2_video.synthetic.texture import smooth_field, smooth_walk

if TYPE_CHECKING:
    from numpy.typing import NDArray


def dish(
    rng: np.random.Generator, frames: int, size: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.uint16], dict[int, int]]:
    """Cells of similar brightness, some of which divide, enter or leave.

    Returns brightness 0 … 1 (T, Y, X), truth (T, Y, X), and the mother of each cell that was born in the recording.
    """
    side = min(size)
    residents, entering = int(rng.integers(6, 10)), int(rng.integers(2, 4))
    base = side * rng.uniform(0.05, 0.085, residents)
    starts, kept = scatter(rng, base, size, 1.1)
    base = np.concatenate([base[kept], side * rng.uniform(0.05, 0.085, entering)])
    paths = [wander(rng, frames, start, 0.006 * side) for start in starts]
    paths += [_entering(rng, frames, size, radius) for radius in base[kept.size :]]
    leaving = rng.permutation(kept.size)[:2]
    for n in leaving:
        paths[n] = paths[n] + _leaving(rng, frames, size, starts[n], base[n])
    radii = base[:, None] * (1 + 0.05 * np.stack([smooth_walk(rng, frames, 8) for _ in base]))
    apart = keep_apart(np.stack(paths), radii)
    common = rng.uniform(0.45, 0.7)
    actors = [
        Actor(
            identity=n + 1,
            centres=apart[n],
            radii=radii[n],
            aspects=np.clip(1.2 + 0.1 * smooth_walk(rng, frames, 8), 1.0, 1.7),
            turns=rng.uniform(0, np.pi) + 0.25 * smooth_walk(rng, frames, 10),
            waves=wobble(rng, frames, 0.07, 8),
            level=common * rng.uniform(0.85, 1.15),
            edge=1.3,
            depth=rng.random(),
            texture=smooth_field(rng, size, rng.uniform(4, 8)) * 0.08,
        )
        for n in range(base.size)
    ]
    mothers: dict[int, int] = {}
    staying = [n for n in range(kept.size) if n not in leaving]
    if frames >= 3 * DIVISION:
        for n in staying[: int(rng.integers(1, 3))]:
            divide(rng, actors, n, int(rng.integers(DIVISION + 1, frames - DIVISION)))
            mothers[actors[-1].identity] = n + 1
    optics = Optics(blur=rng.uniform(0.6, 1.2), noise=rng.uniform(0.01, 0.03), bleaching=0.15, uneven=0.05)
    return *film(rng, actors, optics, optics.background(rng, 0.1, size), frames), mothers


def _entering(rng: np.random.Generator, frames: int, size: tuple[int, int], radius: float) -> NDArray[np.float64]:
    """(T, 2) path that comes in over a border, some time into the recording."""
    moment = rng.uniform(0.1, 0.8) * frames
    step = radius * rng.uniform(0.12, 0.25)
    place, inward = _border(rng, size)
    inside = np.clip((np.arange(frames) - moment) * step, None, rng.uniform(2, 5) * radius)
    return np.asarray(place + inward * inside[:, None] + wander(rng, frames, np.zeros(2), 0.04 * radius))


def _leaving(
    rng: np.random.Generator, frames: int, size: tuple[int, int], start: NDArray[np.float64], radius: float
) -> NDArray[np.float64]:
    """(T, 2) shift that takes a cell over the nearest border, some time into the recording."""
    gaps = np.array([start[0], size[0] - start[0], start[1], size[1] - start[1]])
    nearest = int(np.argmin(gaps))
    outward = np.array([(-1.0, 0.0), (1.0, 0.0), (0.0, -1.0), (0.0, 1.0)][nearest])
    moment = rng.uniform(0.3, 0.8) * frames
    begin = max(moment - gaps[nearest] / (0.2 * radius), 0.0)
    step = gaps[nearest] / max(moment - begin, 1.0)
    return np.asarray(outward * np.clip((np.arange(frames) - begin) * step, 0, gaps[nearest] + 2 * radius)[:, None])


def _border(rng: np.random.Generator, size: tuple[int, int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A place on the border (2,) and the unit vector (2,) from there into the frame."""
    axis, far, along = int(rng.integers(2)), int(rng.integers(2)), rng.uniform(0.15, 0.85)
    place, inward = np.zeros(2), np.zeros(2)
    place[axis], place[1 - axis] = far * (size[axis] - 1), along * size[1 - axis]
    inward[axis] = 1 - 2 * far
    return place, inward
