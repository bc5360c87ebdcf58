"""Whether a recording's pixel sizes and time steps are known, unknown or implausible. One rule for every reader."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from napari_sam2_video.units import length_unit, plain_unit, time_unit

if TYPE_CHECKING:
    from collections.abc import Mapping

Sizes = dict[str, float | None]
Units = dict[str, str | None]

_FACTORS: Mapping[str, tuple[float, str]] = {
    **dict.fromkeys(("in", "inch", "inches"), (25.4, "mm")),
    **dict.fromkeys(("pm", "picometer", "picometre"), (1e-3, "nm")),
    **dict.fromkeys(("dm", "decimeter", "decimetre"), (10.0, "cm")),
    **dict.fromkeys(("km", "kilometer", "kilometre"), (1e3, "m")),
    **dict.fromkeys(("ns", "nsec", "nanosecond", "nanoseconds"), (1e-3, "µs")),
    "thou": (25.4, "µm"),
    "pt": (25.4 / 72, "mm"),
}
_SMALLEST, _LARGEST = 1e-9, 1e6
"""Outside this range, a number is no pixel size or time step in any of the units (Å to m, µs to days)."""
_PRINT_RESOLUTIONS = (72, 96, 100, 120, 144, 150, 180, 200, 240, 300, 350, 360, 400, 600, 720, 1200, 2400)
_PER_INCH = {"in": 1.0, "inch": 1.0, "inches": 1.0, "cm": 2.54, "centimeter": 2.54, "centimetre": 2.54}


def settle(scale: Mapping[str, float | None], units: Mapping[str, str | None]) -> tuple[Sizes, Units, tuple[str, ...]]:
    """Decide which sizes are known.

    A size is known if it is a positive number with a unit; exactly 1 is a size like any other. Without a unit, sizes
    that are all 1 are a format's default where nothing was measured; others keep their ratio, without a unit.

    Parameters
    ----------
    scale : mapping of str to float or None
        Pixel size or step by axis letter, as given by the file or the user.
    units : mapping of str to str or None
        Their units, in any spelling.

    Returns
    -------
    sizes : dict of str to float or None
        None where unknown.
    units : dict of str to str or None
        Symbols, such as ``"µm"`` and ``"s"``; None where unknown or where only the ratio is known.
    notes : tuple of str
        Notes about implausible sizes, which are treated as unknown.
    """
    sizes: Sizes = {}
    settled: Units = {}
    implausible = []
    for letter, size in scale.items():
        unit = plain_unit(units.get(letter))
        factor, unit = _FACTORS.get((unit or "").lower(), (1.0, unit))
        sizes[letter], settled[letter] = None, None
        if size is None or size == 0:
            continue
        size = float(size) * factor
        if not (math.isfinite(size) and _SMALLEST < size < _LARGEST):
            implausible.append(f"{size:g} {unit or ''}".strip() + f" along {letter}")
            continue
        sizes[letter], settled[letter] = size, unit
    for group in ("ZYX", *(letter for letter in sizes if letter not in "ZYX")):
        bare = [letter for letter in group if sizes.get(letter) is not None and settled[letter] is None]
        if all(sizes[letter] == 1 for letter in bare):
            sizes |= dict.fromkeys(bare)
    if not implausible:
        return sizes, settled, ()
    return sizes, settled, (f"The size {' and '.join(implausible)} is implausible and is treated as unknown.",)


def fits_axis(unit: str | None, letter: str) -> bool:
    """Whether `unit` suits the axis `letter`: no length along ``T``, no time along ``ZYX``."""
    return not (letter == "T" and length_unit(unit)) and not (letter in "ZYX" and time_unit(unit))


def print_resolution(per_unit: float, unit: object) -> bool:
    """Whether pixels per inch or centimetre are a print resolution, which says nothing about what is imaged."""
    factor = _PER_INCH.get(str(unit or "").strip("\x00 ").lower())
    if factor is None:
        return False
    per_inch = per_unit * factor
    return per_unit == 1 or per_inch <= 1 or any(abs(per_inch / usual - 1) < 0.005 for usual in _PRINT_RESOLUTIONS)
