"""What an object remembers: conditioning entries of its prompted frames, and the frames just tracked.

The spatial memory and pointer of every prompted frame are kept permanently. Of the other frames, only the last
`POINTERS` of the pass are kept, and only the last `SPATIAL` of these with their spatial memory.
``SAM2Base._prepare_memory_conditioned_features`` looks at nothing else, so memory does not grow with the recording.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari_sam2_video.engine.plan import step_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

    from napari_sam2_video.engine.plan import PassDirection
    from napari_sam2_video.engine.windows import Place
    from napari_sam2_video.models.presets import ModelPreset
    from napari_sam2_video.types import ObjectMask

SPATIAL = 6
POINTERS = 15


@dataclass(frozen=True)
class MemoryEntry:
    """The memory of one frame.

    Parameters
    ----------
    frame : int
        The frame.
    spatial : torch.Tensor of bfloat16, shape (1, memory_dim, image_size / 16, image_size / 16), optional
        Spatial memory; dropped once it is too old to be used.
    pointer : torch.Tensor of float32, shape (1, hidden_dim)
        Object pointer.
    place : Place, optional
        Where the object was, and its window; None if windows are off.
    """

    frame: int
    spatial: torch.Tensor | None
    pointer: torch.Tensor
    place: Place | None = None


@dataclass(frozen=True)
class ConditioningEntry:
    """A prompted frame: the memory that the tracker always attends to, and the mask on it.

    Parameters
    ----------
    order : int
        Position among the object's entries, in the order in which its frames were first prompted.
    memory : MemoryEntry
        Spatial memory and pointer.
    logits : torch.Tensor of float32, shape (1, 1, image_size / 4, image_size / 4)
        Mask logits.
    shown : ObjectMask
        The object as shown on the frame.
    """

    order: int
    memory: MemoryEntry
    logits: torch.Tensor
    shown: ObjectMask

    @property
    def frame(self) -> int:
        """The prompted frame."""
        return self.memory.frame


@dataclass(frozen=True)
class Trail:
    """The last frames of a pass, from which it can continue.

    Parameters
    ----------
    object_id : int
        The object.
    direction : {"forward", "backward"}
        Direction of the pass that continues from here.
    frame : int
        The last frame done.
    entries : mapping of int to MemoryEntry
        Entries by frame, conditioning frames left out.
    conditioning : tuple of int
        Conditioning frames that the pass attended to when it stopped.
    outdated : frozenset of int
        Frames of `entries` that were tracked again since: later frames were made from these entries, but a new pass
        needs newer ones.
    """

    object_id: int
    direction: PassDirection
    frame: int
    entries: Mapping[int, MemoryEntry]
    conditioning: tuple[int, ...]
    outdated: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Recall:
    """The memories of one object for one frame, in the order of ``SAM2Base._prepare_memory_conditioned_features``.

    Parameters
    ----------
    spatial : tuple of (int, torch.Tensor)
        Temporal position (0 for conditioning frames) and spatial memory.
    pointers : tuple of (int, torch.Tensor)
        Signed distance in frames and pointer.
    """

    spatial: tuple[tuple[int, torch.Tensor], ...]
    pointers: tuple[tuple[int, torch.Tensor], ...]

    @property
    def signature(self) -> tuple[int, int]:
        """Objects of equal signature go through the network as one batch."""
        return len(self.spatial), len(self.pointers)


def recall(
    conditioning: Mapping[int, ConditioningEntry],
    trail: Mapping[int, MemoryEntry],
    frame: int,
    direction: PassDirection,
    n_frames: int,
) -> Recall:
    """Collect the memories of an object that are used to compute `frame`.

    Mirrors ``SAM2Base._prepare_memory_conditioned_features`` with ``max_cond_frames_in_attn=-1`` and a stride of 1.

    Parameters
    ----------
    conditioning : mapping of int to ConditioningEntry
        All conditioning entries by frame, in order.
    trail : mapping of int to MemoryEntry
        Memories of other frames.
    frame : int
        Frame to be computed.
    direction : {"forward", "backward"}
        Direction of the pass.
    n_frames : int
        Number of frames of the recording.
    """
    back = step_of(direction)
    spatial = [(0, entry.memory.spatial) for entry in conditioning.values() if entry.memory.spatial is not None]
    for position in range(1, SPATIAL + 1):
        entry = trail.get(frame - back * (SPATIAL + 1 - position))
        if entry is not None and entry.spatial is not None:
            spatial.append((position, entry.spatial))
    pointers = [
        ((frame - t) * back, entry.memory.pointer) for t, entry in conditioning.items() if (frame - t) * back >= 0
    ]
    for distance in range(1, min(n_frames, POINTERS + 1)):
        entry = trail.get(frame - back * distance)
        if entry is not None:
            pointers.append((distance, entry.pointer))
    return Recall(tuple(spatial), tuple(pointers))


def prune(trail: dict[int, MemoryEntry], frame: int, direction: PassDirection) -> None:
    """Drop, in place, entries that no frame after `frame` in tracking order will use."""
    back = step_of(direction)
    for t in list(trail):
        age = (frame - t) * back
        if not 0 <= age < POINTERS:
            del trail[t]
        elif age >= SPATIAL and trail[t].spatial is not None:
            trail[t] = replace(trail[t], spatial=None)


def fullest(entry: ConditioningEntry, n_frames: int) -> Recall:
    """The largest memory of an object with one prompted frame; `entry` stands in for every frame."""
    kept = entry.memory.spatial
    spatial = () if kept is None else tuple((position, kept) for position in range(SPATIAL + 1))
    pointers = tuple((distance, entry.memory.pointer) for distance in range(1, min(n_frames, POINTERS + 1) + 1))
    return Recall(spatial, pointers)


def bytes_per_object(preset: ModelPreset, image_size: int) -> int:
    """Memory that one object with one prompted frame holds while it is tracked, in bytes.

    Two rings (one each way) of `SPATIAL` spatial memories in bfloat16 and `POINTERS` pointers in float32, and the
    conditioning entry with its logits.
    """
    spatial, pointer = bytes_per_entry(preset, image_size)
    logits = (image_size // 4) ** 2 * 4
    return 2 * (SPATIAL * spatial + POINTERS * pointer) + spatial + pointer + logits


def bytes_per_entry(preset: ModelPreset, image_size: int) -> tuple[int, int]:
    """Bytes of a spatial memory and of a pointer."""
    return preset.memory_dim * (image_size // 16) ** 2 * 2, preset.hidden_dim * 4
