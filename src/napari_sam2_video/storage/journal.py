"""An append-only file of lines, which can also be replaced as a whole; a line counts once it is on disk."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import zlib
from io import BytesIO
from typing import TYPE_CHECKING, Any

from napari_sam2_video.errors import StoreError
from napari_sam2_video.storage.atomic import (
    explain,
    flush,
    keep_copy,
    let_go,
    reading,
    replace_file,
    sync_folder,
    writing,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Entry = dict[str, Any]


def encode_line(entry: Entry) -> bytes:
    """One entry as a line: CRC-32 of the JSON text in hexadecimal, a space, the JSON text."""
    text = json.dumps(entry, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def decode_line(line: bytes) -> Entry | None:
    """Entry of a line without its newline, or None if the line is broken."""
    if len(line) < 11 or line[8:9] != b" ":
        return None
    text = line[9:]
    try:
        if int(line[:8], 16) != zlib.crc32(text):
            return None
        entry = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) else None


class Journal:
    """The journal file, open for appending.

    Parameters
    ----------
    path : Path
        The file; created if it does not exist.
    read_only : bool
        Change nothing on disk.
    quarantine : Path
        Folder for damaged content.

    Attributes
    ----------
    entries : list of dict
        Entries in the file when it was opened.
    notes : list of str
        Notes about damage.
    """

    def __init__(self, path: Path, *, read_only: bool, quarantine: Path) -> None:
        self.path = path
        self.read_only = read_only
        self.entries: list[Entry] = []
        self.notes: list[str] = []
        self._lock = threading.Lock()
        self._handle: int | None = None
        self._size = 0
        with reading(path):
            existed = path.exists()
        if existed:
            self._read(quarantine)
        if not read_only:
            with writing(path):
                path.with_name(f".{path.name}.part").unlink(missing_ok=True)
                self._handle = self._open(0 if existed else os.O_CREAT | os.O_EXCL)
                self._repair()
                if not existed:
                    flush(self._handle)
                    sync_folder(path.parent)

    @property
    def size(self) -> int:
        """Bytes of all whole lines."""
        return self._size

    def _open(self, create: int) -> int:
        return os.open(self.path, os.O_RDWR | os.O_APPEND | create | getattr(os, "O_BINARY", 0), 0o644)

    def _read(self, quarantine: Path) -> None:
        try:
            data = self.path.read_bytes()
        except OSError as error:
            raise StoreError(f"{self.path} cannot be read: {error.strerror}; check the disk.") from error
        whole = data.rfind(b"\n") + 1
        broken = 0
        for line in BytesIO(data[:whole]):
            entry = decode_line(line[:-1])
            if entry is None:
                broken += 1
            else:
                self.entries.append(entry)
        self._size = whole
        if broken:
            self.notes.append(
                f"{broken} line(s) of {self.path.name} are damaged and were skipped; repeat what is missing."
            )
            if not self.read_only:
                keep_copy(data, f"{self.path.name}.damaged", quarantine)
        elif whole < len(data) and not self.read_only:
            keep_copy(data[whole:], f"{self.path.name}.tail", quarantine)

    def _repair(self) -> None:
        if self._handle is not None and os.fstat(self._handle).st_size > self._size:
            os.ftruncate(self._handle, self._size)
            flush(self._handle)

    def append(self, entry: Entry) -> None:
        """Append an entry; it is on disk when this returns.

        Raises
        ------
        StoreError
            If it cannot be written; the journal is left unchanged.
        """
        line = encode_line(entry)
        with self._lock:
            handle = self._writable()
            try:
                # Remove remains of an earlier failed write.
                self._repair()
                view = memoryview(line)
                while view:
                    view = view[os.write(handle, view) :]
                flush(handle)
            except OSError as error:
                with writing(self.path):
                    os.ftruncate(handle, self._size)
                raise explain(error, self.path) from error
            self._size += len(line)

    def replace(self, entries: Iterable[Entry]) -> None:
        """Replace all entries; the new ones are on disk, under the journal's name, when this returns.

        Raises
        ------
        StoreError
            If they cannot be written; the journal is left unchanged.
        """
        try:
            data = b"".join(encode_line(entry) for entry in entries)
        except (ValueError, RecursionError) as error:
            raise StoreError(
                f"{self.path} holds an entry that this version never writes ({error}); it was left unchanged."
            ) from error
        with self._lock:
            # An open file cannot be replaced on Windows.
            handle, self._handle = self._writable(), None
            let_go(handle)
            try:
                replace_file(self.path, data)
            finally:
                with writing(self.path):
                    self._handle = self._open(0)
                    self._size = os.fstat(self._handle).st_size

    def _writable(self) -> int:
        if self.read_only:
            raise StoreError(f"{self.path} is open for reading only; open the session for writing to change it.")
        if self._handle is None:
            raise StoreError(f"{self.path} is closed; open the session again to change it.")
        return self._handle

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            # The remains of a failed write were never reported as stored.
            with contextlib.suppress(OSError):
                self._repair()
            handle, self._handle = self._handle, None
            if handle is not None:
                let_go(handle)
