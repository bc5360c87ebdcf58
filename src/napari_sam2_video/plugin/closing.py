"""Disconnect from a window that may already be gone."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def close_all(actions: Iterable[Callable[[], Any]], *, window_gone: bool) -> None:
    """Run all actions for closing.

    Parameters
    ----------
    actions : iterable of callables
        Actions that stop, disconnect or remove something.
    window_gone : bool
        If Python exits with a viewer open, Qt may have deleted what an action should stop; the other actions still run.
    """
    for action in actions:
        with suppress(RuntimeError) if window_gone else nullcontext():
            action()
