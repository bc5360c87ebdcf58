"""Measure volume and surface of objects tracked slice by slice."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_sam2_video.analysis.intensity import COLOURS
from napari_sam2_video.analysis.measure import measure_frame
from napari_sam2_video.analysis.table import Table
from napari_sam2_video.errors import ExportError

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam2_video.results import TrackingResult

Bool2D = npt.NDArray[np.bool_]
Float2D = npt.NDArray[np.floating[Any]]
Window = tuple[slice, slice]
MARGIN = 2
LEVEL = 0.5


@dataclass
class _Solid:
    """Sums over the slices of one object."""

    voxels: int = 0
    sums_zyx: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))
    low_zyx: npt.NDArray[np.int64] = field(default_factory=lambda: np.full(3, np.iinfo(np.int64).max))
    high_zyx: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(3, np.int64))
    slices: int = 0
    surface: float = 0.0
    surface_voxels: float = 0.0
    measured: int = 0
    means: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(1))
    squares: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(1))

    def add(self, z: int, window: Window, voxels: int, centroid_yx: tuple[float, float]) -> None:
        """Add the object's `voxels` on slice `z`, which fill `window`."""
        self.voxels += voxels
        self.slices += 1
        self.sums_zyx += voxels * np.array((z, *centroid_yx))
        self.low_zyx = np.minimum(self.low_zyx, (z, window[0].start, window[1].start))
        self.high_zyx = np.maximum(self.high_zyx, (z + 1, window[0].stop, window[1].stop))

    def add_values(self, values: npt.NDArray[Any]) -> None:
        """Merge the values of some of its voxels, shape ``(n, channels)``, into mean and squares.

        Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances" (1979).
        """
        values = values.astype(np.float64)
        means = values.mean(axis=0)
        count = self.measured + len(values)
        apart = means - self.means
        self.squares = self.squares + ((values - means) ** 2).sum(axis=0)
        self.squares = self.squares + apart**2 * (self.measured * len(values) / count)
        self.means = self.means + apart * (len(values) / count)
        self.measured = count


@dataclass(frozen=True)
class _Slice:
    """One slice: for each of its objects, the label image that holds it completely, and its window."""

    labels: dict[int, npt.NDArray[Any]]
    windows: dict[int, Window]


def measure_volumes(
    result: TrackingResult, *, intensity: bool = True, progress: Callable[[int, int], None] | None = None
) -> Table:
    """Measure volume and surface of every object of a recording that was tracked through space.

    Slices are read in order and only four are held, so memory does not depend on their number: marching cubes between
    two slices depend on these two alone, and the areas of all layers add up to the whole surface.

    Parameters
    ----------
    result : TrackingResult
        A tracked recording with a spatial `walk_axis`. Objects that overlap are measured whole.
    intensity : bool
        Also read the recording and measure its raw values.
    progress : callable, optional
        Called with the number of slices done and the total.

    Returns
    -------
    Table
        One row for each object, ids ascending.

        ``object_id``, ``name``, ``voxels``, ``slices``
            Number of voxels and of slices that hold any.
        ``volume``
            In ``length_unit`` cubed.
        ``surface``
            In ``length_unit`` squared: marching cubes at 0.5 of the mask smoothed by ``[1, 2, 1] / 4`` along each
            axis, because the steps of a binary mask make a sphere's surface 7 to 15 % too large (with the smoothing
            it is within 2 % from a radius of ten voxels on). NaN if the object is so thin that nothing is left.
        ``surface_voxels``
            In ``length_unit`` squared: marching cubes at 0.5 of the mask itself, equal to
            `skimage.measure.mesh_surface_area` of the padded mask.
        ``sphericity``
            Surface of the ball of the same volume over ``surface``.
        ``equivalent_diameter``
            Diameter of the ball of the same volume.
        ``extent_z``, ``extent_y``, ``extent_x``
            Sides of the box of voxels around it, in ``length_unit``.
        ``intensity_mean``, ``intensity_std``
            Mean and standard deviation (of the population) of the raw values of its voxels, such as HU; with
            ``_red``, ``_green`` and ``_blue`` for colours. NaN where no slice of it can be read; absent without
            `intensity`, or where the result has no raw values.
        ``centroid_z``, ``centroid_y``, ``centroid_x``
            In ``length_unit``, along the walked axis and the two of the plane.
        ``bbox_z0`` to ``bbox_x1``
            First voxel and the one after the last.
        ``length_unit``
            Unit of the columns above; ``"px"`` where the distance of the slices is not known in the plane's unit, and
            voxels are counted as 1 x 1 x 1.

    Raises
    ------
    ExportError
        If the walked axis is not one of space.
    """
    calibration = result.calibration
    if not calibration.walks_through_space:
        raise ExportError(
            f"Volumes need a recording that was tracked along Z, Y or X, not {result.walk_axis}; use the areas instead."
        )
    spacing, unit = (calibration.step, *calibration.pixel_size), calibration.length_unit
    if calibration.walk_unit != unit:
        spacing, unit = (1.0, 1.0, 1.0), "px"
    solids: dict[int, _Solid] = {}
    empty = _Slice({}, {})
    held = deque([empty, empty, empty], maxlen=4)
    for z in range(result.frames.start, result.frames.stop + 2):
        held.append(_read_slice(result, z, solids, intensity) if z in result.frames else empty)
        _add_layer(solids, list(held), spacing)
        if progress is not None and z in result.frames:
            progress(z + 1 - result.frames.start, len(result.frames))
    return _table(result, solids, spacing, unit)


