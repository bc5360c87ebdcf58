"""Agreement of a walk's planes with the settled planes that they cross."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_video.analysis.consensus import no_mask

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_sam2_video.analysis.consensus import Walk

SHORTEST_LINE = 2


@dataclass(frozen=True)
class SettledPlane:
    """A prompted or accepted plane, with the mask of one object there.

    Parameters
    ----------
    axis : int
        Axis of the grid that counts the planes.
    plane : int
        The plane.
    mask : ndarray of bool
        The object on it, its two axes in the order of the grid.
    """

    axis: int
    plane: int
    mask: npt.NDArray[np.bool_] = field(repr=False)


def crossing_agreement(walk: Walk, object_id: int, settled: Sequence[SettledPlane]) -> npt.NDArray[np.float64]:
    """Agreement of each plane of a walk with the settled planes that it crosses.

    A plane crosses a settled one in a line of voxels. If either has the object on that line, their agreement is the IoU
    on it, averaged over the settled planes. Other planes that show the object have the agreement of the nearest plane
    with one, and planes without the object agree.

    Parameters
    ----------
    walk : Walk
        The walk.
    object_id : int
        The object.
    settled : sequence of SettledPlane
        Planes across other axes.

    Returns
    -------
    ndarray of float, shape (planes,)
        From 0 to 1; 1 everywhere if no plane can be compared.
    """
    boxes = walk.boxes[object_id]
    across = [one for one in settled if one.axis != walk.axis]
    total, count = np.zeros(len(boxes)), np.zeros(len(boxes))
    silent = np.zeros(len(boxes), bool)
    for plane in range(len(boxes)):
        lines = [(one, _line(one, walk, plane)) for one in across]
        if not any(line.any() for _, line in lines) and boxes[plane, 2] <= boxes[plane, 0]:
            silent[plane] = True
            continue
        mask = next((m for m in walk.read(plane) if m.object_id == object_id), no_mask(object_id))
        for one, line in lines:
            own = np.zeros_like(line)
            at_row = walk.plane_axes[0] == one.axis
            position = one.plane - mask.origin_yx[0 if at_row else 1]
            if 0 <= position < mask.levels.shape[0 if at_row else 1]:
                found = mask.levels[position] if at_row else mask.levels[:, position]
                first = mask.origin_yx[1 if at_row else 0]
                own[first : first + len(found)] = found > 0
            either = int((own | line).sum())
            if either > SHORTEST_LINE:
                total[plane] += int((own & line).sum()) / either
                count[plane] += 1
    known = np.flatnonzero(count)
    if not known.size:
        return np.ones(len(boxes))
    nearest = known[np.abs(np.arange(len(boxes))[:, None] - known).argmin(axis=1)]
    return np.where(silent, 1.0, total[nearest] / count[nearest])


def _line(settled: SettledPlane, walk: Walk, plane: int) -> npt.NDArray[np.bool_]:
    """The mask of a settled plane on the line where a plane of a walk crosses it."""
    axes = [axis for axis in range(3) if axis != settled.axis]
    return settled.mask[plane] if axes[0] == walk.axis else settled.mask[:, plane]
