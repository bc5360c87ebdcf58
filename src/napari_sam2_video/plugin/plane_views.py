"""The planes of a volume in the viewer: which are shown, and showing those across another axis."""

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
"""Axes that the viewer shows at once where it shows planes."""


def planes_of(geometry: Geometry, session: Session) -> dict[str, Geometry]:
    """How the layer's axes map to the planes across each axis that a session can be walked along, its own first."""
    own, *others = session.planes.axes
    found = {own: geometry}
    for axis in others:
        rows, columns = session.planes.view(axis).plane_axes
        letters = geometry.axes
        found[axis] = replace(geometry, walk=letters.index(axis), plane=(letters.index(rows), letters.index(columns)))
    return found


def shown_across(viewer: Viewer, layer: Layer, geometry: Geometry, planes: Mapping[str, Geometry]) -> str:
    """Axis across whose planes the viewer shows the layer; the first of `planes` where it shows another view."""
    first = viewer.dims.ndim - layer.ndim
    shown = {axis - first for axis in viewer.dims.order[-2:]}
    return next((axis for axis, one in planes.items() if set(one.plane) == shown), next(iter(planes)))


def show_across(viewer: Viewer, layer: Layer, planes: Mapping[str, Geometry], axis: str) -> None:
    """Show the planes across an axis, at the voxel where the sliders stand."""
    first = viewer.dims.ndim - layer.ndim
    shown = [first + one for one in planes[axis].plane]
    viewer.dims.order = (*(one for one in range(viewer.dims.ndim) if one not in shown), *shown)
    viewer.reset_view()
