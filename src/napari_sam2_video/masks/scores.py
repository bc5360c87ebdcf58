"""Figures of objects by frame: those of the model's newest masks, and those of painted ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from napari_sam2_video.masks.figures import FIGURES, NAMES, measure_mask

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from napari_sam2_video.masks.newest import ObjectFigures

Scores: TypeAlias = dict[str, npt.NDArray[Any]]


def scores_of(
    newest: Mapping[int, ObjectFigures],
    painted: Mapping[int, Collection[int]],
    mask_of: Callable[[int, int], npt.NDArray[np.bool_]],
) -> dict[int, Scores]:
    """Figures of several objects, each as from `MaskStore.scores`.

    Parameters
    ----------
    newest : mapping of int to ObjectFigures
        The newest masks of each object.
    painted : mapping of int to collection of int
        Frames with paint, by object; objects without paint may be omitted.
    mask_of : callable
        Returns the mask of an object on a frame, for painted frames.
    """
    found = {}
    for object_id, masks in sorted(newest.items()):
        own = (masks.frames, masks.walks, masks.figures)
        by_hand = painted.get(object_id)
        if by_hand:
            own = _with_paint(*own, object_id, np.array(sorted(by_hand), np.int64), mask_of)
        shown, walk, rows = own
        scores: Scores = {"frame": shown.copy()}
        scores.update({name: rows[name].copy() for name in NAMES})
        scores["painted"] = np.isin(shown, list(by_hand or ()))
        scores["walk"] = walk.copy()
        found[object_id] = scores
    return found


def _with_paint(
    frames: npt.NDArray[np.int64],
    walks: npt.NDArray[np.int8],
    figures: npt.NDArray[Any],
    object_id: int,
    by_hand: npt.NDArray[np.int64],
    mask_of: Callable[[int, int], npt.NDArray[np.bool_]],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int8], npt.NDArray[Any]]:
    """Figures with those of painted frames added, which are measured."""
    every = np.union1d(frames, by_hand)
    rows, walk = np.zeros(len(every), FIGURES), np.zeros(len(every), np.int8)
    known = np.searchsorted(every, frames)
    rows[known], walk[known] = figures, walks
    for place in np.searchsorted(every, by_hand):
        measure_mask(rows[place], mask_of(int(every[place]), object_id), (0, 0))
    return every, walk, rows
