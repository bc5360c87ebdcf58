"""Turn the masks of a batch of objects into spatial memories, faster than one by one.

Mirrors ``SAM2Base._encode_new_memory`` and ``MemoryEncoder.forward`` up to rounding: the frame is projected once for
all objects, norms are fused, and the constant position encoding is skipped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam2_video.engine.networks.sam2.packed import plain_linear

if TYPE_CHECKING:
    import torch

    from napari_sam2_video.engine.networks.sam2.packed import Linear

_WIDE = 64


def encode_batch(
    network: Any,
    coarse: torch.Tensor,
    masks: torch.Tensor,
    scores: torch.Tensor,
    *,
    prompted: bool,
    linear: Linear = plain_linear,
) -> torch.Tensor:
    """Spatial memories, shape (B, memory_dim, h, w).

    Parameters
    ----------
    network : torch.nn.Module
        A ``SAM2Base``.
    coarse : torch.Tensor, shape (1 or B, C, h, w)
        Features of the frame, or of the window of each object.
    masks : torch.Tensor, shape (B, 1, S, S)
        Mask logits at the size of the input.
    scores : torch.Tensor, shape (B, 1)
        Logits that the objects are on the frame.
    prompted : bool
        Whether the masks come from prompts, which makes them binary.
    linear : callable
        Applies a linear layer, as `plain_linear` does.
    """
    import torch
    from sam2.modeling.sam2_utils import LayerNorm2d

    binary = prompted and network.binarize_mask_from_pts_for_mem_enc
    shape = (masks > 0).float() if binary else torch.sigmoid(masks)
    features = shape.mul_(network.sigmoid_scale_for_mem_enc).add_(network.sigmoid_bias_for_mem_enc)
    encoder = network.memory_encoder
    for module in encoder.mask_downsampler.encoder:
        if isinstance(module, LayerNorm2d) and module.weight.numel() >= _WIDE:
            features = _norm(features.permute(0, 2, 3, 1), module).permute(0, 3, 1, 2)
        else:
            features = module(features)
        if features.shape[1] >= _WIDE:
            features = features.contiguous(memory_format=torch.channels_last)
    features = features + encoder.pix_feat_proj(coarse)
    for block in encoder.fuser.layers:
        inner = _norm(block.dwconv(features).permute(0, 2, 3, 1), block.norm)
        inner = linear(block.pwconv2, block.act(linear(block.pwconv1, inner)))
        features = features + (block.gamma * inner).permute(0, 3, 1, 2)
    memory: torch.Tensor = encoder.out_proj(features)
    if network.no_obj_embed_spatial is not None:
        absent = (scores <= 0).float()[..., None, None]
        memory = memory + absent * network.no_obj_embed_spatial[..., None, None]
    return memory


def _norm(rows: torch.Tensor, norm: Any) -> torch.Tensor:
    """Mirrors ``LayerNorm2d.forward`` on the last axis."""
    import torch.nn.functional as F

    return F.layer_norm(rows, norm.weight.shape, norm.weight, norm.bias, norm.eps)
