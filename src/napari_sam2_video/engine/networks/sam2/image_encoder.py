"""Embed frames with the network's image encoder, on the fast path if that gives the same bits as ``sam2``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam2_video.engine.networks.outputs import Embedding
from napari_sam2_video.engine.networks.sam2.trunk import Trunk

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch


class ImageEncoder:
    """Image encoder of a network, with the projections of the mask decoder that look at the frame alone.

    The fast path takes several frames at once and skips the padding of windows. Whether other rows in a matrix product
    change the rounding of one's own depends on the CPU and the number of threads, so on a CPU the fast path is compared
    with ``sam2``'s own before it is used.

    Parameters
    ----------
    network : torch.nn.Module
        A ``SAM2Base``.
    device : str
        torch device.
    quick : bool
        Whether rounding may differ from ``sam2``'s, so that no comparison is needed.
    """

    def __init__(self, network: Any, device: str, *, quick: bool = False) -> None:
        self._net = network
        self._hiera = network.image_encoder.trunk
        self._trunk = Trunk(self._hiera)
        self._compared = device == "cpu" and not quick
        self._equal: dict[tuple[int, int], bool] = {}

    def compile(self) -> None:
        """Compile the trunk; its numbers are then those of the compiler."""
        self._compared = False
        self._trunk.compile()

    def __call__(self, planes: torch.Tensor, *, many: bool = False) -> list[Embedding]:
        """Embeddings of frames.

        Parameters
        ----------
        planes : torch.Tensor, shape (B, 3, S, S)
            Normalised frames.
        many : bool
            Whether many more will follow, so that the comparison is worth its time; nobody who waits for one frame
            should wait for it.
        """
        import torch

        batch = planes.shape[0]
        key = batch, torch.get_num_threads()
        if not self._compared or self._equal.get(key, False):
            return self._embed(self._trunk, planes)
        if key in self._equal or not many:
            return self._plain(planes)
        quick = self._embed(self._trunk, planes)
        ends = {i: self._plain(planes[i : i + 1])[0] for i in sorted({0, batch - 1})}
        self._equal[key] = all(_same(quick[i], plain) for i, plain in ends.items())
        return quick if self._equal[key] else self._plain(planes)

    def gains(self, batch: int) -> bool:
        """Whether `batch` frames at once are faster, as far as is known."""
        import torch

        return self._equal.get((batch, torch.get_num_threads()), True)

    def _plain(self, planes: torch.Tensor) -> list[Embedding]:
        """Embeddings of frames one at a time, as ``sam2`` makes them."""
        return [self._embed(self._hiera, planes[i : i + 1])[0] for i in range(planes.shape[0])]

    def _embed(self, trunk: Callable[[torch.Tensor], Any], planes: torch.Tensor) -> list[Embedding]:
        """Mirrors ``SAM2Base.forward_image`` and ``FpnNeck.forward`` without the unused position encodings."""
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


def _same(one: Embedding, other: Embedding) -> bool:
    import torch

    return all(torch.equal(getattr(one, part), getattr(other, part)) for part in ("fine", "middle", "coarse"))
