"""Write a file beside its place and rename it when it is whole, so that nobody meets half of one."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def write_aside(path: Path, fill: Callable[[Any], object], *, durable: bool = True) -> None:
    """Let `fill` write the file, given as a stream of bytes; with `durable`, its bytes are on the disk afterwards.

    Raises
    ------
    OSError
        If it cannot be written; what stands at `path` is as it was.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            fill(file)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        drop(part)
        raise


def drop(path: Path) -> bool:
    """Remove a file that nothing needs any more; False where the system does not let go of it, as Windows may."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
        return True
    return False
