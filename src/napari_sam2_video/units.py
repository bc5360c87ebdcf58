"""Names of units as the file formats spell them."""

from __future__ import annotations

MICRO = ("um", "µm", "μm", "micron", "microns", "micrometer", "micrometre", "micrometers")
LENGTHS = {
    **dict.fromkeys(MICRO, "µm"),
    **dict.fromkeys(("nm", "nanometer", "nanometre"), "nm"),
    **dict.fromkeys(("mm", "millimeter", "millimetre"), "mm"),
    **dict.fromkeys(("cm", "centimeter", "centimetre"), "cm"),
    **dict.fromkeys(("m", "meter", "metre"), "m"),
    **dict.fromkeys(("a", "å", "angstrom"), "Å"),
    **dict.fromkeys(("px", "pixel", "pixels"), "pixel"),
}
TIMES = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), "s"),
    **dict.fromkeys(("ms", "millisecond", "milliseconds"), "ms"),
    **dict.fromkeys(("us", "µs", "μs", "microsecond"), "µs"),
    **dict.fromkeys(("min", "minute", "minutes"), "min"),
    **dict.fromkeys(("h", "hr", "hour", "hours"), "h"),
    **dict.fromkeys(("d", "day", "days"), "d"),
}
NGFF = {
    "µm": "micrometer",
    "nm": "nanometer",
    "mm": "millimeter",
    "cm": "centimeter",
    "m": "meter",
    "Å": "angstrom",
    "s": "second",
    "ms": "millisecond",
    "µs": "microsecond",
    "min": "minute",
    "h": "hour",
    "d": "day",
}


def length_unit(unit: str | None) -> str | None:
    """Symbol of a length as OME has it, e.g. ``"µm"``; None where it is not a known length."""
    return LENGTHS.get((unit or "").strip().lower())


def time_unit(unit: str | None) -> str | None:
    """Symbol of a time as OME has it, e.g. ``"s"``; None where it is not a known time."""
    return TIMES.get((unit or "").strip().lower())


def ngff_unit(unit: str | None) -> str | None:
    """Full name of a length or time as OME-Zarr has it, e.g. ``"micrometer"``; None where unknown."""
    return NGFF.get(length_unit(unit) or time_unit(unit) or "")
