"""Draw label images over images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from napari_sam2_video.geometry import bounding_box

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_sam2_video.results import Array, TrackingResult
    from napari_sam2_video.types.tracked_object import TrackedObject

Style: TypeAlias = Literal["contour", "fill", "both"]
Picture: TypeAlias = npt.NDArray[np.uint8]


class ColorTable:
    """Colours by object id, also for sparse and large ids."""

    def __init__(self, objects: Sequence[TrackedObject]) -> None:
        ordered = sorted(objects, key=lambda entry: entry.id)
        self._ids = np.array([entry.id for entry in ordered], np.int64)
        self._colors = np.array([entry.color for entry in ordered], np.uint8).reshape(-1, 3)

    def of(self, labels_n: Array) -> Picture:
        """Colours of a list of ids, uint8 ``(n, 3)``."""
        return self._colors[np.searchsorted(self._ids, labels_n)]


def contour(labels_yx: Array, width: int = 1) -> npt.NDArray[np.bool_]:
    """Pixels of the objects that lie within `width` pixels of another object or the background, inside the object."""
    edges = np.zeros(labels_yx.shape, bool)
    left = labels_yx
    for _ in range(width):
        differs = left[1:] != left[:-1]
        rim = np.zeros(labels_yx.shape, bool)
        rim[1:] |= differs
        rim[:-1] |= differs
        differs = left[:, 1:] != left[:, :-1]
        rim[:, 1:] |= differs
        rim[:, :-1] |= differs
        edges |= rim & (left > 0)
        left = np.where(rim, 0, left)
    return edges & (labels_yx > 0)


def render(
    frame_yxc: Picture,
    labels_yx: Array,
    colors: ColorTable,
    style: Style = "both",
    alpha: float = 0.35,
    width: int | None = None,
) -> Picture:
    """Draw objects over an image.

    Parameters
    ----------
    frame_yxc : ndarray of uint8, shape (Y, X, 3)
        The image; it is not changed.
    labels_yx : ndarray of unsigned int, shape (Y, X)
        The label image.
    colors : ColorTable
        Colours of the ids.
    style : {"contour", "fill", "both"}
        Outlines, transparent areas or both.
    alpha : float
        Opacity of the areas, 0 to 1.
    width : int, optional
        Width of the outlines in pixels; by default 1/300 of the smaller side, at least 1.

    Returns
    -------
    ndarray of uint8, shape (Y, X, 3)
        The drawing.
    """
    drawn = np.array(frame_yxc, np.uint8)
    found = bounding_box(labels_yx)
    if found is None:
        return drawn
    if width is None:
        width = max(1, round(min(labels_yx.shape) / 300))
    box = tuple(slice(max(side.start - 1, 0), side.stop + 1) for side in found)
    labels, picture = labels_yx[box], drawn[box]
    if style != "contour":
        inside = labels > 0
        weight = round(256 * min(max(alpha, 0.0), 1.0))
        below = picture[inside].astype(np.uint16) * (256 - weight)
        picture[inside] = ((below + colors.of(labels[inside]).astype(np.uint16) * weight) >> 8).astype(np.uint8)
    if style != "fill":
        rim = contour(labels, width)
        picture[rim] = colors.of(labels[rim])
    return drawn


def displayed_shape(result: TrackingResult) -> tuple[float, float]:
    """Height and width of a frame with square pixels, in units of the smaller pixel side."""
    dy, dx = result.pixel_size
    if dy is None or dx is None or min(dy, dx) <= 0 or result.units[1] != result.units[2]:
        return float(result.shape_yx[0]), float(result.shape_yx[1])
    side = min(dy, dx)
    return result.shape_yx[0] * dy / side, result.shape_yx[1] * dx / side


def picture_of(result: TrackingResult, frame: int) -> Picture:
    """Image of a frame; black if the result has none."""
    picture = result.frame(frame)
    return np.zeros((*result.shape_yx, 3), np.uint8) if picture is None else picture
