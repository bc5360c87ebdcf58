"""A session folder with something of everything in it, and a use of all of it."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2_video.errors import Sam2VideoError
from napari_sam2_video.types import BoxPrompt, MaskPrompt, PointPrompt, TrackSettings

ROOT = Path(__file__).parents[2]


def make_session(folder: Path, pixels: npt.NDArray[Any]) -> None:
    """Make a session beside its recording, tracked by the tests' tracker without a network."""
    from napari_sam2_video.frames.open import open_recording
    from napari_sam2_video.session import Session

    sys.path.insert(0, str(ROOT))
    from tests.fakes import FakeTracker

    folder.mkdir()
    source = folder / "recording.npy"
    np.save(source, pixels)
    mask = np.zeros(pixels.shape[1:], bool)
    mask[2:6, 30:40] = True
    with (
        open_recording(source) as recording,
        Session.create(
            folder / "run", recording, tracker_factory=lambda model, view, memory: FakeTracker(view, memory)
        ) as session,
    ):
        first, second = session.add_object("first"), session.add_object("second", (1, 2, 3))
        session.add_prompt(PointPrompt(first, 2, 12.0, 15.0))
        session.add_prompt(BoxPrompt(first, 2, 8.0, 9.0, 19.0, 23.0))
        session.add_prompt(MaskPrompt(second, 4, mask))
        list(session.track(TrackSettings(stop=8)))
        session.paint(5, (1, 1), np.full((3, 4), second))
        session.accept(first, 3, 5)
        session.edit_object(second, parent=first, parent_frame=4)
        session.undo()
    shutil.rmtree(folder / "run" / "memory", ignore_errors=True)


def recordings_named(folder: Path) -> tuple[Path, ...]:
    """Give the places where a session says that its recording is; only these may be read outside its folder."""
    run = folder / "run"
    try:
        source = json.loads((run / "session.json").read_bytes())["source"]
        return tuple(run / source[name] for name in ("path", "relative"))
    except (OSError, ValueError, LookupError, TypeError):
        return ()


def use(folder: Path) -> None:
    """Open a session to read, then to write, and use all of it; damage that is noted does not count."""
    from napari_sam2_video.session import Session

    refusal: Sam2VideoError | None = None
    for read_only in (True, False, False):
        try:
            with Session.open(folder / "run", read_only=read_only) as session:
                _use(session, change=not read_only)
        except Sam2VideoError as error:
            refusal = error
    if refusal is not None:
        raise refusal


def _use(session: Any, *, change: bool) -> None:
    json.dumps(session.provenance())
    if not all(isinstance(note, str) for note in session.notes):
        raise AssertionError("a note is not a sentence")
    result = session.result()
    for frame in range(session.n_frames):
        labels_yx = session.masks.read_labels(frame)
        if labels_yx.shape != session.shape_yx:
            raise AssertionError(f"frame {frame} has labels of shape {labels_yx.shape}")
        np.asarray(session.labels[frame])
        result.labels(frame)
        session.masks.paint_layer(frame)
    for one in session.objects:
        session.prompts(one.id)
        session.scores(one.id)
        session.state(one.id)
        session.accepted(one.id)
        session.masks.object_mask(5, one.id)
    if not change:
        return
    number = session.add_object()
    session.add_prompt(PointPrompt(number, 1, 3.0, 4.0))
    session.paint(6, (2, 2), np.full((3, 3), number))
    while session.can_undo:
        session.undo()
    while session.can_redo:
        session.redo()
