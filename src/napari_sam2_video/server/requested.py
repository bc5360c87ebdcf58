"""What a client sends when a call on the server needs it."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

from napari_sam2_video.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Requested(Generic[T]):
    """Values of frames that a call waits for, and another thread receives.

    Parameters
    ----------
    seconds : float
        How long a call waits for a value.

    Attributes
    ----------
    ask : callable, optional
        Notifies the client that a frame is needed, and whether its value is there already; None between calls.
    halted : callable
        Returns whether the call was stopped.
    """

    def __init__(self, seconds: float) -> None:
        self.ask: Callable[[int, bool], None] | None = None
        self.halted: Callable[[], bool] = lambda: False
        self._seconds = seconds
        self._arrived: OrderedDict[int, T] = OrderedDict()
        self._change = threading.Condition()

    def _await(self, frame: int, what: str) -> T:
        """Request the value of a frame, and wait until it is there; the caller holds `_change`.

        Raises
        ------
        EngineError
            If the call ends first, or the value does not arrive in time.
        """
        if self.ask is not None:
            self.ask(frame, frame in self._arrived)
        end = time.monotonic() + self._seconds
        while frame not in self._arrived:
            if self.ask is None or self.halted():
                raise EngineError("The server ended the call; finished frames are kept. Check the server and continue.")
            if time.monotonic() > end:
                raise EngineError(f"{what} did not arrive in {self._seconds:g} s; check the connection.")
            self._change.wait(0.2)
        return self._arrived[frame]
