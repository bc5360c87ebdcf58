"""Save the last frames of a sweep as they are computed, so that an interrupted run resumes bit for bit.

A trail tracked again object by object agrees with a batch only up to rounding; the resume cache holds the results of
the batch itself. There is one file per frame and direction, for all objects; only frames that a pass can still use are
kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_video.engine.entry_arrays import pack_entries, unpack_entries
from napari_sam2_video.engine.memory import POINTERS, MemoryEntry
from napari_sam2_video.engine.plan import step_of
from napari_sam2_video.storage.atomic import drop, write_beside

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from napari_sam2_video.engine.plan import PassDirection


class ResumeCache:
    """Entries of the last sweep in each direction.

    Parameters
    ----------
    folder : Path
        Folder of the files; created with the first one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._there: dict[tuple[str, int], Path] = {}
        self._read: dict[tuple[str, int], dict[int, MemoryEntry]] = {}
        if folder.is_dir():
            for file in folder.glob("*-*.npz"):
                direction, _, number = file.stem.rpartition("-")
                if number.isdigit():
                    self._there[direction, int(number)] = file

    def put(self, direction: PassDirection, frame: int, entries: Mapping[int, MemoryEntry]) -> None:
        """Keep the entries of one frame by object; those that no pass can use any more are dropped.

        A file that cannot be written is skipped: the run is then resumed by tracking again.
        """
        self._read.clear()
        step = step_of(direction)
        for key in [k for k in self._there if k[0] == direction and not 0 <= (frame - k[1]) * step <= POINTERS]:
            if drop(self._there[key]):
                del self._there[key]
        if not entries:
            return
        arrays = pack_entries(list(entries.values())) | {"objects": np.array(list(entries), np.int64)}
        path = self._folder / f"{direction}-{frame:08d}.npz"
        try:
            self._folder.mkdir(exist_ok=True)
            write_beside(path, lambda file: np.savez(file, **arrays), durable=False)
        except OSError:
            # An older one belongs to another pass.
            if drop(path):
                self._there.pop((direction, frame), None)
            return
        self._there[direction, frame] = path

    def entries(self, direction: PassDirection, object_id: int, frames: Iterable[int]) -> dict[int, MemoryEntry] | None:
        """Entries of one object on `frames`; None unless all of them exist."""
        found = {}
        for frame in frames:
            entry = self._frame(direction, frame).get(object_id)
            if entry is None:
                return None
            found[frame] = entry
        return found

    def clear(self) -> None:
        """Drop everything."""
        self._read.clear()
        for path in self._there.values():
            path.unlink(missing_ok=True)
        self._there.clear()

    def _frame(self, direction: PassDirection, frame: int) -> dict[int, MemoryEntry]:
        key = (direction, frame)
        if key not in self._read:
            self._read[key] = _load(self._there[key], frame) if key in self._there else {}
        return self._read[key]


def _load(path: Path, frame: int) -> dict[int, MemoryEntry]:
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as data:
            objects: list[int] = data["objects"].tolist()
            entries = unpack_entries(data)
    except Exception:
        return {}
    if len(objects) != len(entries) or any(entry.frame != frame for entry in entries):
        return {}
    return dict(zip(objects, entries, strict=True))
