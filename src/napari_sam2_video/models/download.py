"""Download a checkpoint: locked, resumable, verified, and in place only when complete."""

from __future__ import annotations

import errno
import os
import shutil
import time
from typing import TYPE_CHECKING, Protocol

from napari_sam2_video.errors import DownloadError
from napari_sam2_video.models.checksum_record import record_sha256, recorded_sha256
from napari_sam2_video.models.folder import FOLDER_VARIABLE, file_sha256
from napari_sam2_video.models.partial_file import Partial
from napari_sam2_video.models.transfer import Cancelled, Interrupted, Refused, fetch_into

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from filelock import BaseFileLock

TIMEOUT = 30.0
ATTEMPTS = 4
_POLL = 0.2


class Published(Protocol):
    """A published file, such as a `ModelEntry`."""

    @property
    def name(self) -> str:
        """Its name for display."""
        ...

    @property
    def file_name(self) -> str:
        """Its file name, both in the folder and where it is published."""
        ...

    @property
    def url(self) -> str | None:
        """Where it is published."""
        ...

    @property
    def size(self) -> int | None:
        """Bytes, if known."""
        ...

    @property
    def sha256(self) -> str | None:
        """Hexadecimal SHA-256, if known."""
        ...

    def impostor(self, head: bytes) -> str | None:
        """What downloaded bytes are, if not this file."""
        ...

    def by_hand(self, folder: Path) -> str:
        """End of a sentence: how to put it into a folder by hand."""
        ...


class DownloadCancelledError(DownloadError):
    """The download was cancelled; the part that arrived is kept."""


def download(
    entry: Published,
    folder: Path,
    *,
    progress: Callable[[int, int | None], None] | None = None,
    cancel: Callable[[], bool] | None = None,
    base_url: str | None = None,
    timeout: float = TIMEOUT,
) -> Path:
    """Download the checkpoint of an entry to a folder.

    Received data are kept in ``<file>.part``, from which the next call resumes with ``Range`` and ``If-Range`` if the
    published file is unchanged. The file gets its name only when its size and SHA-256 are right and its bytes are on
    disk. A second process waits for the first one. If the file exists already, it is checked and nothing is downloaded.

    Parameters
    ----------
    entry : Published
        A file with a `url`.
    folder : Path
        Folder to put it in; created if needed.
    progress : callable, optional
        Called with the bytes received and the total (None if unknown).
    cancel : callable, optional
        Called between blocks; when it returns True, the download stops and received data are kept.
    base_url : str, optional
        Download ``<base_url>/<file_name>`` from a mirror instead.
    timeout : float
        Seconds without data after which a connection is given up.

    Returns
    -------
    Path
        The checkpoint.

    Raises
    ------
    DownloadCancelledError
        If `cancel` returned True.
    DownloadError
        If it could not be downloaded, or is not the published file. A wrong file is never left in place.
    """
    if entry.url is None:
        raise DownloadError(f'The model "{entry.name}" is part of this package and cannot be downloaded.')
    url = f"{base_url.rstrip('/')}/{entry.file_name}" if base_url else entry.url
    target = folder / entry.file_name
    lock = _lock(folder, target)
    for _ in _until_locked(lock, folder, cancel):
        time.sleep(_POLL)
    try:
        part = Partial(target, url, verified=entry.sha256 is not None)
        if _is_there(entry, target):
            part.delete()
        else:
            _fetch(entry, part, progress, cancel, timeout)
    except OSError as error:
        raise DownloadError(_disk_sentence(entry, target, error)) from error
    finally:
        lock.release()
    return target


def _lock(folder: Path, target: Path) -> BaseFileLock:
    from filelock import FileLock

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DownloadError(_folder_sentence(folder, error)) from error
    return FileLock(folder / f".{target.name}.lock")


def _until_locked(lock: BaseFileLock, folder: Path, cancel: Callable[[], bool] | None) -> Iterator[None]:
    """Yield while another process holds the lock."""
    from filelock import Timeout

    while True:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if cancel is not None and cancel():
                raise DownloadCancelledError(
                    f"Stopped waiting for another process, which is still downloading into {folder}."
                ) from None
            yield
        except (OSError, NotImplementedError) as error:
            raise DownloadError(_folder_sentence(folder, error)) from error
        else:
            return


def _is_there(entry: Published, target: Path) -> bool:
    """Accept a finished file; move a wrong one aside, so that it is never loaded."""
    if not target.is_file():
        return False
    expected = entry.sha256 or recorded_sha256(target)
    if expected is None or file_sha256(target) == expected:
        return True
    target.replace(target.with_name(target.name + ".refused"))
    return False


def _fetch(
    entry: Published,
    part: Partial,
    progress: Callable[[int, int | None], None] | None,
    cancel: Callable[[], bool] | None,
    timeout: float,
) -> None:
    target, url = part.target, part.url
    _check_room(entry, part)
    by_hand = entry.by_hand(target.parent)
    attempt, whole = 0, False
    while not whole:
        attempt, before = attempt + 1, part.size()
        try:
            fetch_into(part, size=entry.size, progress=progress, cancel=cancel, timeout=timeout)
            whole = True
        except Refused as refusal:
            part.delete()
            raise DownloadError(f"{url} returned {refusal} instead of {entry.file_name}; {by_hand}.") from refusal
        except Cancelled:
            raise DownloadCancelledError(
                f"The download of {entry.file_name} was stopped{_kept(part)}; start it again when you like."
            ) from None
        except Interrupted as interruption:
            if attempt == ATTEMPTS or part.size() == before:
                raise DownloadError(
                    f"{url} could not be downloaded ({interruption}){_kept(part)}; check the network and try again, or "
                    f"{by_hand}."
                ) from interruption
    _finish(entry, part)


def _kept(part: Partial) -> str:
    size = part.size()
    return f", {size / 1e6:.1f} MB are kept and the next attempt resumes from there" if size else ""


def _finish(entry: Published, part: Partial) -> None:
    target, url = part.target, part.url
    impostor = entry.impostor(part.head())
    if impostor:
        part.delete()
        raise DownloadError(
            f"{url} is not a checkpoint but {impostor}; it was deleted; {entry.by_hand(target.parent)}."
        )
    found = part.sha256()
    if entry.sha256 is not None and found != entry.sha256:
        part.delete()
        raise DownloadError(
            f"What came from {url} is not the published file (SHA-256 {found} instead of {entry.sha256}); it was "
            f"deleted and never loaded; try again, or {entry.by_hand(target.parent)}."
        )
    if entry.sha256 is None:
        record_sha256(target, found)
    part.publish()


def _check_room(entry: Published, part: Partial) -> None:
    if entry.size is None:
        return
    needed = entry.size - part.size()
    free = shutil.disk_usage(part.target.parent).free
    if free < needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _disk_sentence(entry: Published, target: Path, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        size = f" ({entry.size / 1e6:.0f} MB)" if entry.size else ""
        return (
            f"The disk of {target.parent} has too little space for {entry.file_name}{size}; the part that arrived is "
            f"kept: free some space and try again, or name another folder with the environment variable "
            f"{FOLDER_VARIABLE}."
        )
    return _folder_sentence(target.parent, error)


def _folder_sentence(folder: Path, error: Exception) -> str:
    reason = getattr(error, "strerror", None) or "it does not support locks"
    return (
        f"Checkpoints cannot be written to {folder} ({reason}); name another folder with the environment variable "
        f"{FOLDER_VARIABLE}."
    )
