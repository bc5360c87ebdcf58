"""Name and shape of every tensor in a checkpoint of a preset, without building the network."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_sam2_video.models.presets import ModelPreset

Shapes = dict[str, tuple[int, ...]]

SAM2_1_ONLY = ("no_obj_embed_spatial", "obj_ptr_tpos_proj.weight", "obj_ptr_tpos_proj.bias")
_MEMORIES = 7
_MASK_CHANNELS = 16
_DECODER_MLP = 2048
_IOU_HIDDEN = 256


def expected_shapes(preset: ModelPreset) -> Shapes:
    """Names and shapes of the state dict of ``sam2.modeling.sam2_base.SAM2Base`` for a preset.

    Parameters
    ----------
    preset : ModelPreset
        The network's size; ``sam2_1=False`` leaves out the tensors that only SAM 2.1 has.

    Returns
    -------
    dict of str to tuple of int
        In no particular order.
    """
    width, memory = preset.hidden_dim, preset.memory_dim
    shapes: Shapes = {
        "maskmem_tpos_enc": (_MEMORIES, 1, 1, memory),
        "no_mem_embed": (1, 1, width),
        "no_mem_pos_enc": (1, 1, width),
        "no_obj_ptr": (1, width),
        **_affine("mask_downsample", (1, 1, 4, 4)),
        **_mlp("obj_ptr_proj", (width, width, width, width)),
        **_trunk(preset),
        **_neck(preset),
        **_memory_attention(preset),
        **_memory_encoder(preset),
        **_prompt_encoder(width),
        **_mask_decoder(width),
    }
    if preset.sam2_1:
        shapes |= {"no_obj_embed_spatial": (1, memory), **_affine("obj_ptr_tpos_proj", (memory, width))}
    return shapes


def _affine(name: str, weight: tuple[int, ...], bias: int | None = None) -> Shapes:
    return {f"{name}.weight": weight, f"{name}.bias": (weight[0] if bias is None else bias,)}


def _mlp(name: str, widths: tuple[int, ...]) -> Shapes:
    shapes: Shapes = {}
    for layer, (into, out) in enumerate(pairwise(widths)):
        shapes |= _affine(f"{name}.layers.{layer}", (out, into))
    return shapes


def _attention(name: str, width: int, inner: int, keys: int) -> Shapes:
    return {
        **_affine(f"{name}.q_proj", (inner, width)),
        **_affine(f"{name}.k_proj", (inner, keys)),
        **_affine(f"{name}.v_proj", (inner, keys)),
        **_affine(f"{name}.out_proj", (width, inner)),
    }


def _trunk(preset: ModelPreset) -> Shapes:
    """`sam2.modeling.backbones.hieradet.Hiera`: the width doubles in the first block of each later stage."""
    name, dim = "image_encoder.trunk", preset.embed_dim
    window = preset.window_spec[0]
    shapes: Shapes = {
        f"{name}.pos_embed": (1, dim, *preset.window_pos_embed_bkg_spatial_size),
        f"{name}.pos_embed_window": (1, dim, window, window),
        **_affine(f"{name}.patch_embed.proj", (dim, 3, 7, 7)),
    }
    block = 0
    for stage, depth in enumerate(preset.stages):
        for first in [True] + [False] * (depth - 1):
            out = dim * 2 if first and stage else dim
            prefix = f"{name}.blocks.{block}"
            shapes |= _affine(f"{prefix}.norm1", (dim,))
            shapes |= _affine(f"{prefix}.attn.qkv", (3 * out, dim))
            shapes |= _affine(f"{prefix}.attn.proj", (out, out))
            shapes |= _affine(f"{prefix}.norm2", (out,))
            shapes |= _mlp(f"{prefix}.mlp", (out, 4 * out, out))
            if out != dim:
                shapes |= _affine(f"{prefix}.proj", (out, dim))
            dim = out
            block += 1
    return shapes


def _neck(preset: ModelPreset) -> Shapes:
    shapes: Shapes = {}
    for level, factor in enumerate((8, 4, 2, 1)):
        name = f"image_encoder.neck.convs.{level}.conv"
        shapes |= _affine(name, (preset.hidden_dim, preset.embed_dim * factor, 1, 1))
    return shapes


def _memory_attention(preset: ModelPreset) -> Shapes:
    width = preset.hidden_dim
    shapes = _affine("memory_attention.norm", (width,))
    for layer in range(preset.memory_layers):
        name = f"memory_attention.layers.{layer}"
        shapes |= _attention(f"{name}.self_attn", width, width, width)
        shapes |= _attention(f"{name}.cross_attn_image", width, width, preset.memory_dim)
        shapes |= _affine(f"{name}.linear1", (preset.memory_feedforward, width))
        shapes |= _affine(f"{name}.linear2", (width, preset.memory_feedforward))
        for norm in (1, 2, 3):
            shapes |= _affine(f"{name}.norm{norm}", (width,))
    return shapes


def _memory_encoder(preset: ModelPreset) -> Shapes:
    width = preset.hidden_dim
    shapes = {
        **_affine("memory_encoder.mask_downsampler.encoder.12", (width, 256, 1, 1)),
        **_affine("memory_encoder.pix_feat_proj", (width, width, 1, 1)),
        **_affine("memory_encoder.out_proj", (preset.memory_dim, width, 1, 1)),
    }
    for step in range(4):
        name = "memory_encoder.mask_downsampler.encoder"
        shapes |= _affine(f"{name}.{3 * step}", (4 ** (step + 1), 4**step, 3, 3))
        shapes |= _affine(f"{name}.{3 * step + 1}", (4 ** (step + 1),))
    for layer in range(2):
        name = f"memory_encoder.fuser.layers.{layer}"
        shapes[f"{name}.gamma"] = (width,)
        shapes |= _affine(f"{name}.dwconv", (width, 1, 7, 7))
        shapes |= _affine(f"{name}.norm", (width,))
        shapes |= _affine(f"{name}.pwconv1", (4 * width, width))
        shapes |= _affine(f"{name}.pwconv2", (width, 4 * width))
    return shapes


def _prompt_encoder(width: int) -> Shapes:
    name, channels = "sam_prompt_encoder", _MASK_CHANNELS
    return {
        f"{name}.pe_layer.positional_encoding_gaussian_matrix": (2, width // 2),
        **{f"{name}.point_embeddings.{kind}.weight": (1, width) for kind in range(4)},
        f"{name}.not_a_point_embed.weight": (1, width),
        f"{name}.no_mask_embed.weight": (1, width),
        **_affine(f"{name}.mask_downscaling.0", (channels // 4, 1, 2, 2)),
        **_affine(f"{name}.mask_downscaling.1", (channels // 4,)),
        **_affine(f"{name}.mask_downscaling.3", (channels, channels // 4, 2, 2)),
        **_affine(f"{name}.mask_downscaling.4", (channels,)),
        **_affine(f"{name}.mask_downscaling.6", (width, channels, 1, 1)),
    }


def _mask_decoder(width: int) -> Shapes:
    name, half, quarter, eighth = "sam_mask_decoder", width // 2, width // 4, width // 8
    shapes: Shapes = {
        f"{name}.iou_token.weight": (1, width),
        f"{name}.mask_tokens.weight": (4, width),
        f"{name}.obj_score_token.weight": (1, width),
        **_affine(f"{name}.output_upscaling.0", (width, quarter, 2, 2), quarter),
        **_affine(f"{name}.output_upscaling.1", (quarter,)),
        **_affine(f"{name}.output_upscaling.3", (quarter, eighth, 2, 2), eighth),
        **_affine(f"{name}.conv_s0", (eighth, width, 1, 1)),
        **_affine(f"{name}.conv_s1", (quarter, width, 1, 1)),
        **_mlp(f"{name}.iou_prediction_head", (width, _IOU_HIDDEN, _IOU_HIDDEN, 4)),
        **_mlp(f"{name}.pred_obj_score_head", (width, width, width, 1)),
        **_attention(f"{name}.transformer.final_attn_token_to_image", width, half, width),
        **_affine(f"{name}.transformer.norm_final_attn", (width,)),
    }
    for token in range(4):
        shapes |= _mlp(f"{name}.output_hypernetworks_mlps.{token}", (width, width, width, eighth))
    for layer in range(2):
        prefix = f"{name}.transformer.layers.{layer}"
        shapes |= _attention(f"{prefix}.self_attn", width, width, width)
        shapes |= _attention(f"{prefix}.cross_attn_token_to_image", width, half, width)
        shapes |= _attention(f"{prefix}.cross_attn_image_to_token", width, half, width)
        shapes |= _mlp(f"{prefix}.mlp", (width, _DECODER_MLP, width))
        for norm in (1, 2, 3, 4):
            shapes |= _affine(f"{prefix}.norm{norm}", (width,))
    return shapes
