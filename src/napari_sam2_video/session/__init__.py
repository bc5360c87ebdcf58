"""A session on disk: recording, view, model, objects, prompts, masks and their provenance."""

from napari_sam2_video.results import TrackedObject
from napari_sam2_video.session.session import Session

__all__ = ["Session", "TrackedObject"]
