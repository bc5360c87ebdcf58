"""How the planes of a volume cross each other: the same voxels, seen along another axis."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.frames.view import FrameView
from napari_sam2_video.units import convert_length

if TYPE_CHECKING:
    import numpy.typing as npt

VOLUME_AXES = "ZYX"
SMALLEST_PLANE = 2


@dataclass(frozen=True)
class PlaneStack:
    """The planes across one axis of a volume.

    Parameters
    ----------
    walk, rows, columns : str
        Letters of the axis that counts the planes, and of the two axes of a plane.
    """

    walk: str
    rows: str
    columns: str

    @classmethod
    def of(cls, view: FrameView) -> PlaneStack:
        """The planes of a view."""
        return cls(view.walk_axis, *view.plane_axes)

    @property
    def axes(self) -> tuple[str, str, str]:
        """The three letters, in the order of an array of planes."""
        return (self.walk, self.rows, self.columns)

    def move(self, place: tuple[float, float, float], other: PlaneStack) -> tuple[float, float, float]:
        """Turn plane, row and column of a voxel here into those among the planes of `other`."""
        at = dict(zip(self.axes, place, strict=True))
        return at[other.walk], at[other.rows], at[other.columns]

    def turned(self, array: npt.NDArray[Any], other: PlaneStack) -> npt.NDArray[Any]:
        """View of an array of these planes as an array of the planes of `other`, sharing memory."""
        return array.transpose([self.axes.index(letter) for letter in other.axes])

    def axis_of(self, other: PlaneStack) -> tuple[int, bool]:
        """Position of the walked axis of `other` among the axes here, and whether its rows come after its columns."""
        axes = self.axes
        return axes.index(other.walk), axes.index(other.rows) > axes.index(other.columns)


def crossing_axes(view: FrameView) -> tuple[str, ...]:
    """Other axes that the same volume can be walked along; none if the frames are not slices of a volume."""
    recording = view.recording
    if view.walk_axis not in VOLUME_AXES or not set(VOLUME_AXES) <= set(recording.axes):
        return ()
    if min(recording.length(letter) for letter in VOLUME_AXES) < SMALLEST_PLANE:
        return ()
    return tuple(letter for letter in VOLUME_AXES if letter != view.walk_axis)


def crossing_view(view: FrameView, axis: str) -> FrameView:
    """The same volume in the same contrast window, walked along another axis."""
    return FrameView(view.recording, replace(view.settings, axis=axis))


def spacing_of(view: FrameView) -> npt.NDArray[np.float64]:
    """Voxel spacing along the walked axis, the rows and the columns, in one unit; all 1 if any is unknown."""
    sizes, units = (view.step, *view.pixel_size), (view.walk_unit, *view.units)
    lengths = [None if s is None else convert_length(s, u, units[1]) for s, u in zip(sizes, units, strict=True)]
    known = [length for length in lengths if length is not None and length > 0]
    return np.array(known if len(known) == len(lengths) else (1.0, 1.0, 1.0), np.float64)
