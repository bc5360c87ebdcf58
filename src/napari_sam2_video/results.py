"""What measurements and exports read: label images, scores and calibration of the tracked objects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from napari_sam2_video.errors import ExportError
from napari_sam2_video.types.tracked_object import TrackedObject, default_color, label_dtype
from napari_sam2_video.units import SECONDS, convert_length, plain_unit

if TYPE_CHECKING:
    from pathlib import Path

Array: TypeAlias = npt.NDArray[Any]
FrameReader: TypeAlias = Callable[[int], Array]
PictureReader: TypeAlias = Callable[[int], Array | None]
SPATIAL_AXES = frozenset("ZYX")


@dataclass(frozen=True)
class Calibration:
    """Pixel size and frame step in consistent units.

    Parameters
    ----------
    walk_axis : str
        Letter of the walked axis.
    pixel_size : tuple of float
        Pixel size ``(dy, dx)`` in `length_unit`.
    step : float
        Distance between two frames in `walk_unit`; the median if `times` is given.
    length_unit, walk_unit : str
        Unit symbols; ``"px"``, ``"frame"`` and ``"slice"`` if the size is unknown, ``"unit"`` if it is known without a
        unit.
    plane_axes : tuple of str
        Letters of a frame's two axes.
    times : ndarray of float64, shape (n_frames,), optional
        Position of every frame in `walk_unit`, if the interval varies.
    """

    walk_axis: str = "T"
    pixel_size: tuple[float, float] = (1.0, 1.0)
    step: float = 1.0
    length_unit: str = "px"
    walk_unit: str = "frame"
    plane_axes: tuple[str, str] = ("Y", "X")
    times: npt.NDArray[np.float64] | None = field(default=None, repr=False, compare=False)

    @property
    def walks_through_space(self) -> bool:
        """True if the frames are slices of a volume."""
        return self.walk_axis in SPATIAL_AXES

    def position(self, frames: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Position of frames along the walked axis, in `walk_unit` from the first one."""
        numbers = np.asarray(frames)
        return np.asarray(numbers * self.step if self.times is None else self.times[numbers], np.float64)


