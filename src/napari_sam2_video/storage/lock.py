"""One process at a time may change a session."""

from __future__ import annotations

import contextlib
import json
import os
import platform
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from napari_sam2_video.errors import SessionError, SessionLockedError
from napari_sam2_video.storage.atomic import explain, writing

if TYPE_CHECKING:
    from pathlib import Path


class SessionLock:
    """The lock of a session folder, which the system drops when its process dies.

    Raises
    ------
    SessionLockedError
        If another process, or another session object in this one, holds it.
    """

    def __init__(self, folder: Path) -> None:
        self._owner = folder / "lock.json"
        self._lock = FileLock(folder / "lock", timeout=0, thread_local=False)
        try:
            self._lock.acquire()
        except Timeout as error:
            raise SessionLockedError(
                f"{folder} is open in {self._who()}; close it there, or open it for reading only."
            ) from error
        except NotImplementedError as error:
            raise SessionError(
                f"{folder} is on a file system without locks; move the session to a local disk."
            ) from error
        except OSError as error:
            raise explain(error, folder) from error
        try:
            with writing(folder):
                self._owner.write_text(
                    json.dumps(
                        {
                            "pid": os.getpid(),
                            "host": platform.node(),
                            "since": datetime.now(UTC).isoformat(timespec="seconds"),
                        }
                    )
                )
        except BaseException:
            self._lock.release()
            raise

    def release(self) -> None:
        """Release the lock."""
        with contextlib.suppress(OSError):
            self._owner.unlink()
        # The system has dropped the lock even if closing its file fails.
        with contextlib.suppress(OSError):
            self._lock.release()

    def _who(self) -> str:
        try:
            owner = json.loads(self._owner.read_text())
            where = "this process" if owner["pid"] == os.getpid() else f"process {int(owner['pid'])}"
            return f"{where} on {owner['host']!s} since {owner['since']!s}"
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return "another process"
