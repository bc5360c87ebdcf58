"""How long each frame of an animation is shown, read from the blocks of its file without decoding it."""

from __future__ import annotations

import struct
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PNG = b"\x89PNG\r\n\x1a\n"


def durations_of(path: Path) -> list[float]:
    """Seconds for which each frame of a GIF, PNG or WebP file is shown, up to where the file is readable.

    0 means that the file leaves the time to the viewer.
    """
    with path.open("rb") as file:
        head = file.read(12)
        file.seek(0)
        if head.startswith(b"GIF"):
            return list(_gif(file))
        return list(_png(file)) if head.startswith(_PNG) else list(_webp(file))


def png_is_animated(path: Path) -> bool:
    """Whether a PNG file declares several frames."""
    with path.open("rb") as file:
        for kind, content in _png_chunks(file):
            if kind == b"acTL":
                return len(content) >= 4 and struct.unpack(">I", content[:4])[0] > 1
            if kind == b"IDAT":
                break
    return False


def is_deep_png(path: Path) -> bool:
    """Whether a file is a PNG with 16 bits per sample."""
    with path.open("rb") as file:
        head = file.read(25)
    return head.startswith(_PNG) and head[24:] == b"\x10"


def _png_chunks(file: IO[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Type of each chunk and the beginning of its content."""
    place = len(_PNG)
    while True:
        file.seek(place)
        head = file.read(8 + 26)
        if len(head) < 8:
            return
        length, kind = struct.unpack(">I4s", head[:8])
        yield kind, head[8 : 8 + min(length, 26)]
        place += 12 + length


def _png(file: IO[bytes]) -> Iterator[float]:
    for kind, content in _png_chunks(file):
        if kind == b"fcTL" and len(content) == 26:
            parts, whole = struct.unpack(">HH", content[20:24])
            yield parts / (whole or 100)


def _webp(file: IO[bytes]) -> Iterator[float]:
    place = 12
    while True:
        file.seek(place)
        head = file.read(8 + 16)
        if len(head) < 8:
            return
        kind, length = struct.unpack("<4sI", head[:8])
        if kind == b"ANMF" and len(head) == 24:
            yield int.from_bytes(head[20:23], "little") / 1000
        place += 8 + length + length % 2


def _gif(file: IO[bytes]) -> Iterator[float]:
    head = file.read(13)
    if len(head) < 13:
        return
    _skip_colours(file, head[10])
    delay = 0
    while block := file.read(1):
        if block == b"\x21":
            label = file.read(1)
            content = b"".join(_sub_blocks(file, keep=label == b"\xf9"))
            if len(content) >= 3:
                delay = struct.unpack("<H", content[1:3])[0]
        elif block == b"\x2c":
            about = file.read(9)
            if len(about) < 9:
                return
            yield delay / 100
            delay = 0
            _skip_colours(file, about[8])
            file.read(1)
            for _ in _sub_blocks(file, keep=False):
                pass
        else:
            return


def _skip_colours(file: IO[bytes], flags: int) -> None:
    if flags & 0x80:
        file.seek(3 * 2 ** ((flags & 7) + 1), 1)


def _sub_blocks(file: IO[bytes], *, keep: bool) -> Iterator[bytes]:
    while (size := file.read(1)) and size != b"\0":
        if keep:
            yield file.read(size[0])
        else:
            file.seek(size[0], 1)
