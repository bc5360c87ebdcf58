"""Planes of a volume as the network sees them: square pixels on a square frame; masks stay on the voxel grid.

A network that resizes every frame to a square would distort a plane of few thick slices. Here the coarser axis is
interpolated to the spacing of the finer one, and the shorter side is padded with its outermost pixels: beside grey, an
object that reaches the end of the volume would seem to end there.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.geometry import cut_to_box
from napari_sam2_video.types import BoxPrompt, FrameMasks, MaskPrompt, PointPrompt, Preview, ScribblePrompt

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    import numpy.typing as npt

    from napari_sam2_video.engine.costs import FrameCosts
    from napari_sam2_video.engine.plan import Plan
    from napari_sam2_video.types import FrameSource, ObjectMask, Prompt

MOST = 16.0
"""Largest factor by which an axis is stretched."""


@dataclass(frozen=True)
class Fit:
    """Where the pixels of a plane lie on a square frame of square pixels.

    Parameters
    ----------
    shape_yx : tuple of int
        Shape of the plane in voxels.
    factors : tuple of float
        Pixels of the frame for each voxel along the rows and the columns, 1 along the finer axis.
    """

    shape_yx: tuple[int, int]
    factors: tuple[float, float]

    @classmethod
    def of(cls, shape_yx: tuple[int, int], spacing_yx: tuple[float, float]) -> Fit:
        """Fit of planes of a shape, whose voxels have a spacing along the rows and the columns, in one unit."""
        finer = min(spacing_yx)
        return cls(shape_yx, (min(MOST, spacing_yx[0] / finer), min(MOST, spacing_yx[1] / finer)))

    @property
    def inner(self) -> tuple[int, int]:
        """Shape of the plane on the frame."""
        height, width = (max(1, round(n * f)) for n, f in zip(self.shape_yx, self.factors, strict=True))
        return height, width

    @property
    def side(self) -> int:
        """Side of the frame."""
        return max(self.inner)

    @property
    def offset(self) -> tuple[int, int]:
        """Where the plane begins on the frame."""
        height, width = self.inner
        return (self.side - height) // 2, (self.side - width) // 2

    def is_plain(self) -> bool:
        """Whether the frame equals the plane."""
        return self.inner == self.shape_yx == (self.side, self.side)

    def image(self, plane_yxc: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Frame of a plane, uint8 of shape ``(side, side, 3)``, padded with its outermost pixels."""
        shown = plane_yxc
        for axis in (0, 1):
            if self.factors[axis] != 1:
                shown = _interpolated(shown, axis, self.inner[axis])
        (top, left), (height, width) = self.offset, self.inner
        rest = ((top, self.side - top - height), (left, self.side - left - width), (0, 0))
        return np.pad(shown, rest, mode="edge")

    def prompt(self, prompt: Prompt) -> Prompt:
        """The same prompt on the frame."""
        if isinstance(prompt, MaskPrompt):
            frame = np.zeros((self.side, self.side), bool)
            (top, left), (height, width) = self.offset, self.inner
            rows, columns = (self._voxels(axis) for axis in (0, 1))
            frame[top : top + height, left : left + width] = prompt.mask[np.ix_(rows, columns)]
            return replace(prompt, mask=frame)
        if isinstance(prompt, ScribblePrompt):
            return replace(prompt, path=tuple((self._moved(y, 0), self._moved(x, 1)) for y, x in prompt.path))
        if isinstance(prompt, PointPrompt):
            return replace(prompt, y=self._moved(prompt.y, 0), x=self._moved(prompt.x, 1))
        low = (self._moved(prompt.y0, 0), self._moved(prompt.x0, 1))
        high = (self._moved(prompt.y1, 0), self._moved(prompt.x1, 1))
        return BoxPrompt(prompt.object_id, prompt.frame, *low, *high)

    def mask(self, mask: ObjectMask) -> ObjectMask:
        """The same mask on the voxel grid: every voxel gets the level at its centre."""
        rows, columns = (self._middles(axis) - mask.origin_yx[axis] for axis in (0, 1))
        height, width = mask.levels.shape
        inside_rows = np.flatnonzero((rows >= 0) & (rows < height))
        inside_columns = np.flatnonzero((columns >= 0) & (columns < width))
        levels = mask.levels[np.ix_(rows[inside_rows], columns[inside_columns])]
        top, left = (int(inside[0]) if inside.size else 0 for inside in (inside_rows, inside_columns))
        origin, levels = cut_to_box(levels, (top, left))
        return replace(mask, origin_yx=origin, levels=levels)

    def _moved(self, place: float, axis: int) -> float:
        return (place + 0.5) * self.inner[axis] / self.shape_yx[axis] - 0.5 + self.offset[axis]

    def _voxels(self, axis: int) -> npt.NDArray[np.int64]:
        """Voxel that each pixel of the plane on the frame lies in."""
        middles = (np.arange(self.inner[axis]) + 0.5) * self.shape_yx[axis] / self.inner[axis]
        return np.minimum(middles.astype(np.int64), self.shape_yx[axis] - 1)

    def _middles(self, axis: int) -> npt.NDArray[np.int64]:
        """Pixel of the frame at the middle of each voxel."""
        middles = (np.arange(self.shape_yx[axis]) + 0.5) * self.inner[axis] / self.shape_yx[axis]
        return np.asarray(np.minimum(middles.astype(np.int64), self.inner[axis] - 1) + self.offset[axis])


