"""A second look at objects whose masks cannot be right: the network is shown a box where the object is expected.

Of two cells that touch, the network draws both from its memories, but only one from a box.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_video.engine.expectation import expected, has_left
from napari_sam2_video.engine.outcome import Seen, remembered
from napari_sam2_video.engine.parts import two_parts
from napari_sam2_video.engine.windows import area_of, place_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_sam2_video.engine.batching import Batcher
    from napari_sam2_video.engine.embedder import Embedder
    from napari_sam2_video.engine.expectation import Expected
    from napari_sam2_video.engine.networks.outputs import Decoded
    from napari_sam2_video.engine.outcome import Outcome, Row
    from napari_sam2_video.engine.windows import Place

WITHIN = 0.3
"""Share of an object that must lie in the frame for a box around it to be tried."""

SURE = 0.7
"""Lowest predicted IoU at which the mask from a box is used."""

ALIKE = 0.3
"""Largest relative difference in area between the mask from a box and the part that the box was drawn around."""

_CUT = -8.0


def second_look(batcher: Batcher, embedder: Embedder, frame: int, row: Row, found: Outcome) -> Outcome:
    """The outcome to use for an object on a frame, where `found` is the one from its memories.

    The caller holds the turn of `batcher`.
    """
    shape_yx = batcher.view.shape_yx
    place, there = found.entry.place, expected(row.seen, shape_yx)
    if place is None or row.before is None or (there is not None and there.fits(place)):
        return found
    left = has_left(place, row.before, row.seen, shape_yx)
    if there is None and not left:
        return found
    ((_, embedding),) = embedder.embed_windows(frame, [place.window])
    look = _Look(batcher, Seen(row, place.window, embedding), found)
    if there is not None and there.within > WITHIN and not there.is_hidden(place):
        again = look.in_box(there.corners(shape_yx))
        if again is not None and there.fits(again.place):
            return again
    if left:
        return look.absent()
    return found if there is None else look.one_of_two(there)


@dataclass(frozen=True)
class _Look:
    """An object on a frame as it was found, and the alternatives."""

    batcher: Batcher
    seen: Seen
    found: Outcome

    def in_box(self, corners_yx: npt.NDArray[np.float32]) -> Outcome | None:
        """The outcome of a box ``(2, 2)`` alone; None if the network is unsure of it."""
        view = self.batcher.view
        decoded, _ = self.batcher.model.decode_points(
            self.seen.embedding,
            corners_yx if self.seen.window is None else self.seen.window.inward(corners_yx),
            np.array([2, 3], np.int32),
            self._shape_yx,
            n_frames=view.n_frames,
        )
        made = self._outcome(decoded)
        return made if made.mask.predicted_iou >= SURE and made.mask.levels.any() else None

    def absent(self) -> Outcome:
        """The outcome if the object is absent."""
        return self._outcome(self.batcher.model.absent(self.found.decoded(self.found.logits)))

    def one_of_two(self, there: Expected) -> Outcome:
        """For a mask of two objects, the part that fits, else the larger one; for any other mask, the mask."""
        mask = self.found.mask
        parts = two_parts(mask.levels > 0)
        if parts is None:
            return self.found
        levels = [np.where(part, mask.levels, 0).astype(np.uint8) for part in parts]
        places = [place_of(replace(mask, levels=one), self.seen.window, None) for one in levels]
        fitting = [n for n, place in enumerate(places) if there.fits(place)]
        chosen = fitting[0] if len(fitting) == 1 else 0
        again = self.in_box(_corners(places[chosen]))
        if again is not None and abs(area_of(again.place) / area_of(places[chosen]) - 1) <= ALIKE:
            return again
        return self._without(parts[1 - chosen])

    def _without(self, part: npt.NDArray[np.bool_]) -> Outcome:
        """The mask without a part ``(h, w)`` of its levels."""
        import torch

        logits = self.found.logits
        first = (0, 0) if self.seen.window is None else (self.seen.window.top, self.seen.window.left)
        index, inside = [], []
        for axis, length in enumerate(self._shape_yx):
            middles = (np.arange(logits.shape[-1]) + 0.5) * (length / logits.shape[-1])
            at = np.floor(middles).astype(np.intp) + first[axis] - self.found.mask.origin_yx[axis]
            index.append(at.clip(0, part.shape[axis] - 1))
            inside.append((at >= 0) & (at < part.shape[axis]))
        cut = part[index[0][:, None], index[1]] & inside[0][:, None] & inside[1]
        left = torch.where(torch.from_numpy(cut).to(logits.device), logits.clamp(max=_CUT), logits)
        return self._outcome(self.found.decoded(left))

    @property
    def _shape_yx(self) -> tuple[int, int]:
        return self.batcher.view.shape_yx if self.seen.window is None else self.seen.window.shape_yx

    def _outcome(self, decoded: Decoded) -> Outcome:
        return remembered(self.batcher, self.seen, decoded, self.found.entry)


def _corners(place: Place) -> npt.NDArray[np.float32]:
    """First and last corner of the box around a place."""
    centre, half = np.asarray(place.centre_yx), np.asarray(place.extent_yx or (1.0, 1.0)) / 2
    return np.stack([centre - half, centre + half]).astype(np.float32)
