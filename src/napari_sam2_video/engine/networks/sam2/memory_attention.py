"""Memory attention: fuse a frame with the memories of one object or a batch of objects.

The mathematics is that of ``sam2``, in a cheaper order. Results for one object are bit-identical; those of a batch
agree up to rounding.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from napari_sam2_video.engine.networks.sam2.blocked_attention import read
from napari_sam2_video.engine.networks.sam2.packed import plain_linear

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from napari_sam2_video.engine.memory import Recall
    from napari_sam2_video.engine.networks.sam2.packed import Linear

_SMALL_MAP = 256


class MemoryAttention:
    """Memory attention of a network.

    Parameters
    ----------
    network : torch.nn.Module
        A ``SAM2Base``.
    device : str
        torch device.
    linear : callable
        How a linear layer is applied to a batch of objects, as `plain_linear` does.
    quick : bool
        Whether rounding may differ from ``sam2``'s for a single object, too.
    numbers : torch.dtype, optional
        Type in which queries, keys and values are multiplied if `quick`; float32 if not given.
    """

    def __init__(
        self,
        network: Any,
        device: str,
        linear: Linear = plain_linear,
        *,
        quick: bool = False,
        numbers: torch.dtype | None = None,
    ) -> None:
        self._net = network
        self._device = device
        self._side = int(network.image_size) // 16
        self._positions: dict[tuple[tuple[int, ...], ...], torch.Tensor] = {}
        self._run = self._layers
        self._linear = linear
        self._quick = quick
        self._numbers = numbers

    def compile(self) -> None:
        """Compile the layers."""
        import torch

        self._linear, self._quick = plain_linear, False
        self._run = torch.compile(self._layers, dynamic=None)

    def plain(self, coarse: torch.Tensor) -> torch.Tensor:
        """Features without memory, shape (1, C, h, w); mirrors the ``directly_add_no_mem_embed`` branch."""
        feature = sequence(coarse) + self._net.no_mem_embed
        result: torch.Tensor = feature.permute(1, 2, 0).view(coarse.shape)
        return result

    def __call__(self, coarse: torch.Tensor, recalls: Sequence[Recall], n_frames: int) -> torch.Tensor:
        """Features of a frame fused with the memories of B objects, shape (B, C, h, w).

        Mirrors ``SAM2Base._prepare_memory_conditioned_features``.

        Parameters
        ----------
        coarse : torch.Tensor, shape (1 or B, C, h, w)
            Features of the frame, or of the window of each object.
        recalls : sequence of Recall
            One for each object, all with the same signature.
        n_frames : int
            Number of frames of the recording; scales the time encoding of the pointers.
        """
        import torch

        net = self._net
        count, spatial, pointers = len(recalls), len(recalls[0].spatial), len(recalls[0].pointers)
        area, parts = self._side**2, net.hidden_dim // net.mem_dim
        memory = torch.empty(count, spatial * area + pointers * parts, net.mem_dim, device=self._device)
        for i, column in enumerate(zip(*(r.spatial for r in recalls), strict=True)):
            stacked = torch.cat([m.to(self._device).float() for _, m in column])
            memory[:, i * area : (i + 1) * area] = stacked.flatten(2).transpose(1, 2)
        positions = [self._spatial_position(tuple(tuple(t for t, _ in r.spatial) for r in recalls))]
        if pointers:
            rows = torch.cat([p.to(self._device) for r in recalls for _, p in r.pointers])
            memory[:, spatial * area :] = rows.view(count, pointers * parts, net.mem_dim)
            encoding = self._pointer_position([[d for d, _ in r.pointers] for r in recalls], n_frames)
            positions.append(encoding.repeat_interleave(parts, dim=0).transpose(0, 1))
        widest = max(p.shape[0] for p in positions)
        position = torch.cat([p.expand(widest, -1, -1) for p in positions], dim=1)
        fused = self._run(sequence(coarse).transpose(0, 1), memory, memory + position, spatial)
        result: torch.Tensor = fused.transpose(1, 2).reshape(count, *coarse.shape[1:])
        return result

    def _layers(self, frame: torch.Tensor, memory: torch.Tensor, keys: torch.Tensor, spatial: int) -> torch.Tensor:
        """Mirrors ``MemoryAttention.forward``; a shared `frame` is not repeated until the first memory is read."""
        attention = self._net.memory_attention
        linear = self._linear if self._quick or memory.shape[0] > 1 else plain_linear
        output = frame + 0.1 * self._coarse_position.transpose(0, 1)
        for layer in attention.layers:
            seen = layer.norm1(output)
            output = output + self._read(linear, layer.self_attn, seen, seen, seen, 1)
            output = output + self._read(linear, layer.cross_attn_image, layer.norm2(output), memory, keys, spatial)
            output = output + linear(layer.linear2, linear(layer.linear1, layer.norm3(output), relu=True))
        return attention.norm(output)  # type: ignore[no-any-return]

    def _read(
        self,
        linear: Linear,
        attention: Any,
        queries: torch.Tensor,
        memory: torch.Tensor,
        keys: torch.Tensor,
        spatial: int,
    ) -> torch.Tensor:
        """MemoryAttention with one head; mirrors ``RoPEAttention.forward``.

        If the map is small, values of a batch are projected after averaging: the weights of each row sum to 1, so the
        result is the same up to rounding, and there are fewer queries than memories.
        """
        import torch
        import torch.nn.functional as F

        turns = attention.freqs_cis.to(self._device)
        q = _turned(linear(attention.q_proj, queries), turns, 1).expand(memory.shape[0], -1, -1)
        k = _turned(linear(attention.k_proj, keys), turns, spatial)
        if self._quick and turns.shape[0] >= _SMALL_MAP:
            return linear(attention.out_proj, _read_in_blocks(linear, attention, q, k, memory, self._numbers))
        if (
            self._device == "cpu"
            and memory.shape[0] > 1
            and turns.shape[0] <= _SMALL_MAP
            and attention.kv_in_dim * 4 <= attention.embedding_dim
        ):
            scores = torch.bmm(q * attention.internal_dim**-0.5, k.transpose(1, 2))
            read = linear(attention.v_proj, torch.bmm(torch.softmax(scores, -1), memory))
        else:
            v = linear(attention.v_proj, memory)
            read = F.scaled_dot_product_attention(q.to(v.dtype)[:, None], k.to(v.dtype)[:, None], v[:, None])[:, 0]
        return linear(attention.out_proj, read)

    def _spatial_position(self, times: tuple[tuple[int, ...], ...]) -> torch.Tensor:
        """Position encoding of spatial memories, shape (1 or B, memories * h * w, memory_dim)."""
        import torch

        if any(row != times[0] for row in times):
            return torch.cat([self._spatial_position((row,)) for row in times])
        found = self._positions.get(times[:1])
        if found is None:
            net = self._net
            encoded = [self._memory_position + net.maskmem_tpos_enc[net.num_maskmem - t - 1] for t in times[0]]
            found = torch.cat(encoded).transpose(0, 1).contiguous()
            if len(self._positions) > 2 * net.num_maskmem:
                self._positions.clear()
            self._positions[times[:1]] = found
        return found

    def _pointer_position(self, distances: list[list[int]], n_frames: int) -> torch.Tensor:
        """Time encoding of pointers, shape (pointers, 1 or B, memory_dim)."""
        import torch
        from sam2.modeling.sam2_utils import get_1d_sine_pe

        net = self._net
        if not net.add_tpos_enc_to_obj_ptrs:
            return torch.zeros(len(distances[0]), 1, net.mem_dim, device=self._device)
        largest = min(n_frames, net.max_obj_ptrs_in_encoder) - 1
        width = net.hidden_dim if net.proj_tpos_enc_in_obj_ptrs else net.mem_dim
        columns = []
        for one in distances if any(d != distances[0] for d in distances) else distances[:1]:
            encoding = get_1d_sine_pe(torch.tensor(one).to(self._device) / largest, dim=width)
            columns.append(net.obj_ptr_tpos_proj(encoding).unsqueeze(1))
        return torch.cat(columns, dim=1)

    @cached_property
    def _coarse_position(self) -> torch.Tensor:
        import torch

        blank = torch.zeros(1, self._net.hidden_dim, self._side, self._side, device=self._device)
        return sequence(self._net.image_encoder.neck.position_encoding(blank))

    @cached_property
    def _memory_position(self) -> torch.Tensor:
        import torch

        blank = torch.zeros(1, self._net.mem_dim, self._side, self._side, device=self._device)
        return sequence(self._net.memory_encoder.position_encoding(blank))


def _read_in_blocks(
    linear: Linear,
    attention: Any,
    queries: torch.Tensor,
    keys: torch.Tensor,
    memory: torch.Tensor,
    numbers: torch.dtype | None,
) -> torch.Tensor:
    """Attention in blocks, one object after the other; narrow memories are averaged before projection."""
    import torch

    scale = attention.internal_dim**-0.5
    narrow = attention.kv_in_dim < attention.internal_dim
    values = memory if narrow else linear(attention.v_proj, memory)
    found = torch.stack([read(*one, scale, numbers) for one in zip(queries, keys, values, strict=True)])
    return linear(attention.v_proj, found) if narrow else found


def sequence(feature: torch.Tensor) -> torch.Tensor:
    """(B, C, H, W) to (H * W, B, C)."""
    return feature.flatten(2).permute(2, 0, 1)


def _turned(rows: torch.Tensor, turns: torch.Tensor, maps: int) -> torch.Tensor:
    """Rotary position encoding, in place, of the first `maps` maps of rows; mirrors ``apply_rotary_enc``."""
    import torch

    area = turns.shape[0]
    rows = rows.float()
    pairs = rows[:, : maps * area].view(rows.shape[0], maps, area, -1, 2)
    torch.view_as_complex(pairs).mul_(turns)
    return rows
