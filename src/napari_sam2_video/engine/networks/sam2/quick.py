"""Fast arithmetic: layers of a network on a CPU whose rounding differs from ``sam2``'s, in less time."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from napari_sam2_video.engine.networks.sam2.blocked_attention import read
from napari_sam2_video.engine.networks.sam2.packed import PackedLayers, has_packed_products

if TYPE_CHECKING:
    import torch

_FEW_ROWS = 32


def quick_numbers(arithmetic: str, device: str, precision: str) -> tuple[bool, torch.dtype | None]:
    """Whether a network can use fast arithmetic, and the type in which it then multiplies; None for float32."""
    import torch

    if device != "cpu" or (precision != "bf16" and (precision, arithmetic) != ("fp32", "fast")):
        return False, None
    return precision == "fp32" or has_packed_products(), torch.bfloat16 if precision == "bf16" else None


def quicken(network: Any, numbers: torch.dtype | None = None) -> PackedLayers:
    """Replace a network's pointwise layers and global attentions with fast ones, if torch supports them.

    Parameters
    ----------
    network : torch.nn.Module
        A ``SAM2Base`` on a CPU, in fp32; it is changed in place.
    numbers : torch.dtype, optional
        Type in which the blocks of the trunk multiply; float32 if not given. Residual sums and all other layers stay in
        float32.

    Returns
    -------
    PackedLayers
        The float32 layers.
    """
    packed, blocks = PackedLayers(), network.image_encoder.trunk.blocks
    if has_packed_products():
        _pack(network, packed)
        if numbers is not None:
            narrow = PackedLayers(numbers)
            for block in blocks:
                _pack(block.attn, narrow)
                _pack(block.mlp, narrow)
    for block in blocks:
        if not block.window_size and not block.attn.q_pool:
            block.attn.forward = partial(_attend_everywhere, block.attn)
    return packed


def _pack(part: Any, packed: PackedLayers) -> None:
    import torch

    for module in part.modules():
        if isinstance(module, torch.nn.Linear):
            module.forward = partial(_linear, packed, module)  # type: ignore[method-assign]
        elif isinstance(module, torch.nn.Conv2d) and module.kernel_size == (1, 1):
            module.forward = partial(_pointwise, packed, module)  # type: ignore[method-assign]


def _linear(packed: PackedLayers, layer: Any, rows: torch.Tensor) -> torch.Tensor:
    import torch.nn.functional as F

    if rows.numel() < _FEW_ROWS * layer.in_features:
        return F.linear(rows.float(), layer.weight, layer.bias)
    return packed(layer, rows)


def _pointwise(packed: PackedLayers, layer: Any, map_bcyx: torch.Tensor) -> torch.Tensor:
    """A 1 × 1 convolution as a matrix product."""
    return packed(layer, map_bcyx.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def _attend_everywhere(attention: Any, map_byxc: torch.Tensor) -> torch.Tensor:
    """Mirrors ``MultiScaleAttention.forward`` without pooling."""
    import torch

    batch, height, width, _ = map_byxc.shape
    rows = attention.qkv(map_byxc).reshape(batch, height * width, 3, attention.num_heads, -1)
    scale = rows.shape[-1] ** -0.5
    made = torch.empty(batch, height * width, rows.shape[3], rows.shape[4])
    for one, into in zip(rows, made, strict=True):
        for head in range(rows.shape[3]):
            queries, keys, values = one[:, :, head].unbind(1)
            into[:, head] = read(queries, keys, values, scale, rows.dtype)
    return attention.proj(made.reshape(batch, height, width, -1))  # type: ignore[no-any-return]
