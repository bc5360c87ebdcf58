"""Which points to take from a scribble: overlap with the truth on the first prompted frame.

A placement is written as the parts of the stroke's length at which its points lie.

``python -m benchmarks.scribbles --seeds 0:4`` chooses, ``--seeds 10:16`` reports.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.engine import scribbles
from napari_sam2_video.engine.networks.load import load_model
from napari_sam2_video.engine.tracker import Tracker
from napari_sam2_video.frames.open import open_recording
from napari_sam2_video.frames.view import FrameView, default_view
from napari_sam2_video.geometry import mask_iou, whole_mask
from napari_sam2_video.models.resolve import resolve_model
from napari_sam2_video.synthetic import sample_ct_volume, sample_time_series, sample_video
from napari_sam2_video.types import ModelSettings, PointPrompt, ScribblePrompt

if TYPE_CHECKING:
    import numpy.typing as npt

SAMPLES = {"cells": (sample_time_series, "TYX"), "ct": (sample_ct_volume, "ZYX"), "video": (sample_video, "TYXS")}
FRAME = 4
SMALLEST = 60
PLACEMENTS = (
    (1 / 2,),
    (1 / 4, 3 / 4),
    (1 / 3, 2 / 3),
    (0, 1 / 2, 1),
    (1 / 6, 1 / 2, 5 / 6),
    (1 / 4, 1 / 2, 3 / 4),
    (1 / 3, 1 / 2, 2 / 3),
    (0.4, 0.5, 0.6),
    (1 / 8, 3 / 8, 5 / 8, 7 / 8),
    (1 / 12, 3 / 12, 5 / 12, 7 / 12, 9 / 12, 11 / 12),
)


def stroke(rng: np.random.Generator, mask: npt.NDArray[np.bool_]) -> list[tuple[float, float]]:
    """A wavy stroke between two pixels of a mask, as a hand draws it; it may leave the mask."""
    pixels = np.argwhere(mask)
    start, end = pixels[rng.integers(len(pixels), size=2)].astype(float)
    along = np.linspace(0, 1, 25)[:, None]
    shaky = np.cumsum(rng.normal(0, 0.6, (25, 2)), axis=0) * np.sin(np.pi * along)
    return [(float(y), float(x)) for y, x in start + (end - start) * along + shaky]


def main() -> None:
    """Print the mean and the worst tenth for each placement, and for a click in the middle."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="0:4")
    parser.add_argument("--model", default="demo")
    given = parser.parse_args()
    first, last = map(int, given.seeds.split(":"))
    settings = ModelSettings(given.model)
    model = load_model(resolve_model(settings.model), settings)
    names = {", ".join(f"{part:.2f}" for part in placement): placement for placement in PLACEMENTS}
    found: dict[str, list[float]] = {name: [] for name in ("click", *names)}
    for seed in range(first, last):
        for make, axes in SAMPLES.values():
            clip = make(frames=8, seed=seed) if axes[0] == "T" else make(slices=24, seed=seed)
            frame = FRAME if axes[0] == "T" else 12
            recording = open_recording(clip.frames, axes=axes)
            tracker = Tracker(model, FrameView(recording, default_view(recording)), window=settings.window)
            rng = np.random.default_rng([7, seed])
            for number in np.unique(clip.labels[frame])[1:]:
                truth = clip.labels[frame] == number
                if truth.sum() < SMALLEST:
                    continue
                path = stroke(rng, truth)
                answers: dict[str, Any] = {"click": PointPrompt(1, frame, *np.argwhere(truth).mean(axis=0))}
                answers |= dict.fromkeys(names, ScribblePrompt(1, frame, tuple(path)))
                for name, prompt in answers.items():
                    scribbles.PARTS = names.get(name, scribbles.PARTS)
                    preview = tracker.preview(1, frame, [prompt])
                    best = preview.candidates[preview.best]
                    found[name].append(mask_iou(whole_mask(best.origin_yx, best.levels > 0, truth.shape), truth))
    for name, values in found.items():
        worst = np.sort(values)[: max(1, len(values) // 10)].mean()
        print(f"{name:>34}: mean {np.mean(values):.3f}, worst tenth {worst:.3f}, {len(values)} strokes")


if __name__ == "__main__":
    main()
