"""Write files so that they survive a killed process and a power cut."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from typing import TYPE_CHECKING, Any

from napari_sam2_video.errors import StoreError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_REASONS = {
    errno.ENOSPC: "the disk is full; free some space there and continue",
    errno.EDQUOT: "your quota is used up; free some space there and continue",
    errno.EACCES: "you may not write to it; change its permissions or choose another folder",
    errno.EPERM: "you may not write to it; change its permissions or choose another folder",
    errno.EROFS: "its disk is read-only; choose another folder",
    errno.ENOENT: "it is missing; reconnect its drive and reopen the session",
    errno.EIO: "its disk reports errors; copy the session to another disk",
    errno.ESTALE: "its network drive is disconnected; reconnect it and reopen the session",
}

_PAUSES = (0.01, 0.05, 0.2, 0.5, 1.0) if os.name == "nt" else ()


def is_known(error: OSError) -> bool:
    """Whether an error comes from the disk, not from the program."""
    return error.errno in _REASONS


def explain(error: OSError, path: Path) -> StoreError:
    """Turn an OS error about a path into one plain sentence."""
    reason = _REASONS.get(error.errno or 0, f"the system says: {error.strerror or error}")
    return StoreError(f"{path} cannot be written: {reason}.")


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raise write errors inside the block as `StoreError`."""
    try:
        yield
    except OSError as error:
        raise explain(error, path) from error


def flush(handle: int) -> None:
    """Flush an open file to disk; macOS leaves it in the drive's cache unless asked for a full sync."""
    if sys.platform == "darwin":
        import fcntl

        with contextlib.suppress(OSError):
            fcntl.fcntl(handle, fcntl.F_FULLFSYNC)
            return
    os.fsync(handle)


def move(path: Path, target: Path) -> None:
    """Rename a file onto another, with retries where Windows refuses because a virus scanner is reading it."""
    for pause in _PAUSES:
        try:
            os.replace(path, target)
        except PermissionError:
            time.sleep(pause)
        else:
            return
    os.replace(path, target)


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Raise OS errors inside the block as `UnreachableError`."""
    try:
        yield
    except OSError as error:
        raise UnreachableError(
            f"{path} cannot be read ({error.strerror or error}); reconnect its drive, or close the session and "
            "open it again."
        ) from error


def let_go(handle: int) -> None:
    """Close a file whose content is durable, ignoring errors."""
    with contextlib.suppress(OSError):
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable; systems that cannot open folders do so themselves."""
    if os.name == "nt":
        return
    _sync(folder, os.O_RDONLY)


def sync_file(path: Path) -> None:
    """Make the content of a file durable."""
    _sync(path, os.O_RDWR)


def _sync(path: Path, flags: int) -> None:
    handle = os.open(path, flags)
    try:
        flush(handle)
    finally:
        os.close(handle)


def write_beside(path: Path, fill: Callable[[Any], object], *, durable: bool = True, shared: bool = True) -> None:
    """Write a file under a temporary name and rename it when complete, so that nobody sees a partial file.

    Parameters
    ----------
    path : Path
        The file, which is replaced if it exists.
    fill : callable
        Writes the content to the binary stream it gets.
    durable : bool
        Make the content durable before renaming.
    shared : bool
        Whether other processes may write the same file at the same time.

    Raises
    ------
    OSError
        If it cannot be written; `path` is left unchanged.
    """
    owner = f".{os.getpid()}" if shared else ""
    part = path.with_name(f".{path.name}{owner}.part")
    try:
        with part.open("wb") as file:
            fill(file)
            if durable:
                file.flush()
                flush(file.fileno())
        move(part, path)
    except Exception:
        drop(part)
        raise


def drop(path: Path) -> bool:
    """Remove a file that is no longer needed; False if the system refuses, as Windows may."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
        return True
    return False


def publish(part: Path, target: Path) -> None:
    """Rename a finished file durably.

    Raises
    ------
    OSError
        If it fails.
    """
    sync_file(part)
    move(part, target)
    sync_folder(target.parent)


def replace_file(path: Path, data: bytes) -> None:
    """Replace a file atomically and durably.

    Raises
    ------
    StoreError
        If it cannot be written; the file is left unchanged.
    """
    with writing(path):
        write_beside(path, lambda file: file.write(data), shared=False)
        sync_folder(path.parent)


def make_folder(path: Path, *, parents: bool = False) -> None:
    """Make a folder durably; parents only if asked, so that the folder of a disconnected drive is not recreated."""
    with writing(path):
        missing = [p for p in (path, *path.parents) if not p.exists()]
        path.mkdir(parents=parents, exist_ok=True)
        for folder in reversed(missing):
            sync_folder(folder.parent)


def set_aside(path: Path, quarantine: Path) -> Path:
    """Move a damaged or unknown file into the quarantine folder, under an unused name."""
    make_folder(quarantine)
    with writing(path):
        target = _free(quarantine, path.name)
        move(path, target)
        sync_folder(quarantine)
        sync_folder(path.parent)
    return target


def keep_copy(data: bytes, name: str, quarantine: Path) -> Path:
    """Save bytes that are about to be cut off to the quarantine folder, under an unused name."""
    make_folder(quarantine)
    with writing(quarantine):
        target = _free(quarantine, name)
    replace_file(target, data)
    return target


def _free(folder: Path, name: str) -> Path:
    """An unused path in a folder."""
    target, number = folder / name, 1
    while target.exists():
        target = folder / f"{name}.{number}"
        number += 1
    return target
