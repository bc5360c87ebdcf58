"""Refuse mistyped options of public functions."""

from __future__ import annotations

import inspect
from difflib import get_close_matches
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from napari_sam2_video.errors import SettingsError
from napari_sam2_video.types.checks import flag, shown

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")


def public(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function refuse wrong calls (unknown, missing and mistyped options) with a clear message.

    For an unknown option, the message suggests the nearest one. Options annotated as ``bool`` must be booleans, and
    those annotated as ``Callable`` must be callable; the function checks other values itself.

    Raises
    ------
    SettingsError
        If the call is wrong.
    """
    signature = inspect.signature(function)
    options = list(signature.parameters)

    @wraps(function)
    def checked(*given: P.args, **named: P.kwargs) -> R:
        for name in named:
            if name not in options:
                near = get_close_matches(name, options, 1)
                hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(options)}."
                raise SettingsError(f"{function.__name__} has no option {name}; {hint}")
        try:
            bound = signature.bind(*given, **named)
        except TypeError as error:
            raise SettingsError(f"{function.__name__} cannot be called like this: {error}.") from None
        for name, value in bound.arguments.items():
            kind = str(signature.parameters[name].annotation)
            if kind == "bool":
                flag(value, f"{name} of {function.__name__}")
            elif kind.startswith("Callable") and value is not None and not callable(value):
                raise SettingsError(f"{name} of {function.__name__} must be a function, not {shown(value)}.")
        return function(*given, **named)

    return checked
