"""Perimeters and shapes of objects, by scikit-image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

SHAPE_COLUMNS = ("perimeter", "circularity", "solidity", "orientation", "feret_diameter")


def measure_shape(mask_yx: npt.NDArray[np.bool_], pixel_size: tuple[float, float]) -> tuple[float, ...]:
    """Shape of one object.

    Parameters
    ----------
    mask_yx : ndarray of bool, shape (h, w)
        The object, cropped to its box or larger.
    pixel_size : tuple of float
        Pixel size ``(dy, dx)``.

    Returns
    -------
    tuple of float
        The values of `SHAPE_COLUMNS`, as from `skimage.measure.regionprops` with ``spacing=pixel_size``: the
        perimeter, 4 π area / perimeter², the filled fraction of the convex hull, the angle in degrees between the
        first axis of the plane and the major axis of the ellipse with the same second moments, from -90 to 90, and the
        largest distance between two points of the hull. All NaN for an empty mask; perimeter and circularity are NaN if
        pixels are not square.
    """
    from skimage.measure import regionprops

    if not mask_yx.any():
        return (np.nan,) * len(SHAPE_COLUMNS)
    (props,) = regionprops(np.pad(mask_yx, 1).astype(np.uint8), spacing=pixel_size)  # type: ignore[no-untyped-call]
    perimeter = float(props.perimeter) if np.isclose(*pixel_size, rtol=1e-6) else np.nan
    circularity = 4 * np.pi * float(props.area) / perimeter**2 if perimeter > 0 else np.nan
    form = float(props.solidity), float(np.degrees(props.orientation)), float(props.feret_diameter_max)
    return (perimeter, circularity, *form)


def shape_columns(
    masks: Sequence[npt.NDArray[np.bool_]], pixel_size: tuple[float, float]
) -> dict[str, npt.NDArray[Any]]:
    """Columns of several objects, one row per mask; see `measure_shape`."""
    rows = np.array([measure_shape(mask, pixel_size) for mask in masks], np.float64).reshape(-1, len(SHAPE_COLUMNS))
    return {name: rows[:, index] for index, name in enumerate(SHAPE_COLUMNS)}
