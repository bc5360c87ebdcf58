"""Where objects go and how their outlines change, for all frames at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_video.synthetic.texture import smooth_walk

if TYPE_CHECKING:
    from numpy.typing import NDArray

_HARMONICS = 4


def random_radius(rng: np.random.Generator, side: float, small: float = 0.05, large: float = 0.17) -> float:
    """Log-uniform radius in pixels between two parts of the frame's `side`."""
    return float(side * np.exp(rng.uniform(np.log(small), np.log(large))))


def wobble(rng: np.random.Generator, frames: int, amplitude: float, grain: float) -> NDArray[np.float64]:
    """(T, K, 2) harmonics of an outline that keeps its character and deforms over about `grain` frames."""
    fade = 1 / np.arange(1, _HARMONICS + 1)
    character = rng.standard_normal((_HARMONICS, 2)) * fade[:, None]
    change = (
        np.stack([[smooth_walk(rng, frames, grain) for _ in range(2)] for _ in range(_HARMONICS)]).transpose(2, 0, 1)
        * fade[None, :, None]
    )
    waves = amplitude * (0.8 * character + 0.6 * change)
    total = np.abs(waves).sum((1, 2), keepdims=True)
    return np.asarray(waves * np.minimum(1.0, 0.45 / np.maximum(total, 1e-9)))


def wander(
    rng: np.random.Generator, frames: int, start: NDArray[np.float64], speed: float, persistence: float = 0.85
) -> NDArray[np.float64]:
    """(T, 2) path of a persistent random walk of about `speed` pixels a frame."""
    heading = rng.standard_normal(2) * speed
    path = np.empty((frames, 2))
    path[0] = start
    for t in range(1, frames):
        heading = persistence * heading + np.sqrt(1 - persistence**2) * rng.standard_normal(2) * speed
        path[t] = path[t - 1] + heading
    return path


def keep_apart(paths: NDArray[np.float64], radii: NDArray[np.float64]) -> NDArray[np.float64]:
    """Push (N, T, 2) paths of discs with (N, T) radii apart until they at most touch.

    A push carries on into the later frames, so that nothing jumps.
    """
    paths = paths.copy()
    for t in range(paths.shape[1]):
        carried = paths[:, t].copy()
        for _ in range(6):
            gap = paths[:, None, t] - paths[None, :, t]
            distance = np.hypot(gap[..., 0], gap[..., 1])
            np.fill_diagonal(distance, np.inf)
            both = (radii[:, None, t] > 0) & (radii[None, :, t] > 0)
            lacking = np.where(both, radii[:, None, t] + radii[None, :, t] - distance, 0).clip(min=0)
            push = (gap / np.maximum(distance, 1e-6)[..., None] * lacking[..., None] * 0.5).sum(1)
            paths[:, t] += push
        paths[:, t + 1 :] += (paths[:, t] - carried)[:, None]
    return paths


def scatter(
    rng: np.random.Generator, radii: NDArray[np.float64], size: tuple[int, int], closeness: float = 1.0
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Centres for discs of (N,) radii that stay apart, the largest placed first.

    Returns the (M, 2) centres and the indices (M,) of the discs for which there was room.
    """
    centres = np.empty((radii.size, 2))
    placed: list[int] = []
    for index in np.argsort(-radii):
        for _ in range(30):
            centre = rng.uniform(0.03, 0.97, 2) * size
            away = np.hypot(*(centre - centres[placed]).T) / (radii[index] + radii[placed])
            if not placed or away.min() > closeness:
                centres[index] = centre
                placed.append(int(index))
                break
    kept = np.sort(np.array(placed))
    return centres[kept], kept
