"""The prompts and paint that condition an object on each frame, and which of them the masks do not reflect yet."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from napari_sam2_video.engine.plan import ObjectState

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_sam2_video.masks.store import MaskStore
    from napari_sam2_video.storage.state import State
    from napari_sam2_video.types import ModelSettings

Mark: TypeAlias = tuple[int, int, str]
"""Revision of the prompts, newest stroke, and model."""


def model_tag(settings: ModelSettings) -> str:
    """Short name of the settings that affect masks: network, precision, size and windows."""
    relevant = {k: v for k, v in asdict(settings).items() if k in ("model", "precision", "image_size", "window")}
    if settings.arithmetic != "exact":
        relevant["arithmetic"] = settings.arithmetic
    return hashlib.blake2b(json.dumps(relevant, sort_keys=True).encode(), digest_size=6).hexdigest()


def mark_from_json(value: Any) -> Mark:
    """Mark from its journal form."""
    revision, stroke, tag = value
    return int(revision), int(stroke), str(tag)


class Conditioning:
    """Prompts and paint that condition the tracker."""

    def __init__(self, state: State, masks: MaskStore) -> None:
        self._state = state
        self._masks = masks
        self._filled: dict[tuple[int, int], tuple[Any, bool]] = {}

    def marks(self, object_id: int, tag: str) -> dict[int, Mark]:
        """Frames with prompts or paint of an object, and a mark that identifies these."""
        revisions = {p.frame: p.revision for p in self._state.group("prompts", object_id).values()}
        newest = {f: self._masks.touched(f).get(object_id) for f in self._masks.painted(object_id)}
        # Paint may have been cleared meanwhile.
        strokes = {f: number for f, number in newest.items() if number is not None}
        frames = {f for f in strokes if self._is_filled(f, object_id)} | revisions.keys()
        return {f: (revisions.get(f, 0), strokes.get(f, 0), tag) for f in sorted(frames)}

    def conditioned(self, object_id: int, table: str = "conditioned") -> dict[int, Mark]:
        """Marks that the masks (or with ``"memory"`` the tracker's memory) were made from."""
        return {int(frame): mark for frame, mark in self._state.group(table, object_id).items()}

    def accepted(self, object_id: int) -> frozenset[int]:
        """Accepted frames of an object."""
        spans = self._state.get("accepted", object_id, ())
        return frozenset(f for start, stop in spans for f in range(start, stop))

    def is_accepted(self, object_id: int, frame: int) -> bool:
        """Whether an object is accepted on a frame."""
        return any(start <= frame < stop for start, stop in self._state.get("accepted", object_id, ()))

    def state(self, object_id: int, tag: str) -> ObjectState:
        """What the plan needs to know about an object."""
        marks, known = self.marks(object_id, tag), self.conditioned(object_id)
        dirty = {f for f, mark in marks.items() if known.get(f) != mark}
        for gone in known.keys() - marks.keys():
            dirty.update(sorted(f for f in marks if f > gone)[:1])
            dirty.update(sorted(f for f in marks if f < gone)[-1:])
        return ObjectState(
            object_id,
            prompted=frozenset(marks),
            dirty=frozenset(dirty),
            fences=self.accepted(object_id) | frozenset(self._masks.painted(object_id)),
            tracked=self.walked(object_id, tag),
        )

    def walked(self, object_id: int, tag: str) -> npt.NDArray[np.int8]:
        """Direction in which each frame was last computed, all zero if by another model; shape ``(n_frames,)``."""
        if any(mark[2] != tag for mark in self.conditioned(object_id).values()):
            return np.zeros(self._masks.n_frames, np.int8)
        return self._masks.walked(object_id)

    def is_dirty(self, object_id: int, tag: str) -> bool:
        """Whether prompts or paint of an object changed since its masks were made."""
        marks = self.marks(object_id, tag)
        return bool(marks) and marks != self.conditioned(object_id)

    def _is_filled(self, frame: int, object_id: int) -> bool:
        """Whether an object has a pixel on a painted frame; an empty one is not a prompt."""
        if self._masks.painted_last(frame, object_id):
            return True
        key = self._masks.label_key(frame)
        cached = self._filled.get((frame, object_id))
        if cached is None or cached[0] != key:
            cached = (key, bool(self._masks.object_mask(frame, object_id).any()))
            self._filled[frame, object_id] = cached
        return cached[1]
