"""*more like this*: objects that look similar to given ones in the network's features."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.detect.agreement import Clicks
from napari_sam2_video.detect.appearance import Appearance, Seen, cell_shares
from napari_sam2_video.detect.everything import TOGETHER, GridSettings, agreed, clicked, distinct, network_of, take
from napari_sam2_video.detect.squares import Look, looks
from napari_sam2_video.errors import DetectorError
from napari_sam2_video.geometry import bounding_box

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_sam2_video.detect.everything import FoundMask
    from napari_sam2_video.detect.protocol import Detection, DetectorFrame, Example, Examples, Segmenter
    from napari_sam2_video.linking.shapes import Shape

_FIND = GridSettings(least_iou=0.7, least_stability=0.2, least_agreement=0.6, checks=10)


@dataclass(frozen=True)
class LikeSettings:
    """What counts as similar.

    Parameters
    ----------
    find : GridSettings
        What counts as an object at all.
    least_likeness : float
        Minimum similarity of places to click: 0 for the surroundings of the examples, 1 for the examples.
    least_mean : float
        Minimum mean similarity of an object.
    sizes : tuple of float
        Smallest and largest area of an object, as multiples of the smallest and the largest example.
    """

    find: GridSettings = _FIND
    least_likeness: float = 0.2
    least_mean: float = 0.3
    sizes: tuple[float, float] = (0.3, 3.0)


class MoreLikeThis:
    """Finds objects similar to given ones, with only the weights of the session's network.

    Parameters
    ----------
    object_ids : sequence of int
        The objects.
    examples : callable
        Returns their masks; called for the first frame.
    like : LikeSettings
        What counts as similar.
    """

    name = "like"

    def __init__(
        self,
        object_ids: Sequence[int],
        examples: Examples,
        like: LikeSettings = LikeSettings(),
    ) -> None:
        self.object_ids = tuple(object_ids)
        self._given = examples
        self._like = like
        self._examples: list[Example] = []
        self._appearance: Appearance | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """See `Detector`."""
        return {"objects": list(self.object_ids), **asdict(self._like)}

    def detect(self, frame: DetectorFrame) -> list[Detection]:
        """See `Detector`; the examples themselves are not returned."""
        segmenter = network_of(frame, self.name)
        appearance = self._learnt(frame, segmenter)
        areas = [int(np.count_nonzero(one.mask_yx)) for one in self._examples]
        smallest, largest = self._like.sizes[0] * min(areas), self._like.sizes[1] * max(areas)
        size = float(np.sqrt(max(areas)))
        views = [
            look for look in looks(frame.shape_yx, segmenter.image_size, self._like.find.side) if _fits(look, size)
        ]
        taken = np.zeros(frame.shape_yx, bool)
        for one in self._examples:
            if one.frame == frame.index:
                taken |= one.mask_yx
        known = taken.copy()
        found: list[Detection] = []
        for n, look in enumerate(views):
            frame.progress(n, len(views))
            found += self._looked(frame, segmenter, look, appearance, taken, known, (smallest, largest))
        frame.progress(len(views), len(views))
        return distinct(found, self._like.find)

    def _learnt(self, frame: DetectorFrame, segmenter: Segmenter) -> Appearance:
        """The appearance of the examples, seen at the same scale as the frames."""
        if self._appearance is None:
            self._examples = [one for one in self._given(self.object_ids) if one.mask_yx.any()]
            if not self._examples:
                raise DetectorError("There is no mask to find more of; click an object first.")
            if any(one.mask_yx.shape != frame.shape_yx for one in self._examples):
                raise DetectorError(f"The masks of the examples must have the shape {frame.shape_yx} of a frame.")
            self._appearance = Appearance([_seen(one, self._examples, segmenter, self._like) for one in self._examples])
        return self._appearance

    def _looked(
        self,
        frame: DetectorFrame,
        segmenter: Segmenter,
        look: Look,
        appearance: Appearance,
        taken: npt.NDArray[np.bool_],
        known: npt.NDArray[np.bool_],
        sizes: tuple[float, float],
    ) -> list[Detection]:
        like = self._like
        likeness = appearance.likeness(segmenter.features(frame.index, look.square))
        clicks = Clicks()
        candidates: list[FoundMask] = []
        waiting = _places(likeness, look, like.least_likeness)
        while waiting:
            waiting = [point for point in waiting if not taken[int(point[0]), int(point[1])]]
            points, waiting = np.array(waiting[:TOGETHER], np.float32).reshape(-1, 2), waiting[TOGETHER:]
            for one in clicked(frame, segmenter, look, points, clicks, like.find):
                if not sizes[0] <= one.shape.area <= sizes[1] or _covered(one.shape, known):
                    continue
                if _mean_likeness(one.shape, likeness, look) < like.least_mean:
                    continue
                candidates.append(one)
                if one.predicted_iou >= 0.5 * (1 + like.find.least_iou):
                    take(taken, one.shape)
        return agreed(frame, segmenter, look, candidates, clicks, like.find)


def like_from_text(text: str, examples: Examples | None) -> MoreLikeThis:
    """Detector for objects like those written as ``1,2,3``."""
    if not re.fullmatch(r"\s*\d{1,9}(\s*,\s*\d{1,9})*\s*", text):
        raise DetectorError("'like' needs the ids of prompted objects; write like:1 or like:1,2,3.")
    if examples is None:
        raise DetectorError("'like' needs a session with objects; open one first.")
    return MoreLikeThis([int(part) for part in text.split(",")], examples)


def _seen(one: Example, others: Sequence[Example], segmenter: Segmenter, like: LikeSettings) -> Seen:
    """An example on the whole frame or, if it is small there, in a square around it."""
    look = _look_at(one.mask_yx, segmenter.image_size, like.find.side)
    features = segmenter.features(one.frame, look.square)
    top, left, side = look.square or (0, 0, 0)
    box = look.box if look.square is None else (top, left, top + side, left + side)
    same = np.zeros(one.mask_yx.shape, bool)
    for other in others:
        if other.frame == one.frame:
            same |= other.mask_yx
    shape = features.shape[1:]
    return Seen(features, cell_shares(one.mask_yx, box, shape), cell_shares(same, box, shape))


def _look_at(mask_yx: npt.NDArray[np.bool_], image_size: int, side: int | None) -> Look:
    views = looks(mask_yx.shape, image_size, side)
    size = float(np.sqrt(np.count_nonzero(mask_yx)))
    fitting = [look for look in views if _fits(look, size)]
    if fitting[0].square is None:
        return fitting[0]
    box = bounding_box(mask_yx)
    assert box is not None
    middle: list[float] = [(part.start + part.stop) / 2 for part in box]

    def away(look: Look) -> float:
        top, left, bottom, right = look.box
        return max(abs((top + bottom) / 2 - middle[0]), abs((left + right) / 2 - middle[1]))

    return min(fitting, key=away)


def _fits(look: Look, size: float) -> bool:
    """Whether a look should find objects of a given size, the square root of their area in pixels."""
    return size / look.pixels >= 0.5 * look.least_size


def _places(likeness: npt.NDArray[np.float32], look: Look, least: float) -> list[tuple[float, float]]:
    """Centres of sufficiently similar cells, the most similar first."""
    rows, columns = np.nonzero(likeness >= least)
    order = np.argsort(-likeness[rows, columns])
    top, left, height, width = _extent(look)
    y = top + (rows[order] + 0.5) * height / likeness.shape[0] - 0.5
    x = left + (columns[order] + 0.5) * width / likeness.shape[1] - 0.5
    inside = (y >= 0) & (x >= 0) & (y <= look.shape_yx[0] - 1) & (x <= look.shape_yx[1] - 1)
    return list(zip(y[inside].tolist(), x[inside].tolist(), strict=True))


def _mean_likeness(shape: Shape, likeness: npt.NDArray[np.float32], look: Look) -> float:
    top, left, height, width = _extent(look)
    places = np.argwhere(shape.mask) + shape.origin_yx - (top, left)
    cells = ((places + 0.5) * likeness.shape / (height, width)).astype(int).clip(0, np.array(likeness.shape) - 1)
    return float(likeness[cells[:, 0], cells[:, 1]].mean())


def _extent(look: Look) -> tuple[int, int, int, int]:
    """First row and column, height and width of the region that the features cover."""
    if look.square is None:
        return 0, 0, *look.shape_yx
    top, left, side = look.square
    return top, left, side, side


def _covered(shape: Shape, known: npt.NDArray[np.bool_]) -> bool:
    return 2 * int(np.count_nonzero(known[shape.region] & shape.mask)) > shape.area
