"""The sample recordings that the plugin offers and the tutorials use."""

from __future__ import annotations

import numpy as np

from napari_sam2_video.synthetic.abdomen import abdomen
from napari_sam2_video.synthetic.clip import SyntheticClip
from napari_sam2_video.synthetic.motion import keep_apart, scatter, wander, wobble
from napari_sam2_video.synthetic.optics import Optics, film, to_counts
from napari_sam2_video.synthetic.scene import Actor
from napari_sam2_video.synthetic.texture import smooth_field, smooth_walk
from napari_sam2_video.synthetic.video import moving_shape, patterned_ground


def sample_time_series(frames: int = 40, size: tuple[int, int] = (256, 256), seed: int = 0) -> SyntheticClip:
    """Bright cells that wander and touch on a dark, slightly bleaching field; uint16 (T, Y, X)."""
    rng = np.random.default_rng([100, seed])
    side = min(size)
    radii = np.repeat(side * rng.uniform(0.07, 0.1, 6)[:, None], frames, 1)
    inner = (int(size[0] * 0.8), int(size[1] * 0.8))
    starts = scatter(rng, radii[:, 0], inner, 1.1)[0] + 0.1 * np.array(size)
    paths = np.stack([wander(rng, frames, start, 0.006 * side) for start in starts])
    paths = keep_apart(paths, radii)
    optics = Optics(blur=0.9, noise=0.015, bleaching=0.15, uneven=0.04)
    ground = optics.background(rng, 0.1, size)
    actors = [
        Actor(
            identity=n + 1,
            centres=paths[n],
            radii=radii[n],
            aspects=np.clip(1.25 + 0.1 * smooth_walk(rng, frames, 8), 1.0, 1.6),
            turns=rng.uniform(0, np.pi) + 0.3 * smooth_walk(rng, frames, 12),
            waves=wobble(rng, frames, 0.08, 8),
            level=rng.uniform(0.55, 0.85),
            edge=1.4,
            depth=rng.random(),
            texture=smooth_field(rng, size, 5.0) * 0.08,
        )
        for n in range(len(starts))
    ]
    images, labels = film(rng, actors, optics, ground, frames)
    return SyntheticClip(to_counts(images, np.uint16, 200, 4000), labels, "cells", seed)


def sample_ct_volume(slices: int = 40, size: tuple[int, int] = (256, 256), seed: int = 0) -> SyntheticClip:
    """An abdomen with liver, spleen, kidneys, aorta, stomach and bowel; int16 Hounsfield units (Z, Y, X)."""
    images, labels = abdomen(np.random.default_rng([101, seed]), slices, size, variation=0.3)
    return SyntheticClip(to_counts(images, np.int16, 0, 1), labels, "ct", seed)


def sample_video(frames: int = 40, size: tuple[int, int] = (256, 256), seed: int = 0) -> SyntheticClip:
    """Four coloured shapes that cross before a patterned background; uint8 (T, Y, X, 3)."""
    rng = np.random.default_rng([102, seed])
    side = min(size)
    colours = np.array([[0.9, 0.25, 0.2], [0.95, 0.8, 0.2], [0.2, 0.5, 0.9], [0.3, 0.75, 0.35]])
    starts = np.array([[0.3, 0.2], [0.35, 0.78], [0.7, 0.25], [0.72, 0.7]]) * size
    ends = np.array([[0.35, 0.75], [0.65, 0.3], [0.35, 0.45], [0.75, 0.5]]) * size
    ground = np.clip(0.25 * patterned_ground(rng, size) + 0.3, 0, 1)
    along = 0.5 - 0.5 * np.cos(np.pi * np.linspace(0, 1, frames))[:, None]
    actors = [
        moving_shape(rng, n + 1, starts[n] * (1 - along) + ends[n] * along, radius * side, size, colours[n])
        for n, radius in enumerate((0.11, 0.1, 0.12, 0.09))
    ]
    optics = Optics(blur=0.6, noise=0.012)
    images, labels = film(rng, actors, optics, ground, frames, fades=False)
    return SyntheticClip(to_counts(images, np.uint8, 0, 255), labels, "video", seed)
