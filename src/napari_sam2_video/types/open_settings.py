"""Metadata of a recording from the user, where the file lacks them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

import numpy as np

from napari_sam2_video.errors import SettingsError
from napari_sam2_video.types.checks import NUMBER, JsonSettings, set_field, shown, whole
from napari_sam2_video.units import SECONDS, length_unit, time_unit

PixelSize: TypeAlias = tuple[tuple[float, ...], str]


@dataclass(frozen=True)
class OpenSettings(JsonSettings):
    """Metadata of a recording from the user, which override missing or wrong ones in the file.

    Parameters
    ----------
    axes : str, optional
        A letter for each axis, such as ``"ZYX"``; ``S`` for RGB samples may be omitted.
    pixel_size : tuple, optional
        Numbers and their unit: one number for ``Y`` and ``X``, two for ``(Y, X)``, three for ``(Z, Y, X)``.
    interval : float, optional
        Seconds from one time point to the next.
    series : int or str, optional
        Index from 0, or name, of the image series in a file that holds several.

    Raises
    ------
    SettingsError
        If a value is invalid.
    """

    axes: str | None = None
    pixel_size: PixelSize | None = None
    interval: float | None = None
    series: int | str | None = None

    def __post_init__(self) -> None:
        if self.axes is not None:
            axes = self.axes.strip().upper() if isinstance(self.axes, str) else ""
            if not axes.isalpha() or not axes.isascii() or len(set(axes)) != len(axes) or not {"Y", "X"} <= set(axes):
                raise SettingsError(
                    f"The axes {shown(self.axes)} must be letters, each used once, Y and X among them, such as TYX or "
                    "ZYX."
                )
            set_field(self, "axes", axes)
        if self.pixel_size is not None:
            set_field(self, "pixel_size", _checked_size(self.pixel_size))
        if self.interval is not None:
            if not _positive(self.interval):
                raise SettingsError(
                    f"The interval {shown(self.interval)} must be a positive time, such as '2.5 s' or '5 min'."
                )
            set_field(self, "interval", float(self.interval))
        if self.series is not None and not isinstance(self.series, str):
            set_field(self, "series", whole(self.series, "The series, where it is not a name,", at_least=0))

    @classmethod
    def of(
        cls,
        *,
        axes: str | None = None,
        pixel_size: str | PixelSize | None = None,
        interval: str | float | None = None,
        series: int | str | None = None,
    ) -> Self:
        """Settings from values, or from text as on the command line or in a table.

        Parameters
        ----------
        axes : str, optional
            As above.
        pixel_size : str or tuple, optional
            ``"0.25 um"``, ``"0.25,0.25 um"`` (Y, X), ``"2,0.5,0.5 mm"`` (Z, Y, X), or a tuple of the numbers and the
            unit.
        interval : str or float, optional
            ``"2.5 s"``, ``"5 min"``, or seconds.
        series : int or str, optional
            Index or name; text of digits is an index.

        Raises
        ------
        SettingsError
            If one of them cannot be read.
        """
        if isinstance(pixel_size, str):
            pixel_size = _read_pixel_size(pixel_size)
        if isinstance(interval, str):
            interval = _read_interval(interval)
        if isinstance(series, str) and series.strip().isdecimal():
            series = int(series)
        return cls(axes=axes or None, pixel_size=pixel_size, interval=interval, series=series)

    @property
    def sizes(self) -> dict[str, tuple[float, str]]:
        """The given sizes and units by axis letter."""
        found: dict[str, tuple[float, str]] = {}
        if self.pixel_size is not None:
            numbers, unit = self.pixel_size
            numbers = numbers * 2 if len(numbers) == 1 else numbers
            found.update(zip("ZYX"[-len(numbers) :], ((size, unit) for size in numbers), strict=True))
        if self.interval is not None:
            found["T"] = self.interval, "s"
        return found


def _positive(number: Any) -> bool:
    is_number = isinstance(number, int | float | np.integer | np.floating) and not isinstance(number, bool)
    return is_number and bool(math.isfinite(number) and number > 0)


def _checked_size(given: Any) -> PixelSize:
    numbers, unit = given if isinstance(given, tuple | list) and len(given) == 2 else ((), given)
    sizes = tuple(numbers) if isinstance(numbers, tuple | list | np.ndarray) else (numbers,)
    symbol = length_unit(unit) if isinstance(unit, str) else None
    if symbol is None or not 1 <= len(sizes) <= 3 or not all(_positive(size) for size in sizes):
        raise _no_pixel_size(given)
    return tuple(map(float, sizes)), symbol


def _read_pixel_size(text: str) -> PixelSize:
    match = re.fullmatch(rf"\s*({NUMBER}(?:[\s,;x×]+{NUMBER})*)\s*(\D+?)\s*", text)
    sizes = tuple(float(number) for number in re.findall(NUMBER, match[1])) if match else ()
    if match is None or length_unit(match[2]) is None or not all(map(_positive, sizes)):
        raise _no_pixel_size(text)
    return sizes, match[2]


def _no_pixel_size(given: Any) -> SettingsError:
    return SettingsError(
        f"The pixel size {shown(given)} must be one to three positive numbers and a unit of length, such as "
        "'0.25 um' or '2,0.5,0.5 mm' for Z, Y and X."
    )


def _read_interval(text: str) -> float:
    match = re.fullmatch(rf"\s*({NUMBER})\s*(\D*?)\s*", text)
    seconds = SECONDS.get(time_unit(match[2] or "s") or "") if match else None
    if match is None or seconds is None or not _positive(float(match[1])):
        raise SettingsError(
            f"The interval {text!r} must be a positive number and a unit of time, such as '2.5 s' or '5 min'."
        )
    return float(match[1]) * seconds
