"""What the prompts of one object on one frame select, alone or as a correction of what was tracked there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sam2_video.engine.memory import recall
from napari_sam2_video.engine.plan import FORWARD, preceding
from napari_sam2_video.engine.prompts import mask_as_object
from napari_sam2_video.engine.replay import Replay

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt
    import torch

    from napari_sam2_video.engine.batching import Batcher
    from napari_sam2_video.engine.features import Embedder
    from napari_sam2_video.engine.memory import ConditioningEntry, MemoryEntry
    from napari_sam2_video.engine.memory_store import MemoryStore
    from napari_sam2_video.engine.networks.outputs import Decoded, Embedding
    from napari_sam2_video.engine.plan import PassDirection
    from napari_sam2_video.engine.prompts import SettledPrompts
    from napari_sam2_video.types import ObjectMask

    Tracked = npt.NDArray[np.int8]


@dataclass(frozen=True)
class _Corrected:
    """Memories of the frames before one that is corrected, and the logits that were tracked there."""

    entries: Mapping[int, MemoryEntry]
    logits: torch.Tensor | None


class Prompter:
    """Answers prompts with the network, and with what the object remembers there.

    Parameters
    ----------
    batcher : Batcher
        The network; the caller holds its turn.
    memory : MemoryStore
        What objects remember.
    """

    def __init__(self, batcher: Batcher, memory: MemoryStore) -> None:
        self._batcher = batcher
        self._memory = memory
        self._last_corrected: tuple[object, _Corrected] | None = None

    def forget(self) -> None:
        """Drop what was found for the last correction: what an object remembers is about to change."""
        self._last_corrected = None

    def answer(
        self,
        object_id: int,
        frame: int,
        given: SettledPrompts,
        embedding: Embedding,
        embedder: Embedder,
        tracked: Tracked | None,
    ) -> tuple[Decoded, Decoded]:
        """Decode prompts.

        Parameters
        ----------
        object_id, frame : int
            The object and the frame.
        given : SettledPrompts
            Its prompts there.
        embedding : Embedding
            What the frame looks like.
        embedder : Embedder
            For other frames, where a correction has to track some again.
        tracked : ndarray of int8, shape (n_frames,), optional
            Direction in which each frame of the object was tracked before, as in `ObjectState`.

        Returns
        -------
        chosen : Decoded
            The mask to take, a batch of 1.
        candidates : Decoded
            All masks that the network offers.
        """
        model, view = self._batcher.model, self._batcher.view
        prior: torch.Tensor | None = None
        if given.mask is not None:
            from_mask = model.decode_mask(embedding, given.mask)
            if given.labels.size == 0:
                return from_mask, from_mask
            prior = from_mask.logits
        remembered = None
        conditioning = {t: e for t, e in self._memory.entries(object_id).items() if t != frame}
        if tracked is not None and tracked[frame] and conditioning:
            came: PassDirection = "forward" if tracked[frame] == FORWARD else "backward"
            past = preceding(tracked, frame, came)
            state = self._corrected(object_id, frame, came, past, conditioning, embedder)
            remembered = recall(conditioning, state.entries, frame, came, view.n_frames)
            prior = state.logits if prior is None else prior
        return model.decode_points(
            embedding,
            given.points_yx,
            given.labels,
            view.shape_yx,
            recall=remembered,
            n_frames=view.n_frames,
            prior=prior,
        )

    def shown(self, object_id: int, given: SettledPrompts, decoded: Decoded) -> list[ObjectMask]:
        """What was decoded, at the resolution of the frame; a mask without points as it was drawn."""
        if given.labels.size == 0 and given.mask is not None:
            return [mask_as_object(object_id, given.mask, float(decoded.scores[0, 0]), float(decoded.ious[0]))]
        return self._batcher.shown([object_id] * len(decoded.ious), decoded, prompted=True)

    def _corrected(
        self,
        object_id: int,
        frame: int,
        direction: PassDirection,
        past: tuple[int, ...],
        conditioning: Mapping[int, ConditioningEntry],
        embedder: Embedder,
    ) -> _Corrected:
        """What a correction of a tracked frame starts from; kept for the next click on the same frame."""
        key = (object_id, frame, direction, past, tuple(conditioning))
        if self._last_corrected is None or self._last_corrected[0] != key:
            replay = Replay(object_id, self._memory, conditioning, self._batcher.recompute(embedder), lambda: False)
            logits = replay.logits(frame, direction)
            entries = replay.preceding(frame, direction, past) or {}
            self._last_corrected = (key, _Corrected(entries, logits))
        return self._last_corrected[1]
