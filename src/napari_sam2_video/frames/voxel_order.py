"""Bring a volume with an affine of its own into the voxel order of a recording."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2_video.errors import RecordingError

_HALF_A_VOXEL = 0.5


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
    onto = np.linalg.inv(affine) @ own
    turn = np.rint(onto[:3, :3])
    corners = np.array(list(product(*((0, n - 1) for n in volume_xyz.shape))), np.float64)
    placed = corners @ onto[:3, :3].T + onto[:3, 3]
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
