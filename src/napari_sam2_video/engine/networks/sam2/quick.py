"""Quick arithmetic: layers of a network on a processor that give other roundings than ``sam2``'s, in less time."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from napari_sam2_video.engine.networks.sam2.blocked_attention import read
from napari_sam2_video.engine.networks.sam2.packed import PackedLayers, has_packed_products

if TYPE_CHECKING:
    import torch

_FEW_ROWS = 32


def quicken(network: Any) -> None:
    """Make the linear layers and the whole-map attentions of a network quick, where torch has what it takes.

    Parameters
    ----------
    network : torch.nn.Module
        A ``SAM2Base`` on a processor, in fp32; it is changed in place.
    """
    import torch

    if has_packed_products():
        packed = PackedLayers()
        for module in network.modules():
            if isinstance(module, torch.nn.Linear):
                module.forward = partial(_linear, packed, module)  # type: ignore[method-assign]
    for block in network.image_encoder.trunk.blocks:
        if not block.window_size and not block.attn.q_pool:
            block.attn.forward = partial(_attend_everywhere, block.attn)


def _linear(packed: PackedLayers, layer: Any, rows: torch.Tensor) -> torch.Tensor:
    import torch.nn.functional as F

    if rows.numel() < _FEW_ROWS * layer.in_features:
        return F.linear(rows, layer.weight, layer.bias)
    return packed(layer, rows)


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
            into[:, head] = read(queries, keys, values, scale)
    return attention.proj(made.reshape(batch, height, width, -1))  # type: ignore[no-any-return]
