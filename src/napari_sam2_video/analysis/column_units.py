"""Units of the columns of a table, one convention for all outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_LENGTHS = {
    "equivalent_diameter",
    "major_axis",
    "minor_axis",
    "perimeter",
    "feret_diameter",
    "displacement",
    "path_length",
    "net_displacement",
}
_UNITS = {
    **dict.fromkeys(_LENGTHS, "{length}"),
    **dict.fromkeys(("area", "area_change", "surface", "surface_voxels", "msd"), "{length}²"),
    **dict.fromkeys(("position", "lag_position"), "{walk}"),
    "volume": "{length}³",
    "speed": "{length}/{walk}",
    "growth_rate": "{length}²/{walk}",
    "orientation": "°",
}


def units_of(names: Iterable[str], length: str, walk: str) -> dict[str, str]:
    """Units of the columns that have one.

    Parameters
    ----------
    names : iterable of str
        Names of columns.
    length, walk : str
        Units of lengths in the plane, and along the walked axis.
    """
    found = {}
    for name in names:
        if name.endswith("_px") or name.startswith("bbox_"):
            found[name] = "px"
        elif name.startswith(("centroid_", "extent_")):
            found[name] = length
        elif name in _UNITS:
            found[name] = _UNITS[name].format(length=length, walk=walk)
    return found
