"""The surface of an object as a layer, in the place of its masks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.errors import ExportError
from napari_sam2_video.export.surfaces import Solid, smoothed
from napari_sam2_video.plugin.layers import put_on, take_off, transform_of
from napari_sam2_video.plugin.own_layers import mark_own, own_layers

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt
    from napari.layers import Image
    from napari.viewer import Viewer

    from napari_sam2_video.plugin.layers import Geometry
    from napari_sam2_video.session import Session

LEVEL = 0.5


def surface(
    session: Session, object_id: int, geometry: Geometry, progress: Callable[[int, int], None]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Vertices ``(n, ndim)`` in data coordinates of the image layer, and faces ``(m, 3)``, of an object.

    Marching cubes (Lewiner) of the mask, smoothed as in the export of surfaces.

    Raises
    ------
    ExportError
        If the object has no voxel.
    """
    from skimage.measure import marching_cubes

    solid = Solid()
    for frame in range(session.n_frames):
        mask = session.mask(object_id, frame)
        if mask.any():
            solid.add(frame, mask)
        progress(frame + 1, session.n_frames)
    if not solid.slices:
        raise ExportError(f"Object {object_id} has no voxel, so it has no surface; track it first.")
    volume, corner = solid.volume()
    rounded = smoothed(volume)
    found, faces, _, _ = marching_cubes(rounded if rounded.max() > LEVEL else volume, LEVEL)  # type: ignore[no-untyped-call]
    return np.array([geometry.to_data(*vertex) for vertex in found + corner]), np.asarray(faces, np.int64)


def show_surface(viewer: Viewer, image: Image, session: Session, object_id: int, made: tuple[Any, Any]) -> None:
    """Add the surface of an object to the viewer, replacing an earlier one from the plugin."""
    from napari.layers import Surface

    vertices, faces = made
    info = session.object(object_id)
    colors = np.tile(np.array([*(part / 255 for part in info.color), 1.0]), (len(vertices), 1))
    what = f"surface of object {object_id} in {session.folder}"
    name = f"Surface of {info.name}"
    take_off(viewer, *own_layers(viewer, what))
    layer = Surface((vertices, faces), name=name, vertex_colors=colors, shading="smooth", **transform_of(image))
    mark_own(layer, what, locked=False)
    put_on(viewer, layer)
