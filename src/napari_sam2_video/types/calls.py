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
    """Make a function refuse a wrong call with one sentence: unknown, missing and mistyped options.

    An unknown option is answered with the nearest one. What is annotated as ``bool`` must be one, and what is annotated
    as ``Callable`` must be callable; other values are checked by the function.

    Raises
    ------
    SettingsError
        When it is called so.
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
