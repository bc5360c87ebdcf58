"""Our side: a session on disk, as a script makes it."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.alone import peak_mb
from benchmarks.quality.tracked import Tracked, cost_of
from napari_sam2_video import api

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from benchmarks.quality.kinds import Case
    from napari_sam2_video.session import Session
    from napari_sam2_video.types import ModelSettings, PointPrompt, TrackSettings

    Correct = Callable[[NDArray[np.uint16]], list[PointPrompt]]


def axes_of(case: Case) -> str:
    """Axes of the recording; stacks are walked along Z."""
    from napari_sam2_video.synthetic import STACK_KINDS

    walked = "Z" if case.clip.kind in (*STACK_KINDS, "packed") else "T"
    return f"{walked}YXS" if case.clip.frames.ndim == 4 else f"{walked}YX"


def track_ours(case: Case, model: ModelSettings, settings: TrackSettings, correct: Correct | None = None) -> Tracked:
    """Track the case, and again after the corrections that `correct` makes of the label images."""
    marks: list[tuple[float, float]] = []

    def mark(_: Any = None) -> None:
        marks.append((time.perf_counter(), time.process_time()))

    recording = api.open_recording(case.clip.frames, axes=axes_of(case))
    with (
        tempfile.TemporaryDirectory() as folder,
        recording,
        api.create_session(recording, Path(folder) / "run.sam2v", model=model) as session,
    ):
        for object_id in case.object_ids:
            session.add_object(object_id=object_id)
        _ = session.tracker
        mark()
        api.add_prompts(session, case.prompts)
        api.resume(session, settings, progress=mark)
        peak = peak_mb()
        labels = label_images(session)
        corrected = None
        if correct is not None:
            api.add_prompts(session, correct(labels))
            api.resume(session, settings)
            corrected = label_images(session)
    return Tracked(labels, cost_of(marks), corrected, peak)


def label_images(session: Session) -> NDArray[np.uint16]:
    """(T, Y, X) labels of a session, the highest logit winning where masks overlap."""
    return np.stack([session.masks.read_labels(t) for t in range(session.n_frames)]).astype(np.uint16)
