"""Pixel sizes, units and names that TIFF files carry."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

from napari_sam2_video.frames.axes import name_unknown
from napari_sam2_video.units import plain_unit

_CENTIMETRE = 3


def about_tiff(file: Any, axes: str) -> dict[str, Any]:
    """What the open `file` says of its first image: name, scale, units, notes and metadata.

    Parameters
    ----------
    file : tifffile.TiffFile
        The open file.
    axes : str
        Axes of the image as tifffile names them.

    Returns
    -------
    dict
        Keyword arguments of a `Recording`.
    """
    name: str = file.filename.rsplit(".", 1)[0]
    scale: dict[str, float] = {}
    units: dict[str, str | None] = {}
    kind = "tiff"
    if file.is_ome:
        kind = "ome-tiff"
        _from_ome(file.ome_metadata, scale, units)
    elif file.is_imagej:
        kind = "imagej"
        _from_imagej(file.imagej_metadata or {}, file.pages.first, scale, units)
    elif int(getattr(file.pages.first, "resolutionunit", 0) or 0) == _CENTIMETRE:
        for letter, per_unit in zip("XY", file.pages.first.get_resolution(), strict=True):
            if per_unit > 0:
                scale[letter], units[letter] = 10_000 / per_unit, "µm"
    named = name_unknown(axes)
    return {
        "name": name.removesuffix(".ome"),
        "scale": {letter: size for letter, size in scale.items() if letter in named},
        "units": {letter: unit for letter, unit in units.items() if letter in named},
        "notes": (),
        "metadata": {"format": kind},
    }


def _from_imagej(about: dict[str, Any], page: Any, scale: dict[str, float], units: dict[str, str | None]) -> None:
    unit = plain_unit(about.get("unit"))
    if unit is not None:
        unit_y = plain_unit(about.get("yunit")) or unit
        for letter, tag, unit_here in (("X", 282, unit), ("Y", 283, unit_y)):
            value = page.tags.valueof(tag)
            if value and value[0]:
                scale[letter], units[letter] = value[1] / value[0], unit_here
                if letter == "X" and unit_y == unit:
                    scale["Y"], units["Y"] = scale["X"], unit
    if about.get("spacing"):
        scale["Z"] = abs(float(about["spacing"]))
        units["Z"] = plain_unit(about.get("zunit")) or unit
    interval = about.get("finterval") or (1 / about["fps"] if about.get("fps") else 0)
    if interval:
        scale["T"], units["T"] = float(interval), plain_unit(about.get("tunit")) or "s"


def _from_ome(text: str | None, scale: dict[str, float], units: dict[str, str | None]) -> None:
    try:
        root = ElementTree.fromstring(text or "")
    except ElementTree.ParseError:
        return
    pixels = next((element for element in root.iter() if element.tag.rpartition("}")[2] == "Pixels"), None)
    if pixels is None:
        return
    for letter in "XYZ":
        size = pixels.get(f"PhysicalSize{letter}")
        if size:
            scale[letter] = float(size)
            units[letter] = plain_unit(pixels.get(f"PhysicalSize{letter}Unit", "µm"))
    if pixels.get("TimeIncrement"):
        scale["T"] = float(pixels.get("TimeIncrement", "1"))
        units["T"] = plain_unit(pixels.get("TimeIncrementUnit", "s"))
