"""The frames of a client's recording, on the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_video.errors import FrameError
from napari_sam2_video.server.requested import Requested

if TYPE_CHECKING:
    import numpy.typing as npt


class ServedFrames(Requested["npt.NDArray[np.uint8] | str"]):
    """Frames requested from the client when the network needs them; a `FrameSource`.

    Only the last few are kept, because the tracker keeps the embeddings, which are needed for longer.

    Parameters
    ----------
    n_frames : int
        Number of frames.
    shape_yx : tuple of int
        Shape of a frame in pixels.
    key : str
        The client's key, which changes whenever the pixels change.
    seconds : float
        How long `read` waits for a frame.
    is_volume : bool
        Whether they are planes of a volume.
    """

    KEPT, KEPT_BYTES = 32, 128 << 20

    def __init__(
        self, n_frames: int, shape_yx: tuple[int, int], key: str, seconds: float, *, is_volume: bool = False
    ) -> None:
        super().__init__(seconds)
        self.n_frames = n_frames
        self.shape_yx = shape_yx
        self.key = key
        self.is_volume = is_volume

    @property
    def nbytes(self) -> int:
        """Memory used by the frames."""
        with self._change:
            return sum(plane.nbytes for plane in self._arrived.values() if not isinstance(plane, str))

    def read(self, frame: int) -> npt.NDArray[np.uint8]:
        """Frame as the model sees it, uint8 of shape ``(Y, X, 3)``, once the client has sent it.

        The client is notified of every frame that is read, even of one already sent, so that it knows which to send
        next.
        """
        with self._change:
            found = self._await(frame, f"Frame {frame}")
            self._arrived.move_to_end(frame)
            if isinstance(found, str):
                del self._arrived[frame]
                raise FrameError(found)
        return np.array(np.broadcast_to(found, (*self.shape_yx, 3)))

    def put(self, frame: int, plane_yxc: npt.NDArray[np.uint8] | str) -> None:
        """Receive a frame with one or three channels, or the message why it cannot be read."""
        with self._change:
            self._arrived[frame] = plane_yxc
            self._arrived.move_to_end(frame)
            room = max(2, self.KEPT_BYTES // (3 * self.shape_yx[0] * self.shape_yx[1]))
            while len(self._arrived) > min(self.KEPT, room):
                self._arrived.popitem(last=False)
            self._change.notify_all()
