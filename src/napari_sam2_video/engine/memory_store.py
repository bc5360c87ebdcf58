"""Store memories between runs: conditioning entries, and trails from which a pass can be resumed.

With a folder they outlive the process; without one they are in memory only. Trails only save time: missing ones are
computed again from the prompts, so a file that cannot be read counts as missing.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from napari_sam2_video.engine.entry_arrays import pack_entries, unpack_entries
from napari_sam2_video.engine.memory import POINTERS, ConditioningEntry, Trail
from napari_sam2_video.engine.plan import step_of
from napari_sam2_video.engine.resume_cache import ResumeCache
from napari_sam2_video.errors import StoreError
from napari_sam2_video.storage.atomic import write_beside
from napari_sam2_video.types import ObjectMask

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from napari_sam2_video.engine.plan import PassDirection
    from napari_sam2_video.engine.windows import Window

DEFAULT_TRAIL_BYTES = 2 << 30
_Key: TypeAlias = "tuple[int, PassDirection, int]"


class MemoryStore:
    """Conditioning entries and trails of every object of a session.

    Parameters
    ----------
    folder : Path, optional
        Folder on disk; None keeps everything in memory.
    trail_bytes : int
        Maximum bytes of trails on disk; beyond it, every other one is removed.

    Attributes
    ----------
    resume_cache : ResumeCache, optional
        What the last sweeps left for resuming a run; None without a folder.
    """

    def __init__(self, folder: Path | None = None, *, trail_bytes: int = DEFAULT_TRAIL_BYTES) -> None:
        self._folder = folder
        self._limit = trail_bytes
        self._entries: dict[int, dict[int, ConditioningEntry]] = {}
        self._trails: dict[_Key, Trail | None] = {}
        self._sizes: dict[_Key, int] = {}
        self._windows: dict[int, dict[int, Window | None]] = {}
        self.resume_cache = None if folder is None else ResumeCache(folder / "resume")
        if folder is None:
            return
        try:
            for file in sorted(folder.glob("*/*.npz")) if folder.is_dir() else ():
                self._index(file)
        except OSError as error:
            raise StoreError(
                f"The folder {folder} cannot be read ({error.strerror or error}); reconnect its drive and try again."
            ) from error

    @property
    def cache_folder(self) -> Path | None:
        """Folder beside this one, for files that only save time."""
        return None if self._folder is None else self._folder.with_name("cache")

    def bind(self, key: str) -> None:
        """Forget everything that was made with another model or view than `key` identifies.

        Raises
        ------
        StoreError
            If the folder cannot be written.
        """
        if self._folder is None:
            return
        stamp = self._folder / "key"
        try:
            if stamp.is_file() and stamp.read_bytes() == key.encode():
                return
            for object_id in set(self._entries) | {t[0] for t in self._trails}:
                self.forget(object_id)
            self._folder.mkdir(exist_ok=True)
            write_beside(stamp, lambda file: file.write(key.encode()))
        except OSError as error:
            raise StoreError(f"The folder {self._folder} cannot be written: {error.strerror or error}.") from error

    def entries(self, object_id: int) -> dict[int, ConditioningEntry]:
        """Conditioning entries of an object by frame, in order."""
        held = self._entries.get(object_id, {})
        return dict(sorted(held.items(), key=lambda item: item[1].order))

    def put_entry(self, object_id: int, entry: ConditioningEntry) -> None:
        """Keep a conditioning entry, on disk if there is a folder.

        Raises
        ------
        StoreError
            If it cannot be written.
        """
        self._entries.setdefault(object_id, {})[entry.frame] = entry
        if self._folder is None:
            return
        arrays = {
            "order": np.array(entry.order),
            "logits": entry.logits.cpu().numpy(),
            "origin_yx": np.array(entry.shown.origin_yx),
            "levels": entry.shown.levels,
            "scores": np.array([entry.shown.object_score, entry.shown.predicted_iou], np.float64),
            **pack_entries([entry.memory]),
        }
        try:
            self._save(self._path(object_id, "prompt", entry.frame), arrays, durable=True)
        except OSError as error:
            raise StoreError(
                f"The memory of object {object_id} on frame {entry.frame} cannot be written to {self._folder}: "
                f"{error.strerror or error}."
            ) from error

    def window(self, object_id: int, frame: int) -> Window | None:
        """Window of a prompted frame, or one noted for another frame; None if unknown."""
        entry = self._entries.get(object_id, {}).get(frame)
        if entry is not None:
            return None if entry.memory.place is None else entry.memory.place.window
        return self._windows.get(object_id, {}).get(frame)

    def note_window(self, object_id: int, frame: int, window: Window | None) -> None:
        """Note the window in which an object was tracked on a frame, until the process ends."""
        self._windows.setdefault(object_id, {})[frame] = window

    def entry_bytes(self, object_id: int, frame: int) -> bytes:
        """File content of a conditioning entry, for a store on another machine; needs a folder.

        Raises
        ------
        StoreError
            If it cannot be read.
        """
        try:
            return self._path(object_id, "prompt", frame).read_bytes()
        except OSError as error:
            raise StoreError(f"The memory of object {object_id} on frame {frame} cannot be read: {error}.") from error

    def take_entry(self, object_id: int, frame: int, data: bytes) -> bool:
        """Keep a conditioning entry from another store's `entry_bytes`; False if it is invalid."""
        path = self._path(object_id, "prompt", frame)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_beside(path, lambda file: file.write(data), durable=False)
        self._index(path)
        return frame in self._entries.get(object_id, {})

    def put_trail(self, trail: Trail) -> None:
        """Keep a trail; one that cannot be written is skipped."""
        key = (trail.object_id, trail.direction, trail.frame)
        if self._folder is None:
            self._trails[key] = trail
            return
        try:
            arrays = {
                "conditioning": np.array(trail.conditioning, np.int64),
                "outdated": np.array(sorted(trail.outdated), np.int64),
                **pack_entries(list(trail.entries.values())),
            }
            self._sizes[key] = self._save(self._path(*key), arrays, durable=False)
        except OSError:
            # An older one lacks entries that this one holds.
            with suppress(OSError):
                self._drop(key)
            return
        self._trails[key] = None
        with suppress(OSError):
            while sum(self._sizes.values()) > self._limit and len(self._sizes) > 2:
                for other in sorted(self._sizes)[1::2]:
                    self._drop(other)

    def trail_frames(self, object_id: int, direction: PassDirection) -> list[int]:
        """Frames after which a pass can be resumed, in ascending order."""
        return sorted(frame for o, d, frame in self._trails if o == object_id and d == direction)

    def trail(self, object_id: int, direction: PassDirection, frame: int) -> Trail | None:
        """Trail whose last frame is `frame`."""
        key = (object_id, direction, frame)
        if key not in self._trails:
            return None
        held = self._trails[key]
        if held is not None:
            return held
        try:
            with self._path(*key).open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                entries = unpack_entries(file)
                conditioning = tuple(file["conditioning"].tolist())
                outdated = frozenset(file["outdated"].tolist()) if "outdated" in file else frozenset()
        except Exception:
            with suppress(OSError):
                self._drop(key)
            return None
        return Trail(object_id, direction, frame, {e.frame: e for e in entries}, conditioning, outdated)

    def outdate(self, object_id: int, frames: Iterable[int]) -> None:
        """Note that frames are tracked again: drop trails that end on them, and mark those that include them."""
        among = set(frames)
        for key in [k for k in self._trails if k[0] == object_id]:
            _, direction, frame = key
            if frame in among:
                self._drop(key)
            elif not among.isdisjoint(frame - step_of(direction) * age for age in range(POINTERS + 1)):
                trail = self.trail(*key)
                if trail is None:
                    self._drop(key)
                elif not among.isdisjoint(trail.entries.keys() - trail.outdated):
                    self.put_trail(replace(trail, outdated=trail.outdated | (among & trail.entries.keys())))

    def forget_trails(self, object_id: int) -> None:
        """Drop all trails of an object, and the resume cache."""
        if self.resume_cache is not None:
            self.resume_cache.clear()
        for key in [k for k in self._trails if k[0] == object_id]:
            self._drop(key)

    def forget_entry(self, object_id: int, frame: int) -> None:
        """Drop the conditioning entry of one frame."""
        self._entries.get(object_id, {}).pop(frame, None)
        if self._folder is not None:
            self._path(object_id, "prompt", frame).unlink(missing_ok=True)

    def forget(self, object_id: int) -> None:
        """Drop everything known about an object."""
        for frame in list(self._entries.get(object_id, {})):
            self.forget_entry(object_id, frame)
        self._windows.pop(object_id, None)
        self.forget_trails(object_id)

    def _drop(self, key: _Key) -> None:
        # A file that Windows does not release has to stay listed, or changes would not reach it.
        if self._folder is not None:
            self._path(*key).unlink(missing_ok=True)
        self._trails.pop(key, None)
        self._sizes.pop(key, None)

    def _path(self, object_id: int, kind: str, frame: int) -> Path:
        assert self._folder is not None
        return self._folder / f"{object_id:06d}" / f"{kind}-{frame:08d}.npz"

    def _save(self, path: Path, arrays: dict[str, Any], *, durable: bool) -> int:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_beside(path, lambda file: np.savez(file, **arrays), durable=durable)
        return path.stat().st_size

    def _index(self, file: Path) -> None:
        kind, _, number = file.stem.partition("-")
        if not (file.parent.name.isdigit() and number.isdigit()):
            return
        object_id, frame = int(file.parent.name), int(number)
        if kind == "prompt":
            entry = _load_entry(file)
            if entry is not None:
                self._entries.setdefault(object_id, {})[frame] = entry
        elif kind in ("forward", "backward"):
            key: _Key = (object_id, "forward" if kind == "forward" else "backward", frame)
            self._trails[key] = None
            self._sizes[key] = file.stat().st_size


def _load_entry(file: Path) -> ConditioningEntry | None:
    import torch

    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as data:
            top, left = data["origin_yx"].tolist()
            score, iou = data["scores"].tolist()
            shown = ObjectMask(int(file.parent.name), (top, left), data["levels"], score, iou, True)
            (memory,) = unpack_entries(data)
            return ConditioningEntry(int(data["order"]), memory, torch.from_numpy(data["logits"]), shown)
    except Exception:
        return None
