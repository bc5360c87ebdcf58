"""A recording that is stored plane by plane."""

from __future__ import annotations

import math
import operator
from abc import abstractmethod
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.frames.recording import Recording

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_sam2_video.frames.recording import AxisIndex


class PlanesRecording(Recording):
    """A recording that is stored plane by plane; its last axes are those of a plane.

    A backend sets `plane_ndim`, the number of axes of a plane (2, or 3 with RGB samples), and implements `_plane`.
    """

    plane_ndim: int = 2

    @abstractmethod
    def _plane(self, number: int, rows: slice) -> npt.NDArray[Any]:
        """Rows of plane `number`, counted over the leading axes in C order, fresh or read-only; `rows` has step 1."""

    def _read(self, index: tuple[AxisIndex, ...]) -> npt.NDArray[Any]:
        leading = index[: -self.plane_ndim]
        within = index[-self.plane_ndim :]
        lengths = self.shape[: -self.plane_ndim]
        steps = [math.prod(lengths[n + 1 :]) for n in range(len(lengths))]
        wanted = [range(chosen, chosen + 1) if isinstance(chosen, int) else _numbers(chosen) for chosen in leading]
        rows, rest = _split_rows(within[0])
        planes: npt.NDArray[Any] | None = None
        counts = tuple(len(numbers) for numbers in wanted)
        kept = tuple(n for n, chosen in zip(counts, leading, strict=True) if isinstance(chosen, slice))
        for n, numbers in enumerate(product(*wanted)):
            plane = self._plane(sum(map(operator.mul, numbers, steps)), rows)[(rest, *within[1:])]
            if math.prod(counts) == 1:
                return plane.reshape(kept + plane.shape)
            if planes is None:
                planes = np.empty((math.prod(counts), *plane.shape), self.dtype)
            planes[n] = plane
        if planes is None:
            shape = [len(_numbers(chosen)) for chosen in within if isinstance(chosen, slice)]
            planes = np.empty((0, *shape), self.dtype)
        return planes.reshape(kept + planes.shape[1:])


def _numbers(chosen: slice) -> range:
    return range(chosen.start, chosen.stop, chosen.step)


def _split_rows(chosen: AxisIndex) -> tuple[slice, AxisIndex]:
    if isinstance(chosen, int):
        return slice(chosen, chosen + 1), 0
    return slice(chosen.start, chosen.stop), slice(None, None, chosen.step)
