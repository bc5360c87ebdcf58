"""Embed frames: the image encoder of the network, by the quick way where it gives the same bits as ``sam2``'s."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from napari_sam2_video.engine.trunk import Trunk
from napari_sam2_video.engine.values import Embedding

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

_PARTS = ("fine", "middle", "coarse")


class ImageEncoder:
    """Image encoder of a network, with the projections of the mask decoder that look at the frame alone.

    The quick way takes several frames at once and skips the padding of windows. A matrix product of other rows beside
    one's own is rounded alike on most processors with most numbers of threads, but not on all, so on a processor the
    quick way is compared with ``sam2``'s own, frame by frame, before it is trusted. The very first call takes that
    alone, so that nobody waits for a comparison before the first mask.

    Parameters
    ----------
    network : torch.nn.Module
        A ``SAM2Base``.
    device : str
        Where it is.
    """

    def __init__(self, network: Any, device: str) -> None:
        self._net = network
        self._hiera = network.image_encoder.trunk
        self._trunk = Trunk(self._hiera)
        self._checked = device == "cpu"
        self._ways: dict[tuple[int, int], Literal["untried", "quick", "plain"]] = {}

    def compile(self) -> None:
        """Compile the trunk; its numbers are then those of the compiler."""
        self._checked = False
        self._trunk.compile()

    def __call__(self, planes: torch.Tensor) -> list[Embedding]:
        """Embeddings of frames.

        Parameters
        ----------
        planes : torch.Tensor, shape (B, 3, S, S)
            Normalised frames.
        """
        import torch

        if not self._checked:
            return self._embed(self._trunk, planes)
        key = planes.shape[0], torch.get_num_threads()
        way = self._ways.get(key)
        if way == "quick":
            return self._embed(self._trunk, planes)
        plain = self._plain(planes)
        if way is None:
            self._ways[key] = "untried"
        elif way == "untried":
            self._ways[key] = "quick" if _same(self._embed(self._trunk, planes), plain) else "plain"
        return plain

    def gains(self, batch: int) -> bool:
        """Whether `batch` frames at once are quicker, as far as is known."""
        import torch

        return self._ways.get((batch, torch.get_num_threads())) != "plain"

    def _plain(self, planes: torch.Tensor) -> list[Embedding]:
        if planes.shape[0] == 1:
            return self._embed(self._hiera, planes)
        return [made for i in range(planes.shape[0]) for made in self(planes[i : i + 1])]

    def _embed(self, trunk: Callable[[torch.Tensor], Any], planes: torch.Tensor) -> list[Embedding]:
        """Mirrors ``SAM2Base.forward_image`` and ``FpnNeck.forward`` without the position encodings nobody reads."""
        import torch.nn.functional as F

        levels = trunk(planes)
        neck = self._net.image_encoder.neck
        last = len(neck.convs) - 1
        outputs: list[Any] = [None] * (last + 1)
        above = None
        for i in range(last, -1, -1):
            lateral = neck.convs[last - i](levels[i])
            if i in neck.fpn_top_down_levels and above is not None:
                above = lateral + F.interpolate(above.float(), scale_factor=2.0, mode=neck.fpn_interp_model)
            else:
                above = lateral
            outputs[i] = above
        decoder = self._net.sam_mask_decoder
        made = decoder.conv_s0(outputs[0]), decoder.conv_s1(outputs[1]), outputs[2]
        if planes.shape[0] == 1:
            return [Embedding(*made)]
        return [Embedding(*(part[i : i + 1].clone() for part in made)) for i in range(planes.shape[0])]


def _same(some: list[Embedding], others: list[Embedding]) -> bool:
    import torch

    pairs = [(getattr(a, part), getattr(b, part)) for a, b in zip(some, others, strict=True) for part in _PARTS]
    return all(torch.equal(a, b) for a, b in pairs)
