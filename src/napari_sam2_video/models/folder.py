"""The folder of downloaded checkpoints."""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from pathlib import Path

from napari_sam2_video.errors import CheckpointError

FOLDER_VARIABLE = "NAPARI_SAM2_VIDEO_MODELS"
_BLOCK = 1 << 22


def model_folder() -> Path:
    """Folder of the downloaded checkpoints; it need not exist yet.

    The environment variable ``NAPARI_SAM2_VIDEO_MODELS`` overrides it.
    """
    chosen = os.environ.get(FOLDER_VARIABLE)
    if chosen:
        return Path(os.path.expanduser(chosen))
    from platformdirs import user_data_path

    return user_data_path("napari-sam2-video", appauthor=False) / "models"


def file_sha256(path: Path) -> str:
    """SHA-256 of a file in hexadecimal, computed again only if the file changed since.

    Raises
    ------
    CheckpointError
        If the file cannot be read.
    """
    try:
        status = path.stat()
        return _sha256(path, status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise CheckpointError(f"The checkpoint {path} cannot be read ({error.strerror}); check the path.") from error


@lru_cache(maxsize=64)
def _sha256(path: Path, size: int, mtime_ns: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
