"""Frames with known objects, and how well they were found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_video.frames.array import ArrayRecording
from napari_sam2_video.frames.view import FrameView, default_view
from napari_sam2_video.synthetic import make_clip

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

FRAME = 2
_SMALLEST = 64
_ALIKE = 0.5

Found = tuple[tuple[int, int], "NDArray[np.bool_]"]
"""Origin and mask of something that was found."""


@dataclass(frozen=True)
class Case:
    """A frame of a recording, and the objects on it."""

    kind: str
    seed: int
    view: FrameView
    labels_yx: NDArray[np.uint16]

    @property
    def ids(self) -> list[int]:
        """Objects that are large enough to be asked for."""
        areas = np.bincount(self.labels_yx.ravel())
        return [int(i) for i in np.flatnonzero(areas >= _SMALLEST) if i]


def make_case(kind: str, seed: int, side: int) -> Case:
    clip = make_clip(kind, seed, frames=FRAME + 2, size=(side, side))
    recording = ArrayRecording(clip.frames, axes="TYXS" if clip.frames.ndim == 4 else "TYX")
    return Case(kind, seed, FrameView(recording, default_view(recording)), clip.labels[FRAME])


@dataclass(frozen=True)
class Tally:
    """Objects that were found, those that there are, and all that was found."""

    hits: int = 0
    objects: int = 0
    found: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.hits + other.hits, self.objects + other.objects, self.found + other.found)

    @property
    def recall(self) -> float:
        return self.hits / self.objects if self.objects else 1.0

    @property
    def precision(self) -> float:
        return self.hits / self.found if self.found else 1.0


def tally(case: Case, found: Iterable[Found], known: Sequence[int] = ()) -> Tally:
    """Match what was found with the objects, one to one, at an IoU of 0.5 or more.

    Objects of fewer than 64 pixels, and the `known` ones, are not asked for: finding them is neither right nor wrong.
    """
    labels = case.labels_yx
    areas = np.bincount(labels.ravel())
    wanted = set(case.ids) - set(known)
    hit: set[int] = set()
    count = 0
    for (top, left), mask in found:
        height, width = mask.shape
        common = np.bincount(labels[top : top + height, left : left + width][mask], minlength=len(areas))
        iou = common / np.maximum(areas + np.count_nonzero(mask) - common, 1)
        iou[0] = 0
        best = int(iou.argmax())
        alike = iou[best] > _ALIKE
        if alike and best not in wanted:
            continue
        count += 1
        if alike:
            hit.add(best)
    return Tally(len(hit), len(wanted), count)
