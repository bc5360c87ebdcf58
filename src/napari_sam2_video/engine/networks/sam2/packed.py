"""Linear layers on a CPU, with their weights laid out once for oneDNN.

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
    """Linear layers by oneDNN where torch has it, and as they are elsewhere.

    Parameters
    ----------
    numbers : torch.dtype, optional
        Type of the numbers that are multiplied and of the results; float32 if not given.
    """

    def __init__(self, numbers: torch.dtype | None = None) -> None:
        self._packed: WeakKeyDictionary[Any, tuple[torch.Tensor, torch.Tensor | None]] = WeakKeyDictionary()
        self._there = has_packed_products()
        self._numbers = numbers

    def __call__(self, layer: Any, rows: torch.Tensor, *, relu: bool = False) -> torch.Tensor:
        """Apply a layer, and cut off what is negative if asked.

        Parameters
        ----------
        layer : torch.nn.Linear or torch.nn.Conv2d
            The layer, of fp32; a convolution of single places.
        rows : torch.Tensor, shape (..., number of features of the layer)
            What it is applied to.
        relu : bool
            Whether negative results become 0.
        """
        import torch

        if not self._there:
            return plain_linear(layer, rows, relu=relu)
        numbers = torch.float32 if self._numbers is None else self._numbers
        if layer not in self._packed:
            weight = torch.ops.mkldnn._reorder_linear_weight(layer.weight.flatten(1).to(numbers), _ROWS)
            self._packed[layer] = weight, None if layer.bias is None else layer.bias.to(numbers)
        after = "relu" if relu else "none"
        operator = torch.ops.mkldnn._linear_pointwise
        result: torch.Tensor = operator(rows.to(numbers), *self._packed[layer], after, [], "")
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
