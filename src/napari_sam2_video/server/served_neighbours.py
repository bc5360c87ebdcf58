"""On the server, the masks that a client has stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam2_video.server.requested import Requested

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_sam2_video.types import ObjectMask


class ServedNeighbours(Requested["Sequence[ObjectMask]"]):
    """Masks of a frame, requested when objects are tracked without the session's others.

    Parameters
    ----------
    seconds : float
        How long `read` waits.

    Attributes
    ----------
    objects : frozenset of int
        All objects of the session, from the current call.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.objects: frozenset[int] = frozenset()

    def read(self, frame: int) -> Sequence[ObjectMask]:
        """The client's current masks of a frame."""
        with self._change:
            self._arrived.clear()
            self._await(frame, f"The masks of frame {frame}")
            return self._arrived.pop(frame)

    def put(self, frame: int, masks: Sequence[ObjectMask]) -> None:
        """Receive the masks of a frame; unread ones of another frame are dropped."""
        with self._change:
            self._arrived.clear()
            self._arrived[frame] = masks
            self._change.notify_all()
