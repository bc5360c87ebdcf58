"""Run tracked objects through the network on one frame; those with memories of equal shape form one batch."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

from napari_sam2_video.engine.memory import MemoryEntry
from napari_sam2_video.engine.networks.outputs import Decoded, Embedding
from napari_sam2_video.engine.threads import Threads
from napari_sam2_video.engine.torch_errors import engine_errors
from napari_sam2_video.errors import DeviceMemoryError
from napari_sam2_video.types import ObjectMask

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import torch

    from napari_sam2_video.engine.memory import Recall
    from napari_sam2_video.engine.networks.protocol import Network
    from napari_sam2_video.engine.windows import Window
    from napari_sam2_video.types import FrameSource

_Seen: TypeAlias = "tuple[Embedding, Recall]"
_KEY_BYTES = 16 << 20


class Batcher:
    """Exclusive, batched use of the network for the objects tracked through one view.

    Parameters
    ----------
    model : Network
        The network.
    view : FrameSource
        The view of the recording.
    batch_size : int, optional
        Maximum number of objects per batch; by default 8 to 64, depending on the sizes of network and input.

    Attributes
    ----------
    batch_size : int
        As given, or less after the device ran out of memory.
    lock : threading.RLock
        The lock that `turn` holds.
    """

    def __init__(self, model: Network, view: FrameSource, batch_size: int | None = None) -> None:
        self.model = model
        self.view = view
        self.batch_size = batch_size or _batch_size(model)
        self.lock = threading.RLock()
        self._threads = Threads(model.device)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold exclusive access to the network.

        Raises
        ------
        DeviceMemoryError, EngineError
            For errors that torch raises inside the block.
        """
        with self.lock, engine_errors(self.model.device), self._threads.limited():
            yield

    def steps(
        self, frame: int, embeddings: Sequence[Embedding], recalls: Sequence[Recall]
    ) -> Iterator[tuple[Decoded, MemoryEntry]]:
        """Compute a frame for objects whose recalls have the same signature, one batch at a time and on demand.

        Parameters
        ----------
        frame : int
            The frame.
        embeddings : sequence of Embedding
            The embedding of the frame, or of its window, for each object.
        recalls : sequence of Recall
            What each object remembers.

        Yields
        ------
        Decoded
            One object, a batch of 1.
        MemoryEntry
            Its memory of the frame.

        Raises
        ------
        DeviceMemoryError
            If the device is too small for a single object.
        """
        for part in _chunks(list(zip(embeddings, recalls, strict=True)), self.batch_size):
            yield from self._batch(frame, part)

    def shown(
        self, object_ids: Sequence[int], decoded: Decoded, *, prompted: bool, window: Window | None = None
    ) -> list[ObjectMask]:
        """Masks decoded in a window, at the resolution of the frame; one id for each mask of the batch."""
        shape_yx = self.view.shape_yx
        levels = self.model.levels(decoded, shape_yx if window is None else window.shape_yx)
        scores, ious = decoded.scores[:, 0].tolist(), decoded.ious.tolist()
        masks = [
            ObjectMask(object_id, origin, plane, score, iou, prompted)
            for object_id, (origin, plane), score, iou in zip(object_ids, levels, scores, ious, strict=True)
        ]
        return masks if window is None else [window.outward(mask, shape_yx) for mask in masks]

    def _batch(self, frame: int, objects: Sequence[_Seen]) -> list[tuple[Decoded, MemoryEntry]]:
        """One batch, halved whenever the device runs out of memory."""
        computed = self._at_once(objects)
        if computed is None:
            self.batch_size = max(1, len(objects) // 2)
            return [one for half in _chunks(objects, self.batch_size) for one in self._batch(frame, half)]
        decoded, spatial = computed
        single = [_one(decoded, i) for i in range(len(objects))]
        return [(one, MemoryEntry(frame, spatial[i : i + 1], one.pointers)) for i, one in enumerate(single)]

    def _at_once(self, objects: Sequence[_Seen]) -> tuple[Decoded, torch.Tensor] | None:
        """One batch; None if the device runs out of memory. Partial results are freed when this returns."""
        recalls = [recall for _, recall in objects]
        try:
            embedding = Embedding.of_each([embedding for embedding, _ in objects])
            decoded = self.model.decode_tracked(embedding, recalls, self.view.n_frames)
            return decoded, self.model.remember(embedding, decoded, prompted=False)
        except DeviceMemoryError:
            if len(recalls) == 1:
                raise
            return None


def _batch_size(model: Network) -> int:
    """Number of objects whose rotated keys for eight memories take `_KEY_BYTES` in total."""
    keys = 8 * (model.image_size // 16) ** 2 * model.preset.hidden_dim * 4
    return max(8, min(64, _KEY_BYTES // keys))


def _one(decoded: Decoded, i: int) -> Decoded:
    rows = slice(i, i + 1)
    return Decoded(decoded.logits[rows], decoded.ious[rows], decoded.pointers[rows], decoded.scores[rows])


def _chunks(objects: Sequence[_Seen], size: int) -> Iterator[Sequence[_Seen]]:
    for begin in range(0, len(objects), size):
        yield objects[begin : begin + size]
