"""Byte strings on disk: small ones inside the journal, large ones appended to pack files.

A pack is never overwritten, and never shortened once its content is in the journal. A reference is JSON: either
``{"z": base64}`` or ``{"p": pack, "o": offset, "l": length, "c": CRC-32}``.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import threading
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_sam2_video.errors import MissingError, StoreError
from napari_sam2_video.storage.atomic import (
    explain,
    flush,
    let_go,
    make_folder,
    reading,
    set_aside,
    sync_folder,
    writing,
)

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

INLINE_BYTES = 32_768
PACK_BYTES = 1 << 30
_NAME = re.compile(r"(\d{6,12})\.pack")


@dataclass(frozen=True, slots=True)
class DataRef:
    """Where a byte string is: in `inline`, or in a pack."""

    inline: bytes | None
    pack: int = 0
    offset: int = 0
    length: int = 0
    crc: int = 0

    def to_json(self) -> dict[str, Any]:
        """Form in the journal."""
        if self.inline is not None:
            return {"z": base64.b64encode(self.inline).decode()}
        return {"p": self.pack, "o": self.offset, "l": self.length, "c": self.crc}


def ref_from_json(value: Any) -> DataRef:
    """Reference of its JSON form; raises ValueError, TypeError or KeyError for anything else."""
    if "z" in value:
        try:
            return DataRef(base64.b64decode(value["z"], validate=True))
        except binascii.Error as error:
            raise ValueError(str(error)) from error
    numbers = [value[k] for k in "polc"]
    if not all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in numbers):
        raise ValueError("a reference must hold whole numbers")
    return DataRef(None, *numbers)


class PackStore:
    """The packs of one folder."""

    def __init__(self, folder: Path, *, read_only: bool) -> None:
        self.folder = folder
        self.read_only = read_only
        self._lock = threading.Lock()
        self._handle: int | None = None
        self._pack = 0
        self._size = 0
        self._closed = False
        if not read_only:
            make_folder(folder)
        self._pack = max(self.files(), default=0)

    def files(self) -> dict[int, Path]:
        """Existing packs, by number.

        Raises
        ------
        UnreachableError
            If the folder cannot be read.
        """
        found = {}
        with reading(self.folder):
            if self.folder.is_dir():
                for path in self.folder.iterdir():
                    match = _NAME.fullmatch(path.name)
                    if match is not None and path.is_file() and not path.is_symlink():
                        found[int(match[1])] = path
        return found

    def path(self, pack: int) -> Path:
        """File of a pack."""
        return self.folder / f"{pack:06d}.pack"

    def put(self, data: bytes, *, inline: bool = True) -> DataRef:
        """Store bytes durably; small ones become durable with the journal line that holds the reference.

        Raises
        ------
        StoreError
            If they cannot be written.
        """
        if inline and len(data) <= INLINE_BYTES:
            return DataRef(data)
        if self.read_only:
            raise StoreError(f"{self.folder} is open for reading only; open the session for writing to change it.")
        with self._lock:
            if self._closed:
                raise StoreError(f"{self.folder} is closed; open the session again to change it.")
            if self._handle is None or self._size + len(data) > PACK_BYTES:
                self._begin()
            assert self._handle is not None
            path = self.path(self._pack)
            try:
                view = memoryview(data)
                while view:
                    view = view[os.write(self._handle, view) :]
                flush(self._handle)
            except OSError as error:
                self._end()
                raise explain(error, path) from error
            ref = DataRef(None, self._pack, self._size, len(data), zlib.crc32(data))
            self._size += len(data)
            return ref

    def get(self, ref: DataRef, *, check: bool = True) -> bytes:
        """Bytes of a reference; without `check`, even damaged ones.

        Raises
        ------
        UnreachableError
            If the pack cannot be read at all.
        MissingError
            If the pack is missing, or shorter than before.
        StoreError
            If they are damaged.
        """
        if ref.inline is not None:
            return ref.inline
        path = self.path(ref.pack)
        with reading(path):
            try:
                with path.open("rb") as file:
                    if os.fstat(file.fileno()).st_size < ref.offset + ref.length:
                        raise MissingError(
                            f"{path} is shorter than the journal says; restore the complete file and open the session "
                            "again."
                        )
                    file.seek(ref.offset)
                    data = file.read(ref.length)
            except FileNotFoundError as error:
                if not self.folder.is_dir():
                    raise
                raise MissingError(f"{path} is missing; restore it and open the session again.") from error
        if check and zlib.crc32(data) != ref.crc:
            raise StoreError(f"{path} is damaged at byte {ref.offset}; restore it from a copy or track again.")
        return data

    def reaches(self, ref: DataRef, sizes: dict[int, int]) -> bool:
        """Whether a reference is inside its pack, by the packs' `sizes`."""
        return ref.inline is not None or sizes.get(ref.pack, -1) >= ref.offset + ref.length

    def sizes(self) -> dict[int, int]:
        """Sizes of the packs in bytes."""
        packs = self.files()
        with reading(self.folder):
            return {number: path.stat().st_size for number, path in packs.items()}

    def remove(self, pack: int) -> None:
        """Delete a pack that nothing refers to."""
        with self._lock:
            if pack == self._pack:
                self._end()
            path = self.path(pack)
            with writing(path):
                path.unlink(missing_ok=True)

    def sweep(self, known: Collection[int], quarantine: Path) -> list[Path]:
        """Move every file that is not a pack in `known` to the quarantine folder; returns the new paths."""
        unknown = []
        with reading(self.folder):
            for path in sorted(self.folder.iterdir()):
                match = _NAME.fullmatch(path.name)
                if match is None or int(match[1]) not in known or not path.is_file():
                    unknown.append(path)
        return [set_aside(path, quarantine) for path in unknown]

    def close(self) -> None:
        """Close the pack that is being written."""
        with self._lock:
            self._closed = True
            self._end()

    def _begin(self) -> None:
        self._end()
        self._pack += 1
        path = self.path(self._pack)
        with writing(path):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | getattr(os, "O_BINARY", 0)
            self._handle = os.open(path, flags, 0o644)
            self._size = 0
            try:
                sync_folder(self.folder)
            except OSError:
                # Do not write to a pack whose name may be lost in a power cut.
                self._end()
                raise

    def _end(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            let_go(handle)
