"""Training recordings kept as bytes on disk, and dealt out in batches with prompts."""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from demo_model.recordings import SIDE, Collection, renumbered, to_display, training_clip
from napari_sam2_video.synthetic.clicks import middle

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def _render(job: tuple[int, Collection]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    clip = training_clip(*job)
    return to_display(clip.frames), renumbered(clip.labels).astype(np.uint8)


def build_cache(folder: Path, recordings: Collection, workers: int = 2) -> None:
    """Write the recordings to `folder`, unless it holds just those already."""
    wanted = {"side": SIDE, **asdict(recordings)}
    note = folder / "cache.json"
    if note.exists() and json.loads(note.read_text()) == wanted:
        return
    folder.mkdir(parents=True, exist_ok=True)
    shape = (recordings.clips, recordings.frames, SIDE, SIDE)
    images = np.lib.format.open_memmap(folder / "images.npy", "w+", np.uint8, (*shape, 3))
    labels = np.lib.format.open_memmap(folder / "labels.npy", "w+", np.uint8, shape)
    with ProcessPoolExecutor(workers) as pool:
        jobs = ((index, recordings) for index in range(recordings.clips))
        for index, (image, label) in enumerate(pool.map(_render, jobs, chunksize=4)):
            images[index], labels[index] = image, label
    images.flush()
    labels.flush()
    note.write_text(json.dumps(wanted))


@dataclass(frozen=True)
class Batch:
    """Clips and the objects to follow in them; B = clips, K = objects a clip, T = frames, S = side of the network.

    A single clip may have fewer objects than were asked for; in several, an object may be followed twice.

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
            chosen = np.resize(rng.permutation(ids), min(objects, ids.size) if clips == 1 else objects)
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
