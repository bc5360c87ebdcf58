"""The cache folder of the user, for reproducible files: measurements of this computer, and compiled networks."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER_VARIABLE = "NAPARI_SAM2_VIDEO_CACHE"


def user_cache(name: str) -> Path:
    """Folder for one kind of files; it need not exist yet.

    The environment variable ``NAPARI_SAM2_VIDEO_CACHE`` overrides its location.
    """
    chosen = os.environ.get(FOLDER_VARIABLE)
    if chosen:
        return Path(chosen).expanduser() / name
    from platformdirs import user_cache_path

    return user_cache_path("napari-sam2-video", appauthor=False) / name
