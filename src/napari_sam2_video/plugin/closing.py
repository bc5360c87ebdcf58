"""Letting go of a window, which may be gone already."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def close_all(actions: Iterable[Callable[[], Any]], *, window_gone: bool) -> None:
    """Do all that is to be done at closing.

    Parameters
    ----------
    actions : iterable of callables
        What stops, disconnects or removes something.
    window_gone : bool
        Where Python ends with a viewer open, Qt may have deleted what an action is to stop; the others are done.
    """
    for action in actions:
        with suppress(RuntimeError) if window_gone else nullcontext():
            action()
