"""Training recordings: made once, kept as bytes on disk, and dealt out in batches with prompts."""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.synthetic import SyntheticClip, make_clip
from napari_sam2_video.synthetic.clicks import middle
from napari_sam2_video.synthetic.stacks import nuclei

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SIDE = 256
TRAINING_SEED = 1_000_000
SMALL_NUCLEI = "small nuclei"
MIXTURE = {"cells": 5, "phase": 3, "video": 4, "nuclei": 4, "organs": 4, "ct": 3, SMALL_NUCLEI: 2}
FOLLOWED = "followed"
HARD = {"cells": 2, "phase": 2, "video": 1, "dish": 4, "cross": 3, "packed": 4, "hidden": 2, FOLLOWED: 6}
PLAIN = {"cells": 2, "phase": 1, "video": 1, "nuclei": 2, "organs": 1, "ct": 1}
MOVING = {"cells": 5, "phase": 3, "video": 4, "nuclei": 1, "organs": 1, "ct": 1}
_LOOSE = 24
_CELL = 16
_CT_WINDOW = (-160.0, 240.0)


def to_display(frames: NDArray[Any]) -> NDArray[np.uint8]:
    """Recording (T, Y, X) or (T, Y, X, 3) as bytes: a CT through its soft-tissue window, others by percentiles."""
    if frames.dtype == np.int16:
        low, high = _CT_WINDOW
    elif frames.ndim == 4:
        return frames.astype(np.uint8)
    else:
        low, high = np.percentile(frames[:, ::2, ::2], (0.5, 99.8))
    scaled = (frames.astype(np.float32) - low) * (255 / max(high - low, 1))
    return np.asarray(np.clip(np.rint(scaled), 0, 255).astype(np.uint8))


def training_clip(index: int, frames: int, mixture: dict[str, int]) -> SyntheticClip:
    """The training recording of this index; its seed lies far above those of the evaluation."""
    order = [kind for kind, weight in mixture.items() for _ in range(weight)]
    kind = order[index % len(order)]
    seed = TRAINING_SEED + index
    if kind == FOLLOWED:
        return followed(seed, frames)
    if kind != SMALL_NUCLEI:
        return make_clip(kind, seed, frames=frames, size=(SIDE, SIDE))
    rng = np.random.default_rng(seed)
    if len(mixture) > 1:
        images, labels = nuclei(rng, frames, (SIDE, SIDE), scale=rng.uniform(0.4, 0.65))
    else:
        spread, crowd, scale = rng.uniform(0.2, 0.8), rng.uniform(1.2, 3.5), rng.uniform(0.36, 0.75)
        images, labels = nuclei(rng, 5, (SIDE, SIDE), scale=scale, crowd=crowd, spread=spread)
        images, labels = images[2:3], np.minimum(labels[2:3], 255)
    return SyntheticClip(np.rint(images * 1000).clip(0, 65535).astype(np.uint16), labels, kind, seed)


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
    return SyntheticClip(np.stack(pieces), _renumbered(np.stack(truths)), kind, seed)


