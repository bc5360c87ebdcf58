"""Check whether a recording is still the one a session was made from, without reading all of it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.errors import FrameError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from napari_sam2_video.frames.recording import Recording

_BLOCK = 65536
_BLOCKS = 16
_PLACE = ("path", "mtime_ns")


def file_fingerprint(path: Path) -> dict[str, Any]:
    """Fingerprint of a file.

    Returns
    -------
    dict
        ``path``, ``kind``, ``size`` in bytes, ``mtime_ns``, and ``sample``, the SHA-256 of blocks spread over the file.
    """
    state = path.stat()
    return {
        "kind": "file",
        "path": str(path.absolute()),
        "size": state.st_size,
        "mtime_ns": state.st_mtime_ns,
        "sample": _sample_file(path, state.st_size, _BLOCKS).hexdigest(),
    }


def files_fingerprint(folder: Path, files: Sequence[Path]) -> dict[str, Any]:
    """Fingerprint of files that make one recording.

    Returns
    -------
    dict
        ``path`` of the folder, ``kind``, ``files`` (how many), ``size`` in bytes of all, ``mtime_ns`` of the newest,
        and ``sample``, the SHA-256 of names, sizes, and blocks of files spread over them.
    """
    digest = hashlib.sha256()
    states = [file.stat() for file in files]
    for file, state in zip(files, states, strict=True):
        digest.update(f"{file.name}\0{state.st_size}\0".encode(errors="surrogateescape"))
    spread = max(1, len(files) // _BLOCKS)
    for file, state in list(zip(files, states, strict=True))[::spread]:
        digest.update(_sample_file(file, state.st_size, 2).digest())
    return {
        "kind": "folder",
        "path": str(folder.absolute()),
        "files": len(files),
        "size": sum(state.st_size for state in states),
        "mtime_ns": max((state.st_mtime_ns for state in states), default=0),
        "sample": digest.hexdigest(),
    }


def array_fingerprint(recording: Recording) -> dict[str, Any]:
    """Fingerprint of a recording without a file: SHA-256 of readable planes spread over it."""
    digest = hashlib.sha256()
    leading = [letter for letter in recording.axes if letter not in "YXS"]
    thin = {letter: slice(None, None, max(1, recording.length(letter) // 64)) for letter in "YX"}
    for part in np.linspace(0, 1, 3 if leading else 1):
        at = {letter: round(part * (recording.length(letter) - 1)) for letter in leading}
        try:
            digest.update(np.ascontiguousarray(recording.read({**at, **thin})).tobytes())
        except FrameError:
            digest.update(b"unreadable")
    return {"kind": "array", "sample": digest.hexdigest()}


def same_source(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether two fingerprints have the same content, even if it was moved, copied or touched."""
    return {key: value for key, value in old.items() if key not in _PLACE} == {
        key: value for key, value in new.items() if key not in _PLACE
    }


def _sample_file(path: Path, size: int, blocks: int) -> Any:
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb", buffering=0) as file:
        for start in sorted({round(part * max(0, size - _BLOCK)) for part in np.linspace(0, 1, blocks)}):
            file.seek(start)
            digest.update(file.read(_BLOCK))
    return digest
