"""What a frame gives for an object that is tracked: its mask, what it remembers of the frame, and its logits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari_sam2_video.engine.networks.outputs import Decoded
from napari_sam2_video.engine.windows import place_of

if TYPE_CHECKING:
    import torch

    from napari_sam2_video.engine.batching import Batcher
    from napari_sam2_video.engine.memory import MemoryEntry, Recall
    from napari_sam2_video.engine.networks.outputs import Embedding
    from napari_sam2_video.engine.windows import Place, Window
    from napari_sam2_video.types import ObjectMask


@dataclass(frozen=True)
class Row:
    """An object on a frame: its memories, its last place, and further arguments of `Framing.follow`."""

    object_id: int
    recall: Recall
    before: Place | None
    seen: tuple[tuple[int, Place], ...]
    prompted: Place | None


@dataclass(frozen=True)
class Seen:
    """An object with its window (None for the whole frame) and the embedding of that window."""

    row: Row
    window: Window | None
    embedding: Embedding


@dataclass(frozen=True)
class Outcome:
    """The result for an object on a frame: mask, memory entry, and logits ``(1, 1, S / 4, S / 4)``."""

    mask: ObjectMask
    entry: MemoryEntry
    logits: torch.Tensor

    @property
    def place(self) -> Place:
        """Where the object is; only whole frames, without windows, have no places."""
        assert self.entry.place is not None
        return self.entry.place

    def decoded(self, logits: torch.Tensor) -> Decoded:
        """What the network decoded, with other logits."""
        iou, score = (logits.new_tensor([value]) for value in (self.mask.predicted_iou, self.mask.object_score))
        return Decoded(logits, iou, self.entry.pointer, score[None])


def outcome_of(batcher: Batcher, seen: Seen, decoded: Decoded, entry: MemoryEntry) -> Outcome:
    """A mask decoded in a window as a mask of the frame, with the memory entry of the frame and its place."""
    (mask,) = batcher.shown([seen.row.object_id], decoded, prompted=False, window=seen.window)
    return Outcome(mask, replace(entry, place=place_of(mask, seen.window, seen.row.before)), decoded.logits)


def remembered(batcher: Batcher, seen: Seen, decoded: Decoded, entry: MemoryEntry) -> Outcome:
    """The outcome of a mask that takes the place of the one in a memory entry."""
    spatial = batcher.model.remember(seen.embedding, decoded, prompted=False)
    return outcome_of(batcher, seen, decoded, replace(entry, spatial=spatial, pointer=decoded.pointers))
