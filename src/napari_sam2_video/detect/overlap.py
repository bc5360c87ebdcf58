"""How much masks of a frame overlap, and which of several that do is kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_video.geometry import region_of

if TYPE_CHECKING:
    import numpy.typing as npt


@dataclass(frozen=True)
class Part:
    """A mask, as a part of a frame.

    Parameters
    ----------
    origin_yx : tuple of int
        Pixel of the frame at which `mask` begins.
    mask : ndarray of bool, shape (h, w)
        The object, cut to its bounding box.
    """

    origin_yx: tuple[int, int]
    mask: npt.NDArray[np.bool_] = field(repr=False)
    area: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "area", int(np.count_nonzero(self.mask)))

    @property
    def box(self) -> tuple[int, int, int, int]:
        """First row and column, and those after the last."""
        (top, left), (height, width) = self.origin_yx, self.mask.shape
        return top, left, top + height, left + width

    def common(self, other: Part) -> int:
        """Number of pixels that are in both."""
        (a, b, c, d), (e, f, g, h) = self.box, other.box
        top, left, bottom, right = max(a, e), max(b, f), min(c, g), min(d, h)
        if top >= bottom or left >= right:
            return 0
        shape = (bottom - top, right - left)
        mine = self.mask[region_of((top - a, left - b), shape)]
        return int(np.count_nonzero(mine & other.mask[region_of((top - e, left - f), shape)]))

    def iou(self, other: Part) -> float:
        """Pixels in both by pixels in either; 0 where both are empty."""
        common = self.common(other)
        return common / (self.area + other.area - common) if common else 0.0

    def holds(self, points_yx: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
        """Which of the points ``(N, 2)`` of the frame are on the mask."""
        places = np.floor(points_yx + 0.5).astype(int) - self.origin_yx
        inside = ((places >= 0) & (places < self.mask.shape)).all(axis=1)
        rows, columns = np.where(inside[:, None], places, 0).T
        return np.asarray(inside & self.mask[rows, columns])


class Kept:
    """Parts of a frame that do not say the same object twice.

    Parameters
    ----------
    most_iou : float
        Largest IoU of two parts.
    most_inside : float
        Largest share of the smaller of two parts that may lie in the larger one.
    """

    def __init__(self, most_iou: float, most_inside: float) -> None:
        self._most_iou = most_iou
        self._most_inside = most_inside
        self._boxes = np.zeros((16, 4), np.int64)
        self.parts: list[Part] = []

    def near(self, part: Part) -> list[int]:
        """Which of the kept parts have a bounding box that meets that of a part."""
        top, left, bottom, right = part.box
        boxes = self._boxes[: len(self.parts)]
        meets = (boxes[:, 0] < bottom) & (boxes[:, 2] > top) & (boxes[:, 1] < right) & (boxes[:, 3] > left)
        return np.flatnonzero(meets).tolist()

    def add(self, part: Part) -> bool:
        """Keep a part, unless it overlaps one that is kept already; True if it is kept."""
        for i in self.near(part):
            other = self.parts[i]
            common = part.common(other)
            if common > self._most_inside * min(part.area, other.area):
                return False
            if common > self._most_iou * (part.area + other.area - common):
                return False
        if len(self.parts) == len(self._boxes):
            self._boxes = np.concatenate([self._boxes, np.zeros_like(self._boxes)])
        self._boxes[len(self.parts)] = part.box
        self.parts.append(part)
        return True
