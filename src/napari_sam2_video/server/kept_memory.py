"""Copies of the objects' memories of prompted frames, as bytes that only the engine reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam2_video.errors import StoreError
from napari_sam2_video.storage.atomic import replace_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class KeptMemory:
    """Conditioning entries by object and frame, in the file format of `engine.memory_store`.

    Parameters
    ----------
    folder : Path, optional
        The session's folder for them; in memory if not given.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._held: dict[tuple[int, int], bytes] = {}

    def bind(self, key: str) -> None:
        """Forget everything that was made with another model or view than `key` identifies."""
        if self._folder is None:
            return
        stamp = self._folder / "key"
        try:
            if stamp.is_file() and stamp.read_bytes() == key.encode():
                return
            for path in list(self._folder.glob("*/*.npz")):
                path.unlink(missing_ok=True)
            self._folder.mkdir(exist_ok=True)
            replace_file(stamp, key.encode())
        except OSError as error:
            raise StoreError(f"The folder {self._folder} cannot be written: {error.strerror or error}.") from error

    def frames(self, object_id: int) -> list[int]:
        """Prompted frames of an object, in ascending order."""
        return sorted(frame for other, frame in self._keys() if other == object_id)

    def everything(self) -> Iterator[tuple[int, int, bytes]]:
        """Object, frame and bytes of every entry."""
        for object_id, frame in sorted(self._keys()):
            yield object_id, frame, self._get(object_id, frame)

    def put(self, object_id: int, frame: int, data: bytes) -> None:
        """Keep an entry, on disk if there is a folder."""
        if self._folder is None:
            self._held[object_id, frame] = data
            return
        path = self._path(object_id, frame)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, data)
        except OSError as error:
            raise StoreError(f"{path} cannot be written: {error.strerror or error}.") from error

    def drop(self, object_id: int, frame: int) -> None:
        """Forget an entry."""
        self._held.pop((object_id, frame), None)
        if self._folder is not None:
            self._path(object_id, frame).unlink(missing_ok=True)

    def _keys(self) -> list[tuple[int, int]]:
        if self._folder is None:
            return list(self._held)
        found = []
        for path in self._folder.glob("*/prompt-*.npz"):
            number = path.stem.removeprefix("prompt-")
            if path.parent.name.isdigit() and number.isdigit():
                found.append((int(path.parent.name), int(number)))
        return found

    def _get(self, object_id: int, frame: int) -> bytes:
        return self._held[object_id, frame] if self._folder is None else self._path(object_id, frame).read_bytes()

    def _path(self, object_id: int, frame: int) -> Path:
        assert self._folder is not None
        return self._folder / f"{object_id:06d}" / f"prompt-{frame:08d}.npz"
