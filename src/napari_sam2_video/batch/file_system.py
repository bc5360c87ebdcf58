"""Check that results can be stored in a folder: its file system must write, lock, rename and flush."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from napari_sam2_video.batch.table import BatchError


def check_folder(folder: Path) -> None:
    """Try everything that a session needs of a file system in a temporary folder inside `folder`.

    Parameters
    ----------
    folder : Path
        Created if needed.

    Raises
    ------
    BatchError
        If something does not work; the message says what.
    """
    step = "make a folder"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".check-", dir=folder) as name:
            place = Path(name)
            step = "write and flush a file"
            for file_name in ("old", "new"):
                with (place / file_name).open("wb") as handle:
                    handle.write(file_name.encode())
                    handle.flush()
                    os.fsync(handle.fileno())
            step = "rename a file over another"
            (place / "new").replace(place / "old")
            if (place / "old").read_bytes() != b"new":
                raise OSError("the old file is still there")
            step = "rename a folder"
            (place / "folder").mkdir()
            (place / "folder").rename(place / "renamed")
            step = "lock a file"
            _lock(place / "lock")
    except (OSError, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BatchError(
            f"Results cannot be written to {folder}: it is not possible to {step} there ({reason}); choose a folder "
            "on a local disk or another file system."
        ) from error


def _lock(path: Path) -> None:
    from filelock import FileLock

    with FileLock(path).acquire(timeout=5):
        pass
