"""Image embeddings: kept for the frames used last, in memory and if asked on disk, and made ahead of need."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from napari_sam2_video.engine.blocks import Block
from napari_sam2_video.engine.feature_files import FeatureFiles
from napari_sam2_video.engine.networks.outputs import Embedding
from napari_sam2_video.errors import EngineError, Sam2VideoError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from napari_sam2_video.engine.networks.protocol import Network
    from napari_sam2_video.types import FrameSource

DEFAULT_MEMORY_BYTES = 1 << 30
MEMORY_VARIABLE = "NAPARI_SAM2_VIDEO_CACHE_MB"
DISK_VARIABLE = "NAPARI_SAM2_VIDEO_DISK_CACHE_MB"


class FeatureCache:
    """Embeddings of the frames used last.

    Parameters
    ----------
    memory_bytes : int
        Most bytes held in memory.
    folder : Path, optional
        Where embeddings that leave memory are written.
    disk_bytes : int
        Most bytes held in `folder`; 0 for none.
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
        """Keep an embedding; the ones used longest ago make room."""
        self._hold(key, embedding)
        if self._disk is not None:
            self._disk.put(key, embedding)

    def clear(self) -> None:
        """Drop all that is held in memory."""
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
    """An embedding of the processor in a block of its own, if the system gives one; any other as it is."""
    parts = (embedding.fine, embedding.middle, embedding.coarse)
    if any(part.device.type != "cpu" for part in parts):
        return embedding
    try:
        return Block(parts)
    except OSError:
        return embedding


def default_cache(folder: Path | None = None) -> FeatureCache:
    """Cache as the environment wants it.

    Parameters
    ----------
    folder : Path, optional
        Where embeddings may be written. They are if ``NAPARI_SAM2_VIDEO_DISK_CACHE_MB`` names a quota above 0.
        ``NAPARI_SAM2_VIDEO_CACHE_MB`` is the budget in memory, 1024 if not set.
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


class Embedder:
    """Embeds frames of a view with a model; reads and resizes the next frames while the network works.

    Where the model is quicker with several frames at once, the next ones are embedded along with the first.

    A context manager: leaving it ends the reading thread.

    Parameters
    ----------
    model : Network
        The network.
    view : FrameSource
        The recording as it is looked at.
    cache : FeatureCache
        Where embeddings are looked up and kept.
    """

    def __init__(self, model: Network, view: FrameSource, cache: FeatureCache) -> None:
        self._model = model
        self._view = view
        self._cache = cache
        self._key = f"{model.key}/{view.key}"
        self._pool: ThreadPoolExecutor | None = None
        self._ahead: dict[int, Future[npt.NDArray[np.uint8]]] = {}
        self._ready: dict[int, Embedding] = {}

    def __enter__(self) -> Embedder:
        return self

    def __exit__(self, *args: object) -> None:
        self._ahead.clear()
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def embed(self, frame: int, upcoming: Sequence[int] = ()) -> Embedding:
        """Embedding of a frame; `upcoming` names the frames that will be asked for next.

        Raises
        ------
        FrameError
            If the frame cannot be read.
        """
        embedding = self._ready.pop(frame, None)
        if embedding is None:
            embedding = self._cache.get((self._key, frame), self._model.device)
        if embedding is not None:
            self._read_ahead(upcoming)
            return embedding
        together, prepared = [frame], [self._take(frame)]
        for t in upcoming[: self._model.embed_batch - 1]:
            if self._known(t):
                break
            try:
                prepared.append(self._take(t))
            except Sam2VideoError:
                # The frame is asked for again when its turn comes, and says so then.
                break
            together.append(t)
        self._read_ahead([t for t in upcoming if t not in together])
        for t, made in zip(together, self._model.embed_many(prepared, many=bool(upcoming)), strict=True):
            self._cache.put((self._key, t), made)
            self._ready[t] = made
        return self._ready.pop(frame)

    def _known(self, frame: int) -> bool:
        return frame in self._ready or (self._key, frame) in self._cache

    def _take(self, frame: int) -> npt.NDArray[np.uint8]:
        waiting = self._ahead.pop(frame, None)
        return self._prepare(frame) if waiting is None else waiting.result()

    def _prepare(self, frame: int) -> npt.NDArray[np.uint8]:
        return self._model.prepare(self._view.read(frame))

    def _read_ahead(self, upcoming: Sequence[int]) -> None:
        wanted = [t for t in upcoming if not self._known(t)]
        for frame in list(self._ahead):
            if frame not in wanted:
                self._ahead.pop(frame).cancel()
        for frame in wanted:
            if frame not in self._ahead:
                if self._pool is None:
                    self._pool = ThreadPoolExecutor(1, thread_name_prefix="sam2-video-frames")
                self._ahead[frame] = self._pool.submit(self._prepare, frame)
