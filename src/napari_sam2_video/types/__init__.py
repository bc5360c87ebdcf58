"""Frozen value types that pass between the parts, and that check themselves.

Coordinates are ``(y, x)`` pixels of the shown plane with integers at pixel centres, frames are zero-based
indices along the walked axis, and object ids are integers from 1.
"""

from napari_sam2_video.types.contrast import CT_WINDOWS, ChannelColor, ContrastWindow, channels_from_text
from napari_sam2_video.types.finding import FindProgress, FindSettings
from napari_sam2_video.types.masks import (
    LEVEL_STEP,
    FrameDone,
    FrameMasks,
    FrameSource,
    ObjectMask,
    Preview,
    SegmentedMask,
)
from napari_sam2_video.types.open_settings import OpenSettings, PixelSize
from napari_sam2_video.types.prompts import BoxPrompt, MaskPrompt, PointPrompt, Prompt
from napari_sam2_video.types.scribble import ScribblePrompt
from napari_sam2_video.types.settings import (
    Arithmetic,
    CheckSettings,
    Direction,
    ModelSettings,
    Precision,
    TrackSettings,
    ViewSettings,
    WindowSetting,
)

__all__ = [
    "CT_WINDOWS",
    "LEVEL_STEP",
    "Arithmetic",
    "BoxPrompt",
    "ChannelColor",
    "CheckSettings",
    "ContrastWindow",
    "Direction",
    "FindProgress",
    "FindSettings",
    "FrameDone",
    "FrameMasks",
    "FrameSource",
    "MaskPrompt",
    "ModelSettings",
    "ObjectMask",
    "OpenSettings",
    "PixelSize",
    "PointPrompt",
    "Precision",
    "Preview",
    "Prompt",
    "ScribblePrompt",
    "SegmentedMask",
    "TrackSettings",
    "ViewSettings",
    "WindowSetting",
    "channels_from_text",
]
