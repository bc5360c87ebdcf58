"""Labels of a series without the identity of the objects, perfect or as a detector makes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_REACH = 60.0


def detections(
    truth: NDArray[np.uint16], seed: int, *, missing: float = 0.0, merged: float = 0.0, split: float = 0.0
) -> NDArray[np.uint16]:
    """Labels (T, Y, X) whose ids say nothing from frame to frame.

    Parameters
    ----------
    truth : (T, Y, X) array
    seed : int
    missing, merged, split : float
        Share of the masks that are left out, given the id of their nearest neighbour, and cut in two.
    """
    rng = np.random.default_rng(seed)
    return np.stack([_degraded(frame, rng, missing, merged, split) for frame in truth])


def _degraded(
    frame: NDArray[np.uint16], rng: np.random.Generator, missing: float, merged: float, split: float
) -> NDArray[np.uint16]:
    masks = [frame == i for i in np.unique(frame) if i]
    masks = [mask for mask in masks if rng.random() >= missing]
    middles = [np.argwhere(mask).mean(0) for mask in masks]
    joined: list[NDArray[np.bool_]] = []
    taken: set[int] = set()
    for n, mask in enumerate(masks):
        if n in taken:
            continue
        taken.add(n)
        away = {m: float(np.hypot(*(middles[m] - middles[n]))) for m in range(len(masks)) if m not in taken}
        nearest = min(away, key=away.__getitem__, default=None)
        if nearest is not None and away[nearest] < _REACH and rng.random() < merged:
            taken.add(nearest)
            mask = mask | masks[nearest]
        joined.append(mask)
    pieces = [piece for mask in joined for piece in (_halves(mask) if rng.random() < split else [mask])]
    out = np.zeros_like(frame)
    for label, n in enumerate(rng.permutation(len(pieces)), start=1):
        out[pieces[n]] = label
    return out


def _halves(mask: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """The mask cut across its long axis."""
    places = np.argwhere(mask)
    offsets = places - places.mean(0)
    along = np.linalg.eigh(np.cov(offsets.T) if len(places) > 2 else np.eye(2))[1][:, -1]
    halves = []
    for side in (offsets @ along >= 0, offsets @ along < 0):
        half = np.zeros_like(mask)
        half[tuple(places[side].T)] = True
        if half.any():
            halves.append(half)
    return halves
