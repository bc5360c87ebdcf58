"""Keep long-lived tensors in memory of their own, with their layout unchanged.

Long-lived tensors between a network's large, short-lived results stop the allocator from returning memory: kept one by
one on the heap, embeddings of 256 KB took three times as much. The layout matters, too: how a layer rounds depends on
the layout of its input.
"""

from __future__ import annotations

import math
import mmap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

_ALIGNED = 64


class Block:
    """Copies of CPU tensors with their layout, in one block of memory.

    The block is freed when it and all tensors made from it are dropped. It holds no tensor itself: even the few bytes
    of each would stay on the heap between short-lived results.

    Raises
    ------
    OSError
        If the system provides no memory.
    """

    def __init__(self, tensors: Sequence[torch.Tensor]) -> None:
        dense_ones = [dense(t) for t in tensors]
        self._layouts: list[tuple[int, torch.dtype, tuple[int, ...], tuple[int, ...]]] = []
        self.nbytes = 0
        for tensor in dense_ones:
            self._layouts.append((self.nbytes, tensor.dtype, tuple(tensor.shape), tuple(tensor.stride())))
            self.nbytes += -(-tensor.numel() * tensor.element_size() // _ALIGNED) * _ALIGNED
        self._memory = mmap.mmap(-1, max(1, self.nbytes), **_PRIVATE)
        for kept, tensor in zip(self.tensors(), dense_ones, strict=True):
            kept.copy_(tensor)

    def tensors(self) -> list[torch.Tensor]:
        """Tensors on the block's memory."""
        import torch

        return [
            unflat(torch.frombuffer(self._memory, dtype=kind, count=math.prod(shape), offset=begin), shape, strides)
            for begin, kind, shape, strides in self._layouts
        ]


def flat(tensor: torch.Tensor) -> torch.Tensor:
    """Elements of a `dense` tensor in memory order, shape (N,)."""
    return tensor.as_strided((tensor.numel(),), (1,))


def unflat(elements: torch.Tensor, shape: Sequence[int], strides: Sequence[int]) -> torch.Tensor:
    """Undo `flat`."""
    return elements.as_strided(tuple(shape), tuple(strides))


def dense(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor itself if its elements are contiguous in any order, else a copy."""
    reach = 1 + sum((n - 1) * step for n, step in zip(tensor.shape, tensor.stride(), strict=True))
    return tensor if reach == tensor.numel() else tensor.contiguous()


_PRIVATE = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_ANONYMOUS") else {}
