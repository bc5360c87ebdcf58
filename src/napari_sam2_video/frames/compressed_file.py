"""Read a compressed file as if it were not: it is unpacked once, when more than its beginning is needed."""

from __future__ import annotations

import io
import tempfile
import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GZIP_MAGIC = b"\x1f\x8b"
_HEAD = 1 << 16
_IN_MEMORY = 64 << 20
_PIECE = 1 << 20


class PackedFile(io.RawIOBase):
    """Contents of a gzip file.

    Reads near the beginning, where headers are, unpack only that part; any other read unpacks the whole file into
    memory or, beyond 64 MB, into a temporary file. A truncated or damaged file ends at the damage.
    """

    def __init__(self, path: Path) -> None:
        self._source = path.open("rb", buffering=0)
        self._head = unpacked_head(self._source.read(_PIECE) or b"", _HEAD)
        self._at = 0
        self._all: Any = None
        self.limit: int | None = None
        """How many bytes of the content are needed at most, if known."""

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position in the unpacked content."""
        if whence == io.SEEK_END:
            offset += self._unpacked().seek(0, io.SEEK_END)
        self._at = offset + (self._at if whence == io.SEEK_CUR else 0)
        return self._at

    def tell(self) -> int:
        """Position in the unpacked content."""
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Read as much as fits."""
        end = self._at + len(buffer)
        if end <= len(self._head):
            buffer[:] = self._head[self._at : end]
            self._at = end
            return len(buffer)
        content = self._unpacked()
        content.seek(self._at)
        count = int(content.readinto(buffer) or 0)
        self._at += count
        return count

    def _unpacked(self) -> Any:
        if self._all is None:
            self._all = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY, prefix="napari-sam2-video-")  # noqa: SIM115
            self._source.seek(0)
            for piece in self._pieces():
                self._all.write(piece)
                if self.limit is not None and self._all.tell() >= self.limit:
                    break
        return self._all

    def _pieces(self) -> Iterator[bytes]:
        """The content, up to the end or to damage."""
        unpack, packed = zlib.decompressobj(31), b""
        while packed or (packed := self._source.read(_PIECE) or b""):
            try:
                yield unpack.decompress(packed, _PIECE)
            except zlib.error:
                return
            packed = unpack.unconsumed_tail
            if unpack.eof:
                unpack, packed = zlib.decompressobj(31), unpack.unused_data
        yield unpack.flush()

    def close(self) -> None:
        """Close it, and delete the temporary file."""
        if not self.closed:
            self._source.close()
            if self._all is not None:
                self._all.close()
        super().close()


def unpacked_head(head: bytes, size: int) -> bytes:
    """First `size` bytes of the unpacked content of a file that begins with `head`; `head` if it is not compressed."""
    if not head.startswith(GZIP_MAGIC):
        return head
    try:
        return zlib.decompressobj(31).decompress(head, size)
    except zlib.error:
        return b""


def open_unpacked(path: Path) -> Any:
    """Open a file for reading its content, compressed or not."""
    with path.open("rb") as file:
        packed = file.read(2) == GZIP_MAGIC
    return PackedFile(path) if packed else path.open("rb")
