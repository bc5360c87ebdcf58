"""The trunk of the image encoder, without the cost of padding and temporaries.

If a map is not a multiple of an attention window, ``sam2`` pads it with zeros and projects the padding twice. Here
padded places get the bias, which is what zeros project to, and only real places are projected: at 256 pixels the
padding is a third of the rows. Results are written into tensors that are no longer needed. Every number stays
bit-identical.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


class Trunk:
    """Hiera, as ``sam2.modeling.backbones.hieradet.Hiera`` runs it."""

    def __init__(self, hiera: Any) -> None:
        self._hiera = hiera
        self._positions: dict[tuple[int, ...], torch.Tensor] = {}
        self._run = self._blocks

    def compile(self) -> None:
        """Compile the blocks."""
        import torch

        self._run = torch.compile(self._blocks, dynamic=False)

    def __call__(self, planes: torch.Tensor) -> list[torch.Tensor]:
        """Features of each stage, finest first.

        Parameters
        ----------
        planes : torch.Tensor, shape (B, 3, S, S)
            Normalised frames.

        Returns
        -------
        list of torch.Tensor, shapes (B, C_i, S / 4 / 2**i, S / 4 / 2**i)
        """
        return self._run(planes)

    def _blocks(self, planes: torch.Tensor) -> list[torch.Tensor]:
        hiera = self._hiera
        features = hiera.patch_embed(planes)
        features = features + self._position(tuple(features.shape[1:3]))
        stages = []
        for number, block in enumerate(hiera.blocks):
            features = _block(block, features)
            if number in hiera.stage_ends:
                stages.append(features.permute(0, 3, 1, 2))
        return stages

    def _position(self, shape_yx: tuple[int, ...]) -> torch.Tensor:
        """Position embedding, which upstream recomputes for every frame."""
        if shape_yx not in self._positions:
            self._positions[shape_yx] = self._hiera._get_pos_embed(shape_yx)
        return self._positions[shape_yx]


def _block(block: Any, features: torch.Tensor) -> torch.Tensor:
    """Mirrors ``MultiScaleBlock.forward``, without its drop-path, which is for training; overwrites `features`.

    The output of a stage is never overwritten: the next stage has more channels and begins with another tensor. Sums
    keep the layout of their first operand, as upstream, because the rounding of a convolution depends on the layout of
    its input.
    """
    import torch
    from sam2.modeling.backbones.hieradet import do_pool

    seen = block.norm1(features)
    shortcut = features if block.dim == block.dim_out else do_pool(block.proj(seen), block.pool)
    features = shortcut.add_(_attended(block, seen, tuple(shortcut.shape[1:3])))
    first, second = block.mlp.layers
    inner = torch.ops.aten.gelu_(first(block.norm2(features)))
    return features.add_(second(inner))


def _attended(block: Any, seen: torch.Tensor, shape_yx: tuple[int, int]) -> torch.Tensor:
    """MemoryAttention of a block, in windows or over the whole map; `shape_yx` is the shape of its result."""
    from sam2.modeling.backbones.utils import window_partition, window_unpartition

    attention, side = block.attn, block.window_size
    if not side:
        return attention(seen)  # type: ignore[no-any-return]
    padded_yx = tuple(length + -length % side for length in seen.shape[1:3])
    if padded_yx == tuple(seen.shape[1:3]):
        windows = attention(window_partition(seen, side)[0])
        return window_unpartition(windows, windows.shape[1], shape_yx, shape_yx)  # type: ignore[no-any-return]
    windows = _padded_windows(attention, seen, side, padded_yx)
    side = windows.shape[1]
    whole = window_unpartition(windows, side, tuple(length + -length % side for length in shape_yx), shape_yx)
    # torch fuses multiplication and addition only for contiguous rows, and rounds differently otherwise
    return attention.proj(whole.contiguous())  # type: ignore[no-any-return]


def _padded_windows(attention: Any, seen: torch.Tensor, side: int, padded_yx: tuple[int, ...]) -> torch.Tensor:
    """Mirrors ``MultiScaleAttention.forward`` up to its last projection; a row of zeros is projected to the bias."""
    import torch.nn.functional as F
    from sam2.modeling.backbones.hieradet import do_pool
    from sam2.modeling.backbones.utils import window_partition

    batch, height, width, _ = seen.shape
    rows = attention.qkv(seen)
    padded = attention.qkv.bias.to(rows.dtype).expand(batch, *padded_yx, -1).clone()
    padded[:, :height, :width] = rows
    windows, _ = window_partition(padded, side)
    count = windows.shape[0]
    queries, keys, values = windows.reshape(count, side * side, 3, attention.num_heads, -1).unbind(2)
    if attention.q_pool:
        pooled = do_pool(queries.reshape(count, side, side, -1), attention.q_pool)
        side = pooled.shape[1]
        queries = pooled.reshape(count, side * side, attention.num_heads, -1)
    read = F.scaled_dot_product_attention(queries.transpose(1, 2), keys.transpose(1, 2), values.transpose(1, 2))
    return read.transpose(1, 2).reshape(count, side, side, -1)
