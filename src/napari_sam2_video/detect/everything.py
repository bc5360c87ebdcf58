"""*everything*: click on a grid over a frame's embedding, and keep the masks that are consistent.

A grid is clicked from coarse to fine, skipping places where something was already found. Duplicates are kept once. Then
each object is clicked in a few more places: if these select something else, it is not an object.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.detect.agreement import Clicks, points_in, spread
from napari_sam2_video.detect.overlap import Kept, box_of
from napari_sam2_video.detect.protocol import Detection
from napari_sam2_video.detect.squares import looks
from napari_sam2_video.errors import DetectorError
from napari_sam2_video.linking.shapes import Shape

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_sam2_video.detect.protocol import DetectorFrame, Segmenter
    from napari_sam2_video.detect.squares import Look
    from napari_sam2_video.types import SegmentedMask

TOGETHER = 32


@dataclass(frozen=True)
class GridSettings:
    """The grids that are clicked, and what counts as an object; lengths and areas are in pixels of the network's input.

    Parameters
    ----------
    spacing : tuple of int
        Spacing of the points in the grids, from coarse to fine.
    least_iou : float
        Minimum predicted IoU of an object.
    least_stability : float
        Minimum stability of an object.
    least_agreement : float
        Minimum mean IoU of an object and the masks that clicks on it select.
    checks : int
        Number of clicks to check an object.
    most_iou, most_inside : float
        Maximum overlap of two objects; see `Kept`.
    smallest : float
        Minimum area.
    largest : float
        Maximum area, as a fraction of the region looked at.
    side : int, optional
        Side in pixels of the squares into which large frames are divided; by default that of the network's input.
    """

    spacing: tuple[int, ...] = (32, 16)
    least_iou: float = 0.8
    least_stability: float = 0.3
    least_agreement: float = 0.55
    checks: int = 6
    most_iou: float = 0.4
    most_inside: float = 0.6
    smallest: float = 20.0
    largest: float = 0.4
    side: int | None = None


@dataclass(frozen=True)
class FoundMask:
    """A mask that a click selected."""

    shape: Shape
    predicted_iou: float
    stability: float

    @property
    def rank(self) -> float:
        """Decides between two that overlap."""
        return self.predicted_iou * math.sqrt(self.stability)


class Everything:
    """Finds everything that looks like an object.

    Parameters
    ----------
    find : GridSettings
        What counts as an object.
    """

    name = "everything"

    def __init__(self, find: GridSettings = GridSettings()) -> None:
        self._find = find

    @property
    def settings(self) -> dict[str, Any]:
        """See `Detector`."""
        return asdict(self._find)

    def detect(self, frame: DetectorFrame) -> list[Detection]:
        """See `Detector`."""
        segmenter = network_of(frame, self.name)
        find = self._find
        views = looks(frame.shape_yx, segmenter.image_size, find.side)
        taken = np.zeros(frame.shape_yx, bool)
        found: list[Detection] = []
        for n, look in enumerate(views):
            frame.progress(n, len(views))
            found += _looked(frame, segmenter, look, taken, find)
        frame.progress(len(views), len(views))
        return distinct(found, find)


def network_of(frame: DetectorFrame, name: str) -> Segmenter:
    """The network that a detector needs; raises `DetectorError` if there is none."""
    if frame.segmenter is None:
        raise DetectorError(f"The detector {name} needs a network; choose a model first.")
    return frame.segmenter


def _looked(
    frame: DetectorFrame, segmenter: Segmenter, look: Look, taken: npt.NDArray[np.bool_], find: GridSettings
) -> list[Detection]:
    """Masks found in one look; `taken` marks where objects were found, and is updated."""
    clicks = Clicks()
    candidates: list[FoundMask] = []
    waiting = [point for spacing in find.spacing for point in _grid(look, spacing)]
    while waiting:
        waiting = [point for point in waiting if not taken[int(point[0]), int(point[1])]]
        points, waiting = np.array(waiting[:TOGETHER], np.float32).reshape(-1, 2), waiting[TOGETHER:]
        new = clicked(frame, segmenter, look, points, clicks, find)
        for one in new:
            if one.predicted_iou >= 0.5 * (1 + find.least_iou):
                take(taken, one.shape)
        candidates += new
    return agreed(frame, segmenter, look, candidates, clicks, find)


def clicked(
    frame: DetectorFrame,
    segmenter: Segmenter,
    look: Look,
    points_yx: npt.NDArray[np.float32],
    clicks: Clicks,
    find: GridSettings,
) -> list[FoundMask]:
    """Candidates that points ``(N, 2)`` select; all selected masks are added to `clicks`."""
    if not len(points_yx):
        return []
    masks = segmenter.at_points(frame.index, points_yx, look.square, least_iou=0.5)
    clicks.add(points_yx, masks)
    area = look.pixels**2
    box = look.box
    largest = find.largest * (box[2] - box[0]) * (box[3] - box[1])
    return [
        one
        for one in map(_candidate, (mask for mask in masks if mask.mask.size))
        if one.predicted_iou >= find.least_iou
        and one.stability >= find.least_stability
        and find.smallest * area <= one.shape.area <= largest
    ]


def agreed(
    frame: DetectorFrame,
    segmenter: Segmenter,
    look: Look,
    candidates: Sequence[FoundMask],
    clicks: Clicks,
    find: GridSettings,
) -> list[Detection]:
    """The best candidates that do not overlap and on which further clicks select the same."""
    kept = Kept(find.most_iou, find.most_inside)
    best = [one for one in sorted(candidates, key=lambda one: one.rank, reverse=True) if kept.add(one.shape)]
    best = [one for one in best if look.shows(one.shape)]
    missing = [points_in(one.shape, max(0, find.checks - len(clicks.on(one.shape)))) for one in best]
    points = spread(missing)
    for begin in range(0, len(points), TOGETHER):
        clicked(frame, segmenter, look, points[begin : begin + TOGETHER], clicks, find)
    found = []
    for one in best:
        agreement = clicks.agreement(one.shape)
        if agreement >= find.least_agreement:
            score = math.sqrt(one.predicted_iou * agreement)
            found.append(Detection(score, one.shape.mask, one.shape.origin_yx))
    return found


def distinct(found: Sequence[Detection], find: GridSettings) -> list[Detection]:
    """Drop detections that overlap a better one too much; best first."""
    kept = Kept(find.most_iou, find.most_inside)
    ranked = sorted(found, key=lambda one: one.score, reverse=True)
    return [one for one in ranked if one.mask is not None and kept.add(Shape(one.mask, one.origin_yx))]


def _candidate(mask: SegmentedMask) -> FoundMask:
    return FoundMask(Shape(mask.mask, mask.origin_yx), mask.predicted_iou, mask.stability)


def _grid(look: Look, spacing: int) -> list[tuple[float, float]]:
    """Points of an even grid; a grid with half the spacing shares none of them."""
    top, left, bottom, right = look.box
    rows, columns = (_middles(first, last, spacing * look.pixels) for first, last in ((top, bottom), (left, right)))
    return [(y, x) for y in rows for x in columns]


def _middles(first: int, last: int, step: float) -> list[float]:
    """Centres of equal parts of about a given length."""
    count = max(1, round((last - first) / step))
    return [first + (n + 0.5) * (last - first) / count for n in range(count)]


def take(taken: npt.NDArray[np.bool_], shape: Shape) -> None:
    """Mark where an object is, so that nothing there is clicked again."""
    top, left, bottom, right = box_of(shape)
    taken[top:bottom, left:right] |= shape.mask
