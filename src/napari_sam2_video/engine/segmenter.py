"""The network as detectors use it: features of a frame, and masks from many clicks or boxes at once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_video.engine.embedder import Embedder
from napari_sam2_video.engine.windows import Window
from napari_sam2_video.geometry import bounding_box, cut_to_box
from napari_sam2_video.types import SegmentedMask

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    import torch

    from napari_sam2_video.engine.batching import Batcher
    from napari_sam2_video.engine.features import FeatureCache
    from napari_sam2_video.engine.framing import Framing
    from napari_sam2_video.engine.networks.outputs import Clicked, Embedding

    Square = tuple[int, int, int]

_CLICK = np.array([1], np.int32)
_BOX = np.array([2, 3], np.int32)
_STABILITY_OFFSET = 1.0
_BATCH_PIXELS = 1 << 22


class NetworkSegmenter:
    """Features and masks of the frames of a view; see `napari_sam2_video.detect.protocol.Segmenter`.

    Parameters
    ----------
    batcher : Batcher
        The network and the view.
    cache : FeatureCache
        Where embeddings are looked up and kept.
    framing : Framing, optional
        Chooses windows for boxes; whole frames if not given.
    """

    def __init__(self, batcher: Batcher, cache: FeatureCache, framing: Framing | None = None) -> None:
        self._batcher = batcher
        self._framing = framing
        self._embedder = Embedder(batcher.model, batcher.view, cache)
        self._batch = max(4, min(64, _BATCH_PIXELS // batcher.model.image_size**2))

    @property
    def image_size(self) -> int:
        """Side of the network's square input in pixels."""
        return self._batcher.model.image_size

    def features(self, frame: int, square: Square | None = None) -> npt.NDArray[np.float32]:
        """Features of a frame or of a square part of it, float32 of shape ``(C, S / 8, S / 8)``."""
        import torch
        import torch.nn.functional as F

        with self._batcher.turn(), torch.inference_mode():
            embedding = self._embedding(frame, _window(square)).float()
            side = embedding.middle.shape[-2:]
            coarse = F.interpolate(embedding.coarse, size=side, mode="bilinear", align_corners=False)
            levels = (coarse, embedding.middle, F.avg_pool2d(embedding.fine, 2))
            # weight each level by its number of channels, not by its scale
            even = [level / level.square().mean().sqrt().clamp(min=1e-6) for level in levels]
            return torch.cat(even, dim=1)[0].cpu().numpy()

    def at_points(
        self,
        frame: int,
        points_yx: npt.NDArray[np.float32],
        square: Square | None = None,
        *,
        least_iou: float = 0.0,
        least_stability: float = 0.0,
    ) -> list[SegmentedMask]:
        """Masks that single clicks select, up to three for each point of ``(N, 2)``."""
        window = _window(square)
        points = points_yx if window is None else window.inward(points_yx)
        return self._decoded(frame, window, points[:, None], _CLICK, least_iou, least_stability)

    def in_boxes(self, frame: int, boxes_yxyx: npt.NDArray[np.float32]) -> list[SegmentedMask]:
        """The mask in each box of ``(N, 4)``, in the window that the tracker would use."""
        corners = boxes_yxyx.reshape(-1, 2, 2)
        rows: dict[Window | None, list[int]] = {}
        for row, box in enumerate(corners):
            window = None if self._framing is None else self._framing.for_box(box)
            rows.setdefault(window, []).append(row)
        found: dict[int, SegmentedMask] = {}
        for window, inside in rows.items():
            points = corners[inside] if window is None else window.inward(corners[inside])
            for row, mask in zip(inside, self._decoded(frame, window, points, _BOX, 0.0, 0.0), strict=True):
                found[row] = SegmentedMask(**{**vars(mask), "prompt": row})
        return [found[row] for row in range(len(corners))]

    def _decoded(
        self,
        frame: int,
        window: Window | None,
        points: npt.NDArray[np.float32],
        labels: npt.NDArray[np.int32],
        least_iou: float,
        least_stability: float,
    ) -> list[SegmentedMask]:
        model, shape_yx = self._batcher.model, self._batcher.view.shape_yx
        seen_yx = shape_yx if window is None else window.shape_yx
        found: list[SegmentedMask] = []
        for begin in range(0, len(points), self._batch):
            part = np.ascontiguousarray(points[begin : begin + self._batch], np.float32)
            with self._batcher.turn():
                embedding = self._embedding(frame, window)
                clicked = model.decode_clicks(embedding, part, labels, seen_yx, least_iou=least_iou)
                stability = _stability(clicked.logits)
                kept = [m for m, value in enumerate(stability) if value >= least_stability]
                logits = clicked.logits[kept].cpu().numpy()
            found += _shown(clicked, kept, stability, logits, begin, window, shape_yx)
        return found

    def _embedding(self, frame: int, window: Window | None) -> Embedding:
        ((_, embedding),) = self._embedder.embed_windows(frame, [window])
        return embedding


