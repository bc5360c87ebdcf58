"""Whether volumes with affines lie at the same place, and a volume in the voxel order of another."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_sam2_video.errors import RecordingError

if TYPE_CHECKING:
    from napari_sam2_video.frames.recording import Recording

_HALF_A_VOXEL = 0.5


def place_of(recording: Recording) -> npt.NDArray[np.float64] | None:
    """From ``(x, y, z)`` voxels of a recording to the world; None if it does not say where it lies."""
    affine = recording.affine
    if affine is None or not recording.metadata.get("placed", True):
        return None
    spans = np.isfinite(affine).all() and np.linalg.matrix_rank(affine[:3, :3]) == 3
    return affine if spans else None


def in_order_of(
    volume_zyx: npt.NDArray[Any], own: npt.NDArray[np.float64], affine: npt.NDArray[np.float64], name: str
) -> npt.NDArray[Any]:
    """The volume with its axes permuted and turned so that it lies where a recording does.

    Parameters
    ----------
    volume_zyx : ndarray, shape (Z, Y, X)
        The volume.
    own, affine : ndarray, shape (4, 4)
        From ``(x, y, z)`` voxels of the volume, and of the recording, to the world.
    name : str
        Name of the volume in messages.

    Raises
    ------
    RecordingError
        If no order of its voxels puts every one within half a voxel of one of the recording.
    """
    volume_xyz = volume_zyx.transpose(2, 1, 0)
    corners, placed = _corners(volume_xyz.shape, own, affine)
    turn = np.rint((np.linalg.inv(affine) @ own)[:3, :3])
    if (np.abs(turn).sum(axis=0) == 1).all() and (np.abs(turn).sum(axis=1) == 1).all():
        exact = corners @ turn.T
        if (np.abs(placed - (exact - exact.min(axis=0))) < _HALF_A_VOXEL).all():
            order = np.abs(turn).argmax(axis=1)
            back = [axis for axis in range(3) if turn[axis, order[axis]] < 0]
            ordered: npt.NDArray[Any] = np.flip(volume_xyz.transpose(order), tuple(back))
            return ordered.transpose(2, 1, 0)
    raise RecordingError(
        f"{name} lies elsewhere than the recording, or on other voxels; resample it to those of the recording, or give "
        "it the recording's affine if its voxels are in that order."
    )


def lies_alike(
    own: npt.NDArray[np.float64] | None, affine: npt.NDArray[np.float64] | None, shape_xyz: tuple[int, ...]
) -> bool:
    """Whether the voxels of two volumes of one shape are less than half a voxel apart, if both have an affine."""
    if own is None or affine is None:
        return True
    corners, placed = _corners(shape_xyz, own, affine)
    return bool((np.abs(placed - corners) < _HALF_A_VOXEL).all())


def _corners(
    shape_xyz: tuple[int, ...], own: npt.NDArray[np.float64], affine: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The corners of a volume in its own voxels, and in those of another one."""
    onto = np.linalg.inv(affine) @ own
    corners = np.array(list(product(*((0, n - 1) for n in shape_xyz))), np.float64)
    return corners, corners @ onto[:3, :3].T + onto[:3, 3]
