"""Segment and track any object through volumes, time series and video with SAM 2.1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_sam2_video.api import BoxPrompt as BoxPrompt
    from napari_sam2_video.api import CheckSettings as CheckSettings
    from napari_sam2_video.api import MaskPrompt as MaskPrompt
    from napari_sam2_video.api import ModelSettings as ModelSettings
    from napari_sam2_video.api import PointPrompt as PointPrompt
    from napari_sam2_video.api import Sam2VideoError as Sam2VideoError
    from napari_sam2_video.api import ScribblePrompt as ScribblePrompt
    from napari_sam2_video.api import Session as Session
    from napari_sam2_video.api import TrackSettings as TrackSettings
    from napari_sam2_video.api import add_to_viewer as add_to_viewer
    from napari_sam2_video.api import check as check
    from napari_sam2_video.api import create_session as create_session
    from napari_sam2_video.api import info as info
    from napari_sam2_video.api import measure as measure
    from napari_sam2_video.api import open_recording as open_recording
    from napari_sam2_video.api import open_session as open_session
    from napari_sam2_video.api import resume as resume
    from napari_sam2_video.api import review as review
    from napari_sam2_video.api import track as track

__version__ = "0.1.0"

# `export` is not among them: here that name is the part that writes files, and `api.export` the function.
_PUBLIC = (
    "BoxPrompt",
    "CheckSettings",
    "MaskPrompt",
    "ModelSettings",
    "PointPrompt",
    "Sam2VideoError",
    "ScribblePrompt",
    "Session",
    "TrackSettings",
    "add_to_viewer",
    "check",
    "create_session",
    "info",
    "measure",
    "open_recording",
    "open_session",
    "resume",
    "review",
    "track",
)
__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        from napari_sam2_video import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
