"""The functions and types that a script needs.

Examples
--------
>>> from napari_sam2_video import api
>>> with api.track("cells.tif", [api.PointPrompt(1, 0, 120, 88)], "cells.sam2v") as session:  # doctest: +SKIP
...     api.export(session, "cells_labels.ome.tif")
"""

from napari_sam2_video.analysis.review import ReviewItem
from napari_sam2_video.analysis.table import Table
from napari_sam2_video.api.finding import find
from napari_sam2_video.api.recordings import info
from napari_sam2_video.api.results import check, export, measure, review
from napari_sam2_video.api.sessions import add_prompts, create_session, open_session, resume, track
from napari_sam2_video.api.viewer import add_to_viewer, open_layer
from napari_sam2_video.errors import (
    CheckpointError,
    DetectorError,
    DeviceMemoryError,
    DownloadError,
    EngineError,
    ExportError,
    FrameError,
    ModelError,
    PromptError,
    RecordingError,
    Sam2VideoError,
    SessionError,
    SessionLockedError,
    SessionVersionError,
    SettingsError,
    SourceChangedError,
    StoreError,
    TargetExistsError,
)
from napari_sam2_video.export.format import ExportReport
from napari_sam2_video.frames.open import open_recording
from napari_sam2_video.frames.recording import Recording
from napari_sam2_video.prompt_text import read_prompts, write_prompts
from napari_sam2_video.session import Session
from napari_sam2_video.session.finding.proposal import Proposal
from napari_sam2_video.types import (
    BoxPrompt,
    ChannelColor,
    CheckSettings,
    ContrastWindow,
    FindProgress,
    FindSettings,
    FrameDone,
    MaskPrompt,
    ModelSettings,
    OpenSettings,
    PointPrompt,
    Preview,
    Prompt,
    ScribblePrompt,
    TrackSettings,
    ViewSettings,
)

__all__ = [
    "BoxPrompt",
    "ChannelColor",
    "CheckSettings",
    "CheckpointError",
    "ContrastWindow",
    "DetectorError",
    "DeviceMemoryError",
    "DownloadError",
    "EngineError",
    "ExportError",
    "ExportReport",
    "FindProgress",
    "FindSettings",
    "FrameDone",
    "FrameError",
    "MaskPrompt",
    "ModelError",
    "ModelSettings",
    "OpenSettings",
    "PointPrompt",
    "Preview",
    "Prompt",
    "PromptError",
    "Proposal",
    "Recording",
    "RecordingError",
    "ReviewItem",
    "Sam2VideoError",
    "ScribblePrompt",
    "Session",
    "SessionError",
    "SessionLockedError",
    "SessionVersionError",
    "SettingsError",
    "SourceChangedError",
    "StoreError",
    "Table",
    "TargetExistsError",
    "TrackSettings",
    "ViewSettings",
    "add_prompts",
    "add_to_viewer",
    "check",
    "create_session",
    "export",
    "find",
    "info",
    "measure",
    "open_layer",
    "open_recording",
    "open_session",
    "read_prompts",
    "resume",
    "review",
    "track",
    "write_prompts",
]
