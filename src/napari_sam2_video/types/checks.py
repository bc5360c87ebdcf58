"""Checks of single values, shared by settings and prompts."""

from __future__ import annotations

import math
import operator
import os
import re
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.errors import Sam2VideoError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from dataclasses import Field
    from typing import Self, TypeVar

    T = TypeVar("T")

# Python converts no more than 4300 digits
NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
"""Pattern of a typed number."""

_POINT = re.compile(r"\s*(-?\d+(?:\.\d*)?)\s*,\s*(-?\d+(?:\.\d*)?)\s*")
_RANGE = re.compile(r"\s*(\d{0,99})\s*:\s*(\d{0,99})\s*")


def whole(value: object, what: str, *, at_least: int | None = None, error: type[Sam2VideoError] = SettingsError) -> int:
    """Value as an int. NumPy integers are accepted; booleans and text are not.

    Raises
    ------
    Sam2VideoError
        `error`, which names `what`, for anything else and for a number below `at_least`.
    """
    if not isinstance(value, bool | np.bool_):
        try:
            number = operator.index(value)  # type: ignore[arg-type]
        except TypeError:
            pass
        else:
            if at_least is None or number >= at_least:
                return number
    limit = "" if at_least is None else f" of at least {at_least}"
    raise error(f"{what} must be a whole number{limit}, not {shown(value)}.")


def optional_whole(value: object, what: str, *, at_least: int | None = None) -> int | None:
    """None, or the value as an int; see `whole`."""
    return None if value is None else whole(value, what, at_least=at_least)


def real(value: object, what: str, *, error: type[Sam2VideoError] = SettingsError) -> float:
    """Value as a finite float. NumPy numbers are accepted; booleans and text are not.

    Raises
    ------
    Sam2VideoError
        `error`, which names `what`, for anything else.
    """
    if isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if math.isfinite(number):
            return number
    raise error(f"{what} must be a finite number, not {shown(value)}.")


def flag(value: object, what: str, *, error: type[Sam2VideoError] = SettingsError) -> bool:
    """Value as a bool.

    Raises
    ------
    Sam2VideoError
        `error`, which names `what`, for anything but True and False.
    """
    if isinstance(value, bool | np.bool_):
        return bool(value)
    raise error(f"{what} must be True or False, not {shown(value)}.")


def instance(value: object, kind: type[T], what: str) -> T:
    """The value, if it is an instance of `kind`.

    Raises
    ------
    SettingsError
        If it is something else.
    """
    if isinstance(value, kind):
        return value
    raise SettingsError(f"{what} must be {kind.__name__}(...), not {shown(value)}.")


def path_of(value: Any, what: str) -> Path:
    """A path from text or a path.

    Raises
    ------
    SettingsError
        If it is something else, or empty.
    """
    if isinstance(value, str | os.PathLike) and (not isinstance(value, str) or value):
        return Path(value)
    raise SettingsError(f"{what} must be a path, not {shown(value)}.")


def one_of(value: object, what: str, choices: Sequence[str]) -> None:
    """Refuse a value that is not one of the choices.

    Raises
    ------
    SettingsError
        If it is not.
    """
    if not isinstance(value, str) or value not in choices:
        raise SettingsError(f"{what} must be one of {', '.join(choices)}, not {shown(value)}.")


def object_ids(value: Any, what: str) -> tuple[int, ...] | None:
    """None, or ids as a tuple, from any sequence, set or array of integers from 1.

    Raises
    ------
    SettingsError
        If the value is something else, or empty.
    """
    if value is None:
        return None
    try:
        given = [] if isinstance(value, str | bytes) else list(value)
    except TypeError:
        given = []
    if not given:
        raise SettingsError(f"{what} must be a list of object ids such as (1, 4), or None for all, not {shown(value)}.")
    return tuple(whole(one, f"An id in {what.lower()}", at_least=1) for one in given)


def frame_span(start: object, stop: object) -> tuple[int | None, int | None]:
    """First frame and the frame after the last one, either of which may be None.

    Raises
    ------
    SettingsError
        If one is not a whole number from 0, or the range is empty.
    """
    first = optional_whole(start, "The first frame", at_least=0)
    last = optional_whole(stop, "The frame after the last one", at_least=0)
    if last is not None and last <= (first or 0):
        raise SettingsError(f"The range {first or 0}:{last} is empty; the stop must be above the start.")
    return first, last


def frame_span_from_text(text: str | None) -> tuple[int | None, int | None]:
    """First frame and the frame after the last one of ``A:B``, either of which may be omitted.

    Raises
    ------
    SettingsError
        If it is written in another way.
    """
    if text is None:
        return None, None
    match = _RANGE.fullmatch(text)
    if match is None:
        raise SettingsError(f"{text!r} is not a range; write A:B for the frames A to B-1, such as 0:50.")
    return (int(match[1]) if match[1] else None, int(match[2]) if match[2] else None)


def object_ids_from_text(text: str | None) -> tuple[int, ...] | None:
    """Object ids written as ``ID,ID,...``.

    Raises
    ------
    SettingsError
        If it is written in another way.
    """
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch(r"\d{1,99}", part) for part in parts):
        raise SettingsError(f"{text!r} is not a list of object ids; separate them with commas, such as 1,4.")
    return object_ids([int(part) for part in parts], "The objects")


def line_from_text(text: str) -> list[tuple[float, float]] | None:
    """Points of a line written as ``Y,X Y,X ...``; None if it is written in another way, or has fewer than two."""
    found = [_POINT.fullmatch(part) for part in re.split(r"[\s;]+(?=-?\d+(?:\.\d*)?\s*,)", text.strip())]
    points = [(float(match[1]), float(match[2])) for match in found if match is not None]
    return None if len(points) != len(found) or len(points) < 2 else points


class JsonSettings:
    """A frozen dataclass of plain values that files hold as JSON."""

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Value from the result of `to_json`; raises ValueError for anything else."""
        return from_file(cls, value)

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON takes them."""
        return asdict(self)  # type: ignore[call-overload, no-any-return]


def from_file(make: type[T], values: Mapping[str, Any], spelled: Mapping[str, str] | None = None) -> T:
    """Value of a frozen type from the fields in a file.

    Parameters
    ----------
    make : type
        A dataclass.
    values : mapping
        Its fields.
    spelled : mapping of str to str, optional
        Fields with another name in the file.

    Raises
    ------
    ValueError
        If the fields are wrong, which callers report as a damaged file.
    """
    names = {(spelled or {}).get(one.name, one.name): one for one in fields(make)}  # type: ignore[arg-type]
    unknown = [name for name in values if name not in names]
    if unknown:
        raise ValueError(f'has the unknown entry "{unknown[0]}"')
    absent = [name for name, one in names.items() if name not in values and _is_required(one)]
    if absent:
        raise ValueError(f'has no "{absent[0]}"')
    try:
        return make(**{names[name].name: value for name, value in values.items()})
    except Sam2VideoError as error:
        raise ValueError(str(error)) from error


def _is_required(one: Field[Any]) -> bool:
    return one.default is MISSING and one.default_factory is MISSING


def shown(value: object) -> str:
    """A value in short form for an error message."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def set_field(frozen: object, name: str, value: Any) -> None:
    """Set a field of a frozen dataclass, for its own `__post_init__`."""
    object.__setattr__(frozen, name, value)
