"""The command line: ``napari-sam2-video``, a thin layer over `napari_sam2_video.api`."""

from __future__ import annotations

from napari_sam2_video.cli.main import main

__all__ = ["main"]
