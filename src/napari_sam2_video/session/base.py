"""What a session knows, read from its tables."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from napari_sam2_video.errors import PromptError, SessionError, StoreError
from napari_sam2_video.masks.check_results import FILE as CHECKS
from napari_sam2_video.masks.check_results import Checks
from napari_sam2_video.masks.codec import MAX_ID
from napari_sam2_video.masks.store import MaskStore
from napari_sam2_video.masks.tables import decoders as mask_decoders
from napari_sam2_video.session.conditioning import Inputs, mark_from_json, model_tag
from napari_sam2_video.session.events import SessionEvents
from napari_sam2_video.session.objects import object_from_json
from napari_sam2_video.session.prompts import PromptSet, prompts_from_json, split_key, unpacked
from napari_sam2_video.session.run import RunRecord, run_from_json
from napari_sam2_video.storage.journal import Journal
from napari_sam2_video.storage.state import State
from napari_sam2_video.types import ModelSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    import numpy.typing as npt

    from napari_sam2_video.engine.plan import ObjectState
    from napari_sam2_video.frames.recording import Recording
    from napari_sam2_video.frames.view import FrameView
    from napari_sam2_video.results import TrackedObject
    from napari_sam2_video.session.conditioning import Mark
    from napari_sam2_video.session.run import TrackerLike
    from napari_sam2_video.storage.lock import SessionLock
    from napari_sam2_video.storage.tables import Decoder
    from napari_sam2_video.types import FrameSource, Prompt

JOURNAL = "journal.jsonl"
TrackerFactory: TypeAlias = "Callable[[ModelSettings, FrameSource, Path | None], TrackerLike]"


class SessionReader:
    """Tables of an open session; see `Session`."""

    def __init__(
        self,
        folder: Path,
        recording: Recording,
        view: FrameView,
        *,
        lock: SessionLock | None,
        owns_recording: bool,
        tracker_factory: TrackerFactory | None,
    ) -> None:
        self.folder = folder
        self.recording = recording
        self.view = view
        self.read_only = lock is None
        self.events = SessionEvents()
        self._lock = lock
        self._owns_recording = owns_recording
        self._tracker_factory = tracker_factory or default_tracker
        self._tracker: TrackerLike | None = None
        self._tracker_lock = threading.Lock()
        self._run_lock = threading.Lock()
        self._running: frozenset[int] | None = None
        self._closed = False
        quarantine = folder / "quarantine"
        journal = Journal(folder / JOURNAL, read_only=self.read_only, quarantine=quarantine)
        try:
            self._state = State(journal, {**mask_decoders(view.n_frames), **_decoders(view.n_frames)})
            self.masks = MaskStore(
                folder / "masks",
                self._state,
                view.n_frames,
                view.shape_yx,
                read_only=self.read_only,
                quarantine=quarantine,
            )
            self._checks = Checks(folder / CHECKS, self.masks, read_only=self.read_only, quarantine=quarantine)
        except BaseException:
            journal.close()
            raise
        self._inputs = Inputs(self._state, self.masks)

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return self.view.n_frames

    @property
    def shape_yx(self) -> tuple[int, int]:
        """Shape of a frame in pixels."""
        return self.view.shape_yx

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about what was found damaged, and what the recording has to say."""
        return (*self.recording.notes, *self._state.notes, *self.masks.notes, *self._checks.notes)

    @property
    def model_notes(self) -> tuple[str, ...]:
        """Sentences about the network; none as long as it is not loaded."""
        tracker = self._tracker
        return () if tracker is None else tracker.notes

    @property
    def model_settings(self) -> ModelSettings:
        """The network that runs use."""
        settings: ModelSettings = self._state.get("model", "settings", ModelSettings())
        return settings

    @property
    def objects(self) -> tuple[TrackedObject, ...]:
        """All objects, by ascending id."""
        with self._state.lock:
            table = self._state.table("objects")
            return tuple(table[i] for i in sorted(table, key=int))

    def object(self, object_id: int) -> TrackedObject:
        """One object.

        Raises
        ------
        SessionError
            If there is none of that id.
        """
        info: TrackedObject | None = self._state.get("objects", object_id)
        if info is None:
            raise SessionError(f"There is no object {object_id}.")
        return info

    def prompts(
        self, object_id: int | None = None, frame: int | None = None, *, masks: bool = True
    ) -> tuple[Prompt, ...]:
        """Prompts, of one object or on one frame if asked for, by ascending frame and object.

        Parameters
        ----------
        object_id, frame : int, optional
            Only of this object, and only on this frame.
        masks : bool
            False leaves mask prompts out: each has to be unpacked to a whole frame.

        Raises
        ------
        PromptError
            If a mask is damaged; `set_prompts` and `add_prompt` replace it.
        """
        prompts: list[Prompt] = []
        for found in self.prompt_sets(object_id, frame):
            try:
                prompts.extend(unpacked(found, self.shape_yx, self.masks.get, masks=masks))
            except StoreError as error:
                raise PromptError(
                    f"The mask of object {found.object_id} on frame {found.frame} cannot be read any more; draw it "
                    f"again, or remove it: {error}"
                ) from error
        return tuple(prompts)

    def prompt_sets(self, object_id: int | None = None, frame: int | None = None) -> tuple[PromptSet, ...]:
        """What prompts there are, as `prompts`, without unpacking a mask; none of the sets is empty."""
        with self._state.lock:
            table = self._state.table("prompts") if object_id is None else self._state.group("prompts", object_id)
            found = sorted(table.values(), key=lambda p: (p.frame, p.object_id))
        return tuple(p for p in found if object_id in (None, p.object_id) and frame in (None, p.frame))

    def accepted(self, object_id: int) -> frozenset[int]:
        """Frames of an object that are accepted."""
        return self._inputs.accepted(object_id)

    def dirty(self) -> tuple[int, ...]:
        """Objects whose prompts or paint changed since they were tracked."""
        tag = model_tag(self.model_settings)
        return tuple(o.id for o in self.objects if self._inputs.is_dirty(o.id, tag))

    def state(self, object_id: int) -> ObjectState:
        """What planning a run knows of an object."""
        self.object(object_id)
        return self._inputs.state(object_id, model_tag(self.model_settings))

    def scores(self, object_id: int) -> dict[str, npt.NDArray[Any]]:
        """Figures of an object by frame, as of `MaskStore.scores`, with ``accepted`` and what a check found.

        ``disagreement`` is that of the last `check` that compared the very mask that is there now, else NaN;
        ``checked_from`` is the frame it was tracked back from, NaN also where the mask there has changed since.
        """
        figures = self.masks.scores(object_id)
        accepted = self.accepted(object_id)
        figures["accepted"] = np.array([int(f) in accepted for f in figures["frame"]], bool)
        figures["disagreement"], figures["checked_from"] = self._checks.figures(object_id, figures["frame"])
        return figures

    @property
    def can_undo(self) -> str | None:
        """What `undo` would take back."""
        return self._state.undoable

    @property
    def can_redo(self) -> str | None:
        """What `redo` would do again."""
        return self._state.redoable

    @property
    def running(self) -> bool:
        """True while a run is under way."""
        return self._running is not None

    def _next_id(self, taken: Iterable[int] = ()) -> int:
        """The id behind all that were ever used or are `taken`; where there is none, the lowest that is free."""
        with self._state.lock:
            used = {int(i) for name in ("objects", "removed") for i in self._state.table(name)}
        used.update(taken)
        following = max(used, default=0) + 1
        return following if following <= MAX_ID else next(i for i in range(1, MAX_ID + 1) if i not in used)

    def _check_idle(self, object_id: int) -> None:
        if self._running is not None and (object_id in self._running or not self._running):
            raise SessionError(f"Object {object_id} is being tracked; stop the run first.")

    def _check_writable(self) -> None:
        if self._closed:
            raise SessionError(f"{self.folder} is closed; open it again to change it.")
        if self.read_only:
            raise SessionError(f"{self.folder} is open for reading only; open it for writing to change it.")


def default_tracker(settings: ModelSettings, view: FrameSource, memory: Path | None) -> TrackerLike:
    """Tracker with the network that the settings name."""
    from napari_sam2_video.engine.memory_store import MemoryStore
    from napari_sam2_video.engine.networks.load import load_model
    from napari_sam2_video.engine.tracker import Tracker
    from napari_sam2_video.models.resolve import resolve_model

    model = load_model(resolve_model(settings.model), settings)
    return Tracker(model, view, MemoryStore(memory))


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
        "runs": run,
        "model": lambda _, value: ModelSettings.from_json(value),
    }
