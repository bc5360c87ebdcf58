"""Units of length and time: one spelling for each, conversion, and names in file formats."""

from __future__ import annotations

METRES = {"Å": 1e-10, "nm": 1e-9, "µm": 1e-6, "mm": 1e-3, "cm": 1e-2, "m": 1.0}
SECONDS = {"µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
NGFF_NAMES = {
    "Å": "angstrom",
    "nm": "nanometer",
    "µm": "micrometer",
    "mm": "millimeter",
    "cm": "centimeter",
    "m": "meter",
    "µs": "microsecond",
    "ms": "millisecond",
    "s": "second",
    "min": "minute",
    "h": "hour",
    "d": "day",
}
_NO_UNIT = frozenset(
    {"", "px", "pixel", "pixels", "none", "null", "unknown", "arbitrary", "dimensionless", "reference frame", "frame"}
)
_OTHER_SPELLINGS = {
    "Å": ("a", "å", "angstroms"),
    "nm": ("nanometre", "nanometres"),
    "µm": ("um", "μm", "\\u00b5m", "âµm", "micron", "microns", "micrometre", "micrometres"),
    "mm": ("millimetre", "millimetres"),
    "cm": ("centimetre", "centimetres"),
    "m": ("metre", "metres"),
    "µs": ("us", "μs", "usec", "microsec"),
    "ms": ("msec", "millisec"),
    "s": ("sec",),
    "min": (),
    "h": ("hr",),
    "d": (),
}
_SYMBOLS = {
    spelling.lower(): symbol
    for symbol, others in _OTHER_SPELLINGS.items()
    for spelling in (symbol, NGFF_NAMES[symbol], f"{NGFF_NAMES[symbol]}s", *others)
}


def plain_unit(unit: object) -> str | None:
    """Normalize the spelling of a unit.

    Parameters
    ----------
    unit : object
        The unit from a file or the user, such as ``"micron"``.

    Returns
    -------
    str or None
        The symbol of a known length or time, e.g. ``"µm"``; other units unchanged; None for pixels and missing units.
    """
    text = str(unit or "").strip("\x00 ")
    return None if text.lower() in _NO_UNIT else _SYMBOLS.get(text.lower(), text)


def length_unit(unit: str | None) -> str | None:
    """OME's symbol of a length, e.g. ``"µm"``; None if it is not a known length."""
    symbol = plain_unit(unit)
    return symbol if symbol in METRES else None


def time_unit(unit: str | None) -> str | None:
    """OME's symbol of a time, e.g. ``"s"``; None if it is not a known time."""
    symbol = plain_unit(unit)
    return symbol if symbol in SECONDS else None


def ngff_unit(unit: str | None) -> str | None:
    """OME-Zarr's full name of a length or time, e.g. ``"micrometer"``; None if unknown."""
    return NGFF_NAMES.get(plain_unit(unit) or "")


def convert_length(value: float, unit: str | None, to: str | None) -> float | None:
    """Express a length in another unit.

    Parameters
    ----------
    value : float
        The length.
    unit, to : str or None
        Symbols of its unit and of the one wanted; a missing one is assumed to be the same as the other.

    Returns
    -------
    float or None
        The length in `to`, or None if the units differ and one of them is not a known length.
    """
    if unit is None or to is None or unit == to:
        return value
    if unit in METRES and to in METRES:
        return value * (METRES[unit] / METRES[to])
    return None
