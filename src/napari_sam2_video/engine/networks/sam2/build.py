"""Preset -> network: ``sam2``'s own classes, built without its hydra configuration files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from napari_sam2_video.models.presets import ModelPreset

_LARGEST = 4096
_BASE = "sam2.modeling.sam2_base.SAM2Base"


def network_config(preset: ModelPreset, image_size: int | None = None, *, target: str = _BASE) -> dict[str, Any]:
    """Configuration of a network as nested dictionaries with ``_target_`` entries.

    Mirrors ``sam2/configs/sam2.1/*.yaml`` with the switches that
    ``sam2.build_sam.build_sam2_video_predictor(apply_postprocessing=True)`` adds, except ``fill_hole_area``.

    Parameters
    ----------
    preset : ModelPreset
        The network's size.
    image_size : int, optional
        Side in pixels of the square input, a multiple of 32; the preset's own if not given.
    target : str
        Dotted name of the class to build; ``sam2.sam2_video_predictor.SAM2VideoPredictor`` for comparisons.
    """
    size = preset.image_size if image_size is None else image_size
    if size % 32 or not 64 <= size <= _LARGEST:
        raise ValueError(f"image_size must be a multiple of 32 from 64 to {_LARGEST}, not {size}.")
    width, memory = preset.hidden_dim, preset.memory_dim
    side = size // 16
    channels = [preset.embed_dim * factor for factor in (8, 4, 2, 1)]

    def sine(features: int) -> dict[str, Any]:
        return {
            "_target_": "sam2.modeling.position_encoding.PositionEmbeddingSine",
            "num_pos_feats": features,
            "normalize": True,
            "scale": None,
            "temperature": 10000,
        }

    def attention(**extra: Any) -> dict[str, Any]:
        return {
            "_target_": "sam2.modeling.sam.transformer.RoPEAttention",
            "rope_theta": 10000.0,
            "feat_sizes": [side, side],
            "embedding_dim": width,
            "num_heads": 1,
            "downsample_rate": 1,
            "dropout": 0.1,
            **extra,
        }

    return {
        "_target_": target,
        "image_encoder": {
            "_target_": "sam2.modeling.backbones.image_encoder.ImageEncoder",
            "scalp": 1,
            "trunk": {
                "_target_": "sam2.modeling.backbones.hieradet.Hiera",
                "embed_dim": preset.embed_dim,
                "num_heads": preset.num_heads,
                "stages": list(preset.stages),
                "global_att_blocks": list(preset.global_att_blocks),
                "window_pos_embed_bkg_spatial_size": list(preset.window_pos_embed_bkg_spatial_size),
                "window_spec": list(preset.window_spec),
            },
            "neck": {
                "_target_": "sam2.modeling.backbones.image_encoder.FpnNeck",
                "position_encoding": sine(width),
                "d_model": width,
                "backbone_channel_list": channels,
                "fpn_top_down_levels": [2, 3],
                "fpn_interp_model": "nearest",
            },
        },
        "memory_attention": {
            "_target_": "sam2.modeling.memory_attention.MemoryAttention",
            "d_model": width,
            "pos_enc_at_input": True,
            "num_layers": preset.memory_layers,
            "layer": {
                "_target_": "sam2.modeling.memory_attention.MemoryAttentionLayer",
                "activation": "relu",
                "dim_feedforward": preset.memory_feedforward,
                "dropout": 0.1,
                "pos_enc_at_attn": False,
                "self_attention": attention(),
                "d_model": width,
                "pos_enc_at_cross_attn_keys": True,
                "pos_enc_at_cross_attn_queries": False,
                "cross_attention": attention(rope_k_repeat=True, kv_in_dim=memory),
            },
        },
        "memory_encoder": {
            "_target_": "sam2.modeling.memory_encoder.MemoryEncoder",
            "out_dim": memory,
            "in_dim": width,
            "position_encoding": sine(memory),
            "mask_downsampler": {
                "_target_": "sam2.modeling.memory_encoder.MaskDownSampler",
                "embed_dim": width,
                "kernel_size": 3,
                "stride": 2,
                "padding": 1,
            },
            "fuser": {
                "_target_": "sam2.modeling.memory_encoder.Fuser",
                "layer": {
                    "_target_": "sam2.modeling.memory_encoder.CXBlock",
                    "dim": width,
                    "kernel_size": 7,
                    "padding": 3,
                    "layer_scale_init_value": 1e-6,
                    "use_dwconv": True,
                },
                "num_layers": 2,
            },
        },
        "num_maskmem": 7,
        "image_size": size,
        "sigmoid_scale_for_mem_enc": 20.0,
        "sigmoid_bias_for_mem_enc": -10.0,
        "use_mask_input_as_output_without_sam": True,
        "directly_add_no_mem_embed": True,
        "no_obj_embed_spatial": preset.sam2_1,
        "use_high_res_features_in_sam": True,
        "multimask_output_in_sam": True,
        "iou_prediction_use_sigmoid": True,
        "use_obj_ptrs_in_encoder": True,
        "add_tpos_enc_to_obj_ptrs": preset.sam2_1,
        "proj_tpos_enc_in_obj_ptrs": preset.sam2_1,
        "use_signed_tpos_enc_to_obj_ptrs": preset.sam2_1,
        "only_obj_ptrs_in_the_past_for_eval": True,
        "pred_obj_scores": True,
        "pred_obj_scores_mlp": True,
        "fixed_no_obj_ptr": True,
        "multimask_output_for_tracking": True,
        "use_multimask_token_for_obj_ptr": True,
        "multimask_min_pt_num": 0,
        "multimask_max_pt_num": 1,
        "use_mlp_for_obj_ptr_proj": True,
        "compile_image_encoder": False,
        "binarize_mask_from_pts_for_mem_enc": True,
        "sam_mask_decoder_extra_args": {
            "dynamic_multimask_via_stability": True,
            "dynamic_multimask_stability_delta": 0.05,
            "dynamic_multimask_stability_thresh": 0.98,
        },
    }


def build_network(preset: ModelPreset, image_size: int | None = None, *, target: str = _BASE) -> torch.nn.Module:
    """Build a network with fresh weights on the CPU, in evaluation mode.

    See `network_config` for the parameters.
    """
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    network: torch.nn.Module = instantiate(
        OmegaConf.create(network_config(preset, image_size, target=target)), _recursive_=True
    )
    return network.eval()
