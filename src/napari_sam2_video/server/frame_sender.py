"""Send a recording's frames to a server: those it asks for, and the next ones ahead of time."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from napari_sam2_video.errors import FrameError, Sam2VideoError
from napari_sam2_video.server import wire

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_sam2_video.server.connection import Connection
    from napari_sam2_video.types import FrameSource

_AHEAD = 8
_AHEAD_BYTES = 32 << 20


class FrameSender:
    """Sends frames of a recording in the background.

    Attributes
    ----------
    seconds : float
        Time for the last frame, from reading it to the server's response; 0 before the first.
    """

    def __init__(self, connection: Connection, view: FrameSource) -> None:
        self._connection = connection
        self._view = view
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="sam2-video-send")
        self._upcoming: frozenset[int] = frozenset()
        self._lock = threading.Lock()
        self._ahead: set[int] = set()
        self._wanted: set[int] = set()
        self._room = max(1, min(_AHEAD, _AHEAD_BYTES // (3 * view.shape_yx[0] * view.shape_yx[1])))
        self._last: int | None = None
        self._failed: Sam2VideoError | None = None
        self._path = ""
        self._compress = True
        self.seconds = 0.0

    def begin(self, path: str, *, compress: bool) -> None:
        """Set the route that frames are sent to."""
        self._path, self._compress = path, compress
        self.expect(())

    def expect(self, frames: Iterable[int]) -> None:
        """Set the frames of a new run, which may be sent before the server reads them."""
        with self._lock:
            self._upcoming = frozenset(frames)
            self._ahead.clear()
            self._wanted.clear()

    def send(self, frame: int, there: bool) -> None:
        """Send a frame that the server reads, unless it has it, and the next ones."""
        step = 0 if self._last is None else frame - self._last
        self._last = frame
        with self._lock:
            coming = frame in self._ahead
            self._ahead.discard(frame)
            if coming and not there:
                # It was on its way when the server asked for it.
                self._wanted.add(frame)
        if not there and not coming:
            self._pool.submit(self._send, frame, asked=True)
        if abs(step) != 1:
            return
        following = [t for n in range(1, self._room + 1) if (t := frame + step * n) in self._upcoming]
        with self._lock:
            new = [t for t in following if t not in self._ahead]
            self._ahead = set(following)
        for t in new:
            self._pool.submit(self._send, t, asked=False)

    def check(self) -> None:
        """Raise the error that kept a frame from being sent, which is clearer than the server's."""
        failed, self._failed = self._failed, None
        if failed is not None:
            raise failed

    def close(self) -> None:
        """Stop the threads."""
        self._pool.shutdown(cancel_futures=True)

    def _send(self, frame: int, *, asked: bool) -> None:
        begun = time.perf_counter()
        try:
            kind, data = wire.encode_frame(self._view.read(frame), compress=self._compress)
        except Exception as error:
            with self._lock:
                self._ahead.discard(frame)
                if not asked and frame not in self._wanted:
                    return
            if not isinstance(error, Sam2VideoError):
                error = FrameError(f"Frame {frame} could not be read ({type(error).__name__}: {error}).")
            self._failed = error
            kind, data = "text/plain", str(error).encode()
        try:
            self._connection.request("PUT", f"{self._path}/{frame}", content=data, headers={"Content-Type": kind})
        except Sam2VideoError as error:
            if self._failed is None:
                self._failed = error
        with self._lock:
            self._wanted.discard(frame)
        self.seconds = time.perf_counter() - begun
