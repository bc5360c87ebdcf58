"""A start from which the network learns soon: see `docs/demo-model.md` for why each of these is needed."""

from __future__ import annotations

from typing import Any

import torch

_WAVES = ((0.5, 0.0), (0.0, 0.5), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (1.0, -1.0), (2.0, 0.0), (0.0, 2.0))
_HEADS = 8


def prepare_start(network: Any, gain: float = 1.7) -> None:
    """Change the fresh weights of a ``SAM2Base`` in place.

    Objects count as present, so that the masks are not gated away; the memory's fuser takes part from the first step;
    and in the decoder's cross-attention a query and a key at the same place agree.
    """
    torch.nn.init.constant_(network.sam_mask_decoder.pred_obj_score_head.layers[-1].bias, 4.0)
    for layer in network.memory_encoder.fuser.layers:
        torch.nn.init.constant_(layer.gamma, 0.1)
    waves = network.sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix
    transformer = network.sam_mask_decoder.transformer
    attentions = [transformer.final_attn_token_to_image]
    for layer in transformer.layers:
        attentions += [layer.cross_attn_token_to_image, layer.cross_attn_image_to_token]
    half = waves.shape[1]
    width = attentions[0].q_proj.out_features // _HEADS
    pairs = width // 2
    with torch.no_grad():
        for head in range(_HEADS):
            for pair in range(pairs):
                column = head * pairs + pair
                wave = _WAVES[(head * pairs + pair) % len(_WAVES)]
                waves[:, column] = torch.tensor(wave) * (1 + 0.05 * head)
        for attention in attentions:
            weight = torch.randn_like(attention.q_proj.weight) * 0.02
            for head in range(_HEADS):
                for pair in range(pairs):
                    column = head * pairs + pair
                    weight[head * width + 2 * pair, column] = gain
                    weight[head * width + 2 * pair + 1, half + column] = gain
            attention.q_proj.weight.copy_(weight)
            attention.k_proj.weight.copy_(weight)
            attention.q_proj.bias.zero_()
            attention.k_proj.bias.zero_()