def _shown(
    clicked: Clicked,
    kept: Sequence[int],
    stability: Sequence[float],
    logits: npt.NDArray[np.float32],
    first: int,
    window: Window | None,
    shape_yx: tuple[int, int],
) -> list[SegmentedMask]:
    """Masks at the resolution of the frame."""
    prompts, ious, scores = (values.tolist() for values in (clicked.prompts, clicked.ious, clicked.scores))
    made = []
    for m, plane in zip(kept, logits, strict=True):
        origin, mask = enlarged(plane, shape_yx if window is None else window.shape_yx)
        if window is not None:
            origin, mask = _in_frame((origin[0] + window.top, origin[1] + window.left), mask, shape_yx)
        iou = min(max(ious[m], 0.0), 1.0)
        made.append(SegmentedMask(first + prompts[m], origin, mask, iou, stability[m], scores[m]))
    return made


def enlarged(
    logits_yx: npt.NDArray[np.float32], shape_yx: tuple[int, int]
) -> tuple[tuple[int, int], npt.NDArray[np.bool_]]:
    """A mask at another resolution, cut to its bounding box, from logits of a whole frame.

    Bilinear interpolation as with ``align_corners=False``, computed only near the mask.

    Returns
    -------
    origin_yx : tuple of int
        Pixel at which the mask begins.
    mask : ndarray of bool, shape (h, w)
        The pixels whose logit is above 0; of shape ``(0, 0)`` where there are none.
    """
    box = bounding_box(logits_yx > 0)
    if box is None:
        return (0, 0), np.zeros((0, 0), bool)
    begin, weights, part = [], [], []
    for inside, low, high in zip(box, logits_yx.shape, shape_yx, strict=True):
        near = slice(max(0, inside.start - 1), min(low, inside.stop + 1))
        first, last = math.floor(near.start * high / low), math.ceil(near.stop * high / low)
        place = ((np.arange(first, last) + 0.5) * low / high - 0.5).clip(0, low - 1).clip(near.start, near.stop - 1)
        below = np.minimum(place.astype(int), near.stop - 1)
        above = np.minimum(below + 1, near.stop - 1)
        matrix = np.zeros((last - first, near.stop - near.start), np.float32)
        rows, share = np.arange(last - first), (place - below).astype(np.float32)
        np.add.at(matrix, (rows, below - near.start), 1 - share)
        np.add.at(matrix, (rows, above - near.start), share)
        begin.append(first)
        weights.append(matrix)
        part.append(near)
    mask = weights[0] @ logits_yx[part[0], part[1]] @ weights[1].T > 0
    return cut_to_box(mask, (begin[0], begin[1]))


def _in_frame(
    origin_yx: tuple[int, int], mask: npt.NDArray[np.bool_], shape_yx: tuple[int, int]
) -> tuple[tuple[int, int], npt.NDArray[np.bool_]]:
    """The part of a mask that is inside the frame."""
    (top, left), (height, width) = origin_yx, shape_yx
    part = mask[max(0, -top) : max(0, height - top), max(0, -left) : max(0, width - left)]
    return cut_to_box(part, (max(top, 0), max(left, 0)))


def _stability(logits: torch.Tensor) -> list[float]:
    """IoU of each mask at a higher and at a lower threshold; mirrors ``sam2.utils.amg.calculate_stability_score``."""
    high = (logits > _STABILITY_OFFSET).flatten(1).sum(1)
    low = (logits > -_STABILITY_OFFSET).flatten(1).sum(1)
    return (high / low.clamp(min=1)).tolist()


def _window(square: Square | None) -> Window | None:
    return None if square is None else Window(*square)
