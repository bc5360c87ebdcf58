"""Short garbage collections while a session is shown.

Python looks through all objects of the program now and then. With napari, Qt and PyTorch loaded that takes the main
thread a third of a second, nearly all of it for objects that live as long as the program. Those that are there when a
session is shown are left out until it is closed; what comes later is collected as ever.
"""

from __future__ import annotations

import gc

_held = 0
_ours = False


def hold() -> None:
    """Leave out what is there now, until as many calls of `release`; not where the program itself left out some."""
    global _held, _ours
    if not _held:
        _ours = not gc.get_freeze_count()
    _held += 1
    if _ours:
        gc.freeze()


def release() -> None:
    """Collect everything again once no session is shown."""
    global _held
    _held -= 1
    if not _held and _ours:
        gc.unfreeze()


def held() -> int:
    """How many sessions are shown."""
    return _held
