"""Interpolate masks between two masks by their signed distances, after S. P. Raya and J. K. Udupa (1990).

Both masks are first moved to the intermediate position, so that objects may be tilted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import center_of_mass, distance_transform_edt, shift

from napari_sam2_video.geometry import bounding_box

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    Masks = npt.NDArray[np.bool_]


def masks_between(
    first_yx: Masks, last_yx: Masks, count: int, spacing_yx: tuple[float, float] = (1.0, 1.0)
) -> Iterator[Masks]:
    """Masks of the planes between two, from the first to the last.

    Parameters
    ----------
    first_yx, last_yx : ndarray of bool, shape (Y, X)
        The masks at both ends, neither of them empty.
    count : int
        Number of planes in between.
    spacing_yx : tuple of float
        Distance of pixels along the rows and the columns, in one unit.

    Yields
    ------
    ndarray of bool, shape (Y, X)
        One mask for each plane in between.
    """
    boxes = [box for box in (bounding_box(first_yx), bounding_box(last_yx)) if box is not None]
    region = tuple(slice(max(0, min(b[a].start for b in boxes)), max(b[a].stop for b in boxes)) for a in (0, 1))
    parts = [mask[region] for mask in (first_yx, last_yx)]
    centres = [np.array(center_of_mass(part)) for part in parts]
    # Padded by the shift, so that distances are defined wherever they are sampled.
    rim = int(np.ceil(np.abs(centres[1] - centres[0]).max())) + 1
    distances = [_signed_distance(np.pad(part, rim), spacing_yx) for part in parts]
    for step in range(1, count + 1):
        weight = step / (count + 1)
        here = (1 - weight) * centres[0] + weight * centres[1]
        moved = [shift(d, here - c, order=1, mode="nearest") for d, c in zip(distances, centres, strict=True)]
        mask = np.zeros(first_yx.shape, bool)
        mask[region] = ((1 - weight) * moved[0] + weight * moved[1] > 0)[rim:-rim, rim:-rim]
        yield mask


def moved_alike(
    masks: Sequence[Masks], first_yx: Masks, last_yx: Masks, spacing_yx: tuple[float, float] = (1.0, 1.0)
) -> Iterator[Masks]:
    """Masks with their outlines moved by as much as those of the first and the last, in proportion to the distance.

    Parameters
    ----------
    masks : sequence of ndarray of bool, shape (Y, X)
        Masks of successive planes.
    first_yx, last_yx : ndarray of bool, shape (Y, X)
        What the first and the last of them became.
    spacing_yx : tuple of float
        Distance of pixels along the rows and the columns, in one unit.

    Yields
    ------
    ndarray of bool, shape (Y, X)
        One mask for each plane in between that has one.
    """
    boxes = [box for mask in (first_yx, last_yx, *masks) if (box := bounding_box(mask)) is not None]
    region = tuple(slice(max(0, min(b[a].start for b in boxes) - 1), max(b[a].stop for b in boxes) + 1) for a in (0, 1))
    ends = [
        _signed_distance(made[region], spacing_yx) - _signed_distance(mask[region], spacing_yx)
        for made, mask in ((first_yx, masks[0]), (last_yx, masks[-1]))
    ]
    for step, mask in enumerate(masks[1:-1], start=1):
        weight = step / (len(masks) - 1)
        moved = np.zeros(mask.shape, bool)
        if mask.any():
            distance = _signed_distance(mask[region], spacing_yx)
            moved[region] = distance + (1 - weight) * ends[0] + weight * ends[1] > 0
        yield moved


def _signed_distance(mask: Masks, spacing_yx: tuple[float, float]) -> npt.NDArray[np.float64]:
    """Distance to the outline, positive inside; the outline of a full mask is that of the image."""
    if mask.all():
        return np.asarray(distance_transform_edt(np.pad(mask, 1), sampling=spacing_yx)[1:-1, 1:-1], np.float64)
    inside = distance_transform_edt(mask, sampling=spacing_yx)
    outside = distance_transform_edt(~mask, sampling=spacing_yx)
    return np.asarray(inside - outside, np.float64)
