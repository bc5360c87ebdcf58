"""Video files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam2_video.errors import RecordingError

if TYPE_CHECKING:
    from pathlib import Path

    from napari_sam2_video.frames.recording import Recording


def open_video(path: Path) -> Recording:
    """Open a video."""
    raise RecordingError(f"{path} is no recording that can be read.")