def _read_slice(result: TrackingResult, z: int, solids: dict[int, _Solid], intensity: bool) -> _Slice:
    raw = result.raw(z) if intensity else None
    labels: dict[int, npt.NDArray[Any]] = {}
    windows: dict[int, Window] = {}
    for layer_yx in result.layers(z):
        columns = measure_frame(layer_yx, {}, shape=False)
        for row, object_id in enumerate(columns["object_id"].tolist()):
            y0, x0, y1, x1 = (int(columns[f"bbox_{edge}"][row]) for edge in ("y0", "x0", "y1", "x1"))
            window = (slice(y0, y1), slice(x0, x1))
            labels[object_id], windows[object_id] = layer_yx, window
            centroid_yx = (float(columns["centroid_y_px"][row]), float(columns["centroid_x_px"][row]))
            solid = solids.setdefault(object_id, _Solid())
            solid.add(z, window, int(columns["area_px"][row]), centroid_yx)
            if raw is not None:
                values = raw[window][layer_yx[window] == object_id]
                solid.add_values(values.reshape(len(values), -1))
    return _Slice(labels, windows)


def _add_layer(solids: dict[int, _Solid], slices: list[_Slice], spacing: tuple[float, ...]) -> None:
    """Add the surface between the middle two of four neighbouring `slices`."""
    present = {object_id for part in slices for object_id in part.windows}
    for object_id in present:
        window = _around([part.windows[object_id] for part in slices if object_id in part.windows])
        masks = [_crop(part.labels.get(object_id), window, object_id) for part in slices]
        soft = [_soften(mask) for mask in masks]
        lower = (soft[0] + 2 * soft[1] + soft[2]) / 4
        upper = (soft[1] + 2 * soft[2] + soft[3]) / 4
        solids[object_id].surface += _layer_area(lower, upper, spacing)
        sharp = masks[1].astype(np.float32), masks[2].astype(np.float32)
        solids[object_id].surface_voxels += _layer_area(*sharp, spacing)


def _around(windows: list[Window]) -> Window:
    """Give a window with an empty margin around all of `windows`; it may reach over the edges of the slice."""
    y, x = (
        slice(min(w[axis].start for w in windows) - MARGIN, max(w[axis].stop for w in windows) + MARGIN)
        for axis in (0, 1)
    )
    return y, x


