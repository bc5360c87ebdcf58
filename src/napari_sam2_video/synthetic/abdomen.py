"""A synthetic abdomen in Hounsfield units: body, fat, spine, and the organs in the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_sam2_video.synthetic.motion import wobble
from napari_sam2_video.synthetic.scene import Actor, paint
from napari_sam2_video.synthetic.stacks import section
from napari_sam2_video.synthetic.texture import smooth_field, smooth_walk

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Each row: name; y and x of the middle and radius as parts of the side; long over short axis; turn; HU; middle and half
# of the extent in z as parts of the stack.
_ORGANS: tuple[tuple[str, float, float, float, float, float, float, float, float], ...] = (
    ("liver", 0.45, 0.34, 0.145, 1.35, 0.9, 110.0, 0.35, 0.75),
    ("spleen", 0.50, 0.76, 0.085, 1.5, 1.2, 130.0, 0.30, 0.55),
    ("left kidney", 0.63, 0.69, 0.072, 1.35, 0.8, 190.0, 0.68, 0.50),
    ("right kidney", 0.64, 0.34, 0.072, 1.35, 2.3, 190.0, 0.72, 0.50),
    ("aorta", 0.575, 0.52, 0.04, 1.05, 0.0, 260.0, 0.50, 3.00),
    ("stomach", 0.33, 0.64, 0.090, 1.5, 0.4, -5.0, 0.25, 0.55),
    ("bowel", 0.36, 0.47, 0.065, 1.3, 0.2, 10.0, 0.85, 0.50),
)


def abdomen(
    rng: np.random.Generator, frames: int, size: tuple[int, int], *, variation: float = 1.0
) -> tuple[NDArray[np.float64], NDArray[np.uint16]]:
    """Hounsfield units (Z, Y, X) and the truth (Z, Y, X); ids follow liver, spleen, kidneys, aorta, stomach, bowel.

    `variation` 0 keeps every organ at its place; 1 moves and scales them as people differ.
    """
    side = min(size)
    middle = np.array(size) / 2
    actors = list(_body(rng, frames, side, middle))
    for identity, (_, y, x, radius, aspect, turn, hounsfield, level, half) in enumerate(_ORGANS, start=1):
        shift = rng.normal(0, 0.02 * variation, 2)
        largest = radius * side * np.exp(rng.normal(0, 0.12 * variation))
        centre = middle + (np.array([y, x]) - 0.5 + shift) * side
        lean = rng.normal(0, 0.02, 2) * side * (np.linspace(-1, 1, frames))[:, None]
        actors.append(
            Actor(
                identity=identity,
                centres=centre + lean + 0.003 * side * np.stack([smooth_walk(rng, frames, 6) for _ in range(2)], 1),
                radii=largest * section(frames, (level + rng.normal(0, 0.06 * variation)) * frames, half * frames),
                aspects=np.full(frames, aspect),
                turns=turn + 0.15 * smooth_walk(rng, frames, 12),
                waves=wobble(rng, frames, 0.03 if radius < 0.05 else 0.12, 8),
                level=hounsfield + rng.normal(0, 8 * variation),
                edge=1.2,
                depth=0.5 - 0.01 * identity,
            )
        )
    sharpness = rng.uniform(0.5, 0.9)
    noise = rng.uniform(6, 18)
    fat = smooth_field(rng, size, 0.04 * side) * 12
    images = np.empty((frames, *size))
    labels = np.empty((frames, *size), np.uint16)
    for t in range(frames):
        scene, labels[t] = paint(actors, t, np.full(size, -1000.0))
        scene += fat * (scene > -300)
        images[t] = gaussian_filter(scene, sharpness) + gaussian_filter(rng.normal(0, 2 * noise, size), 0.7)
    return images, labels


def _body(
    rng: np.random.Generator, frames: int, side: int, middle: NDArray[np.float64]
) -> tuple[Actor, Actor, Actor, Actor]:
    shape = wobble(rng, frames, 0.03, 20)

    def scenery(part: float, level: float, depth: float, offset: float = 0.0, aspect: float = 1.3) -> Actor:
        return Actor(
            identity=0,
            centres=np.tile(middle + np.array([offset * side, 0.0]), (frames, 1)),
            radii=np.full(frames, part * side),
            aspects=np.full(frames, aspect),
            turns=np.zeros(frames),
            waves=shape,
            level=level,
            edge=1.5,
            depth=depth,
        )

    return (
        scenery(0.395, -100.0, 4.0),
        scenery(0.365, 45.0, 3.0),
        scenery(0.315, -90.0, 2.0, -0.01),
        scenery(0.075, 420.0, 0.9, 0.225, 1.15),
    )
