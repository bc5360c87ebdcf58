"""On the server, the masks that a client has stored."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from napari_sam2_video.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_sam2_video.types import ObjectMask


class ServedNeighbours:
    """Masks of a frame, requested when objects are tracked without the session's others.

    Parameters
    ----------
    seconds : float
        How long `read` waits.

    Attributes
    ----------
    objects : frozenset of int
        All objects of the session, from the current call.
    ask : callable, optional
        Notifies the client that the masks of a frame are needed; None between calls.
    halted : callable
        Returns whether the call was stopped.
    """

    def __init__(self, seconds: float) -> None:
        self.objects: frozenset[int] = frozenset()
        self.ask: Callable[[int], None] | None = None
        self.halted: Callable[[], bool] = lambda: False
        self._seconds = seconds
        self._arrived: dict[int, Sequence[ObjectMask]] = {}
        self._change = threading.Condition()

    def read(self, frame: int) -> Sequence[ObjectMask]:
        """The client's current masks of a frame."""
        with self._change:
            self._arrived.clear()
            if self.ask is not None:
                self.ask(frame)
            end = time.monotonic() + self._seconds
            while frame not in self._arrived:
                if self.ask is None or self.halted():
                    raise EngineError("The server ended the call; check it and continue. Finished frames are kept.")
                if time.monotonic() > end:
                    raise EngineError(
                        f"The masks of frame {frame} did not arrive in {self._seconds:g} s; check the connection."
                    )
                self._change.wait(0.2)
            return self._arrived.pop(frame)

    def put(self, frame: int, masks: Sequence[ObjectMask]) -> None:
        """Receive the masks of a frame; unread ones of another frame are dropped."""
        with self._change:
            self._arrived = {frame: masks}
            self._change.notify_all()
