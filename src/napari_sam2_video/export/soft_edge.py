"""Soft edges: how much of each pixel belongs to the objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_sam2_video.export.format import ExportOption
from napari_sam2_video.geometry import bounding_box
from napari_sam2_video.types import LEVEL_STEP

if TYPE_CHECKING:
    from napari_sam2_video.export.format import ExportJob

FEATHER = ExportOption(
    "feather",
    "float",
    0.0,
    "width of the soft edge in pixels, placed between pixels by the model's logits: 1 smooths the steps of the pixels, "
    "0 keeps them",
    limits=(0, 1000),
)
_NEAR, _FAR = 1.0, 3.0
_HALF = 0.5
_WINDOW, _SPREAD = 2, 1.0
_FARTHEST = 1.5
"""In pixels; an edge farther from the outermost pixels of a mask is not where the logits cross zero."""


def alpha_of(job: ExportJob, frame: int, *, grow: int = 0) -> npt.NDArray[np.uint8]:
    """Alpha of the objects of an export on a frame: 255 inside, 0 outside, and between them on the soft edge.

    Parameters
    ----------
    job : ExportJob
        The export; its option ``feather`` is the width of the edge in pixels.
    frame : int
        The frame.
    grow : int
        Pixels by which the objects are widened first.

    Returns
    -------
    ndarray of uint8, shape (Y, X)
    """
    result, feather = job.result, float(job.options["feather"])
    inside_yx = result.labels(frame) > 0
    alpha_yx = np.where(inside_yx, np.uint8(255), np.uint8(0))
    found = bounding_box(inside_yx)
    if found is None or (feather <= 0 and grow <= 0):
        return alpha_yx
    reach = int(np.ceil(grow + feather / 2)) + 2
    box = tuple(slice(max(side.start - reach, 0), side.stop + reach) for side in found)
    if feather <= 0:
        from scipy.ndimage import distance_transform_edt

        alpha_yx[box][distance_transform_edt(~inside_yx[box]) <= grow] = 255
        return alpha_yx
    if result.read_levels is None:
        job.note("The result has no logits, so the soft edge follows the pixels of the masks.")
        levels_yx = np.zeros(inside_yx.shape, np.uint8)
    else:
        levels_yx = result.read_levels(frame, [entry.id for entry in result.objects])
    distance = signed_distance(inside_yx[box], levels_yx[box])
    ramp = _HALF + (distance + grow) / feather
    alpha_yx[box] = np.rint(np.clip(ramp, 0, 1) * 255).astype(np.uint8)
    return alpha_yx


def signed_distance(inside_yx: npt.NDArray[np.bool_], levels_yx: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Distance of each pixel's centre to the edge of a mask, in pixels: positive inside, negative outside.

    Along the steepest descent of the logits, the edge is ``logit / |gradient|`` away from the outermost pixels of the
    mask. If they have no logits (painted or cut by hand), it is half a pixel away.

    Parameters
    ----------
    inside_yx : ndarray of bool, shape (Y, X)
        The mask.
    levels_yx : ndarray of uint8, shape (Y, X)
        Levels of its logits, as in `napari_sam2_video.types.ObjectMask`; 0 if there are none.
    """
    from scipy.ndimage import binary_erosion, distance_transform_edt

    rim_yx = inside_yx & ~binary_erosion(inside_yx, border_value=1)
    if not rim_yx.any():
        return np.where(inside_yx, np.inf, -np.inf)
    to_edge, normal_y, normal_x = _edge_from(inside_yx, levels_yx, rim_yx)
    away, (y, x) = distance_transform_edt(~rim_yx, return_indices=True)
    gap, inward_y, inward_x = to_edge[y, x], normal_y[y, x], normal_x[y, x]
    sign = np.where(inside_yx, 1.0, -1.0)
    rows, columns = np.indices(inside_yx.shape)
    from_edge_y, from_edge_x = rows - y + inward_y * gap, columns - x + inward_x * gap
    near = from_edge_y * inward_y + from_edge_x * inward_x
    far = sign * np.hypot(from_edge_y, from_edge_x)
    weight = np.clip((away - _NEAR) / (_FAR - _NEAR), 0, 1)
    unknown = (inward_y == 0) & (inward_x == 0)
    found = np.where(unknown, sign * away + gap, near * (1 - weight) + far * weight)
    distance: npt.NDArray[np.float64] = np.where(inside_yx, np.maximum(found, 0), np.minimum(found, 0))
    return distance


def _edge_from(
    inside_yx: npt.NDArray[np.bool_], levels_yx: npt.NDArray[np.uint8], rim_yx: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """For each outermost pixel, the distance to the edge, and the inward direction along y and x (0 if unknown).

    A plane is fitted to the logits around the pixel by weighted least squares, because levels are logits in steps.
    """
    known = inside_yx & (levels_yx > 0)
    y, x = np.nonzero(rim_yx & known & ~_touches((levels_yx > 0) & ~inside_yx))
    wide = np.pad(np.where(known, (levels_yx - _HALF) * LEVEL_STEP, np.nan), _WINDOW, constant_values=np.nan)
    step_y, step_x = (part.ravel() for part in np.mgrid[-_WINDOW : _WINDOW + 1, -_WINDOW : _WINDOW + 1])
    logits = wide[y[:, None] + step_y + _WINDOW, x[:, None] + step_x + _WINDOW]
    weight = np.where(np.isnan(logits), 0.0, np.exp(-(step_y**2 + step_x**2) / (2 * _SPREAD**2)))
    terms = np.stack([np.ones(step_y.size), step_y, step_x])
    squares = np.einsum("nk,ik,jk->nij", weight, terms, terms) + 1e-6 * np.eye(3)
    plane = np.linalg.solve(squares, np.einsum("nk,ik->ni", weight * np.nan_to_num(logits), terms)[..., None])[..., 0]
    steepness = np.hypot(plane[:, 1], plane[:, 2])
    usable = (plane[:, 0] < _FARTHEST * steepness) & (steepness > 0)
    y, x, plane, steepness = y[usable], x[usable], plane[usable], steepness[usable]
    to_edge = np.full(inside_yx.shape, _HALF)
    normal_y, normal_x = np.zeros(inside_yx.shape), np.zeros(inside_yx.shape)
    to_edge[y, x] = np.clip(plane[:, 0] / steepness, 0, 1)
    normal_y[y, x], normal_x[y, x] = plane[:, 1] / steepness, plane[:, 2] / steepness
    return to_edge, normal_y, normal_x


def _touches(mask_yx: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Pixels with a neighbour in the mask."""
    around: npt.NDArray[np.bool_] = np.logical_or.reduce(
        [_shifted(mask_yx, step, axis) for step in (1, -1) for axis in (0, 1)]
    )
    return around


def _shifted(image_yx: npt.NDArray[Any], step: int, axis: int) -> npt.NDArray[Any]:
    """Image shifted by one pixel along an axis, filled with 0."""
    moved = np.zeros_like(image_yx)
    to, of = (slice(1, None), slice(None, -1)) if step > 0 else (slice(None, -1), slice(1, None))
    lead = (slice(None),) * axis
    moved[(*lead, to)] = image_yx[(*lead, of)]
    return moved
