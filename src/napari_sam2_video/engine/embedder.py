"""Embed frames of a view and windows of them, ahead of time, or take them from the cache."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from napari_sam2_video.errors import Sam2VideoError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    import numpy.typing as npt

    from napari_sam2_video.engine.features import FeatureCache
    from napari_sam2_video.engine.networks.outputs import Embedding
    from napari_sam2_video.engine.networks.protocol import Network
    from napari_sam2_video.engine.windows import Window
    from napari_sam2_video.types import FrameSource

_FRAMES_AHEAD = 2


class Embedder:
    """Embeds frames of a view; reads and resizes the next frames while the network works.

    If the model is faster with several frames at once, the next ones are embedded along with the first.

    A context manager: leaving it ends the reading thread.
    """

    def __init__(self, model: Network, view: FrameSource, cache: FeatureCache) -> None:
        self._model = model
        self._view = view
        self._cache = cache
        self._key = f"{model.key}/{view.key}"
        self._pool: ThreadPoolExecutor | None = None
        self._ahead: dict[int, Future[npt.NDArray[np.uint8]]] = {}
        self._ready: dict[int, Embedding] = {}
        self._frames_ahead: dict[int, Future[npt.NDArray[np.uint8]]] = {}
        self._last_frame: tuple[int, npt.NDArray[np.uint8]] | None = None

    def __enter__(self) -> Embedder:
        return self

    def __exit__(self, *args: object) -> None:
        self._ahead.clear()
        self._frames_ahead.clear()
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def embed(self, frame: int, upcoming: Sequence[int] = ()) -> Embedding:
        """Embedding of a frame; `upcoming` lists the frames that will be needed next.

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
                # The frame is read again when its turn comes, and the error is raised then.
                break
            together.append(t)
        self._read_ahead([t for t in upcoming if t not in together])
        for t, made in zip(together, self._model.embed_many(prepared, many=bool(upcoming)), strict=True):
            self._cache.put((self._key, t), made)
            self._ready[t] = made
        return self._ready.pop(frame)

    def embed_windows(
        self, frame: int, windows: Sequence[Window | None], upcoming: Sequence[int] = ()
    ) -> Iterator[tuple[Window | None, Embedding]]:
        """Embeddings of windows of one frame (None for the whole frame), in their order and made on demand.

        Parameters
        ----------
        frame : int
            The frame.
        windows : sequence of Window or None
            The windows, each once.
        upcoming : sequence of int
            Frames whose windows will be needed next.

        Raises
        ------
        FrameError
            If the frame cannot be read.
        """
        made: dict[Window | None, Embedding] = {}
        for i, window in enumerate(windows):
            found = made.pop(window, None) or self._cache.get(self._name(frame, window), self._model.device)
            if found is None:
                others = [w for w in windows[i + 1 :] if w not in made and self._name(frame, w) not in self._cache]
                made.update(self._windows(frame, [window, *others[: self._model.embed_batch - 1]], upcoming))
                found = made.pop(window)
            yield window, found

    def _windows(
        self, frame: int, windows: Sequence[Window | None], upcoming: Sequence[int]
    ) -> Iterator[tuple[Window | None, Embedding]]:
        """Embed windows of a frame together, and keep them."""
        image = self._whole_frame(frame)
        self._read_frames_ahead(upcoming[:_FRAMES_AHEAD], windows)
        prepared = [self._model.prepare(image if w is None else w.crop(image)) for w in windows]
        for window, made in zip(windows, self._model.embed_many(prepared, many=bool(upcoming)), strict=True):
            self._cache.put(self._name(frame, window), made)
            yield window, made

    def _name(self, frame: int, window: Window | None) -> tuple[str, int]:
        return (self._key if window is None else f"{self._key}/{window.key}"), frame

    def _whole_frame(self, frame: int) -> npt.NDArray[np.uint8]:
        if self._last_frame is None or self._last_frame[0] != frame:
            waiting = self._frames_ahead.pop(frame, None)
            self._last_frame = frame, self._view.read(frame) if waiting is None else waiting.result()
        return self._last_frame[1]

    def _read_frames_ahead(self, upcoming: Sequence[int], windows: Sequence[Window | None]) -> None:
        wanted = [t for t in upcoming if any(self._name(t, w) not in self._cache for w in windows)]
        for frame in [t for t in self._frames_ahead if t not in wanted]:
            self._frames_ahead.pop(frame).cancel()
        for frame in wanted:
            if frame not in self._frames_ahead:
                self._frames_ahead[frame] = self._threads().submit(self._view.read, frame)

    def _threads(self) -> ThreadPoolExecutor:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="sam2-video-frames")
        return self._pool

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
                self._ahead[frame] = self._threads().submit(self._prepare, frame)
