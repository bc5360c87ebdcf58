"""Attention in blocks that stay in the CPU's cache, with sums that run over the blocks.

The result equals that of ``torch.nn.functional.scaled_dot_product_attention`` up to rounding. Products are computed by
oneDNN, which on some CPUs is twice as fast as torch's default library. The sum of the weights is computed as one more
value column. The shift of the weights is one more number for each query, set by the first keys; it only changes if a
later one would overflow. After "Self-attention Does Not Need O(n^2) Memory" (Rabe and Staats, 2021).

In low precision, what all queries, keys or results have in common is subtracted before rounding: the mean key, which
changes no weight; the mean query, whose products are added back as two more numbers for each key; and the result for
the mean query. Only the much smaller differences are then rounded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam2_video.engine.networks.sam2.packed import packed_product

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

_ROWS, _COLUMNS = 256, 4096
_FIRST = 512
_HEADROOM = 40.0
_ALIGNED = 32


def read(
    queries: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    scale: float,
    numbers: torch.dtype | None = None,
) -> torch.Tensor:
    """Mean of the values for each query, weighted by its products with the keys, float32 of shape (N, V).

    Parameters
    ----------
    queries, keys, values : torch.Tensor, shapes (N, C), (M, C), (M, V)
        One head.
    scale : float
        Factor of the products.
    numbers : torch.dtype, optional
        Type of the numbers that are multiplied; float32 if not given. Sums over blocks are in float32.
    """
    import torch

    numbers = torch.float32 if numbers is None else numbers
    width = values.shape[1]
    scaled, among = queries.float() * scale, keys.float()
    usual, among = scaled.mean(0), among - among.mean(0)
    usually = among @ usual
    typical = usually.softmax(0) @ values.float()
    coarse = usually.to(numbers)
    shifted = _wider(scaled - usual, [0, 1, 1], numbers)
    among = _wider(among, [1, coarse, usually - coarse.float()], numbers)
    counted = _wider(values - typical, [1] + [0] * (-(width + 1) % _ALIGNED), numbers)
    shift = shifted[:, -3:-2]
    first = packed_product(among[:_FIRST])(shifted).float()
    shift[:, 0] = -(first.softmax(1) * first).sum(1)
    total = torch.zeros(queries.shape[0], counted.shape[1])
    for begin in range(0, keys.shape[0], _COLUMNS):
        weigh = packed_product(among[begin : begin + _COLUMNS])
        average = packed_product(counted[begin : begin + _COLUMNS].T.contiguous())
        for top in range(0, queries.shape[0], _ROWS):
            rows = slice(top, top + _ROWS)
            weights = weigh(shifted[rows])
            largest = weights.amax(1, keepdim=True)
            if bool((largest > _HEADROOM).any()):
                before = shift[rows].to(torch.float32, copy=True)
                shift[rows] -= largest.clamp(min=0)
                total[rows] *= (shift[rows].float() - before).exp()
                weights = weigh(shifted[rows])
            total[rows] += average(weights.exp_())
    return total[:, :width] / total[:, width : width + 1] + typical


def _wider(rows: torch.Tensor, columns: Sequence[float | torch.Tensor], numbers: torch.dtype) -> torch.Tensor:
    """Rows of another type with more columns."""
    import torch

    wider = torch.empty(rows.shape[0], rows.shape[1] + len(columns), dtype=numbers)
    wider[:, : rows.shape[1]] = rows
    for place, column in enumerate(columns, rows.shape[1]):
        wider[:, place] = column
    return wider
