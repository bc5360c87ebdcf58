"""Refuse mistyped options of public functions."""

from __future__ import annotations

import inspect
from difflib import get_close_matches
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from napari_sam2_video.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")


def public(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function refuse an unknown option with a sentence that names the nearest one.

    Raises
    ------
    SettingsError
        When it is called with such an option.
    """
    options = [name for name, one in inspect.signature(function).parameters.items() if one.kind is not one.VAR_KEYWORD]

    @wraps(function)
    def checked(*given: P.args, **named: P.kwargs) -> R:
        for name in named:
            if name not in options:
                near = get_close_matches(name, options, 1)
                hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(options)}."
                raise SettingsError(f"{function.__name__} has no option {name}; {hint}")
        return function(*given, **named)

    return checked
