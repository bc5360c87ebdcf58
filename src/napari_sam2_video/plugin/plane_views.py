"""Find and change the axis across which the viewer shows planes of a volume."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari.layers import Layer
    from napari.viewer import Viewer

    from napari_sam2_video.plugin.layers import Geometry
    from napari_sam2_video.session import Session

FLAT = 2
"""Number of axes that the viewer displays when it shows planes."""


def planes_of(geometry: Geometry, session: Session) -> dict[str, Geometry]:
    """Mapping of the layer's axes to the planes across each axis that can be walked, the session's own first."""
    own, *others = session.planes.axes
    found = {own: geometry}
    for axis in others:
        rows, columns = session.planes.view(axis).plane_axes
        letters = geometry.axes
        found[axis] = replace(geometry, walk=letters.index(axis), plane=(letters.index(rows), letters.index(columns)))
    return found


def shown_across(viewer: Viewer, layer: Layer, geometry: Geometry, planes: Mapping[str, Geometry]) -> str:
    """Axis across whose planes the viewer shows the layer; the first of `planes` for any other view."""
    first = viewer.dims.ndim - layer.ndim
    shown = {axis - first for axis in viewer.dims.order[-2:]}
    return next((axis for axis, one in planes.items() if set(one.plane) == shown), next(iter(planes)))


def show_across(viewer: Viewer, layer: Layer, planes: Mapping[str, Geometry], axis: str) -> None:
    """Show the planes across an axis, at the voxel under the sliders."""
    first = viewer.dims.ndim - layer.ndim
    shown = [first + one for one in planes[axis].plane]
    viewer.dims.order = (*(one for one in range(viewer.dims.ndim) if one not in shown), *shown)
    viewer.reset_view()
