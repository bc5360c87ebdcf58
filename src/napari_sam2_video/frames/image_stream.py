"""Detect files that are a sequence of still images, such as motion JPEG without a container: videos."""

from __future__ import annotations

import struct
from typing import IO, TYPE_CHECKING

from napari_sam2_video.frames.reader import HEAD_BYTES, Reader
from napari_sam2_video.frames.video import open_video

if TYPE_CHECKING:
    from pathlib import Path

    from napari_sam2_video.frames.video_frames import VideoRecording

_PNG = b"\x89PNG\r\n\x1a\n"
_PIECE = 1 << 20
_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def demuxer_of(head: bytes | None, path: Path) -> str | None:
    """Ffmpeg's demuxer for a file in which a second JPEG or PNG follows the first; None for other files.

    Files in which previews, depth or a stereo pair accompany one image are not streams: they have an index of pictures
    (MPF), or the second JPEG has another size.
    """
    if head is None:
        return None
    with path.open("rb") as file:
        if head[:2] == b"\xff\xd8":
            first = _after_jpeg(file)
            return "jpeg_pipe" if first is not None and first == _after_jpeg(file) else None
        if head[:8] == _PNG and _after_png(file) and file.read(8) == _PNG:
            return "png_pipe"
    return None


def _after_png(file: IO[bytes]) -> bool:
    """Move past the last chunk of a PNG; False if there is none."""
    place = len(_PNG)
    while True:
        file.seek(place)
        head = file.read(8)
        if len(head) < 8:
            return False
        length, kind = struct.unpack(">I4s", head)
        place += 12 + length
        if kind == b"IEND":
            file.seek(place)
            return True


def _after_jpeg(file: IO[bytes]) -> bytes | None:
    """Move past a JPEG and return the bytes of its height and width; None if there is none or it has an index."""
    if file.read(2) != b"\xff\xd8":
        return None
    size: bytes | None = None
    while True:
        marker = file.read(2)
        if len(marker) < 2 or marker[0] != 0xFF:
            return None
        if marker[1] == 0xFF:
            file.seek(-1, 1)
            continue
        if marker[1] == 0xD9:
            return size
        length = int.from_bytes(file.read(2), "big")
        content = file.read(min(max(length - 2, 0), 5))
        if marker[1] == 0xE2 and content[:4] == b"MPF\0":
            return None
        if marker[1] in _SIZES:
            size = content[1:5]
        file.seek(length - 2 - len(content), 1)
        if marker[1] == 0xDA and not _skip_coded(file):
            return None


def _skip_coded(file: IO[bytes]) -> bool:
    """Move to the next marker after coded data; False if the file ends before it."""
    while piece := file.read(_PIECE):
        place = piece.find(b"\xff")
        while place >= 0 and place + 1 < len(piece):
            after = piece[place + 1]
            if after != 0 and not 0xD0 <= after <= 0xD7 and after != 0xFF:
                file.seek(place - len(piece), 1)
                return True
            place = piece.find(b"\xff", place + 1)
        if place >= 0 and len(piece) > 1:
            file.seek(-1, 1)
    return False


def _open(path: Path, series: int | str | None) -> VideoRecording:
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    return open_video(path, demuxer=demuxer_of(head, path))


READER = Reader(
    name="image stream",
    patterns=("*.mjpeg", "*.mjpg"),
    matches=lambda head, path: demuxer_of(head, path) is not None,
    open=_open,
)