class FittedFrames:
    """Planes of a source, fitted to square frames."""

    is_volume = False
    """Whether an object has ended is judged on slices alone: the figures of walks across them are without that."""

    def __init__(self, source: FrameSource, fit: Fit) -> None:
        self._source = source
        self._fit = fit
        self.n_frames = source.n_frames
        self.shape_yx = (fit.side, fit.side)
        self.key = f"{source.key}-{fit.inner[0]}x{fit.inner[1]}"

    def read(self, frame: int) -> npt.NDArray[np.uint8]:
        """Frame as the model sees it, uint8 of shape ``(side, side, 3)``."""
        return self._fit.image(self._source.read(frame))


class FittedTracker:
    """A tracker of fitted frames, whose prompts and masks are those of the planes."""

    def __init__(self, tracker: Any, fit: Fit) -> None:
        self._tracker = tracker
        self._fit = fit
        self.model = getattr(tracker, "model", None)

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes about the network for the user."""
        return tuple(self._tracker.notes)

    @property
    def memory(self) -> Any:
        """What the tracker remembers."""
        return self._tracker.memory

    def preview(
        self, object_id: int, frame: int, prompts: Sequence[Prompt], *, tracked: npt.NDArray[np.int8] | None = None
    ) -> Preview:
        """Candidates of prompts."""
        found: Preview = self._tracker.preview(object_id, frame, self._fitted(prompts), tracked=tracked)
        candidates = tuple(self._fit.mask(mask) for mask in found.candidates)
        return replace(found, shape_yx=self._fit.shape_yx, candidates=candidates)

    def condition(
        self, object_id: int, frame: int, prompts: Sequence[Prompt], *, tracked: npt.NDArray[np.int8] | None = None
    ) -> ObjectMask:
        """Make prompts part of what an object remembers."""
        return self._fit.mask(self._tracker.condition(object_id, frame, self._fitted(prompts), tracked=tracked))

    def run(self, plan: Plan, *, stop: Callable[[], bool] | None = None) -> Generator[FrameMasks]:
        """Masks of the frames of a plan."""
        with closing(self._tracker.run(plan, stop=stop)) as frames:
            for masks in frames:
                objects = tuple(self._fit.mask(mask) for mask in masks.objects)
                yield replace(masks, shape_yx=self._fit.shape_yx, objects=objects)

    def costs(
        self, objects: Sequence[Sequence[Prompt]], stop: Callable[[], bool] | None = None
    ) -> tuple[FrameCosts, ObjectMask]:
        """The cost of a frame on the device in use, and the first object; see `engine.costs.measure_costs`."""
        costs, first = self._tracker.costs([self._fitted(prompts) for prompts in objects], stop)
        return costs, self._fit.mask(first)

    def scratch(self) -> FittedTracker:
        """A tracker with the same network and an empty memory that is not kept."""
        return FittedTracker(self._tracker.scratch(), self._fit)

    def close(self) -> None:
        """Release what the tracker holds on a server."""
        close = getattr(self._tracker, "close", None)
        if close is not None:
            close()

    def _fitted(self, prompts: Sequence[Prompt]) -> list[Prompt]:
        return [self._fit.prompt(prompt) for prompt in prompts]


def _interpolated(image: npt.NDArray[np.uint8], axis: int, length: int) -> npt.NDArray[np.uint8]:
    """Image resized along an axis by linear interpolation between pixel centres."""
    last = image.shape[axis] - 1
    places = np.clip((np.arange(length) + 0.5) * image.shape[axis] / length - 0.5, 0, last)
    low = places.astype(np.int64)
    part = (places - low).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(image.ndim)])
    below = image.take(low, axis).astype(np.float32)
    above = image.take(np.minimum(low + 1, last), axis).astype(np.float32)
    return np.asarray(np.rint(below + (above - below) * part), np.uint8)
