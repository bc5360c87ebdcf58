"""Record the SHA-256 of the first download of a checkpoint whose publisher states none."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from napari_sam2_video.errors import CheckpointError

if TYPE_CHECKING:
    from pathlib import Path


def record_path(checkpoint: Path) -> Path:
    """File with the hash, in the format of ``sha256sum --check``."""
    return checkpoint.with_name(checkpoint.name + ".sha256")


def recorded_sha256(checkpoint: Path) -> str | None:
    """Hash recorded for a checkpoint; None if there is none.

    Raises
    ------
    CheckpointError
        If the record exists but cannot be read.
    """
    path = record_path(checkpoint)
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror}); delete it.") from error
    found = re.match(r"[0-9a-f]{64}\b", text)
    if found is None:
        raise CheckpointError(f"{path} does not hold a SHA-256; delete it.")
    return found.group()


def record_sha256(checkpoint: Path, sha256: str) -> None:
    """Record the hash of a checkpoint.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    record_path(checkpoint).write_text(f"{sha256}  {checkpoint.name}\n", encoding="utf-8")
