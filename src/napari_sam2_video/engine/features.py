"""A cache of image embeddings of recently used frames, in memory and optionally on disk."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from napari_sam2_video.engine.blocks import Block
from napari_sam2_video.engine.feature_files import FeatureFiles
from napari_sam2_video.engine.networks.outputs import Embedding
from napari_sam2_video.errors import EngineError

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT_MEMORY_BYTES = 1 << 30
MEMORY_VARIABLE = "NAPARI_SAM2_VIDEO_CACHE_MB"
DISK_VARIABLE = "NAPARI_SAM2_VIDEO_DISK_CACHE_MB"


class FeatureCache:
    """Embeddings of recently used frames.

    Parameters
    ----------
    memory_bytes : int
        Maximum bytes held in memory.
    folder : Path, optional
        Where embeddings dropped from memory are written.
    disk_bytes : int
        Maximum bytes held in `folder`; 0 for none.
    """

    def __init__(
        self, memory_bytes: int = DEFAULT_MEMORY_BYTES, *, folder: Path | None = None, disk_bytes: int = 0
    ) -> None:
        self.memory_bytes = memory_bytes
        self.hits = 0
        self.misses = 0
        self._held: OrderedDict[tuple[str, int], Block | Embedding] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        self._disk = FeatureFiles(folder, disk_bytes) if folder is not None and disk_bytes > 0 else None

    @property
    def nbytes(self) -> int:
        """Bytes held in memory."""
        return self._bytes

    def __contains__(self, key: tuple[str, int]) -> bool:
        with self._lock:
            return key in self._held or (self._disk is not None and key in self._disk)

    def get(self, key: tuple[str, int], device: str) -> Embedding | None:
        """Embedding of a frame, or None; `key` is (model and view, frame)."""
        with self._lock:
            held = self._held.get(key)
            if held is not None:
                self._held.move_to_end(key)
        found = Embedding(*held.tensors()) if isinstance(held, Block) else held
        if found is None and self._disk is not None:
            found = self._disk.get(key, device)
            if found is not None:
                self._hold(key, found)
        if found is None:
            self.misses += 1
        else:
            self.hits += 1
        return found

    def put(self, key: tuple[str, int], embedding: Embedding) -> None:
        """Keep an embedding; the least recently used ones make room."""
        self._hold(key, embedding)
        if self._disk is not None:
            self._disk.put(key, embedding)

    def clear(self) -> None:
        """Drop everything held in memory."""
        with self._lock:
            self._held.clear()
            self._bytes = 0

    def _hold(self, key: tuple[str, int], embedding: Embedding) -> None:
        size = embedding.nbytes
        if size > self.memory_bytes:
            return
        kept = _kept(embedding)
        with self._lock:
            old = self._held.pop(key, None)
            self._bytes += size - (old.nbytes if old is not None else 0)
            self._held[key] = kept
            while self._bytes > self.memory_bytes:
                _, dropped = self._held.popitem(last=False)
                self._bytes -= dropped.nbytes


def _kept(embedding: Embedding) -> Block | Embedding:
    """A CPU embedding in its own block of memory, if the system provides one; any other unchanged."""
    parts = (embedding.fine, embedding.middle, embedding.coarse)
    if any(part.device.type != "cpu" for part in parts):
        return embedding
    try:
        return Block(parts)
    except OSError:
        return embedding


def default_cache(folder: Path | None = None) -> FeatureCache:
    """Cache configured by environment variables.

    Parameters
    ----------
    folder : Path, optional
        Where embeddings may be written, if ``NAPARI_SAM2_VIDEO_DISK_CACHE_MB`` is set to a quota above 0.
        ``NAPARI_SAM2_VIDEO_CACHE_MB`` is the limit in memory, 1024 if not set.
    """
    memory = _megabytes(MEMORY_VARIABLE, DEFAULT_MEMORY_BYTES)
    return FeatureCache(memory, folder=folder, disk_bytes=_megabytes(DISK_VARIABLE, 0))


def _megabytes(variable: str, otherwise: int) -> int:
    text = os.environ.get(variable, "").strip()
    if not text:
        return otherwise
    if not text.isdecimal():
        raise EngineError(f"{variable} must be a whole number of megabytes, not {text!r}.")
    return int(text) << 20
