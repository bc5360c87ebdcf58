"""Attention in blocks that stay in the processor's cache, with sums that run over the blocks.

What is read is the same as by ``torch.nn.functional.scaled_dot_product_attention`` up to rounding; the products are
oneDNN's, which on some processors is twice as quick as the library that torch takes. The sum of the weights is read as
one more value. The shift of the weights is settled by the first block of keys, and changed only where a later one would
overflow. After "Self-attention Does Not Need O(n^2) Memory" (Rabe and Staats, 2021).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam2_video.engine.networks.sam2.packed import packed_product

if TYPE_CHECKING:
    import torch

_ROWS, _COLUMNS = 256, 4096
_HEADROOM = 40.0
_ALIGNED = 16


def read(queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, scale: float) -> torch.Tensor:
    """Values averaged for each query by how its product with their keys weighs them, shape (N, V).

    Parameters
    ----------
    queries, keys, values : torch.Tensor of float32, shapes (N, C), (M, C), (M, V)
        One head.
    scale : float
        Factor of the products.
    """
    import torch

    width = values.shape[1]
    counted = torch.zeros(values.shape[0], -(-(width + 1) // _ALIGNED) * _ALIGNED)
    counted[:, :width] = values
    counted[:, width] = 1
    scaled = queries * scale
    total = torch.zeros(queries.shape[0], counted.shape[1])
    shift = torch.full((queries.shape[0], 1), float("-inf"))
    for begin in range(0, keys.shape[0], _COLUMNS):
        weigh = packed_product(keys[begin : begin + _COLUMNS])
        average = packed_product(counted[begin : begin + _COLUMNS].T.contiguous())
        for top in range(0, queries.shape[0], _ROWS):
            rows = slice(top, top + _ROWS)
            weights = weigh(scaled[rows])
            largest = weights.amax(1, keepdim=True)
            if bool((largest > shift[rows] + _HEADROOM).any()):
                moved = torch.maximum(largest, shift[rows])
                total[rows] *= (shift[rows] - moved).exp()
                shift[rows] = moved
            total[rows] += average(weights.sub_(shift[rows]).exp_())
    return total[:, :width] / total[:, width : width + 1]
