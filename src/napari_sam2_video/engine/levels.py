"""Mask logits -> levels at frame resolution, each cut to its bounding box."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from napari_sam2_video.geometry import bounding_box, cut_to_box
from napari_sam2_video.types import LEVEL_STEP

if TYPE_CHECKING:
    import numpy.typing as npt
    import torch

    from napari_sam2_video.geometry import Region

Levels: TypeAlias = "tuple[tuple[int, int], npt.NDArray[np.uint8]]"
_CHUNK_PIXELS = 1 << 20
_NONE = np.zeros((0, 0), np.uint8)


def cut_levels(logits_b1hw: torch.Tensor, shape_yx: tuple[int, int], *, exact: bool = True) -> list[Levels]:
    """Origin and levels of each mask, as in `napari_sam2_video.types.ObjectMask`.

    On a CPU, only the part of the frame around an object is brought to full size if that gives the same bits as
    resizing all of it: if the sides grow by powers of two.

    Parameters
    ----------
    logits_b1hw : torch.Tensor, shape (B, 1, S / 4, S / 4)
        Mask logits.
    shape_yx : tuple of int
        Shape of the frame.
    exact : bool
        False resizes parts of frames of any shape; a level may then differ by one through rounding.
    """
    sides = tuple(zip(shape_yx, logits_b1hw.shape[-2:], strict=True))
    even = all(long % short == 0 and (long // short).bit_count() == 1 for long, short in sides)
    if logits_b1hw.device.type == "cpu" and (even or not exact):
        return [_part(plane, shape_yx, even=even) for plane in logits_b1hw[:, 0]]
    return _whole(logits_b1hw, shape_yx)


def _whole(logits_b1hw: torch.Tensor, shape_yx: tuple[int, int]) -> list[Levels]:
    import torch.nn.functional as F

    low_yx = logits_b1hw.shape[-2:]
    near = [_reach(mask_yx) for mask_yx in (logits_b1hw[:, 0] > 0).cpu().numpy()]
    result: list[Levels] = []
    chunk = max(1, _CHUNK_PIXELS // (shape_yx[0] * shape_yx[1]))
    for begin in range(0, len(near), chunk):
        boxes = near[begin : begin + chunk]
        if not any(boxes):
            result.extend([((0, 0), _NONE)] * len(boxes))
            continue
        logits = F.interpolate(logits_b1hw[begin : begin + chunk], size=shape_yx, mode="bilinear", align_corners=False)
        for plane, box in zip(logits[:, 0], boxes, strict=True):
            rows, columns = (
                slice(side.start * long // short, -(-side.stop * long // short))
                for side, long, short in zip(box or (slice(0, 0), slice(0, 0)), shape_yx, low_yx, strict=True)
            )
            result.append(cut_to_box(_levels(plane[rows, columns]).cpu().numpy(), (rows.start, columns.start)))
    return result


def _reach(mask_yx: npt.NDArray[np.bool_]) -> Region | None:
    """Places between which every pixel above 0 lies.

    Such a pixel lies next to a place above 0; one more place keeps the edge of a cut at 0.
    """
    box = bounding_box(mask_yx)
    if box is None:
        return None
    rows, columns = (
        slice(max(0, side.start - 2), min(length, side.stop + 2))
        for side, length in zip(box, mask_yx.shape, strict=True)
    )
    return rows, columns


def _part(logits_hw: torch.Tensor, shape_yx: tuple[int, int], *, even: bool) -> Levels:
    """Levels of one mask, by the part of it that can reach above 0."""
    import torch.nn.functional as F

    box = _reach((logits_hw > 0).numpy())
    if box is None:
        return (0, 0), _NONE
    rows, columns = box
    if even:
        down, right = (long // short for long, short in zip(shape_yx, logits_hw.shape, strict=True))
        part = logits_hw[None, None, rows, columns]
        size = (part.shape[2] * down, part.shape[3] * right)
        large = F.interpolate(part, size=size, mode="bilinear", align_corners=False)[0, 0]
        first = rows.start * down, columns.start * right
    else:
        top, mixed = _grown(logits_hw[:, columns], rows, shape_yx[0])
        left, turned = _grown(mixed.T, columns, shape_yx[1], shift=columns.start, length=logits_hw.shape[1])
        large, first = turned.T, (top, left)
    return cut_to_box(_levels(large).numpy(), first)


def _grown(
    lines: torch.Tensor, places: slice, size: int, *, shift: int = 0, length: int | None = None
) -> tuple[int, torch.Tensor]:
    """Lines between `places` at full size, and the index of the first; `lines` begins at line `shift` of `length`."""
    import torch

    count = lines.shape[0] if length is None else length
    step = count / size
    first = 0 if places.start == 0 else int((places.start + 0.5) / step - 0.5)
    last = size if places.stop == count else min(size, int((places.stop - 0.5) / step - 0.5) + 2)
    there = ((torch.arange(first, last) + 0.5) * step - 0.5).clamp_(places.start, places.stop - 1)
    before = there.long()
    after = (before + 1).clamp_(max=places.stop - 1)
    share = (there - before)[:, None].to(lines.dtype)
    return first, torch.lerp(lines[before - shift], lines[after - shift], share)


def _levels(planes: torch.Tensor) -> torch.Tensor:
    return planes.div(LEVEL_STEP).add_(1).clamp_(0, 255).byte().mul_(planes > 0)
