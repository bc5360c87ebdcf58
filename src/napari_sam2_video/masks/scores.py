"""Figures of objects by frame, read from a snapshot of the store's tables without blocking them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from napari_sam2_video.masks.figures import FIGURES, NAMES, measure_mask
from napari_sam2_video.masks.records import TABLES
from napari_sam2_video.masks.tables import removed_objects

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from napari_sam2_video.masks.tables import RecordInfo
    from napari_sam2_video.storage.state import State

Scores: TypeAlias = dict[str, npt.NDArray[Any]]


def scores_of(
    state: State,
    objects: Collection[int],
    painted: Mapping[int, Collection[int]],
    mask_of: Callable[[int, int], npt.NDArray[np.bool_]],
) -> dict[int, Scores]:
    """Figures of several objects, each as from `MaskStore.scores`.

    Parameters
    ----------
    state : State
        The tables of the store.
    objects : collection of int
        The objects.
    painted : mapping of int to collection of int
        Frames with paint, by object; objects without paint may be omitted.
    mask_of : callable
        Returns the mask of an object on a frame, for painted frames.
    """
    chosen = np.array(sorted(set(objects)), np.int64)
    ids, frames, walks, figures = _newest(state, chosen)
    starts, stops = np.searchsorted(ids, chosen), np.searchsorted(ids, chosen, side="right")
    found = {}
    for object_id, start, stop in zip(chosen.tolist(), starts.tolist(), stops.tolist(), strict=True):
        own = (frames[start:stop], walks[start:stop], figures[start:stop])
        by_hand = painted.get(object_id)
        if by_hand:
            own = _with_paint(*own, object_id, np.array(sorted(by_hand), np.int64), mask_of)
        shown, walk, rows = own
        scores: Scores = {"frame": shown}
        scores.update({name: rows[name] for name in NAMES})
        scores["painted"] = np.isin(shown, list(by_hand or ()))
        scores["walk"] = walk
        found[object_id] = scores
    return found


def _newest(
    state: State, chosen: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int8], npt.NDArray[Any]]:
    """Object, frame, direction and figures of the newest record of each object on each frame."""
    with state.lock:
        lists: list[dict[Any, tuple[int, ...]]] = [dict(state.table(name)) for name in TABLES]
        records: dict[Any, RecordInfo] = dict(state.table("records"))
    removed = removed_objects(state)
    parts: list[tuple[npt.NDArray[np.int64], npt.NDArray[Any], int, int]] = []
    for frame in sorted(set().union(*lists)):
        taken = np.zeros(0, np.int64)
        for number in sorted((number for table in lists for number in table.get(frame, ())), reverse=True):
            info = records.get(number)
            if info is None:
                continue
            ids = np.array(info.ids, np.int64)
            keep = np.isin(ids, chosen) & ~np.isin(ids, taken)
            if removed:
                keep &= np.array([number > removed.get(i, 0) for i in info.ids], bool)
            if keep.any():
                taken = np.concatenate([taken, ids[keep]])
                parts.append((ids[keep], info.figures[keep], int(frame), info.walk))
    counts = [len(part[0]) for part in parts]
    ids = np.concatenate([part[0] for part in parts]) if parts else np.zeros(0, np.int64)
    figures = np.concatenate([part[1] for part in parts]) if parts else np.zeros(0, FIGURES)
    frames = np.repeat(np.array([part[2] for part in parts], np.int64), counts)
    walks = np.repeat(np.array([part[3] for part in parts], np.int8), counts)
    order = np.argsort(ids, kind="stable")
    return ids[order], frames[order], walks[order], figures[order]


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
