"""Short garbage collections while a session is shown.

Python regularly scans all objects of the program. With napari, Qt and PyTorch loaded, this blocks the main thread for a
third of a second, nearly all of it for objects that live as long as the program. Objects that exist when a session is
shown are excluded until it is closed; later ones are collected as usual.
"""

from __future__ import annotations

import gc

_held = 0
_ours = False


def hold() -> None:
    """Exclude existing objects until `release` is called as often; does nothing if it froze objects itself."""
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
    """Number of shown sessions."""
    return _held
