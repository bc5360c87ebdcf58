"""Positions of the objects on a frame, from which all tables of tracks are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from napari_sam2_video.geometry import Region
    from napari_sam2_video.results import Array, TrackingResult


@dataclass(frozen=True)
class Spots:
    """The objects of one frame in the order of their ids, with area and centroid in pixels."""

    frame: int
    ids: npt.NDArray[np.int64]
    areas: npt.NDArray[np.int64]
    y: npt.NDArray[np.float64]
    x: npt.NDArray[np.float64]


def find_spots(labels_yx: Array, frame: int) -> Spots:
    """Spots of a label image."""
    rows, columns = np.nonzero(labels_yx)
    ids, place = np.unique(labels_yx[rows, columns], return_inverse=True)
    areas = np.bincount(place, minlength=len(ids))
    y = np.bincount(place, rows, len(ids)) / areas
    x = np.bincount(place, columns, len(ids)) / areas
    return Spots(frame, ids.astype(np.int64), areas.astype(np.int64), y, x)


def spots_of(result: TrackingResult, frame: int) -> Spots:
    """Spots of a frame, each from the complete object, even where objects overlap."""
    found = [find_spots(labels_yx, frame) for labels_yx in result.layers(frame)]
    if len(found) == 1:
        return found[0]
    order = np.argsort(np.concatenate([spots.ids for spots in found]))
    columns = {
        name: np.concatenate([getattr(spots, name) for spots in found])[order] for name in ("ids", "areas", "y", "x")
    }
    return Spots(frame, **columns)


def axis_positions(result: TrackingResult, spots: Spots) -> dict[str, npt.NDArray[np.float64]]:
    """Positions by axis letter in the units of the measurements, for the walked axis and the two of the plane."""
    calibration = result.calibration
    return {
        result.walk_axis: np.full(len(spots.ids), calibration.position(spots.frame)),
        result.plane_axes[0]: spots.y * calibration.pixel_size[0],
        result.plane_axes[1]: spots.x * calibration.pixel_size[1],
    }


def object_bounds(labels_yx: Array) -> list[tuple[int, Region]]:
    """Id and bounding box of every object of a label image, ids ascending."""
    rows, columns = np.nonzero(labels_yx)
    ids, place = np.unique(labels_yx[rows, columns], return_inverse=True)
    top, left = np.full(len(ids), labels_yx.shape[0]), np.full(len(ids), labels_yx.shape[1])
    bottom, right = np.zeros(len(ids), int), np.zeros(len(ids), int)
    np.minimum.at(top, place, rows)
    np.minimum.at(left, place, columns)
    np.maximum.at(bottom, place, rows + 1)
    np.maximum.at(right, place, columns + 1)
    edges: Any = zip(top.tolist(), bottom.tolist(), left.tolist(), right.tolist(), strict=True)
    boxes = [(slice(y0, y1), slice(x0, x1)) for y0, y1, x0, x1 in edges]
    return list(zip(ids.tolist(), boxes, strict=True))
