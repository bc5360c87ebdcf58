"""A partial download ``<file>.part``, with a note of the published file it is part of."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, BinaryIO

from napari_sam2_video.models.file_type import HEAD_BYTES
from napari_sam2_video.storage.atomic import publish

if TYPE_CHECKING:
    from pathlib import Path

_BLOCK = 1 << 22


class Partial:
    """The received bytes of `target`.

    Parameters
    ----------
    target : Path
        Final path of the file.
    url : str
        Its URL; a part from another URL is not resumed.
    verified : bool
        True if the complete file will be compared with a published SHA-256, so that a part may be resumed even if the
        server gave no validator.
    """

    def __init__(self, target: Path, url: str, *, verified: bool) -> None:
        self.target = target
        self.url = url
        self.path = target.with_name(target.name + ".part")
        self._note = target.with_name(target.name + ".part.json")
        self._verified = verified

    def size(self) -> int:
        """Number of received bytes."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def resume(self) -> tuple[int, str | None]:
        """Number of bytes to resume from, and the validator for ``If-Range``, if the server gave one."""
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
            url, validator = note["url"], note["validator"]
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return 0, None
        if url != self.url or not (validator or self._verified):
            return 0, None
        return self.size(), validator

    def open(self, offset: int, validator: str | None) -> BinaryIO:
        """Open for writing from `offset` (0 starts over), and note the validator."""
        if offset == 0:
            self.path.unlink(missing_ok=True)
            self._note.write_text(json.dumps({"url": self.url, "validator": validator}), encoding="utf-8")
        return self.path.open("ab")

    def head(self) -> bytes:
        """The first bytes."""
        with self.path.open("rb") as handle:
            return handle.read(HEAD_BYTES)

    def sha256(self) -> str:
        """SHA-256 of what is on disk, in hexadecimal."""
        digest = hashlib.sha256()
        with self.path.open("rb") as handle:
            while block := handle.read(_BLOCK):
                digest.update(block)
        return digest.hexdigest()

    def delete(self) -> None:
        """Delete the received bytes."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def publish(self) -> None:
        """Rename the file to its final name, once its bytes are on disk."""
        publish(self.path, self.target)
        self._note.unlink(missing_ok=True)
