"""The tables of the store in the journal: frame records, strokes and removed objects."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from napari_sam2_video.masks.codec import MAX_ID, whole_number
from napari_sam2_video.masks.figures import figures_from_json, figures_to_json
from napari_sam2_video.storage.packs import ref_from_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_sam2_video.storage.packs import DataRef
    from napari_sam2_video.storage.state import State
    from napari_sam2_video.storage.tables import Decoder
    from napari_sam2_video.types import FrameMasks


@dataclass(frozen=True, slots=True)
class RecordInfo:
    """A frame record as described in the journal.

    Parameters
    ----------
    ref : DataRef
        Where it is stored.
    frame : int
        The frame.
    walk : int
        1 if it was computed forward, -1 if backward.
    ids : tuple of int
        Its objects.
    figures : ndarray of `napari_sam2_video.masks.figures.FIGURES`, shape (len(ids),)
        One row for each object.
    """

    ref: DataRef
    frame: int
    walk: int
    ids: tuple[int, ...]
    figures: npt.NDArray[Any]

    def figures_of(self, object_id: int) -> Any:
        """Row of an object of the record."""
        return self.figures[self.ids.index(object_id)]


@dataclass(frozen=True, slots=True)
class StrokeInfo:
    """A stroke as described in the journal.

    Parameters
    ----------
    ref : DataRef
        Where it is stored.
    frame : int
        The frame.
    below : int
        Number of the stroke below it; 0 for none.
    newest : dict of int to int
        For every object touched by paint on this frame, the newest stroke that touched it.
    ids : frozenset of int
        Objects that this stroke gives pixels.
    """

    ref: DataRef
    frame: int
    below: int
    newest: dict[int, int]
    ids: frozenset[int]

    def to_json(self) -> dict[str, Any]:
        """Form in the journal."""
        return {
            "ref": self.ref.to_json(),
            "frame": self.frame,
            "below": self.below,
            "newest": [[i, n] for i, n in sorted(self.newest.items())],
            "ids": sorted(self.ids),
        }


def record_to_json(ref: DataRef, masks: FrameMasks, figures: npt.NDArray[Any]) -> dict[str, Any]:
    """Form of a frame record in the journal."""
    return {
        "ref": ref.to_json(),
        "frame": masks.frame,
        "walk": -1 if masks.direction == "backward" else 1,
        "ids": [m.object_id for m in masks.objects],
        "figures": figures_to_json(figures),
    }


def record_from_json(value: Any) -> RecordInfo:
    """Frame record from its journal form; raises ValueError, TypeError or KeyError for anything else."""
    ids = _ids(tuple(value["ids"]))
    figures = figures_from_json(value["figures"], len(ids))
    walk = -1 if value["walk"] == -1 else 1
    return RecordInfo(ref_from_json(value["ref"]), whole_number(value["frame"]), walk, ids, figures)


@lru_cache(maxsize=256)
def _ids(values: tuple[Any, ...]) -> tuple[int, ...]:
    """Ids of a record; most frames of a session share one tuple."""
    ids = tuple(whole_number(i) for i in values)
    if len(set(ids)) != len(ids) or not all(1 <= i <= MAX_ID for i in ids):
        raise ValueError("invalid ids")
    return ids


def removed_objects(state: State) -> dict[int, int]:
    """Ids of removed objects, with the number of the entry that last removed each."""
    with state.lock:
        return {int(i): int(n) for i, n in state.table("removed").items()}


def refs_of(state: State, tables: Sequence[str]) -> list[DataRef]:
    """References that tables hold now or that undo or redo could bring back."""
    with state.lock:
        values = [v for t in tables for v in (*state.table(t).values(), *state.values_in_history(t))]
    return [getattr(value, "ref", value) for value in values]


def decoders(n_frames: int) -> dict[str, Decoder]:
    """Decoders of the store's tables for a recording of `n_frames`."""

    def frame(key: Any) -> int:
        if isinstance(key, bool) or not isinstance(key, int) or not 0 <= key < n_frames:
            raise ValueError("a frame outside the recording")
        return key

    def record(key: Any, value: Any) -> RecordInfo:
        info = record_from_json(value)
        frame(info.frame)
        return info

    def numbers(key: Any, value: Any) -> tuple[int, ...]:
        frame(key)
        return tuple(int(n) for n in value)

    def stroke(key: Any, value: Any) -> StrokeInfo:
        newest = {int(i): int(n) for i, n in value["newest"]}
        ids = frozenset(int(i) for i in value["ids"])
        return StrokeInfo(ref_from_json(value["ref"]), frame(value["frame"]), int(value["below"]), newest, ids)

    def top(key: Any, value: Any) -> int:
        frame(key)
        return int(value)

    def removed(key: Any, value: Any) -> int:
        if not isinstance(key, int):
            raise ValueError("ids must be whole numbers")
        return int(value)

    return {
        "records": record,
        "masks": numbers,
        "fused": numbers,
        "other": numbers,
        "strokes": stroke,
        "paint": top,
        "removed": removed,
        "blobs": lambda _, value: ref_from_json(value),
    }