def _renumbered(labels: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """The same objects with ids from 1 without a gap, so that they fit into bytes."""
    ids = np.unique(labels)
    return np.searchsorted(np.union1d([0], ids), labels).astype(np.uint16)


def _render(job: tuple[int, int, dict[str, int]]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    clip = training_clip(*job)
    shown = to_display(clip.frames)
    if shown.ndim == 3:
        shown = np.repeat(shown[..., None], 3, -1)
    return shown, _renumbered(clip.labels).astype(np.uint8)


def build_cache(folder: Path, clips: int, frames: int, mixture: dict[str, int], workers: int = 2) -> None:
    """Write `clips` recordings of `frames` frames to `folder`, unless it holds just those already."""
    wanted = {"clips": clips, "frames": frames, "side": SIDE, "weights": mixture}
    note = folder / "cache.json"
    if note.exists() and json.loads(note.read_text()) == wanted:
        return
    folder.mkdir(parents=True, exist_ok=True)
    shape = (clips, frames, SIDE, SIDE)
    images = np.lib.format.open_memmap(folder / "images.npy", "w+", np.uint8, (*shape, 3))
    labels = np.lib.format.open_memmap(folder / "labels.npy", "w+", np.uint8, shape)
    with ProcessPoolExecutor(workers) as pool:
        jobs = ((index, frames, mixture) for index in range(clips))
        for index, (image, label) in enumerate(pool.map(_render, jobs, chunksize=16)):
            images[index], labels[index] = image, label
    images.flush()
    labels.flush()
    note.write_text(json.dumps(wanted))


@dataclass(frozen=True)
class Batch:
    """Clips and the objects to follow in them; B = clips, K = objects a clip, T = frames, S = side of the network.

    Parameters
    ----------
    images : (B, T, S, S, 3) uint8 array
    masks : (B * K, T, 256, 256) bool array
        Truth of the objects.
    everything : (B, T, 256, 256) uint8 array
        Labels of all objects.
    mode : str
        ``"point"``, ``"box"``, ``"points"`` or ``"mask"``: the prompt on the first frame.
    points : (B * K, P, 2) float32 array
        (x, y) in pixels of the network's image, the order in which ``sam2`` takes them.
    point_labels : (B * K, P) int32 array
    """

    images: NDArray[np.uint8]
    masks: NDArray[np.bool_]
    everything: NDArray[np.uint8]
    mode: str
    points: NDArray[np.float32]
    point_labels: NDArray[np.int32]


class Dealer:
    """Deals random batches out of a cache."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._images = np.load(folder / "images.npy", mmap_mode="r")
        self._labels = np.load(folder / "labels.npy", mmap_mode="r")
        self._rng = np.random.default_rng(seed)

    def batch(self, clips: int, objects: int, frames: int, side: int, modes: dict[str, float]) -> Batch:
        """A batch of `clips` windows of `frames` frames with `objects` objects each, prompted on the first frame."""
        rng = self._rng
        mode = str(rng.choice(list(modes), p=np.array(list(modes.values())) / sum(modes.values())))
        smallest = 40 if side == SIDE else 120
        images: list[NDArray[np.uint8]] = []
        masks, everything, points, marks = [], [], [], []
        while len(images) < clips:
            shown, labels = self._window(frames)
            counts = np.bincount(labels[0].ravel())
            counts[0] = 0
            ids = np.flatnonzero(counts >= smallest)
            if not ids.size:
                continue
            chosen = np.resize(rng.permutation(ids), objects)
            images.append(self._light(_shrink(shown, side)))
            everything.append(labels)
            for object_id in chosen:
                mask = labels == object_id
                masks.append(mask)
                xy, mark = prompt(rng, mask[0], mode)
                points.append((xy + 0.5) * (side / SIDE) - 0.5)
                marks.append(mark)
        return Batch(
            np.stack(images),
            np.stack(masks),
            np.stack(everything),
            mode,
            np.stack(points).astype(np.float32),
            np.stack(marks).astype(np.int32),
        )

    def _window(self, frames: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        rng = self._rng
        index, length = rng.integers(len(self._images)), self._images.shape[1]
        step = 2 if 2 * frames <= length and rng.random() < 0.25 else 1
        first = rng.integers(length - step * (frames - 1))
        picked = slice(first, first + step * (frames - 1) + 1, step)
        shown, labels = np.asarray(self._images[index, picked]), np.asarray(self._labels[index, picked])
        if rng.random() < 0.5:
            shown, labels = shown[::-1], labels[::-1]
        if rng.random() < 0.5:
            shown, labels = shown[:, ::-1], labels[:, ::-1]
        if rng.random() < 0.5:
            shown, labels = shown[:, :, ::-1], labels[:, :, ::-1]
        if rng.random() < 0.5:
            shown, labels = shown.swapaxes(1, 2), labels.swapaxes(1, 2)
        return shown, labels

    def _light(self, shown: NDArray[np.uint8]) -> NDArray[np.uint8]:
        rng = self._rng
        if rng.random() < 0.3:
            return shown
        curve = np.linspace(0, 1, 256) ** np.exp(rng.normal(0, 0.25))
        curve = np.clip((curve - rng.uniform(-0.08, 0.08)) * np.exp(rng.normal(0, 0.15)), 0, 1)
        if rng.random() < 0.15:
            curve = 1 - curve
        return np.rint(curve * 255).astype(np.uint8)[shown]


def prompt(
    rng: np.random.Generator, mask: NDArray[np.bool_], mode: str
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Points (P, 2) as (x, y) pixels of the mask and their labels (P,) in ``sam2``'s code (2 and 3: a box)."""
    rows, columns = np.nonzero(mask)
    if mode == "box":
        box = np.array([[columns.min(), rows.min()], [columns.max(), rows.max()]], float)
        jitter = rng.normal(0, 0.04, (2, 2)) * (box[1] - box[0] + 1)
        return np.clip(box + jitter, 0, SIDE - 1), np.array([2, 3])
    first = np.array(middle(mask)[::-1]) if rng.random() < 0.4 else _pick(rng, rows, columns)
    if mode == "points":
        other = rng.integers(0, SIDE, 2)
        points = np.stack([first, _pick(rng, rows, columns), other[::-1]])
        return points.astype(float), np.array([1, 1, int(mask[other[0], other[1]])])
    return first[None].astype(float), np.array([1])


def _pick(rng: np.random.Generator, rows: NDArray[Any], columns: NDArray[Any]) -> NDArray[np.int64]:
    chosen = rng.integers(rows.size)
    return np.array([columns[chosen], rows[chosen]])


def _shrink(shown: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    part = SIDE // side
    if part == 1:
        return shown
    total = np.zeros((len(shown), side, side, 3), np.uint16)
    for y in range(part):
        for x in range(part):
            total += shown[:, y::part, x::part]
    shrunk: NDArray[np.uint8] = (total // part**2).astype(np.uint8)
    return shrunk
