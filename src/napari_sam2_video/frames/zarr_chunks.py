"""Refuse zarr chunks that would decompress to far more than the array declares, before decompressing them."""

from __future__ import annotations

import math
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam2_video.errors import FrameError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_sam2_video.frames.recording import AxisIndex

ROOM_BYTES = 1 << 16
HEAD_BYTES = 18
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
GZIP_MAGIC = b"\x1f\x8b"
CONTENT_SIZE_BYTES = (0, 2, 4, 8)
DICTIONARY_BYTES = (0, 1, 2, 4)


def refuse_bombs(array: Any, index: tuple[AxisIndex, ...]) -> None:
    """Check the chunks that a read will decompress, if they are separate files.

    A chunk is refused if the size that its zstd, blosc or gzip header announces, or its own size, is more than twice
    the size that the array's metadata declares for a chunk.

    Parameters
    ----------
    array : zarr.Array
        The array that is read.
    index : tuple of int or slice
        What is read, one entry for each axis.

    Raises
    ------
    FrameError
        If a chunk is too large.
    """
    root = getattr(array.store, "root", None)
    if not isinstance(root, Path) or getattr(array, "shards", None) is not None:
        return
    largest = 2 * math.prod(array.chunks) * array.dtype.itemsize + ROOM_BYTES
    blosc = any("blosc" in type(codec).__name__.lower() for codec in array.compressors)
    for place in _chunks_of(array.chunks, array.shape, index):
        path = root / array.path / array.metadata.encode_chunk_key(place)
        try:
            size = path.stat().st_size
            with path.open("rb") as stream:
                head = stream.read(HEAD_BYTES)
                announced = _unpacked_size(head, blosc)
                if head.startswith(GZIP_MAGIC) and size > HEAD_BYTES:
                    stream.seek(-4, 2)
                    announced = int.from_bytes(stream.read(4), "little")
        except FileNotFoundError:
            continue
        if max(size, announced) > largest:
            raise FrameError(
                f"The chunk {path} would unpack to {max(size, announced):,} bytes, but the array says it holds at most "
                f"{(largest - ROOM_BYTES) // 2:,}; copy or write the array again."
            )


def _chunks_of(
    chunks: tuple[int, ...], shape: tuple[int, ...], index: tuple[AxisIndex, ...]
) -> Iterator[tuple[int, ...]]:
    wanted = []
    for size, length, chosen in zip(chunks, shape, index, strict=True):
        start, stop = (chosen, chosen + 1) if isinstance(chosen, int) else chosen.indices(length)[:2]
        wanted.append(range(start // size, -(-stop // size)))
    return product(*wanted)


def _unpacked_size(head: bytes, blosc: bool) -> int:
    """Size that a chunk's header announces; 0 if it does not."""
    if blosc:
        return int.from_bytes(head[4:8], "little")
    if not head.startswith(ZSTD_MAGIC) or len(head) < 5:
        return 0
    descriptor = head[4]
    flag, single = descriptor >> 6, descriptor >> 5 & 1
    start = 5 + (not single) + DICTIONARY_BYTES[descriptor & 3]
    length = CONTENT_SIZE_BYTES[flag] or single
    return int.from_bytes(head[start : start + length], "little") + (256 if length == 2 else 0)
