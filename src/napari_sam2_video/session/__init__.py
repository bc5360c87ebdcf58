"""A session on disk: recording, view, model, objects, prompts, masks and their provenance."""

from napari_sam2_video.session.session import Session
from napari_sam2_video.types.tracked_object import TrackedObject

__all__ = ["Session", "TrackedObject"]