def _crop(labels_yx: npt.NDArray[Any] | None, window: Window, object_id: int) -> Bool2D:
    """Mask of an object in a window that may reach over the edges; empty if it is on no label image."""
    out = np.zeros([side.stop - side.start for side in window], np.bool_)
    if labels_yx is None:
        return out
    inside = [
        slice(max(side.start, 0), min(side.stop, size)) for side, size in zip(window, labels_yx.shape, strict=True)
    ]
    target = [slice(part.start - side.start, part.stop - side.start) for part, side in zip(inside, window, strict=True)]
    out[tuple(target)] = labels_yx[tuple(inside)] == object_id
    return out


def _soften(mask: Bool2D) -> Float2D:
    values: Float2D = mask.astype(np.float32)
    for axis in (0, 1):
        values = (np.roll(values, 1, axis) + 2 * values + np.roll(values, -1, axis)) / 4
    return values


def _layer_area(lower: Float2D, upper: Float2D, spacing: tuple[float, ...]) -> float:
    from skimage.measure import marching_cubes, mesh_surface_area

    layer = np.stack([lower, upper])
    if not layer.max() > LEVEL or not layer.min() < LEVEL:
        return 0.0
    vertices, faces, _, _ = marching_cubes(  # type: ignore[no-untyped-call]
        layer, LEVEL, spacing=spacing, allow_degenerate=True
    )
    return float(mesh_surface_area(vertices, faces))  # type: ignore[no-untyped-call]


def _table(result: TrackingResult, solids: dict[int, _Solid], spacing: tuple[float, ...], unit: str) -> Table:
    ids = sorted(solids)
    names = {entry.id: entry.name for entry in result.objects}
    chosen = [solids[object_id] for object_id in ids]
    voxels = np.array([solid.voxels for solid in chosen], np.int64)
    volume = voxels * float(np.prod(spacing))
    surface = np.array([solid.surface for solid in chosen], np.float64)
    surface[surface == 0] = np.nan
    columns: dict[str, npt.NDArray[Any]] = {
        "object_id": np.array(ids, np.int64),
        "name": np.array([names.get(object_id, "") for object_id in ids], np.str_),
        "voxels": voxels,
        "slices": np.array([solid.slices for solid in chosen], np.int64),
        "volume": volume,
        "surface": surface,
        "surface_voxels": np.array([solid.surface_voxels for solid in chosen], np.float64),
        "sphericity": np.pi ** (1 / 3) * (6 * volume) ** (2 / 3) / surface,
        "equivalent_diameter": (6 * volume / np.pi) ** (1 / 3),
    }
    sums = np.array([solid.sums_zyx for solid in chosen], np.float64).reshape(-1, 3)
    low = np.array([solid.low_zyx for solid in chosen], np.int64).reshape(-1, 3)
    high = np.array([solid.high_zyx for solid in chosen], np.int64).reshape(-1, 3)
    calibration = result.calibration
    letters = [letter.lower() for letter in (calibration.walk_axis, *calibration.plane_axes)]
    for axis, letter in enumerate(letters):
        columns[f"extent_{letter}"] = (high[:, axis] - low[:, axis]) * spacing[axis]
    columns |= _intensities(chosen)
    for axis, letter in enumerate(letters):
        columns[f"centroid_{letter}"] = sums[:, axis] / voxels * spacing[axis]
    for edge, corner in (("0", low), ("1", high)):
        columns.update({f"bbox_{letter}{edge}": corner[:, axis] for axis, letter in enumerate(letters)})
    columns["length_unit"] = np.full(len(ids), unit)
    return Table(columns, calibration)


def _intensities(solids: list[_Solid]) -> dict[str, npt.NDArray[Any]]:
    """Mean and standard deviation of the values of objects, by channel; nothing if none was measured."""
    channels = max((len(solid.means) for solid in solids if solid.measured), default=0)
    columns = {}
    for channel in range(channels):
        suffix = COLOURS[channel] if channels > 1 else ""
        known = [(s.means[channel], np.sqrt(s.squares[channel] / s.measured)) if s.measured else None for s in solids]
        for column, name in enumerate(("mean", "std")):
            values = [np.nan if pair is None else pair[column] for pair in known]
            columns[f"intensity_{name}{suffix}"] = np.array(values, np.float64)
    return columns
