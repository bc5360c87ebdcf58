"""The outputs of the network for a frame and the objects on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch


@dataclass(frozen=True)
class Embedding:
    """A frame for the mask decoder, or B windows, one for each object of a batch.

    Parameters
    ----------
    fine, middle : torch.Tensor, shapes (1 or B, C / 8, S / 4, S / 4) and (1 or B, C / 4, S / 8, S / 8)
        High-resolution features, already projected for the decoder.
    coarse : torch.Tensor, shape (1 or B, C, S / 16, S / 16)
        Features that attend to the memories.
    """

    fine: torch.Tensor
    middle: torch.Tensor
    coarse: torch.Tensor

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return sum(x.numel() * x.element_size() for x in (self.fine, self.middle, self.coarse))

    def float(self) -> Embedding:
        """The same in fp32."""
        return Embedding(self.fine.float(), self.middle.float(), self.coarse.float())

    @staticmethod
    def of_each(embeddings: Sequence[Embedding]) -> Embedding:
        """Embeddings of B objects as one; a single frame is not repeated if all objects are on it."""
        first = embeddings[0]
        if all(one is first for one in embeddings):
            return first
        import torch

        parts = ([getattr(one, name) for one in embeddings] for name in ("fine", "middle", "coarse"))
        return Embedding(*(torch.cat(part) for part in parts))


@dataclass(frozen=True)
class Decoded:
    """Masks of a batch of B objects on one frame.

    Parameters
    ----------
    logits : torch.Tensor of float32, shape (B, 1, S / 4, S / 4)
        Mask logits; -1024 where the object is absent.
    ious : torch.Tensor, shape (B,)
        Predicted IoU of the masks.
    pointers : torch.Tensor of float32, shape (B, C)
        Object pointers.
    scores : torch.Tensor, shape (B, 1)
        Logits that the objects are on the frame.
    """

    logits: torch.Tensor
    ious: torch.Tensor
    pointers: torch.Tensor
    scores: torch.Tensor


@dataclass(frozen=True)
class Clicked:
    """M masks selected by N independent clicks or boxes on one frame.

    Parameters
    ----------
    prompts : torch.Tensor of int64, shape (M,)
        Which of the N prompts each mask belongs to, in rising order.
    logits : torch.Tensor of float32, shape (M, S / 4, S / 4)
        Mask logits.
    ious : torch.Tensor, shape (M,)
        Predicted IoU of the masks.
    scores : torch.Tensor, shape (M,)
        Logits that there is an object.
    """

    prompts: torch.Tensor
    logits: torch.Tensor
    ious: torch.Tensor
    scores: torch.Tensor
