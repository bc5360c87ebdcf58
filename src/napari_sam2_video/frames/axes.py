"""Names of axes: check them, derive them from full names, or guess them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam2_video.errors import RecordingError

if TYPE_CHECKING:
    from collections.abc import Sequence

_WORDS = {
    **dict.fromkeys(("t", "time", "times", "frame", "frames", "timepoint", "date"), "T"),
    **dict.fromkeys(("z", "depth", "plane", "slice", "slices", "level", "altitude"), "Z"),
    **dict.fromkeys(("c", "ch", "channel", "channels", "band", "wavelength"), "C"),
    **dict.fromkeys(("y", "row", "rows", "height", "lat", "latitude"), "Y"),
    **dict.fromkeys(("x", "col", "column", "columns", "cols", "width", "lon", "longitude"), "X"),
    **dict.fromkeys(("s", "rgb", "rgba", "colour", "color", "sample", "samples"), "S"),
}
"""Usual names of axes in arrays that name them."""

_SPARE = "TZQIRAPHEFGBDKLMNOUVWJ"


def name_unknown(axes: str) -> str:
    """Replace letters that mean nothing (``I``, ``Q``) and letters used twice: the first by ``T``, then ``Z``."""
    named: list[str] = []
    for position, letter in enumerate(axes):
        if letter in "IQ" or letter in named:
            taken = set(axes[position + 1 :]) | set(named)
            letter = next(spare for spare in _SPARE if spare not in taken)
        named.append(letter)
    return "".join(named)


def axes_named(names: Sequence[str], shape: Sequence[int]) -> str | None:
    """Letters for axes with full names, such as ``time`` or ``lat``; None if ``Y`` or ``X`` is not among them.

    Unknown names get unused letters. The last axis is ``S`` if its name is one for colours and its length is 3 or 4.
    """
    letters = [_WORDS.get(name.strip().lower(), "Q") for name in names]
    letters = [
        "Q" if letter == "S" and length not in (3, 4) else letter for letter, length in zip(letters, shape, strict=True)
    ]
    if letters.count("Y") != 1 or letters.count("X") != 1 or letters.count("S") > 1:
        return None
    return name_unknown("".join(letters))


def axis_named(axes: str, text: str | None) -> str | None:
    """Letter of an axis given as its letter, or as its index in text form."""
    return dict(zip(map(str, range(len(axes))), axes, strict=True)).get(text or "", text)


def guess_axes(shape: Sequence[int]) -> str:
    """Most likely axis names of an array without metadata.

    A last axis of 3 or 4 after two of at least 8 is RGB or RGBA, one of 2 holds channels. Of the remaining axes, the
    last two are ``YX``. One axis before them is ``T``; two are ``TZ``, or ``TC`` if the second has at most 4 positions;
    three are ``TZC``.
    """
    samples = shape[-1] if len(shape) >= 3 and min(shape[-3:-1]) >= 8 else 0
    colour = {2: "C", 3: "S", 4: "S"}.get(samples, "")
    leading = shape[: len(shape) - len(colour) - 2]
    if len(leading) == 2:
        names = "TC" if leading[1] <= 4 and colour != "C" else "TZ"
    elif len(leading) == 3:
        names = "TZC" if colour != "C" else "TZQ"
    else:
        names = _SPARE[: len(leading)]
    return f"{names}YX{colour}"


def check_axes(axes: str, shape: tuple[int, ...], name: str) -> str:
    """Check that axis names fit `shape`, and return them in capitals.

    Raises
    ------
    RecordingError
        If they do not fit, or an axis is empty.
    """
    axes = axes.upper()
    if len(axes) != len(shape):
        raise RecordingError(f"{name} has {len(shape)} axes {shape}, but {axes!r} names {len(axes)}; name each one.")
    if len(set(axes)) != len(axes) or not axes.isalpha():
        raise RecordingError(f"The axes {axes!r} of {name} must be letters, each used once; correct them.")
    if "Y" not in axes or "X" not in axes:
        raise RecordingError(
            f"The axes {axes!r} of {name} must contain Y and X; give these names to the two axes of an image."
        )
    for letter, n in zip(axes, shape, strict=True):
        if n == 0:
            raise RecordingError(f"Axis {letter} of {name} is empty; there is nothing to read.")
    if "S" in axes and (axes[-1] != "S" or shape[-1] != 3):
        raise RecordingError(
            f"{name} has {shape[axes.index('S')]} colour samples as axes {axes}; give three (RGB) in the last axis, "
            "or call the axis C to choose one channel."
        )
    return axes
