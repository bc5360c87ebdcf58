"""Linear layers on a CPU, with their weights laid out once for oneDNN.

Products equal those of the layer up to rounding. torch itself rearranges the weights at every call and first fills the
result with the bias; if memory is the bottleneck, that is half the time.
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
    """Linear layers computed by oneDNN if torch has it, else by torch.

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
        """Apply a layer, optionally followed by ReLU.

        Parameters
        ----------
        layer : torch.nn.Linear or torch.nn.Conv2d
            The layer, in fp32; a convolution must be 1 × 1.
        rows : torch.Tensor, shape (..., number of features of the layer)
            The input.
        relu : bool
            Whether to apply ReLU.
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
    """Function that multiplies rows of shape (N, C) by the given ones, transposed; by oneDNN if torch has it."""
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
