"""Select the objects and frames of an export."""

from __future__ import annotations

import operator
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from napari_sam2_video.errors import ExportError, SettingsError
from napari_sam2_video.export.format import parse_ids
from napari_sam2_video.types.checks import frame_span_from_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from napari_sam2_video.results import Array, TrackingResult

Objects: TypeAlias = "Iterable[int] | str | None"
Frames: TypeAlias = "range | tuple[int, int] | str | None"


def select(result: TrackingResult, objects: Objects, frames: Frames, *, whole: bool) -> TrackingResult:
    """The part of a result to write.

    Parameters
    ----------
    result : TrackingResult
        The result.
    objects : iterable of int or str, optional
        Ids, or text such as ``"1,3-5"``; by default all.
    frames : range, tuple or str, optional
        ``(start, stop)`` or a range, the last one not included; or text: ``"10:40"``, the same, ``"10:"`` to the end,
        ``"tracked"`` from the first frame with anything on it to the last one, or ``"all"``.
    whole : bool
        Whether the default of `frames` is ``"all"`` instead of ``"tracked"``.

    Raises
    ------
    ExportError
        If there is no such object or frame.
    """
    chosen = _frames(result, ("all" if whole else "tracked") if frames is None else frames)
    result = replace(result, selected=None if len(chosen) == result.n_frames else chosen)
    if objects is None:
        return result
    known = {entry.id: entry for entry in result.objects}
    try:
        asked = parse_ids(objects)
    except (ValueError, TypeError):
        raise ExportError(f"The objects {objects!r} are not ids; give them as 1,3-5 or as a list of numbers.") from None
    for object_id in asked:
        if object_id not in known:
            raise ExportError(f"There is no object {object_id}; choose among {', '.join(map(str, sorted(known)))}.")
    ids = sorted(set(asked))
    if not ids:
        raise ExportError("No object is named, so there is nothing to export; name one, or omit objects for all.")
    return replace(result, objects=tuple(known[i] for i in ids), read_labels=_labels_of(result, ids))


def _labels_of(result: TrackingResult, ids: list[int]) -> Callable[[int], Array]:
    """Label images of some objects, complete even where others cover them."""

    def read(frame: int) -> Array:
        labels_yx = result.labels(frame)
        kept = np.isin(labels_yx, ids)
        covered = (labels_yx > 0) & ~kept
        chosen = np.where(kept, labels_yx, 0)
        if covered.any() and result.overlaps(frame, labels_yx) and result.read_masks is not None:
            for object_id, mask in zip(ids, result.read_masks(frame, ids), strict=True):
                chosen[mask & covered & (chosen == 0)] = object_id
        return chosen

    return read


def _frames(result: TrackingResult, frames: range | tuple[int, int] | str) -> range:
    last = result.n_frames - 1
    try:
        if frames == "all" or (frames == "tracked" and not result.tracked):
            found = range(result.n_frames)
        elif frames == "tracked" and result.tracked:
            found = result.tracked
        elif isinstance(frames, str):
            first, end = frame_span_from_text(frames)
            found = range(first or 0, result.n_frames if end is None else end)
        elif isinstance(frames, range):
            found = frames
        else:
            start, stop = frames
            found = range(operator.index(start), operator.index(stop))
    except (ValueError, TypeError, SettingsError):
        raise ExportError(
            f"The frames {frames!r} are not a range; write A:B for the frames A to B-1, or tracked or all."
        ) from None
    if found.step != 1 or not found or found.start < 0 or found[-1] > last:
        raise ExportError(
            f"The frames {frames!r} do not fit the recording, which has frames 0 to {last}; choose among them."
        )
    return found


def noting_overlaps(result: TrackingResult) -> tuple[TrackingResult, set[int]]:
    """The result, and a set that collects the frames on which objects overlap as it is read."""
    found: set[int] = set()

    def read(frame: int) -> Array:
        labels_yx = result.labels(frame)
        if result.overlaps(frame, labels_yx):
            found.add(frame)
        return labels_yx

    return replace(result, read_labels=read), found
