"""Use an input as a person would: open it, look at it, read some of it, close it."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_video.errors import FrameError

if TYPE_CHECKING:
    from pathlib import Path


def use_recording(path: Path) -> None:
    """Open a recording, read frames of it, and check that it was not changed."""
    from napari_sam2_video.frames.open import open_recording
    from napari_sam2_video.frames.view import FrameView, default_view

    before = _contents(path)
    try:
        with open_recording(path) as recording:
            json.dumps(recording.fingerprint())
            if not all(isinstance(note, str) for note in recording.notes):
                raise AssertionError("a note is not a sentence")
            view = FrameView(recording, default_view(recording))
            frames = sorted({0, view.n_frames // 2, view.n_frames - 1})
            for frame in (*frames, *reversed(frames)):
                _read(view, frame)
    finally:
        if _contents(path) != before:
            raise AssertionError("the recording was changed")


def _read(view: object, frame: int) -> None:
    try:
        frame_yxc = view.read(frame)  # type: ignore[attr-defined]
    except FrameError:
        return
    if frame_yxc.dtype != np.uint8 or frame_yxc.shape != (*view.shape_yx, 3):  # type: ignore[attr-defined]
        raise AssertionError(f"frame {frame} has shape {frame_yxc.shape} and type {frame_yxc.dtype}")


def _contents(path: Path) -> dict[str, str]:
    files = [part for part in path.rglob("*") if part.is_file()] if path.is_dir() else [path]
    return {str(part): hashlib.sha256(part.read_bytes()).hexdigest() for part in files}


def use_checkpoint(path: Path) -> None:
    """Check a model file and read its weights."""
    from napari_sam2_video.models.checkpoint import load_state
    from napari_sam2_video.models.resolve import resolve_model

    file = resolve_model(str(path))
    load_state(file.path, known=file.known)


def use_memory(path: Path) -> None:
    """Read what objects remember; what cannot be read counts as missing."""
    from napari_sam2_video.engine.memory_store import MemoryStore

    kept = MemoryStore(path)
    for object_id in (1, 2):
        kept.entries(object_id)
        for frame in kept.trail_frames(object_id, "forward"):
            kept.trail(object_id, "forward", frame)
    kept.bind("fuzz")
    kept.bind("another model")


def use_session(path: Path) -> None:
    """Open a session to read, then to write, use all of it, and open it again."""
    from fuzzing.session_seed import use

    use(path)
