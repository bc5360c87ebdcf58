"""Linear layers of a batch of objects on a processor, with their weights laid out once for oneDNN.

The product is that of the layer up to rounding. torch's own way lays out the weights at every call and fills the result
with the bias first; where memory is what one waits for, that is half the time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    Linear = Callable[..., torch.Tensor]

_ROWS = 2048


class PackedLayers:
    """Linear layers by oneDNN where torch has it, and as they are elsewhere."""

    def __init__(self) -> None:
        self._packed: WeakKeyDictionary[Any, torch.Tensor] = WeakKeyDictionary()
        self._there = has_packed_products()

    def __call__(self, layer: Any, rows: torch.Tensor, *, relu: bool = False) -> torch.Tensor:
        """Apply a layer, and cut off what is negative if asked.

        Parameters
        ----------
        layer : torch.nn.Linear
            The layer, of fp32.
        rows : torch.Tensor of float32, shape (..., layer.in_features)
            What it is applied to.
        relu : bool
            Whether negative results become 0.
        """
        import torch

        if not self._there:
            return plain_linear(layer, rows, relu=relu)
        if layer not in self._packed:
            self._packed[layer] = torch.ops.mkldnn._reorder_linear_weight(layer.weight, _ROWS)
        after = "relu" if relu else "none"
        result: torch.Tensor = torch.ops.mkldnn._linear_pointwise(rows, self._packed[layer], layer.bias, after, [], "")
        return result


def packed_product(rows_mc: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    """What multiplies rows of shape (N, C) by rows of shape (M, C), transposed; by oneDNN where torch has it."""
    import torch

    if not has_packed_products():
        return lambda rows: rows @ rows_mc.T
    packed = torch.ops.mkldnn._reorder_linear_weight(rows_mc, _ROWS)
    return lambda rows: torch.ops.mkldnn._linear_pointwise(rows, packed, None, "none", [], "")


def has_packed_products() -> bool:
    """Whether torch has oneDNN's linear layers."""
    import torch

    operators = torch.ops.mkldnn
    return all(hasattr(operators, name) for name in ("_linear_pointwise", "_reorder_linear_weight"))


def plain_linear(layer: Any, rows: torch.Tensor, *, relu: bool = False) -> torch.Tensor:
    """The same by the layer itself."""
    import torch.nn.functional as F

    made: torch.Tensor = layer(rows)
    return F.relu(made, inplace=True) if relu else made
