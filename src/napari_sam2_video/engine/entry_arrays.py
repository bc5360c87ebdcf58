"""Memory entries as arrays for a file, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.engine.memory import MemoryEntry
from napari_sam2_video.engine.windows import pack_places, unpack_places

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def pack_entries(entries: Sequence[MemoryEntry]) -> dict[str, Any]:
    """Arrays by name; a missing spatial memory or place takes no space."""
    import torch

    arrays: dict[str, Any] = {"frames": np.array([e.frame for e in entries], np.int64)}
    if entries:
        arrays["pointers"] = torch.cat([e.pointer for e in entries]).cpu().numpy()
    held = {i: e.spatial for i, e in enumerate(entries) if e.spatial is not None}
    arrays["spatial_rows"] = np.array(list(held), np.int64)
    if held:
        arrays["spatial"] = torch.cat(list(held.values())).cpu().contiguous().view(torch.int16).numpy()
    places = [e.place for e in entries]
    if any(places):
        arrays["places"] = pack_places(places)
    return arrays


def unpack_entries(arrays: Mapping[str, Any]) -> list[MemoryEntry]:
    """Undo `pack_entries`.

    Raises
    ------
    KeyError, ValueError
        If the arrays are not from `pack_entries`.
    """
    import torch

    frames, rows = arrays["frames"].tolist(), arrays["spatial_rows"].tolist()
    if not frames:
        return []
    pointers = torch.from_numpy(arrays["pointers"])
    stacked = torch.from_numpy(arrays["spatial"]).view(torch.bfloat16) if rows else torch.zeros(0)
    places = unpack_places(arrays["places"]) if "places" in arrays else [None] * len(frames)
    if not (len(pointers) == len(frames) == len(places) and len(stacked) == len(rows)):
        raise ValueError("The arrays are of different lengths.")
    spatial = {row: stacked[i : i + 1] for i, row in enumerate(rows)}
    return [
        MemoryEntry(frame, spatial.get(i), pointers[i : i + 1], place)
        for i, (frame, place) in enumerate(zip(frames, places, strict=True))
    ]
