"""What measuring, reviewing and cleaning need of a result, and what its pixels stand for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

METRES = {"Å": 1e-10, "nm": 1e-9, "µm": 1e-6, "mm": 1e-3, "cm": 1e-2, "m": 1.0}
SPELLINGS = {
    "angstrom": "Å",
    "nanometer": "nm",
    "μm": "µm",
    "um": "µm",
    "micron": "µm",
    "microns": "µm",
    "micrometer": "µm",
    "millimeter": "mm",
    "centimeter": "cm",
    "meter": "m",
    "second": "s",
    "seconds": "s",
}
NO_UNIT = frozenset({"", "px", "pixel", "pixels"})
SPATIAL_AXES = frozenset("ZYX")


class TrackedObject(Protocol):
    """What is known of one object besides its pixels."""

    @property
    def id(self) -> int:
        """Id of the object, from 1."""
        ...

    @property
    def name(self) -> str:
        """Name a person gave it."""
        ...

    @property
    def parent(self) -> int | None:
        """Object this one came from, or None."""
        ...

    @property
    def parent_frame(self) -> int | None:
        """First frame on which it stands apart from its parent, or None."""
        ...


class MaskSource(Protocol):
    """A tracked recording that can be read a frame at a time."""

    @property
    def n_frames(self) -> int:
        """Number of frames along the walked axis."""
        ...

    @property
    def shape_yx(self) -> tuple[int, int]:
        """Shape of a frame in pixels."""
        ...

    @property
    def walk_axis(self) -> str:
        """Letter of the axis that was walked, such as ``"T"`` or ``"Z"``."""
        ...

    @property
    def pixel_size(self) -> tuple[float, float]:
        """Size of a pixel along the two axes of the plane."""
        ...

    @property
    def step(self) -> float:
        """Distance of two frames along the walked axis."""
        ...

    @property
    def units(self) -> tuple[str | None, str | None, str | None]:
        """Units of the walked axis and of the two axes of the plane."""
        ...

    @property
    def objects(self) -> Sequence[TrackedObject]:
        """The objects, in any order."""
        ...

    def labels(self, frame: int) -> npt.NDArray[Any]:
        """Object ids of a frame, unsigned integers of shape ``(Y, X)``, 0 for none."""
        ...

    def raw(self, frame: int) -> npt.NDArray[Any] | None:
        """Untouched values of a frame, ``(Y, X)`` or ``(Y, X, 3)``; None where the recording is not at hand."""
        ...

    def scores(self, object_id: int) -> Mapping[str, npt.NDArray[Any]]:
        """Arrays ``frame``, ``object_score``, ``predicted_iou`` and flags of the frames an object was tracked on."""
        ...


@dataclass(frozen=True)
class Calibration:
    """What a pixel and a frame stand for.

    Parameters
    ----------
    walk_axis : str
        Letter of the walked axis.
    pixel_size : tuple of float
        Pixel size ``(dy, dx)`` in `length_unit`.
    step : float
        Distance of two frames in `walk_unit`.
    length_unit, walk_unit : str
        Names of the units; ``"px"``, ``"frame"`` and ``"slice"`` where the recording says nothing.
    """

    walk_axis: str = "T"
    pixel_size: tuple[float, float] = (1.0, 1.0)
    step: float = 1.0
    length_unit: str = "px"
    walk_unit: str = "frame"

    @property
    def walks_through_space(self) -> bool:
        """True where the frames are slices of a volume."""
        return self.walk_axis in SPATIAL_AXES


def plain_unit(unit: str | None) -> str | None:
    """Give the one spelling of a unit that the tables use, or None where there is no unit."""
    text = (unit or "").strip()
    return None if text.lower() in NO_UNIT else SPELLINGS.get(text.lower(), text)


def convert_length(value: float, unit: str | None, to: str | None) -> float | None:
    """Express a length in another unit.

    Parameters
    ----------
    value : float
        The length.
    unit, to : str or None
        Unit it has and unit it shall have; a missing one is taken to be the other.

    Returns
    -------
    float or None
        The length in `to`, or None where one of two different units is not a length we know.
    """
    if unit is None or to is None or unit == to:
        return value
    if unit in METRES and to in METRES:
        return value * (METRES[unit] / METRES[to])
    return None


def calibration_of(source: MaskSource) -> Calibration:
    """Settle what the pixels and frames of `source` stand for.

    Both axes of the plane get one unit. Axes whose units cannot be converted into each other are measured in
    pixels, and slices of a volume whose unit does not fit the plane's, or whose distance nothing tells, in slices.
    """
    walk, unit_y, unit_x = (plain_unit(unit) for unit in source.units)
    dy, dx = source.pixel_size
    length = unit_y or unit_x
    converted = convert_length(dx, unit_x, length)
    if converted is None:
        length, pixel_size = "px", (1.0, 1.0)
    elif length is None:
        length, pixel_size = ("px" if dy == dx == 1.0 else "unit"), (dy, dx)
    else:
        pixel_size = (dy, converted)
    if source.walk_axis not in SPATIAL_AXES:
        unknown = "frame" if source.step == 1.0 else "unit"
        return Calibration(source.walk_axis, pixel_size, source.step, length, walk or unknown)
    if walk is None and unit_y is None and unit_x is None:
        return Calibration(source.walk_axis, pixel_size, source.step, length, length)
    step = convert_length(source.step, walk, length)
    if step is None or (walk is None and source.step == 1.0):
        return Calibration(source.walk_axis, pixel_size, 1.0, length, "slice")
    return Calibration(source.walk_axis, pixel_size, step, length, length)
