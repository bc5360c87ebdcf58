"""The SAM 2.1 network on a device: embed a frame, attend to memories, decode masks, make new memories.

The only module that runs the network. Each method enters and leaves its own inference and autocast context, which torch
keeps per thread. Arrays in ``(y, x)`` become the network's ``(x, y)`` here.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.engine.levels import cut_levels
from napari_sam2_video.engine.networks.outputs import Decoded
from napari_sam2_video.engine.networks.sam2.clicks import decode_clicks
from napari_sam2_video.engine.networks.sam2.image_encoder import ImageEncoder
from napari_sam2_video.engine.networks.sam2.mask_input import mask_logits, resized
from napari_sam2_video.engine.networks.sam2.memory_attention import MemoryAttention, sequence
from napari_sam2_video.engine.networks.sam2.memory_encoder import encode_batch
from napari_sam2_video.engine.networks.sam2.packed import PackedLayers, plain_linear
from napari_sam2_video.engine.networks.sam2.quick import quick_numbers, quicken
from napari_sam2_video.engine.torch_errors import engine_errors
from napari_sam2_video.storage.user_cache import user_cache

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt
    import torch

    from napari_sam2_video.engine.memory import Recall
    from napari_sam2_video.engine.networks.outputs import Clicked, Embedding
    from napari_sam2_video.engine.networks.sam2.packed import Linear
    from napari_sam2_video.models.presets import ModelPreset

_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)


class Sam2Model:
    """A network with its weights on a device.

    Parameters
    ----------
    network : torch.nn.Module
        A ``SAM2Base`` in evaluation mode, on the CPU.
    preset : ModelPreset
        Its hyper-parameters.
    name : str
        Name of the model.
    sha256 : str
        Hash of the weights.
    device : str
        torch device.
    precision : {"fp32", "bf16", "fp16"}
        Type of the numbers.
    arithmetic : {"exact", "fast"}
        Whether results for one object equal those of ``sam2`` bit for bit, or up to rounding in less time. The choice
        only matters in fp32 on a CPU; bf16 is always fast there.

    Attributes
    ----------
    notes : tuple of str
        Notes for the user before the first run.
    """

    def __init__(
        self,
        network: Any,
        preset: ModelPreset,
        *,
        name: str,
        sha256: str,
        device: str = "cpu",
        precision: str = "fp32",
        arithmetic: str = "exact",
    ) -> None:
        self.preset = preset
        self.name = name
        self.notes: tuple[str, ...] = ()
        self.sha256 = sha256
        self.device = device
        self.precision = precision
        quick, numbers = quick_numbers(arithmetic, device, precision)
        self.arithmetic = "fast" if quick else "exact"
        self.image_size = int(network.image_size)
        with engine_errors(device):
            self._net = network.to(device).requires_grad_(False).eval()
        self._autocast = precision != "fp32" and not quick
        self._encoder = ImageEncoder(self._net, device, quick=quick)
        self._linear: Linear = plain_linear if device != "cpu" or self._autocast else PackedLayers()
        if quick:
            self._linear = quicken(self._net, numbers)
        self._attention = MemoryAttention(self._net, device, self._linear, quick=quick, numbers=numbers)
        self._input_table = _input_table()
        self._compiled = False

    def compile(self) -> None:
        """Compile the two most expensive parts; the first frames then take a minute or more, and later ones are faster.

        Compiled code is kept in the user's cache, so that the next process starts sooner. Fast arithmetic is
        never compiled.
        """
        if self.arithmetic == "fast":
            self.notes = (*self.notes, "Fast arithmetic is not compiled: on a CPU that would make it slower.")
            return
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(user_cache("compiled")))
        self._compiled = True
        self._encoder.compile()
        self._attention.compile()

    @property
    def embed_batch(self) -> int:
        """Number of frames that are worth embedding together: more for smaller inputs."""
        batch = max(1, min(4, (512 // self.image_size) ** 2))
        return batch if not self._compiled and self._encoder.gains(batch) else 1

    @property
    def key(self) -> str:
        """Changes whenever the numbers that the network computes would change."""
        ways = "-fast" * (self.arithmetic == "fast") + "-compiled" * self._compiled
        return f"{self.sha256}-{self.image_size}-{self.precision}{ways}"

    @property
    def threads(self) -> int:
        """CPU threads that the network uses."""
        import torch

        return torch.get_num_threads()

    @property
    def _kind(self) -> str:
        return self.device.split(":")[0]

    @contextmanager
    def _context(self) -> Iterator[None]:
        import torch

        kinds = {"bf16": torch.bfloat16, "fp16": torch.float16}
        with ExitStack() as stack:
            stack.enter_context(engine_errors(self.device))
            stack.enter_context(torch.inference_mode())
            if self._autocast:
                stack.enter_context(torch.autocast(self._kind, kinds[self.precision]))
            yield

    def prepare(self, frame_yxc: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Resize a frame to the network's square input, uint8 of shape ``(S, S, 3)``.

        Bicubic with anti-aliasing, as ``sam2.utils.misc`` does for folders of images. Needs no device.
        """
        size = self.image_size
        if frame_yxc.shape[:2] == (size, size):
            return frame_yxc
        from PIL import Image

        return np.asarray(Image.fromarray(frame_yxc).resize((size, size)))

    def embed(self, prepared: npt.NDArray[np.uint8]) -> Embedding:
        """Run the image encoder on a frame from `prepare`."""
        return self.embed_many([prepared], many=False)[0]

    def embed_many(self, prepared: Sequence[npt.NDArray[np.uint8]], *, many: bool = True) -> list[Embedding]:
        """Run the image encoder on frames from `prepare`; `many` as in `ImageEncoder`."""
        import torch

        with self._context():
            table = self._input_table
            planes = np.stack([np.stack([table[c][frame[..., c]] for c in range(3)]) for frame in prepared])
            return self._encoder(torch.from_numpy(planes).to(self.device), many=many)

    def decode_tracked(self, embedding: Embedding, recalls: Sequence[Recall], n_frames: int) -> Decoded:
        """Masks of B objects from their memories; see `Network.decode_tracked`."""
        with self._context():
            return self._decode(
                embedding, self._attention(embedding.coarse, recalls, n_frames), None, None, multimask=True
            )[0]

    def decode_points(
        self,
        embedding: Embedding,
        points_yx: npt.NDArray[np.float32],
        labels: npt.NDArray[np.int32],
        shape_yx: tuple[int, int],
        *,
        recall: Recall | None = None,
        n_frames: int = 2,
        prior: torch.Tensor | None = None,
    ) -> tuple[Decoded, Decoded]:
        """Masks of one object from points and boxes; see `Network.decode_points`."""
        import torch

        with self._context():
            coords = self._coordinates(points_yx, shape_yx)[None]
            kinds = torch.from_numpy(labels)[None].to(self.device)
            if prior is not None:
                prior = prior.to(self.device).clamp(-32.0, 32.0)
            coarse, attention = embedding.coarse, self._attention
            feature = attention.plain(coarse) if recall is None else attention(coarse, [recall], n_frames)
            return self._decode(embedding, feature, (coords, kinds), prior, multimask=labels.size <= 1)

    def decode_clicks(
        self,
        embedding: Embedding,
        points_nkyx: npt.NDArray[np.float32],
        labels: npt.NDArray[np.int32],
        shape_yx: tuple[int, int],
        *,
        least_iou: float = 0.0,
    ) -> Clicked:
        """Masks of N objects, each from one click or one box; see `Network.decode_clicks`."""
        import torch

        with self._context(), torch.autocast(self._kind, enabled=False):
            kinds = torch.from_numpy(labels).to(self.device).expand(len(points_nkyx), -1)
            return decode_clicks(
                self._net,
                embedding.float(),
                self._attention.plain(embedding.coarse).float(),
                self._dense_position,
                (self._coordinates(points_nkyx, shape_yx), kinds),
                least_iou=least_iou,
                single=labels.size > 1,
            )

    def decode_mask(self, embedding: Embedding, mask_yx: npt.NDArray[np.bool_]) -> Decoded:
        """Take a mask from the user unchanged; mirrors ``SAM2VideoPredictor.add_new_mask``."""
        with self._context():
            high_res = [embedding.fine, embedding.middle]
            _, _, ious, logits, _, pointer, score = self._net._use_mask_as_output(
                sequence(embedding.coarse).permute(1, 2, 0).view(embedding.coarse.shape),
                high_res,
                # Moved only now: older versions of torch cannot resize like this on Apple's GPU.
                resized(mask_yx, self.image_size).to(self.device),
            )
            return Decoded(logits, ious[:, 0], pointer.float(), score)

    def mask_logits(self, mask_yx: npt.NDArray[np.bool_]) -> torch.Tensor:
        """The logits of `decode_mask` alone; see `Network.mask_logits`."""
        with self._context():
            return mask_logits(mask_yx, self.image_size)

    def absent(self, decoded: Decoded) -> Decoded:
        """Absent objects, as ``SAM2Base._forward_sam_heads`` leaves them if the score is negative."""
        import torch

        with self._context():
            gone = torch.zeros_like(decoded.scores, dtype=torch.bool)
            pointers = self._net.no_obj_ptr.expand_as(decoded.pointers).float()
            return Decoded(_gate(decoded.logits, gone), decoded.ious, pointers, -decoded.scores.abs())

    def remember(self, embedding: Embedding, decoded: Decoded, *, prompted: bool) -> torch.Tensor:
        """Turn masks into spatial memories, bfloat16 of shape ``(B, memory_dim, S / 16, S / 16)``.

        Mirrors ``SAM2Base._encode_new_memory``; prompted frames are binarised as the predictor's preflight does.
        """
        import torch
        import torch.nn.functional as F

        with self._context():
            size = (self.image_size,) * 2
            if decoded.logits.shape[0] > 1 or self.arithmetic == "fast":
                masks = F.interpolate(decoded.logits, size=size, mode="bilinear", align_corners=False)
                made = encode_batch(
                    self._net, embedding.coarse, masks, decoded.scores, prompted=prompted, linear=self._linear
                )
                return made.to(torch.bfloat16)
            # upstream resizes three masks and keeps one; torch rounds three channels differently from one
            channels = 1 if prompted else 3
            logits = decoded.logits.expand(-1, channels, -1, -1)
            masks = F.interpolate(logits, size=size, mode="bilinear", align_corners=False)[:, :1]
            features, _ = self._net._encode_new_memory(
                current_vision_feats=[sequence(embedding.coarse)],
                feat_sizes=[tuple(embedding.coarse.shape[-2:])],
                pred_masks_high_res=masks,
                object_score_logits=decoded.scores,
                is_mask_from_pts=prompted,
            )
            memory: torch.Tensor = features.to(torch.bfloat16)
            return memory

    def levels(
        self, decoded: Decoded, shape_yx: tuple[int, int]
    ) -> list[tuple[tuple[int, int], npt.NDArray[np.uint8]]]:
        """Masks at the resolution of the frame, cut to their boxes; see `Network.levels`."""
        with self._context():
            return cut_levels(decoded.logits, shape_yx, exact=self.arithmetic == "exact")

    def _decode(
        self,
        embedding: Embedding,
        feature: torch.Tensor,
        points: tuple[torch.Tensor, torch.Tensor] | None,
        prior: torch.Tensor | None,
        *,
        multimask: bool,
    ) -> tuple[Decoded, Decoded]:
        """Mirrors ``SAM2Base._forward_sam_heads``, but does not upscale masks that are not kept.

        Without autocast: low precision moves the edges of small objects, and converting costs more than it saves.
        """
        import torch

        if self._autocast and torch.is_autocast_enabled(self._kind):
            with torch.autocast(self._kind, enabled=False):
                return self._decode(embedding.float(), feature.float(), points, prior, multimask=multimask)
        net = self._net
        batch = feature.shape[0]
        if points is None:
            sparse, dense = self._no_prompt
            sparse, dense = sparse.expand(batch, -1, -1), dense.expand(batch, -1, -1, -1)
        else:
            sparse, dense = net.sam_prompt_encoder(points=points, boxes=None, masks=prior)
        decoder = net.sam_mask_decoder
        masks, ious, tokens, scores = decoder.predict_masks(
            image_embeddings=feature,
            image_pe=self._dense_position,
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            repeat_image=False,
            high_res_features=[embedding.fine, embedding.middle],
        )
        rows = torch.arange(batch, device=masks.device)
        best = torch.argmax(ious[:, 1:], dim=-1)
        if multimask:
            chosen, chosen_iou = masks[:, 1:][rows, best].unsqueeze(1), ious[:, 1:][rows, best]
            token = tokens[:, 1:][rows, best]
        else:
            chosen, iou = decoder._dynamic_multimask_via_stability(masks, ious)
            chosen_iou, token = iou[:, 0], tokens[:, 0]
        appearing = scores > 0
        pointer = self._pointer(token, appearing)
        decoded = Decoded(_gate(chosen, appearing), chosen_iou, pointer, scores)
        if points is None:
            return decoded, decoded
        if multimask:
            others, other_ious, first = masks[0, 1:, None], ious[0, 1:], tokens[0, 1:]
        else:
            by_iou = torch.argsort(ious[0, 1:], descending=True).tolist()
            ranked = [i for i in by_iou if not torch.equal(masks[0, 1 + i], chosen[0, 0])][:2]
            others = torch.cat([chosen] + [masks[:, 1 + i, None] for i in ranked])
            other_ious = torch.cat([chosen_iou] + [ious[:, 1 + i] for i in ranked])
            first = torch.cat([token] + [tokens[:, 1 + i] for i in ranked])
        count = others.shape[0]
        seen = appearing.expand(count, -1)
        candidates = Decoded(_gate(others, seen), other_ious, self._pointer(first, seen), scores.expand(count, -1))
        return decoded, candidates

    def _coordinates(self, points_yx: npt.NDArray[np.float32], shape_yx: tuple[int, int]) -> torch.Tensor:
        """Points ``(..., 2)`` of a frame as ``(x, y)`` of the network's input, on its device."""
        import torch

        height, width = shape_yx
        xy = torch.from_numpy(np.ascontiguousarray(points_yx[..., ::-1]))
        return (xy / torch.tensor([width, height]) * self.image_size).to(self.device)

    def _pointer(self, token: torch.Tensor, appearing: torch.Tensor) -> torch.Tensor:
        net = self._net
        weight = appearing.float()
        pointer = weight * net.obj_ptr_proj(token) + (1 - weight) * net.no_obj_ptr
        result: torch.Tensor = pointer.float()
        return result

    @cached_property
    def _no_prompt(self) -> tuple[torch.Tensor, torch.Tensor]:
        import torch

        coords = torch.zeros(1, 1, 2, device=self.device)
        labels = -torch.ones(1, 1, dtype=torch.int32, device=self.device)
        sparse, dense = self._net.sam_prompt_encoder(points=(coords, labels), boxes=None, masks=None)
        return sparse, dense

    @cached_property
    def _dense_position(self) -> torch.Tensor:
        result: torch.Tensor = self._net.sam_prompt_encoder.get_dense_pe()
        return result


def _input_table() -> npt.NDArray[np.float32]:
    """Normalised value of each grey level, shape (3, 256); rounded as ``sam2.utils.misc`` rounds."""
    import torch

    grey = torch.from_numpy(np.arange(256, dtype=np.uint8) / 255.0).float()
    rows = [(grey - torch.tensor(m)) / torch.tensor(s) for m, s in zip(_MEAN, _STD, strict=True)]
    return torch.stack(rows).numpy()


def _gate(masks: torch.Tensor, appearing: torch.Tensor) -> torch.Tensor:
    """-1024 wherever the object is absent; mirrors ``NO_OBJ_SCORE`` in ``SAM2Base._forward_sam_heads``."""
    import torch

    return torch.where(appearing[:, None, None], masks, -1024.0).float()
