"""What the tracker needs of a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt
    import torch

    from napari_sam2_video.engine.memory import Recall
    from napari_sam2_video.engine.networks.outputs import Clicked, Decoded, Embedding
    from napari_sam2_video.models.presets import ModelPreset


class Network(Protocol):
    """A network with its weights on a device.

    The methods may be called from any thread, one at a time; each raises `DeviceMemoryError` or `EngineError` for what
    torch raises. S is the side of the network's square input in pixels, B a number of objects, C the width.
    """

    preset: ModelPreset
    name: str
    sha256: str
    device: str
    precision: str
    arithmetic: str
    image_size: int
    notes: tuple[str, ...]

    @property
    def key(self) -> str:
        """Changes whenever the numbers that the network computes would change."""
        ...

    @property
    def threads(self) -> int:
        """CPU threads that the network uses."""
        ...

    @property
    def embed_batch(self) -> int:
        """Number of frames that are worth embedding together."""
        ...

    def prepare(self, frame_yxc: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Resize a frame to the network's input, uint8 of shape ``(S, S, 3)``; needs no device."""
        ...

    def embed_many(self, prepared: Sequence[npt.NDArray[np.uint8]], *, many: bool = True) -> list[Embedding]:
        """Embeddings of frames from `prepare`; `many` says that more will follow."""
        ...

    def decode_tracked(self, embedding: Embedding, recalls: Sequence[Recall], n_frames: int) -> Decoded:
        """Masks of objects without a prompt on this frame, from their memories.

        Parameters
        ----------
        embedding : Embedding
            The frame, or the window of each object.
        recalls : sequence of Recall
            One for each object, all with the same signature.
        n_frames : int
            Number of frames of the recording; scales the time encoding of the pointers.
        """
        ...

    def decode_points(
        self,
        embedding: Embedding,
        points_yx: npt.NDArray[np.float32],
        labels: npt.NDArray[np.int32],
        shape_yx: tuple[int, int],
        *,
        recall: Recall | None = None,
        n_frames: int = 2,
        prior: torch.Tensor | None = None,
    ) -> tuple[Decoded, Decoded]:
        """Mask of one object from points and boxes, and the candidates beside it.

        Parameters
        ----------
        embedding : Embedding
            The frame.
        points_yx : ndarray of float32, shape (N, 2)
            Points and box corners in frame pixels.
        labels : ndarray of int32, shape (N,)
            1 positive, 0 negative, 2 and 3 the corners of a box, which come first.
        shape_yx : tuple of int
            Shape of the frame.
        recall : Recall, optional
            The object's memories, for a correction; None for a first prompt.
        n_frames : int
            Number of frames of the recording.
        prior : torch.Tensor, shape (1, 1, S / 4, S / 4), optional
            Logits of the mask to be corrected.

        Returns
        -------
        chosen : Decoded
            The mask the tracker takes, B = 1.
        candidates : Decoded
            Up to three masks, B = 1 to 3; for a single click, the chosen one is at index ``argmax(ious)``.
        """
        ...

    def decode_clicks(
        self,
        embedding: Embedding,
        points_nkyx: npt.NDArray[np.float32],
        labels: npt.NDArray[np.int32],
        shape_yx: tuple[int, int],
        *,
        least_iou: float = 0.0,
    ) -> Clicked:
        """Masks of N objects, each from one click or box; equal to `decode_points` up to rounding.

        Parameters
        ----------
        embedding : Embedding
            The frame.
        points_nkyx : ndarray of float32, shape (N, K, 2)
            One click, or the two corners of a box, for each object, in frame pixels.
        labels : ndarray of int32, shape (K,)
            1 for a click, 2 and 3 for the corners of a box.
        shape_yx : tuple of int
            Shape of the frame.
        least_iou : float
            Masks from clicks with a lower predicted IoU are dropped.

        Returns
        -------
        Clicked
            Up to three masks of each click, or one of each box.
        """
        ...

    def decode_mask(self, embedding: Embedding, mask_yx: npt.NDArray[np.bool_]) -> Decoded:
        """A mask from the user, unchanged, as logits and pointer."""
        ...

    def mask_logits(self, mask_yx: npt.NDArray[np.bool_]) -> torch.Tensor:
        """The logits alone, a prior for `decode_points`, float32 of shape ``(1, 1, S / 4, S / 4)``."""
        ...

    def absent(self, decoded: Decoded) -> Decoded:
        """The same objects, marked as absent; scores become negative."""
        ...

    def remember(self, embedding: Embedding, decoded: Decoded, *, prompted: bool) -> torch.Tensor:
        """Spatial memories of masks, bfloat16 of shape ``(B, memory_dim, S / 16, S / 16)``."""
        ...

    def levels(
        self, decoded: Decoded, shape_yx: tuple[int, int]
    ) -> list[tuple[tuple[int, int], npt.NDArray[np.uint8]]]:
        """Origin and levels of each mask at the resolution of the frame, as in `types.ObjectMask`."""
        ...