@dataclass(frozen=True)
class TrackingResult:
    """A finished or partial tracking result, read one frame at a time.

    Parameters
    ----------
    n_frames : int
        Frames along the walked axis.
    shape_yx : tuple of int
        Shape of a frame in pixels.
    read_labels : callable
        Frame to the label image, an unsigned integer array of shape ``(Y, X)``.
    objects : tuple of TrackedObject
        All objects, including those on no frame.
    walk_axis : str
        Letter of the walked axis, e.g. ``"T"`` or ``"Z"``.
    plane_axes : tuple of str
        Letters of a frame's two axes, e.g. ``("Y", "X")``.
    pixel_size : tuple of (float or None)
        Size of a pixel along `plane_axes`; None if unknown.
    step : float, optional
        Distance between two frames along `walk_axis`; None if unknown.
    times : ndarray of float64, shape (n_frames,), optional
        Seconds from the first frame to each, if known and the interval varies.
    units : tuple of (str or None)
        Units of the walked axis and of the two plane axes; None if unknown.
    affine : ndarray of shape (4, 4), optional
        Voxel index ``(x, y, z)`` to world in mm (RAS+), for medical volumes.
    at : mapping of str to int
        Positions along the recording's other axes, by letter.
    metadata : mapping
        The recording's own metadata.
    provenance : mapping
        How the result was made, JSON-serializable.
    source_path : Path, optional
        The recording.
    read_frame, read_raw : callable, optional
        Frame to uint8 ``(Y, X, 3)`` as the model saw it, and to the raw values; None for a missing frame.
    read_scores : callable, optional
        Object id to a mapping of per-frame arrays.
    read_masks : callable, optional
        Frame and object ids to the mask of each, bool ``(Y, X)``, complete even where objects overlap. Without it,
        objects are assumed not to overlap.
    read_levels : callable, optional
        Frame and object ids to the highest level of their logits (`napari_sam2_video.types.ObjectMask`), uint8 ``(Y,
        X)``, 0 outside the model's masks.
    read_name : callable, optional
        Frame to the name of its own file in the source; None if it has none.
    tracked : range, optional
        From the first to the last frame with anything on it; None if unknown.
    selected : range, optional
        Frames to measure or write; by default all.
    """

    n_frames: int
    shape_yx: tuple[int, int]
    read_labels: FrameReader
    objects: tuple[TrackedObject, ...]
    walk_axis: str = "T"
    plane_axes: tuple[str, str] = ("Y", "X")
    pixel_size: tuple[float | None, float | None] = (None, None)
    step: float | None = None
    times: npt.NDArray[np.float64] | None = None
    units: tuple[str | None, str | None, str | None] = (None, None, None)
    affine: npt.NDArray[np.float64] | None = None
    at: Mapping[str, int] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    source_path: Path | None = None
    read_frame: PictureReader | None = None
    read_raw: PictureReader | None = None
    read_scores: Callable[[int], Mapping[str, Array]] | None = None
    read_masks: Callable[[int, Sequence[int]], Iterable[Array]] | None = None
    read_levels: Callable[[int, Sequence[int]], npt.NDArray[np.uint8]] | None = None
    read_name: Callable[[int], str | None] | None = None
    tracked: range | None = None
    selected: range | None = None

    @property
    def frames(self) -> range:
        """Frames to measure or write, by their index in the recording."""
        return range(self.n_frames) if self.selected is None else self.selected

    @property
    def frame_times(self) -> npt.NDArray[np.float64] | None:
        """Seconds from the first of `frames` to each, if known and the interval varies."""
        if self.times is None or len(self.frames) < 2:
            return None
        times = self.times[self.frames.start : self.frames.stop]
        return np.asarray(times - times[0], np.float64)

    @property
    def max_id(self) -> int:
        """Highest object id; 0 if there is no object."""
        return max((entry.id for entry in self.objects), default=0)

    def entry(self, object_id: int) -> TrackedObject:
        """Entry of an object in the table of objects.

        Raises
        ------
        ExportError
            If the table has no such object.
        """
        if object_id not in self._entries:
            raise ExportError(f"The label images hold the id {object_id}, which is not in the table of objects.")
        return self._entries[object_id]

    @cached_property
    def _entries(self) -> Mapping[int, TrackedObject]:
        return {entry.id: entry for entry in self.objects}

    @property
    def dtype(self) -> np.dtype[Any]:
        """Smallest unsigned dtype that holds every id."""
        return label_dtype(self.max_id)

    @property
    def frame_seconds(self) -> float | None:
        """Time between two frames in seconds; None if the walked axis is not time in a known unit.

        The mean if the interval varies, so that the total is right in formats with a single interval.
        """
        if self.frame_times is not None:
            return float(self.frame_times[-1]) / (len(self.frames) - 1)
        factor = SECONDS.get(plain_unit(self.units[0]) or "")
        if self.walk_axis != "T" or factor is None or self.step is None or not self.step > 0:
            return None
        return self.step * factor

    @cached_property
    def calibration(self) -> Calibration:
        """Pixel size and step in consistent units.

        Both axes of the plane get one unit. If their units cannot be converted into each other, they are measured in
        pixels; slices are counted if their distance is unknown or in a unit that does not fit the plane's.
        """
        walk, unit_y, unit_x = (plain_unit(unit) for unit in self.units)
        length, pixel_size = _plane(self.pixel_size, unit_y, unit_x)
        settled = partial(
            Calibration,
            walk_axis=self.walk_axis,
            plane_axes=self.plane_axes,
            pixel_size=pixel_size,
            length_unit=length,
        )
        if self.times is not None:
            walk = walk if walk in SECONDS else "s"
            times = self.times / SECONDS[walk]
            return settled(step=float(np.median(np.diff(times))), walk_unit=walk, times=times)
        if self.walk_axis not in SPATIAL_AXES:
            return settled() if self.step is None else settled(step=self.step, walk_unit=walk or "unit")
        if self.step is None and length == "px":
            return settled(walk_unit="px")
        step = None if self.step is None or length == "px" else convert_length(self.step, walk, length)
        return settled(walk_unit="slice") if step is None else settled(step=step, walk_unit=length)

    def labels(self, frame: int) -> Array:
        """Label image of a frame in `dtype`, shape ``(Y, X)``.

        Raises
        ------
        ExportError
            If the frame holds an id above `max_id` or has another shape than the result.
        """
        labels_yx = np.asarray(self.read_labels(frame))
        if labels_yx.shape != self.shape_yx:
            raise ExportError(f"Frame {frame} has the shape {labels_yx.shape} where {self.shape_yx} was expected.")
        highest = int(labels_yx.max(initial=0))
        if highest > self.max_id:
            raise ExportError(f"Frame {frame} holds the id {highest}, which is not in the table of objects.")
        return labels_yx.astype(self.dtype, copy=False)

    def layers(self, frame: int) -> list[Array]:
        """Label images of a frame in which no object hides part of another; each object is in one of them.

        Returns
        -------
        list of ndarray of unsigned int, shape (Y, X)
            One image, `labels`, where objects do not overlap.
        """
        labels_yx = self.labels(frame)
        if not self.overlaps(frame, labels_yx):
            return [labels_yx]
        assert self.read_masks is not None
        layers: list[Array] = []
        ids = [entry.id for entry in self.objects]
        for object_id, mask in zip(ids, self.read_masks(frame, ids), strict=True):
            free = next((layer for layer in layers if not layer[mask].any()), None)
            if free is None:
                free = np.zeros(self.shape_yx, self.dtype)
                layers.append(free)
            free[mask] = object_id
        return layers

    def overlaps(self, frame: int, labels_yx: Array) -> bool:
        """Whether objects overlap on a frame whose label image is `labels_yx`."""
        return self.read_masks is not None and self._areas.get(frame, 0) > int(np.count_nonzero(labels_yx))

    @cached_property
    def _areas(self) -> Mapping[int, int]:
        """Total area of the objects' own masks on each frame."""
        total: dict[int, int] = {}
        for entry in self.objects:
            scores = self.scores(entry.id)
            for frame, area in zip(scores.get("frame", ()), scores.get("area", ()), strict=False):
                total[int(frame)] = total.get(int(frame), 0) + int(area)
        return total

    def frame(self, frame: int) -> npt.NDArray[np.uint8] | None:
        """Image of a frame, uint8 ``(Y, X, 3)``, or None if the result has none."""
        return None if self.read_frame is None else self.read_frame(frame)

    def raw(self, frame: int) -> Array | None:
        """Raw values of a frame, ``(Y, X)`` or ``(Y, X, 3)``, or None if the result has none."""
        return None if self.read_raw is None else self.read_raw(frame)

    def scores(self, object_id: int) -> Mapping[str, Array]:
        """Per-frame figures of an object by name, empty if there are none; ``area`` is that of its own mask."""
        return {} if self.read_scores is None else self.read_scores(object_id)

    @classmethod
    def from_arrays(
        cls,
        labels: Array,
        frames: Array | None = None,
        *,
        raw: Array | None = None,
        objects: Sequence[TrackedObject] | None = None,
        **known: Any,
    ) -> TrackingResult:
        """Make a result from arrays in memory or lazy ones, which are indexed one frame at a time.

        Parameters
        ----------
        labels : array of unsigned int, shape (T, Y, X)
            Label images.
        frames : array of uint8, shape (T, Y, X) or (T, Y, X, 3), optional
            Images.
        raw : array of shape (T, Y, X) or (T, Y, X, 3), optional
            Raw values; `frames` if not given.
        objects : sequence of TrackedObject, optional
            Objects; one for every id in `labels` if not given.
        **known
            Any other field of the class.
        """
        if objects is None:
            found: set[int] = set()
            for frame in range(labels.shape[0]):
                found.update(np.unique(np.asarray(labels[frame])).tolist())
            ids = sorted(found - {0})
            objects = [TrackedObject(i, f"object {i}", default_color(i)) for i in ids]
        values = frames if raw is None else raw

        def picture(frame: int) -> npt.NDArray[np.uint8]:
            frame_yx = np.asarray(frames[frame])  # type: ignore[index]
            return frame_yx if frame_yx.ndim == 3 else np.repeat(frame_yx[..., None], 3, axis=2)

        return cls(
            n_frames=int(labels.shape[0]),
            shape_yx=(int(labels.shape[1]), int(labels.shape[2])),
            read_labels=lambda frame: np.asarray(labels[frame]),
            objects=tuple(objects),
            read_frame=None if frames is None else picture,
            read_raw=None if values is None else lambda frame: np.asarray(values[frame]),
            **known,
        )


def _plane(
    pixel_size: tuple[float | None, float | None], unit_y: str | None, unit_x: str | None
) -> tuple[str, tuple[float, float]]:
    """Unit and pixel size ``(dy, dx)`` of a plane; pixels if they are unknown."""
    dy, dx = pixel_size
    length = unit_y or unit_x
    converted = None if dx is None else convert_length(dx, unit_x, length)
    if dy is None or converted is None:
        return "px", (1.0, 1.0)
    return length or "unit", (dy, converted)
