"""Turn measurements into the data of a napari Tracks layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from napari_sam2_video.analysis.lineage import lineage_graph

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_sam2_video.analysis.table import Table
    from napari_sam2_video.types.tracked_object import TrackedObject

PLACE_COLUMNS = frozenset({"object_id", "frame", *(f"centroid_{letter}_px" for letter in "zyx")})


class Tracks(NamedTuple):
    """The data of a napari Tracks layer.

    Parameters
    ----------
    data : ndarray of shape (N, 4) or (N, 5)
        Rows ``(id, frame, y, x)`` or ``(id, frame, z, y, x)`` in pixels, ordered by id and frame.
    graph : dict of int to list of int
        Daughter to parents.
    properties : dict of str to ndarray
        One value for each row.
    """

    data: npt.NDArray[np.float64]
    graph: dict[int, list[int]]
    properties: dict[str, npt.NDArray[Any]]


def tracks(table: Table, objects: Iterable[TrackedObject] = (), *, z: float | None = None) -> Tracks:
    """Turn measurements into tracks: one vertex for each frame on which an object has pixels.

    Parameters
    ----------
    table : Table
        A table of `napari_sam2_video.analysis.measure.measure`.
    objects : iterable of TrackedObject
        The objects, with their parents.
    z : float, optional
        Plane at which the recording was walked, in pixels; adds a column between frame and y.

    Returns
    -------
    Tracks
        Coordinates are pixels: give the Tracks layer the scale of the image layer. Every numeric column of the
        table is a property.
    """
    found = table.where(table["area_px"] > 0)
    order = np.lexsort((found["frame"], found["object_id"]))
    places = [found["object_id"], found["frame"], *found.centroids(pixels=True).T]
    if z is not None:
        places.insert(2, np.full(len(found), z))
    data = np.stack([column[order].astype(np.float64) for column in places], axis=1)
    properties = {
        name: column[order]
        for name, column in found.columns.items()
        if name not in PLACE_COLUMNS and column.dtype.kind in "biuf"
    }
    return Tracks(data, lineage_graph(objects, found.object_ids()), properties)
