"""Masks from many independent clicks or boxes on one frame.

The mathematics is that of ``sam2.modeling.sam.mask_decoder.MaskDecoder.predict_masks``, with the same numbers up to
rounding. What does not depend on the prompt is computed once, and masks with a low predicted IoU are never upscaled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam2_video.engine.networks.outputs import Clicked

if TYPE_CHECKING:
    import torch

    from napari_sam2_video.engine.networks.outputs import Embedding


def decode_clicks(
    network: Any,
    embedding: Embedding,
    feature: torch.Tensor,
    position: torch.Tensor,
    prompts: tuple[torch.Tensor, torch.Tensor],
    *,
    least_iou: float,
    single: bool,
) -> Clicked:
    """Decode N prompts.

    Parameters
    ----------
    network : torch.nn.Module
        A ``SAM2Base``.
    embedding : Embedding
        The frame.
    feature : torch.Tensor, shape (1, C, h, w)
        Its coarse features as input of the decoder.
    position : torch.Tensor, shape (1, C, h, w)
        Dense position encoding.
    prompts : tuple of torch.Tensor, shapes (N, K, 2) and (N, K)
        Coordinates in pixels of the input as ``(x, y)``, and their labels.
    least_iou : float
        Masks from clicks with a lower predicted IoU are dropped.
    single : bool
        Return the single mask that ``MaskDecoder.forward`` returns for several points, instead of three.
    """
    import torch

    decoder = network.sam_mask_decoder
    sparse, dense = network.sam_prompt_encoder(points=prompts, boxes=None, masks=None)
    output = torch.cat([decoder.obj_score_token.weight, decoder.iou_token.weight, decoder.mask_tokens.weight])
    tokens = torch.cat([output.expand(len(sparse), -1, -1), sparse], dim=1)
    tokens, pixels = _transformed(decoder.transformer, feature + dense[:1], position, tokens)
    scores = decoder.pred_obj_score_head(tokens[:, 0])[:, 0].float()
    ious = decoder.iou_prediction_head(tokens[:, 1])
    wanted = torch.ones_like(ious, dtype=torch.bool) if single else ious >= least_iou
    wanted[:, 0] = single
    prompt, which = wanted.nonzero(as_tuple=True)
    rows, place = prompt.unique(return_inverse=True)
    mlps = decoder.output_hypernetworks_mlps
    hyper = torch.stack([mlp(tokens[rows, 2 + i]) for i, mlp in enumerate(mlps)], dim=1)
    fine = _upscaled(decoder, embedding, pixels[rows])
    if single:
        masks = torch.einsum("nmc,nchw->nmhw", hyper, fine)
        chosen, chosen_ious = decoder._dynamic_multimask_via_stability(masks, ious)
        return Clicked(torch.arange(len(ious)), chosen[:, 0].float(), chosen_ious[:, 0].float(), scores)
    logits = torch.einsum("mc,mchw->mhw", hyper[place, which], fine[place])
    return Clicked(prompt, logits.float(), ious[prompt, which].float(), scores[prompt])


def _transformed(
    transformer: Any, image: torch.Tensor, position: torch.Tensor, tokens: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens ``(N, T, C)`` and pixels ``(N, P, C)`` after the transformer.

    Mirrors ``TwoWayTransformer.forward``; the frame is shared by all prompts until the first tokens are read into it.
    """
    keys, where = image.flatten(2).transpose(1, 2), position.flatten(2).transpose(1, 2)
    queries = tokens
    for layer in transformer.layers:
        if layer.skip_first_layer_pe:
            queries = layer.norm1(layer.self_attn(q=queries, k=queries, v=queries))
        else:
            placed = queries + tokens
            queries = layer.norm1(queries + layer.self_attn(q=placed, k=placed, v=queries))
        placed_keys = keys + where
        queries = layer.norm2(queries + _read(layer.cross_attn_token_to_image, queries + tokens, placed_keys, keys))
        queries = layer.norm3(queries + layer.mlp(queries))
        keys = layer.norm4(keys + _read(layer.cross_attn_image_to_token, placed_keys, queries + tokens, queries))
    read = _read(transformer.final_attn_token_to_image, queries + tokens, keys + where, keys)
    return transformer.norm_final_attn(queries + read), keys


def _read(attention: Any, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Attention in which either side may be the same for all prompts; mirrors ``Attention.forward``."""
    import torch.nn.functional as F

    count = max(len(queries), len(keys))
    heads = (attention.num_heads, attention.internal_dim // attention.num_heads)
    q, k, v = (
        layer(rows).unflatten(-1, heads).transpose(1, 2).expand(count, -1, -1, -1)
        for layer, rows in ((attention.q_proj, queries), (attention.k_proj, keys), (attention.v_proj, values))
    )
    result: torch.Tensor = attention.out_proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
    return result


def _upscaled(decoder: Any, embedding: Embedding, pixels: torch.Tensor) -> torch.Tensor:
    """Features at a quarter of the input's size, shape (N, C / 8, S / 4, S / 4)."""
    coarse = pixels.transpose(1, 2).reshape(-1, *embedding.coarse.shape[1:])
    to_middle, norm, first, to_fine, last = decoder.output_upscaling
    middle = first(norm(to_middle(coarse) + embedding.middle))
    result: torch.Tensor = last(to_fine(middle) + embedding.fine)
    return result
