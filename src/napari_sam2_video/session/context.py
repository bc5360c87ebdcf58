"""State that the parts of an open session share: tables, masks, events, and who may change them now."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from napari_sam2_video.errors import SessionError
from napari_sam2_video.frames.crossing import crossing_axes
from napari_sam2_video.masks.check_results import FILE as CHECKS
from napari_sam2_video.masks.check_results import CheckResults
from napari_sam2_video.masks.records import EVERY
from napari_sam2_video.masks.store import MaskStore
from napari_sam2_video.masks.tables import decoders as mask_decoders
from napari_sam2_video.session.conditioning import Conditioning, mark_from_json
from napari_sam2_video.session.events import SessionEvents
from napari_sam2_video.session.finding.proposal import proposal_from_json
from napari_sam2_video.session.objects import object_from_json
from napari_sam2_video.session.prompts import (
    PromptSet,
    accepted_table,
    prompts_from_json,
    prompts_table,
    split_key,
)
from napari_sam2_video.session.run_record import RunRecord, run_from_json
from napari_sam2_video.session.verdicts import judgement_from_json
from napari_sam2_video.storage.journal import Journal
from napari_sam2_video.storage.state import State
from napari_sam2_video.types import ModelSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_sam2_video.frames.view import FrameView
    from napari_sam2_video.session.conditioning import Mark
    from napari_sam2_video.storage.tables import Decoder

JOURNAL = "journal.jsonl"


class Busy:
    """The objects that a run is working on; one run at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._objects: frozenset[int] | None = None

    @property
    def running(self) -> bool:
        """True while a run is under way."""
        return self._objects is not None

    def check_idle(self, object_id: int) -> None:
        """Refuse an object that a run is working on; while a run is being planned, refuse any object.

        Raises
        ------
        SessionError
            If it is.
        """
        objects = self._objects
        if objects is not None and (object_id in objects or not objects):
            raise SessionError(f"Object {object_id} is being tracked; stop the run first.")

    @contextmanager
    def idle(self, refusal: str) -> Iterator[None]:
        """Prevent runs from starting during the block; raises `SessionError` with `refusal` if one is under way."""
        with self._lock:
            if self._objects is not None:
                raise SessionError(refusal)
            yield

    @contextmanager
    def alone(self, refusal: str) -> Iterator[None]:
        """Be the only run during the block; `work_on` sets its objects."""
        with self.idle(refusal):
            self._objects = frozenset()
        try:
            yield
        finally:
            self._objects = None

    def work_on(self, object_ids: frozenset[int]) -> None:
        """Set the objects of the run that is under way."""
        self._objects = object_ids


class Context:
    """An open session's tables and masks."""

    def __init__(self, folder: Path, view: FrameView, *, read_only: bool) -> None:
        self.folder = folder
        self.view = view
        self.read_only = read_only
        self.events = SessionEvents()
        self.busy = Busy()
        self.closed = False
        quarantine = folder / "quarantine"
        journal = Journal(folder / JOURNAL, read_only=read_only, quarantine=quarantine)
        try:
            decoders = {**mask_decoders(view.n_frames), **_decoders(view.n_frames), **_of_planes(view)}
            self.state = State(journal, decoders, shared=EVERY)
            self.masks = MaskStore(
                folder / "masks",
                self.state,
                view.n_frames,
                view.shape_yx,
                read_only=read_only,
                quarantine=quarantine,
            )
            self.checks = CheckResults(folder / CHECKS, self.masks, read_only=read_only, quarantine=quarantine)
        except BaseException:
            journal.close()
            raise
        self.inputs = Conditioning(self.state, self.masks)

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes about damaged data."""
        return (*self.state.notes, *self.masks.notes, *self.checks.notes)

    @property
    def model_settings(self) -> ModelSettings:
        """The network that runs use."""
        settings: ModelSettings = self.state.get("model", "settings", ModelSettings())
        return settings

    def check_writable(self) -> None:
        """Refuse to change a session that is closed or read-only.

        Raises
        ------
        SessionError
            If it is.
        """
        if self.closed:
            raise SessionError(f"{self.folder} is closed; open it again to change it.")
        if self.read_only:
            raise SessionError(f"{self.folder} is open for reading only; open it for writing to change it.")

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Block other changes during the block."""
        self.check_writable()
        with self.state.writing():
            yield

    def close(self) -> None:
        """Close the files."""
        self.closed = True
        try:
            self.masks.close()
        finally:
            self.state.close()


def _of_planes(view: FrameView) -> dict[str, Decoder]:
    """Decoders of the tables for planes across other axes of a volume."""
    found: dict[str, Decoder] = {}
    for axis in crossing_axes(view):
        decoders = _decoders(view.recording.length(axis))
        found[prompts_table(axis)], found[accepted_table(axis)] = decoders["prompts"], decoders["accepted"]
    return found


def _decoders(n_frames: int) -> dict[str, Decoder]:
    def mark(key: Any, value: Any) -> Mark:
        split_key(key, n_frames)
        return mark_from_json(value)

    def spans(key: Any, value: Any) -> tuple[tuple[int, int], ...]:
        found = tuple((int(a), int(b)) for a, b in value)
        if any(not 0 <= a < b <= n_frames for a, b in found):
            raise ValueError("frames outside the recording")
        return found

    def prompts(key: Any, value: Any) -> PromptSet:
        split_key(key, n_frames)
        return prompts_from_json(key, value)

    def run(key: Any, value: Any) -> RunRecord:
        found = run_from_json(key, value)
        if found.plan.n_frames != n_frames:
            raise ValueError("a run of another recording")
        return found

    return {
        "objects": object_from_json,
        "prompts": prompts,
        "accepted": spans,
        "conditioned": mark,
        "memory": mark,
        "reviewed": lambda key, value: judgement_from_json(key, value, n_frames),
        "runs": run,
        "proposals": proposal_from_json,
        "model": lambda _, value: ModelSettings.from_json(value),
    }
