"""Windows (parts of a frame that follow an object), and the places where an object was seen."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    import torch

    from napari_sam2_video.types import ObjectMask

_NOTHING = -32.0


@dataclass(frozen=True, order=True)
class Window:
    """A square part of a frame around a small object, or a whole frame shifted with its object.

    Parameters
    ----------
    top, left : int
        Its first pixel; the window may reach beyond the frame, whose edge pixels are then repeated.
    side : int
        Its side in pixels of the frame; its width if it is a whole frame.
    height : int
        Height of a shifted whole frame; 0 for a square part.
    """

    top: int
    left: int
    side: int
    height: int = 0

    @property
    def key(self) -> str:
        """Its part of the key of an embedding."""
        return ",".join(map(str, self.numbers))

    @property
    def numbers(self) -> tuple[int, ...]:
        """The fields as a tuple; the height only if it is not 0."""
        return (self.top, self.left, self.side, *([self.height] if self.height else []))

    @property
    def centre_yx(self) -> tuple[float, float]:
        """Middle of the window in frame pixels."""
        height, width = self.shape_yx
        return self.top + (height - 1) / 2, self.left + (width - 1) / 2

    @property
    def shape_yx(self) -> tuple[int, int]:
        """Shape in pixels."""
        return self.height or self.side, self.side

    def crop(self, frame: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """The window's part of a frame of shape ``(Y, X, 3)`` or a mask ``(Y, X)``; its first axes are `shape_yx`."""
        height, width = self.shape_yx
        rows = np.clip(np.arange(self.top, self.top + height), 0, frame.shape[0] - 1)
        columns = np.clip(np.arange(self.left, self.left + width), 0, frame.shape[1] - 1)
        return frame[rows[:, None], columns]

    def crop_mask(self, mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """The window's part of a mask ``(Y, X)``, False beyond the frame; of shape `shape_yx`."""
        firsts = (self.top, self.left)
        rows, columns = (np.arange(n, n + length) for n, length in zip(firsts, self.shape_yx, strict=True))
        inside = ((rows >= 0) & (rows < mask.shape[0]))[:, None] & (columns >= 0) & (columns < mask.shape[1])
        part = mask[np.clip(rows, 0, mask.shape[0] - 1)[:, None], np.clip(columns, 0, mask.shape[1] - 1)]
        return np.asarray(part & inside)

    def holds(self, points_yx: npt.NDArray[np.float32]) -> bool:
        """Whether points ``(N, 2)`` of the frame are inside."""
        first = np.array([self.top, self.left])
        return bool(((points_yx >= first - 0.5) & (points_yx <= first + self.shape_yx - 0.5)).all())

    def inward(self, points_yx: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Points ``(N, 2)`` of the frame in pixels of the window."""
        return (points_yx - np.array([self.top, self.left], np.float32)).astype(np.float32)

    def outward(self, mask: ObjectMask, shape_yx: tuple[int, int]) -> ObjectMask:
        """A mask in window pixels as a mask of the frame, clipped at its edges."""
        levels = mask.levels
        if levels.size == 0:
            return mask
        top, left = mask.origin_yx[0] + self.top, mask.origin_yx[1] + self.left
        rows = slice(max(0, -top), max(0, shape_yx[0] - top))
        columns = slice(max(0, -left), max(0, shape_yx[1] - left))
        return replace(mask, origin_yx=(max(top, 0), max(left, 0)), levels=levels[rows, columns])

    def touched_by(self, place: Place, shape_yx: tuple[int, int]) -> bool:
        """Whether an object reaches a border of the window that is not a border of the frame."""
        if place.extent_yx is None:
            return False
        for first, length, centre, extent in zip(
            (self.top, self.left), shape_yx, place.centre_yx, place.extent_yx, strict=True
        ):
            margin = self.side / 32
            if first > 0 and centre - extent / 2 < first + margin:
                return True
            if first + self.side < length and centre + extent / 2 > first + self.side - margin:
                return True
        return False


@dataclass(frozen=True)
class Place:
    """Where an object was on a frame, and the window in which it was searched.

    Parameters
    ----------
    window : Window, optional
        None if the network saw the whole frame.
    centre_yx : tuple of float
        Centre of mass of the object, in frame pixels; where it was last seen, if it is absent.
    extent_yx : tuple of float, optional
        Height and width in pixels of an ellipse with the object's variance; None if it is absent.
    size : float
        The larger of the two when the object was last seen.
    absent : int
        For how many consecutive frames it was not seen.
    """

    window: Window | None
    centre_yx: tuple[float, float]
    extent_yx: tuple[float, float] | None
    size: float
    absent: int = 0


def area_of(place: Place) -> float:
    """Area of the ellipse that is spread like the object; of a pixel where it is absent."""
    height, width = place.extent_yx or (1.0, 1.0)
    return math.pi / 4 * height * width


def looked_at(window: Window | None) -> tuple[int, int, int]:
    """First row, first column and side of a window; a side of 0 for whole frames, moved or not."""
    return (0, 0, 0) if window is None else (window.top, window.left, 0 if window.height else window.side)


def place_of(mask: ObjectMask, window: Window | None, before: Place | None) -> Place:
    """Place of a mask; for an empty one, the previous place with one more absent frame."""
    present = mask.levels > 0
    count = int(np.count_nonzero(present))
    if count == 0:
        if before is None:
            middle = (0.0, 0.0) if window is None else window.centre_yx
            return Place(window, middle, None, 0.0, 1)
        return Place(window, before.centre_yx, None, before.size, before.absent + 1)
    centre, extent = [], []
    for axis in (0, 1):
        profile = present.sum(axis=1 - axis)
        positions = np.arange(profile.size)
        mean = float((profile * positions).sum()) / count
        spread = float((profile * (positions - mean) ** 2).sum()) / count
        centre.append(mask.origin_yx[axis] + mean)
        # The variance of a uniform ellipse is a sixteenth of its squared axis, that of a pixel a twelfth.
        extent.append(4 * math.sqrt(spread + 1 / 12))
    return Place(window, (centre[0], centre[1]), (extent[0], extent[1]), max(extent))


def pack_places(places: Sequence[Place | None]) -> npt.NDArray[np.float64]:
    """Places as rows of numbers, shape ``(N, 10)``; NaN for missing values."""
    rows = np.full((len(places), 10), np.nan)
    for row, place in zip(rows, places, strict=True):
        if place is not None:
            if place.window is not None:
                row[:4] = astuple(place.window)
            row[4:6] = place.centre_yx
            if place.extent_yx is not None:
                row[6:8] = place.extent_yx
            row[8:] = place.size, place.absent
    return rows


def unpack_places(rows: npt.NDArray[np.float64]) -> list[Place | None]:
    """Undo `pack_places`; raises ValueError for anything else."""
    if rows.ndim != 2 or rows.shape[1] != 10:
        raise ValueError("There are no places in this file.")
    places: list[Place | None] = []
    for top, left, side, whole, y, x, height, width, size, absent in rows.tolist():
        if math.isnan(y):
            places.append(None)
            continue
        window = None if math.isnan(side) else Window(int(top), int(left), int(side), int(whole))
        extent = None if math.isnan(height) else (height, width)
        places.append(Place(window, (y, x), extent, size, int(absent)))
    return places


def moved_logits(
    logits: torch.Tensor, source: Window | None, target: Window | None, shape_yx: tuple[int, int]
) -> torch.Tensor:
    """Logits ``(1, 1, S / 4, S / 4)`` moved from one window to another; None means the whole frame."""
    import torch
    import torch.nn.functional as F

    side = logits.shape[-1]
    grid = []
    for axis in (0, 1):
        begin, length = _span(target, shape_yx, axis)
        first, whole = _span(source, shape_yx, axis)
        positions = (torch.arange(side, device=logits.device) + 0.5) / side * length + begin
        grid.append((positions - first) / whole * 2 - 1)
    rows, columns = torch.meshgrid(grid[0], grid[1], indexing="ij")
    inside = (rows.abs() <= 1) & (columns.abs() <= 1)
    moved = F.grid_sample(
        logits.float(), torch.stack([columns, rows], dim=-1)[None].float(), padding_mode="border", align_corners=False
    )
    return torch.where(inside, moved, torch.full_like(moved, _NOTHING))


def _span(window: Window | None, shape_yx: tuple[int, int], axis: int) -> tuple[int, int]:
    """First pixel and length of a window along an axis."""
    return (0, shape_yx[axis]) if window is None else ((window.top, window.left)[axis], window.shape_yx[axis])
