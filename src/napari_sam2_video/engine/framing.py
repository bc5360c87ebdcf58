"""Choose the window in which an object is searched: at its prompts, from frame to frame, and after it was lost.

A window stays in place while the object is near its middle, else it moves by whole cells of the spatial memory; older
memories stay in the coordinates of the window they were made in. The position of a window depends on its object alone,
so an object gets the same masks whether it is tracked alone or with others. New windows lie on a grid of half their
side, so that neighbouring objects share them.

A whole frame follows a fast object in the same way, so that the object stays where its memories show it; beyond the
edges of the recording the last pixels are repeated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_video.engine.prompts import mask_as_object
from napari_sam2_video.engine.windows import Place, Window, looked_at, place_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_sam2_video.engine.prompts import SettledPrompts
    from napari_sam2_video.types import WindowSetting

CELLS = 16
"""Pixels of the network's input per cell of its spatial memory."""

SEEN = 5
"""Number of frames on which an object was seen that its motion is estimated from."""

LIKE = 1.35
"""In a whole frame, motion only counts up to this ratio of an object's size to its prompted size."""


@dataclass(frozen=True)
class Framing:
    """Chooses the window in which an object is searched.

    Parameters
    ----------
    setting : "auto" or int
        ``"auto"``, or the side of windows in pixels of the frame.
    image_size : int
        Side of the network's input.
    shape_yx : tuple of int
        Shape of the frame.
    is_volume : bool
        Whether frames are planes of a volume, where an object that has ended does not reappear.
    small, large : float
        Up to `small`, as a fraction of the network's input, an object is too small for a whole frame; up to `large`, it
        may be in a window.
    tiny : float
        Up to this size, as a fraction of the network's input at native resolution, an object is magnified twice.
    hold : float
        How far the object may be from the middle of its window, as a fraction of the side, before the window moves.
    grid : int
        New windows lie on multiples of their side divided by this; they then move by whole cells.
    fast : float
        Motion per frame, as a fraction of the object's size, above which the window follows the object.
    """

    setting: WindowSetting
    image_size: int
    shape_yx: tuple[int, int]
    is_volume: bool = False
    small: float = 0.12
    tiny: float = 0.2
    large: float = 0.4
    hold: float = 0.3
    grid: int = 2
    fast: float = 0.05

    @property
    def key(self) -> str:
        """Changes whenever windows would change."""
        return f"window-{self.setting}-along-apart-expected"

    def wide(self) -> Framing | None:
        """The same with windows half as large again as the smallest automatic ones, None if they are not automatic."""
        return replace(self, setting=self.image_size * 3 // 4) if self.setting == "auto" else None

    def around(self, centre_yx: tuple[float, float], size: float, side: int | None = None) -> Window | None:
        """Window for an object of a given size; None if the whole frame is good enough.

        Parameters
        ----------
        centre_yx : tuple of float
            Its middle in frame pixels.
        size : float
            The larger of its height and width.
        side : int, optional
            Side of its last window, kept unless the object is far too small or too large for it.
        """
        longest = max(self.shape_yx)
        if self.setting == "auto":
            shown = size * self.image_size / longest
            if longest <= self.image_size or shown >= self.small * self.image_size * (0.8 if side is None else 1.25):
                return None
        chosen = side if side is not None and self._fits(size, side) else self._side(size)
        if chosen >= longest:
            return None
        return self.at(centre_yx, chosen)

    def at(self, centre_yx: tuple[float, float], side: int) -> Window:
        """Window with its centre as close to a point as the grid and the frame allow."""
        cells = self.image_size // CELLS
        step = max(1, cells // self.grid) * (side // cells)
        first = [
            self._within(axis, round((centre + 0.5 - side / 2) / step) * step, side)
            for axis, centre in enumerate(centre_yx)
        ]
        return Window(first[0], first[1], side)

    def follow(self, before: Place, seen: Sequence[tuple[int, Place]], prompted: Place | None = None) -> Window | None:
        """Window for the next frame.

        Parameters
        ----------
        before : Place
            Where the object was on the previous frame, or the nearest one before.
        seen : sequence of (int, Place)
            How many frames ago it was seen, and where; the nearest first. Its motion is extrapolated from `SEEN` of
            them.
        prompted : Place, optional
            Where it was on its nearest prompted frame. If a whole frame follows the object, only frames on which it is
            about as large as there count: a mask that spread to a neighbour moves with the neighbour.
        """
        if not seen:
            return before.window
        if self._is_whole(before):
            alike = [one for one in seen if self._is_whole(one[1]) and _is_like(one[1], prompted)]
            return self._along(before, without_jumps(alike)[:SEEN], prompted)
        seen = seen[:SEEN]
        age, last = seen[0]
        window = last.window
        side = None if window is None else window.side
        fitting = window if before.extent_yx is None else self.around(last.centre_yx, last.size, side)
        if fitting is None or window is None or fitting.side != side:
            return fitting
        cell = window.side // (self.image_size // CELLS)
        motion = motion_of(seen)
        runs = max(map(abs, motion)) > self.fast * last.size
        inside = [(p, p.window) for _, p in seen if p.window is not None and p.window.side == side]
        first = []
        for axis, begin in enumerate((window.top, window.left)):
            ahead = age * min(max(motion[axis], -window.side / 4), window.side / 4)
            away = last.centre_yx[axis] + ahead - window.centre_yx[axis]
            by = 0.0
            if runs:
                usual = sum(p.centre_yx[axis] - w.centre_yx[axis] for p, w in inside) / len(inside)
                by = away - usual
            if abs(away - by) > self.hold * window.side:
                by += math.copysign(2 * cell, away - by)
            first.append(self._within(axis, begin + round(by / cell) * cell, window.side))
        return Window(first[0], first[1], window.side)

    def _is_whole(self, place: Place) -> bool:
        """Whether an object was searched in a whole frame, and is not too small for that."""
        if place.window is not None and not place.window.height:
            return False
        return place.extent_yx is None or self.around(place.centre_yx, place.size) is None

    def _along(self, before: Place, seen: Sequence[tuple[int, Place]], prompted: Place | None) -> Window | None:
        """The whole frame, shifted by whole cells so that an object keeps its place in it; None for no shift.

        A fast object stays where the last frames show it, a slow one in a volume where its prompted plane shows it.
        """
        if not seen:
            return before.window
        motion = motion_of(seen)
        age, last = seen[0]
        runs = max(map(abs, motion)) > self.fast * last.size
        kept = [place for _, place in seen]
        if not runs:
            kept = [prompted] if self.is_volume and prompted is not None else []
        if not kept or not all(self._is_whole(place) and place.extent_yx is not None for place in kept):
            return before.window
        first = []
        for axis, length in enumerate(self.shape_yx):
            cell = length * CELLS / self.image_size
            usual = sum(p.centre_yx[axis] - looked_at(p.window)[axis] for p in kept) / len(kept)
            ahead = age * min(max(motion[axis], -length / 4), length / 4)
            moved: float = looked_at(before.window)[axis]
            away = last.centre_yx[axis] + ahead - usual
            if runs or abs(away - moved) > cell:
                moved = round(away / cell) * cell
            first.append(min(max(round(moved), -length), length))
        height, width = self.shape_yx
        return Window(first[0], first[1], width, height) if any(first) else None

    def recentred(self, found: Place) -> Window | None:
        """Second window for an object that reaches the border of its first, or is too small or too large for it."""
        window = found.window
        if found.extent_yx is None:
            return window
        fitting = self.around(found.centre_yx, found.size, None if window is None else window.side)
        if window is not None and window.height and fitting is None:
            return window
        same_side = window is not None and fitting is not None and fitting.side == window.side
        if window is not None and same_side and not window.touched_by(found, self.shape_yx):
            return window
        return fitting

    @staticmethod
    def is_plausible(found: Place | None, before: Place | None) -> bool:
        """Whether the result in the second window can be the object."""
        if found is None or before is None:
            return False
        return found.extent_yx is not None and 0.5 * before.size <= found.size <= 2 * before.size

    def grown(self, window: Window) -> Window | None:
        """The window with twice the side around the same middle; None if that is the whole frame."""
        return None if 2 * window.side >= max(self.shape_yx) else self.at(window.centre_yx, 2 * window.side)

    def for_prompts(
        self, given: SettledPrompts, tracked: Place | None, sizes: Sequence[float]
    ) -> tuple[Window | None, bool]:
        """Window in which prompts are answered, and whether it is final because the size of the object is known.

        Parameters
        ----------
        given : SettledPrompts
            The prompts.
        tracked : Place, optional
            Where the object was tracked on this frame, for a correction.
        sizes : sequence of float
            Sizes of the object on other prompted frames.
        """
        if given.mask is not None:
            drawn = place_of(mask_as_object(0, given.mask, 0.0, 0.0), None, None)
            points = np.concatenate([_corners(given.mask), given.points_yx])
            return self._around_points(points, drawn.size), True
        if tracked is not None:
            window = tracked.window
            if window is None or window.holds(given.points_yx):
                return window, True
            return self._around_points(given.points_yx, max(tracked.size, *sizes, 0.0)), True
        if (given.labels >= 2).any() or sizes:
            return self._around_points(given.points_yx, max(sizes, default=0.0)), True
        first = self._around_points(given.points_yx, 0.0)
        return first, first is None

    def for_box(self, corners_yx: npt.NDArray[np.float32]) -> Window | None:
        """Window for a box given as its first and last corner ``(2, 2)``; None for the whole frame."""
        return self._around_points(corners_yx, 0.0)

    def for_found(self, given: SettledPrompts, found: Place) -> tuple[Window | None, bool]:
        """Window for the object that clicks selected in another one, and whether it is the same window."""
        if found.extent_yx is None:
            return found.window, True
        window = self._around_points(given.points_yx, found.size, found)
        same = window is None if found.window is None else window is not None and window.side == found.window.side
        return (found.window if same else window), same

    def _around_points(
        self, points_yx: npt.NDArray[np.float32], size: float, found: Place | None = None
    ) -> Window | None:
        """Window that holds points of an object of at least the given size, or what they selected."""
        low, high = points_yx.min(axis=0), points_yx.max(axis=0)
        middle = (float(low[0] + high[0]) / 2, float(low[1] + high[1]) / 2)
        side = found.window.side if found is not None and found.window is not None else None
        window = self.around(middle if found is None else found.centre_yx, max(size, float((high - low).max())), side)
        while window is not None and not window.holds(points_yx):
            window = self.grown(window)
        return window

    def _within(self, axis: int, first: int, side: int) -> int:
        """First pixel of a window along an axis, moved into the frame up to a partial cell at its end."""
        cell = side // (self.image_size // CELLS)
        return min(max(first, 0), max(0, -(-(self.shape_yx[axis] - side) // cell) * cell))

    def _side(self, size: float) -> int:
        side = self.image_size if size > self.tiny * self.image_size else self.image_size // 2
        if self.setting != "auto":
            cells = self.image_size // CELLS
            side = max(cells, -(-int(self.setting) // cells) * cells)
        while size > self.large * side * (1 if self.setting == "auto" else 2):
            side *= 2
        return side

    def _fits(self, size: float, side: int) -> bool:
        """Whether an object is neither far too large nor far too small for its window."""
        usual = self._side(size)
        if usual == side:
            return True
        return size <= 1.4 * self.large * side if usual > side else size > 0.7 * self.large * side / 2


def _is_like(place: Place, prompted: Place | None) -> bool:
    """Whether an object is about as large as where it was prompted."""
    return prompted is None or prompted.size / LIKE <= place.size <= LIKE * prompted.size


def without_jumps(seen: Sequence[tuple[int, Place]]) -> list[tuple[int, Place]]:
    """Places, the nearest first, up to the first jump of more than the object's size per frame."""
    kept = list(seen[:1])
    for (age, place), (older, before) in pairwise(seen):
        apart = max(abs(place.centre_yx[axis] - before.centre_yx[axis]) for axis in (0, 1))
        if apart > (older - age) * place.size:
            break
        kept.append((older, before))
    return kept


def motion_of(seen: Sequence[tuple[int, Place]]) -> tuple[float, float]:
    """Mean motion per frame, in pixels along both axes, over places as in `Framing.follow`."""
    (age, last), (oldest, first) = seen[0], seen[-1]
    if age == oldest:
        return 0.0, 0.0
    y, x = ((last.centre_yx[axis] - first.centre_yx[axis]) / (oldest - age) for axis in (0, 1))
    return y, x


def _corners(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """First and last row and column of a mask, as two points; its middle where it is empty."""
    rows, columns = np.nonzero(mask)
    if rows.size == 0:
        return np.array([[(n - 1) / 2 for n in mask.shape]], np.float32)
    return np.array([[rows.min(), columns.min()], [rows.max(), columns.max()]], np.float32)
