"""What OME-XML says about images: their files, pixel sizes and times."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np

from napari_sam2_video.frames.times import UNKNOWN, FrameTimes, frame_times
from napari_sam2_video.units import SECONDS, time_unit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_sam2_video.frames.calibration import Sizes, Units


class OmeXml:
    """Parsed OME-XML; text that cannot be parsed counts as empty."""

    def __init__(self, text: str | None) -> None:
        try:
            self._root = ElementTree.fromstring(text or "")
        except (ElementTree.ParseError, ValueError):
            self._root = ElementTree.Element("OME")

    @property
    def main_file(self) -> str | None:
        """Name of the file with the full description, if this one only refers to it."""
        found = next(_named(self._root, "BinaryOnly"), None)
        name = None if found is None else found.get("MetadataFile")
        return name if name and lies_beside(name) else None

    @property
    def files(self) -> tuple[str, ...]:
        """Names of all files that hold planes, each once and in order; none if one is in another folder."""
        names = self._file_names()
        return tuple(names) if all(map(lies_beside, names)) else ()

    @property
    def planes(self) -> int:
        """How many planes the largest image declares."""
        counts = [
            math.prod(int(_number(pixels.get(f"Size{letter}")) or 1) for letter in "CZT")
            for pixels in _named(self._root, "Pixels")
        ]
        return max(counts, default=0)

    @property
    def points_elsewhere(self) -> bool:
        """Whether it names a file in another folder, which the user did not choose to open."""
        return not all(map(lies_beside, self._file_names()))

    def _file_names(self) -> dict[str, None]:
        names = (uuid.get("FileName", "") for uuid in _named(self._root, "UUID"))
        return dict.fromkeys(name for name in names if name)

    def calibration(self, series: int, name: str) -> tuple[Sizes, Units]:
        """Sizes and units by axis letter, of the image called `name`, or of the one with index `series`."""
        pixels = self._pixels(series, name)
        scale: Sizes = {}
        units: Units = {}
        if pixels is None:
            return scale, units
        for letter in "XYZ":
            size = _number(pixels.get(f"PhysicalSize{letter}"))
            if size is not None:
                scale[letter], units[letter] = size, pixels.get(f"PhysicalSize{letter}Unit", "µm")
        increment = _number(pixels.get("TimeIncrement"))
        if increment is not None:
            scale["T"], units["T"] = increment, pixels.get("TimeIncrementUnit", "s")
        return scale, units

    def times(self, series: int, name: str, count: int) -> FrameTimes:
        """When each of `count` time points was taken: the earliest ``DeltaT`` of its planes."""
        pixels = self._pixels(series, name)
        found = np.full(count, np.nan)
        for plane in _named(pixels, "Plane") if pixels is not None else ():
            delta, place = _number(plane.get("DeltaT")), _number(plane.get("TheT", "0"))
            factor = SECONDS.get(time_unit(plane.get("DeltaTUnit", "s")) or "")
            if delta is not None and place is not None and factor is not None and 0 <= place < count:
                found[int(place)] = np.fmin(found[int(place)], delta * factor)
        return frame_times(found) if np.isfinite(found).all() else UNKNOWN

    def channels(self, series: int, name: str) -> tuple[str, ...]:
        """Names of the channels, if all have one."""
        pixels = self._pixels(series, name)
        names = tuple(channel.get("Name", "") for channel in _named(pixels, "Channel")) if pixels is not None else ()
        return names if all(names) else ()

    def _pixels(self, series: int, name: str) -> ElementTree.Element | None:
        images = [image for image in self._root if image.tag.rpartition("}")[2] == "Image"]
        called = [image for image in images if name and image.get("Name") == name]
        if len(called) == 1:
            images, series = called, 0
        if series >= len(images):
            return None
        return next(_named(images[series], "Pixels"), None)


def lies_beside(name: str) -> bool:
    """Whether a file name found in another file stays in the same folder."""
    return not set(name) & {"/", "\\", ":"} and name not in (".", "..")


def _named(element: ElementTree.Element, name: str) -> Iterator[ElementTree.Element]:
    return (found for found in element.iter() if found.tag.rpartition("}")[2] == name)


def _number(text: str | None) -> float | None:
    try:
        found = None if text is None else float(text)
    except ValueError:
        return None
    return found if found is None or math.isfinite(found) else None
