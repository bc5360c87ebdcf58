"""A mask store of its own, outside a session."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from napari_sam2_video.masks.records import EVERY
from napari_sam2_video.masks.store import MaskStore
from napari_sam2_video.masks.tables import decoders
from napari_sam2_video.storage.journal import Journal
from napari_sam2_video.storage.state import State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def open_store(folder: Path, n_frames: int, shape_yx: tuple[int, int]) -> Iterator[tuple[MaskStore, State]]:
    """Make or open a store in a folder, with its tables; both are closed at the end."""
    folder.mkdir(exist_ok=True)
    quarantine = folder / "quarantine"
    state = State(Journal(folder / "journal", read_only=False, quarantine=quarantine), decoders(n_frames), EVERY)
    store = MaskStore(folder, state, n_frames, shape_yx, read_only=False, quarantine=quarantine)
    try:
        yield store, state
    finally:
        store.close()
        state.close()
