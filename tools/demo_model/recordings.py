"""The recordings that the demo model is trained on: of which kinds, and how each is made from its index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F

from napari_sam2_video.engine.isotropic import Fit
from napari_sam2_video.synthetic import STACK_KINDS, SyntheticClip, make_clip
from napari_sam2_video.synthetic.stacks import nuclei

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE = 256
TRAINING_SEED = 1_000_000
SMALL_NUCLEI = "small nuclei"
FOLLOWED = "followed"
CROSSING = "crossing planes"
_LOOSE = 24
_CELL = 16
_CT_WINDOW = (-160.0, 240.0)


@dataclass(frozen=True)
class Collection:
    """Recordings of which an index decides each.

    Parameters
    ----------
    clips, frames : int
        How many there are, and how long they are.
    mixture : dict of str to int
        How many of each kind there are in a row.
    coarsest : int
        Side in pixels of the coarsest recording; half of them are made with a side between this and `SIDE`, and
        enlarged as the network's input is.
    """

    clips: int
    frames: int
    mixture: dict[str, int]
    coarsest: int = SIDE


COLLECTIONS = {
    "short": Collection(
        2000, 12, {"cells": 5, "phase": 3, "video": 4, "nuclei": 4, "organs": 4, "ct": 3, SMALL_NUCLEI: 2}
    ),
    "long": Collection(260, 24, {"cells": 5, "phase": 3, "video": 4, "nuclei": 1, "organs": 1, "ct": 1}),
    "crowded": Collection(500, 1, {SMALL_NUCLEI: 1}),
    "hard": Collection(
        272,
        40,
        {
            "cross": 6, "dish": 5, "packed": 4, "hidden": 3, FOLLOWED: 3, CROSSING: 4,
            "cells": 2, "phase": 2, "video": 1, "nuclei": 1, "organs": 1, "ct": 2,
        },
        coarsest=96,
    ),
    "plain": Collection(48, 32, {"cells": 2, "phase": 1, "video": 1, "nuclei": 2, "organs": 1, "ct": 1}),
}  # fmt: skip


def to_display(frames: NDArray[Any]) -> NDArray[np.uint8]:
    """Recording as (T, Y, X, 3) bytes: a CT through its soft-tissue window, others by percentiles."""
    if frames.ndim == 4:
        return frames.astype(np.uint8)
    if frames.dtype == np.int16:
        low, high = _CT_WINDOW
    else:
        low, high = np.percentile(frames[:, ::2, ::2], (0.5, 99.8))
    scaled = (frames.astype(np.float32) - low) * (255 / max(high - low, 1))
    shown = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    return np.repeat(shown[..., None], 3, -1)


def training_clip(index: int, recordings: Collection) -> SyntheticClip:
    """The training recording of this index; its seed lies far above those of the evaluation."""
    order = [kind for kind, weight in recordings.mixture.items() for _ in range(weight)]
    kind, seed, frames = order[index % len(order)], TRAINING_SEED + index, recordings.frames
    if kind == FOLLOWED:
        return followed(seed, frames)
    if kind == CROSSING:
        return crossing_planes(seed, frames)
    if kind == SMALL_NUCLEI:
        return _small_nuclei(seed, frames, alone=len(recordings.mixture) == 1)
    rng = np.random.default_rng([5, seed])
    side = int(rng.integers(recordings.coarsest, SIDE)) if recordings.coarsest < SIDE and rng.random() < 0.5 else SIDE
    clip = make_clip(kind, seed, frames=frames, size=(side, side))
    return clip if side == SIDE else SyntheticClip(*_enlarged(to_display(clip.frames), clip.labels), kind, seed)


def _small_nuclei(seed: int, frames: int, *, alone: bool) -> SyntheticClip:
    """A stack of small nuclei, or a single slice of a crowd of them."""
    rng = np.random.default_rng(seed)
    if alone:
        spread, crowd, scale = rng.uniform(0.2, 0.8), rng.uniform(1.2, 3.5), rng.uniform(0.36, 0.75)
        images, labels = nuclei(rng, 5, (SIDE, SIDE), scale=scale, crowd=crowd, spread=spread)
        images, labels = images[2:3], np.minimum(labels[2:3], 255)
    else:
        images, labels = nuclei(rng, frames, (SIDE, SIDE), scale=rng.uniform(0.4, 0.65))
    return SyntheticClip(np.rint(images * 1000).clip(0, 65535).astype(np.uint16), labels, SMALL_NUCLEI, seed)


def followed(seed: int, frames: int) -> SyntheticClip:
    """What a window sees that follows one cell over a large field: it moves in steps of whole memory cells."""
    rng = np.random.default_rng([3, seed])
    kind = str(rng.choice(["field", "fast"]))
    clip = make_clip(kind, seed, frames=frames, size=(640, 640))
    ids = clip.object_ids[:3] if kind == "fast" else clip.object_ids
    object_id = int(rng.choice(ids))
    corner = None
    pieces, truths = [], []
    for image, labels in zip(clip.frames, clip.labels, strict=True):
        rows, columns = np.nonzero(labels == object_id)
        if rows.size:
            wanted = np.array([rows.mean(), columns.mean()]) - SIDE / 2
            if corner is None:
                corner = wanted + rng.uniform(-40, 40, 2)
            elif np.abs(wanted - corner).max() > _LOOSE:
                corner = corner + _CELL * np.rint((wanted - corner) / _CELL)
        place = np.array([200, 200]) if corner is None else corner
        y, x = np.clip(np.rint(place).astype(int), 0, np.array(labels.shape) - SIDE)
        pieces.append(image[y : y + SIDE, x : x + SIDE])
        truths.append(labels[y : y + SIDE, x : x + SIDE])
    return SyntheticClip(np.stack(pieces), renumbered(np.stack(truths)), kind, seed)


def crossing_planes(seed: int, frames: int) -> SyntheticClip:
    """What a walk along y or x of a z-stack sees: planes across thick slices, brought to square frames."""
    rng = np.random.default_rng([4, seed])
    kind = str(rng.choice([*STACK_KINDS, "packed"]))
    side = int(rng.integers(96, 193))
    thickness = rng.uniform(1, 5)
    slices = max(8, round(side * rng.uniform(0.3, 0.8) / thickness))
    clip = make_clip(kind, seed, frames=slices, size=(side, side))
    axis = int(rng.integers(1, 3))
    first = int(rng.integers(max(side - frames, 0) + 1))
    walked = slice(first, first + frames)
    planes = np.moveaxis(to_display(clip.frames), axis, 0)[walked]
    labels = np.moveaxis(clip.labels, axis, 0)[walked]
    fit = Fit.of((slices, side), (thickness, 1.0))
    (top, left), (height, width) = fit.offset, fit.inner
    truth = np.zeros((len(labels), fit.side, fit.side), np.uint16)
    rows = np.arange(height) * slices // height
    truth[:, top : top + height, left : left + width] = labels[:, rows]
    shown = np.stack([fit.image(plane) for plane in planes])
    return SyntheticClip(*_enlarged(shown, renumbered(truth)), CROSSING, seed)


def _enlarged(shown: NDArray[np.uint8], labels: NDArray[np.uint16]) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """Frames (T, Y, X, 3) and labels (T, Y, X) brought to `SIDE`, the frames as the network's input is."""
    given = torch.from_numpy(shown).permute(0, 3, 1, 2).float()
    made = F.interpolate(given, (SIDE, SIDE), mode="bilinear", antialias=True).round().clamp(0, 255)
    rows, columns = (np.arange(SIDE) * n // SIDE for n in labels.shape[1:])
    return made.permute(0, 2, 3, 1).numpy().astype(np.uint8), labels[:, rows[:, None], columns]


def renumbered(labels: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """The same objects with ids from 1 without a gap, so that they fit into bytes."""
    ids = np.unique(labels)
    return np.searchsorted(np.union1d([0], ids), labels).astype(np.uint16)
