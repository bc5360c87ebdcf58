"""Presets of the networks that can be built: SAM 2.1 in four sizes, and the demo model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ModelPreset:
    """The hyperparameters in which the models differ; everything else is as in ``sam2``'s own configuration.

    Parameters
    ----------
    name : str
        The preset's name.
    embed_dim, num_heads, stages, global_att_blocks, window_pos_embed_bkg_spatial_size, window_spec
        Arguments of ``sam2.modeling.backbones.hieradet.Hiera`` of the same names.
    hidden_dim : int
        Width of the neck, the memory attention and the mask decoder (``d_model`` in ``sam2``).
    memory_dim : int
        Channels of a spatial memory; divides `hidden_dim`.
    memory_layers : int
        Layers of the memory attention.
    memory_feedforward : int
        Width of the feed-forward part of a memory-attention layer.
    image_size : int
        Side in pixels of the square image the weights were trained for.
    sam2_1 : bool
        True for SAM 2.1, False for SAM 2.0 (no ``no_obj_embed_spatial``, no ``obj_ptr_tpos_proj``).
    family : str
        The package in ``engine.networks`` that builds and runs it.
    """

    name: str
    embed_dim: int
    num_heads: int
    stages: tuple[int, int, int, int]
    global_att_blocks: tuple[int, ...]
    window_pos_embed_bkg_spatial_size: tuple[int, int] = (7, 7)
    window_spec: tuple[int, int, int, int] = (8, 4, 14, 7)
    hidden_dim: int = 256
    memory_dim: int = 64
    memory_layers: int = 4
    memory_feedforward: int = 2048
    image_size: int = 1024
    sam2_1: bool = True
    family: str = "sam2"


TINY = ModelPreset("tiny", 96, 1, (1, 2, 7, 2), (5, 7, 9))
SMALL = ModelPreset("small", 96, 1, (1, 2, 11, 2), (7, 10, 13))
BASE_PLUS = ModelPreset("base_plus", 112, 2, (2, 3, 16, 3), (12, 16, 20), window_pos_embed_bkg_spatial_size=(14, 14))
LARGE = ModelPreset("large", 144, 2, (2, 6, 36, 4), (23, 33, 43), window_spec=(8, 4, 16, 8))
DEMO = ModelPreset(
    "demo",
    24,
    1,
    (1, 2, 3, 1),
    (2, 4),
    hidden_dim=64,
    memory_dim=32,
    memory_layers=2,
    memory_feedforward=256,
    image_size=256,
)

PRESETS: dict[str, ModelPreset] = {p.name: p for p in (TINY, SMALL, BASE_PLUS, LARGE, DEMO)}
