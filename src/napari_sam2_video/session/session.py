"""A run on disk: the one source of truth for scripts, the command line and the viewer."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import numpy as np

from napari_sam2_video.errors import PromptError, SessionError
from napari_sam2_video.export.source import default_color
from napari_sam2_video.frames.view import FrameView, default_view
from napari_sam2_video.masks.durable import make_folder
from napari_sam2_video.masks.journal import Journal
from napari_sam2_video.masks.labels import LabelArray
from napari_sam2_video.masks.ledger import Ledger
from napari_sam2_video.masks.store import MaskStore
from napari_sam2_video.masks.store import decoders as mask_decoders
from napari_sam2_video.session.inputs import Inputs, mark_from_json, model_tag
from napari_sam2_video.session.lock import SessionLock
from napari_sam2_video.session.manifest import (
    NAME,
    SCHEMA,
    check_source,
    describe_source,
    find_source,
    migrate,
    new_manifest,
    read_manifest,
    view_of,
    write_manifest,
)
from napari_sam2_video.session.objects import ObjectInfo, check_object, object_from_json
from napari_sam2_video.session.prompts import checked, from_json, key_of, prompts_from_json, to_json
from napari_sam2_video.session.run import Runner, TrackerLike, ranges, run_from_json
from napari_sam2_video.types import MaskPrompt, ModelSettings, TrackSettings

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence
    from types import EllipsisType, TracebackType

    import numpy.typing as npt

    from napari_sam2_video.engine.plan import ObjectState
    from napari_sam2_video.export.source import TrackingResult
    from napari_sam2_video.frames.recording import Recording
    from napari_sam2_video.masks.blobs import BlobRef
    from napari_sam2_video.masks.ledger import Change, Key
    from napari_sam2_video.session.inputs import Mark
    from napari_sam2_video.types import FrameDone, FrameSource, Preview, Prompt, ViewSettings

TrackerFactory: TypeAlias = "Callable[[ModelSettings, FrameSource, Path | None], TrackerLike]"
_OWN_FILES = {"journal.jsonl", "masks", "memory", "lock", "lock.json", "quarantine", NAME}
_EVENTS = {
    "objects": "objects",
    "removed": "objects",
    "prompts": "prompts",
    "accepted": "accepted",
    "masks": "masks",
    "paint": "masks",
    "model": "model",
}


class Session:
    """A recording, how it is looked at, its objects, prompts and masks, in one folder.

    Every change is on disk when the call that makes it returns. Make one with `create` or `open`; close it with `close`
    or use it as a context manager. All methods may be called from any thread.

    Attributes
    ----------
    folder : Path
        The session's folder.
    recording : Recording
        The recording.
    view : FrameView
        How it is looked at.
    masks : MaskStore
        Masks and paint.
    labels : LabelArray
        Label images as one array of shape ``(T, Y, X)``, to be shown and painted on.
    on_change : list of callable
        Each is called with ``"objects"``, ``"prompts"``, ``"masks"``, ``"accepted"`` or ``"model"`` after a change, on the
        thread that made it.
    """

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
        self.on_change: list[Callable[[str], None]] = []
        self._lock = lock
        self._owns_recording = owns_recording
        self._tracker_factory = tracker_factory or default_tracker
        self._tracker: TrackerLike | None = None
        self._tracker_lock = threading.Lock()
        self._run_lock = threading.Lock()
        self._running: frozenset[int] | None = None
        self._stroke_step: tuple[int, int] | None = None
        self._closed = False
        quarantine = folder / "quarantine"
        journal = Journal(folder / "journal.jsonl", read_only=self.read_only, quarantine=quarantine)
        try:
            self._ledger = Ledger(journal, {**mask_decoders(), **_decoders()})
            self.masks = MaskStore(
                folder / "masks",
                self._ledger,
                view.n_frames,
                view.shape_yx,
                read_only=self.read_only,
                quarantine=quarantine,
            )
        except BaseException:
            journal.close()
            raise
        self._inputs = Inputs(self._ledger, self.masks)
        self._runner = Runner(self._ledger, self.masks, self._inputs, self._conditioning_prompts)
        self.labels = LabelArray(self.masks, None if self.read_only else _Painter(self))

    @classmethod
    def create(
        cls,
        folder: str | Path,
        recording: Recording,
        view: ViewSettings | None = None,
        model: ModelSettings = ModelSettings(),  # noqa: B008
        *,
        overwrite: bool = False,
        tracker_factory: TrackerFactory | None = None,
    ) -> Self:
        """Make a session.

        Parameters
        ----------
        folder : str or Path
            Where; by custom its name ends with ``.sam2v``.
        recording : Recording
            The recording; it stays the caller's to close.
        view : ViewSettings, optional
            How it is looked at; `default_view` if not given.
        model : ModelSettings
            The network.
        overwrite : bool
            Replace a session that is there.
        tracker_factory : callable, optional
            Makes the tracker of model settings, view and memory folder.

        Raises
        ------
        SessionError
            If the folder holds something already, or cannot be written.
        SessionLockedError
            If the session to be replaced is open elsewhere.
        """
        folder = Path(folder)
        frames = FrameView(recording, view if view is not None else default_view(recording))
        old = _make_room(folder, overwrite=overwrite)
        try:
            make_folder(folder)
            lock = SessionLock(folder)
            try:
                session = cls(
                    folder, recording, frames, lock=lock, owns_recording=False, tracker_factory=tracker_factory
                )
                session._ledger.commit([("model", "settings", asdict(model))])
                write_manifest(folder, new_manifest(folder, frames))
            except BaseException:
                lock.release()
                raise
        except BaseException:
            if old is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.replace(old, folder)
            raise
        if old is not None:
            shutil.rmtree(old, ignore_errors=True)
        return session

    @classmethod
    def open(
        cls,
        folder: str | Path,
        *,
        recording: Recording | None = None,
        read_only: bool = False,
        tracker_factory: TrackerFactory | None = None,
    ) -> Self:
        """Open a session.

        Parameters
        ----------
        folder : str or Path
            The session.
        recording : Recording, optional
            The recording, where it was moved or was made from an array; it stays the caller's to close.
        read_only : bool
            Change nothing on disk; works while another process has the session open.
        tracker_factory : callable, optional
            Makes the tracker of model settings, view and memory folder.

        Raises
        ------
        SessionError
            If it is not a session, or is damaged.
        SessionLockedError
            If it is open elsewhere.
        SessionVersionError
            If a newer version wrote it.
        SourceChangedError
            If the recording is gone or is another one.
        """
        folder = Path(folder)
        manifest = read_manifest(folder)
        lock = None if read_only else SessionLock(folder)
        owned: Recording | None = None
        try:
            if lock is not None:
                manifest = migrate(folder, manifest)
            try:
                view = view_of(manifest)
                n_frames, shape = int(manifest["n_frames"]), tuple(int(n) for n in manifest["shape_yx"])
                if recording is not None:
                    check_source(folder, manifest, recording)
                else:
                    owned = find_source(folder, manifest)
            except (KeyError, TypeError, ValueError, OverflowError) as error:
                raise SessionError(f"{folder / NAME} is damaged; restore it from a copy.") from error
            source = recording if recording is not None else owned
            assert source is not None
            frames = FrameView(source, view)
            if (frames.n_frames, frames.shape_yx) != (n_frames, shape):
                raise SessionError(
                    f"{folder / NAME} says {n_frames} frames of {shape} pixels where the recording has "
                    f"{frames.n_frames} of {frames.shape_yx}; restore it from a copy."
                )
            session = cls(
                folder, source, frames, lock=lock, owns_recording=owned is not None, tracker_factory=tracker_factory
            )
            if lock is not None and source.path is not None and str(source.path.absolute()) != manifest["source"]["path"]:
                write_manifest(folder, manifest | {"source": describe_source(folder, source)})
        except BaseException:
            if owned is not None:
                owned.close()
            if lock is not None:
                lock.release()
            raise
        return session

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
        return (*self.recording.notes, *self._ledger.notes, *self.masks.notes)

    @property
    def model_settings(self) -> ModelSettings:
        """The network that runs use."""
        settings: ModelSettings = self._ledger.get("model", "settings", ModelSettings())
        return settings

    def set_model(self, settings: ModelSettings) -> None:
        """Choose another network; everything is tracked anew by the next run.

        Raises
        ------
        SessionError
            If a run is under way.
        """
        with self._run_lock:
            if self._running is not None:
                raise SessionError("A run is under way; stop it before you choose another model.")
            if settings == self.model_settings:
                return
            self._ledger.commit([("model", "settings", asdict(settings))])
            self._tracker = None
        self._emit("model")

    @property
    def objects(self) -> tuple[ObjectInfo, ...]:
        """All objects, by ascending id."""
        with self._ledger.lock:
            table = self._ledger.table("objects")
            return tuple(table[i] for i in sorted(table, key=int))

    def object(self, object_id: int) -> ObjectInfo:
        """One object.

        Raises
        ------
        SessionError
            If there is none of that id.
        """
        info: ObjectInfo | None = self._ledger.get("objects", object_id)
        if info is None:
            raise SessionError(f"There is no object {object_id}.")
        return info

    def add_object(
        self, name: str | None = None, color: tuple[int, int, int] | None = None, object_id: int | None = None
    ) -> int:
        """Add an object; its id.

        Parameters
        ----------
        name : str, optional
            ``object <id>`` if not given.
        color : tuple of int, optional
            Red, green and blue from 0 to 255; chosen by the id if not given.
        object_id : int, optional
            The next one that was never used, if not given.
        """
        with self._ledger.writing():
            number = self._next_id() if object_id is None else int(object_id)
            if self._ledger.get("objects", number) is not None:
                raise SessionError(f"There is an object {number} already.")
            info = self._new_object(number, name, color)
            self.masks.widen(number)
            self._ledger.commit([("objects", number, info.to_json())], name=f"add {info.name}")
        self._emit("objects")
        return number

    def edit_object(
        self,
        object_id: int,
        *,
        name: str | None = None,
        color: tuple[int, int, int] | None = None,
        locked: bool | None = None,
        parent: int | None | EllipsisType = ...,
        parent_frame: int | None | EllipsisType = ...,
    ) -> ObjectInfo:
        """Change what is known of an object; what is not given stays.

        Raises
        ------
        SessionError
            If there is no such object, or the parent cannot be one.
        """
        with self._ledger.writing():
            old = self.object(object_id)
            new = replace(
                old,
                name=old.name if name is None else name,
                color=old.color if color is None else (int(color[0]), int(color[1]), int(color[2])),
                locked=old.locked if locked is None else locked,
                parent=old.parent if isinstance(parent, type(...)) else parent,
                parent_frame=old.parent_frame if isinstance(parent_frame, type(...)) else parent_frame,
            )
            if new.parent is None:
                new = replace(new, parent_frame=None)
            if new == old:
                return old
            check_object(new, {o.id: o for o in self.objects}, self.n_frames)
            self._ledger.commit([("objects", object_id, new.to_json())], name=f"edit {old.name}")
        self._emit("objects")
        return new

    def remove_object(self, object_id: int) -> None:
        """Remove an object with its prompts, masks and paint; `undo` brings all back.

        Raises
        ------
        SessionError
            If there is no such object, or it is being tracked.
        """
        with self._ledger.writing():
            info = self.object(object_id)
            self._check_idle(object_id)
            changes: list[Change] = [("objects", object_id, None), ("accepted", object_id, None)]
            with self._ledger.lock:
                mine = [k for k, p in self._ledger.table("prompts").items() if p.object_id == object_id]
            changes += [("prompts", k, None) for k in mine]
            changes += [("conditioned", key_of(object_id, f), None) for f in self._inputs.conditioned(object_id)]
            changes += [
                ("objects", o.id, replace(o, parent=None, parent_frame=None).to_json())
                for o in self.objects
                if o.parent == object_id
            ]
            self.masks.remove_object(object_id, extra=changes, name=f"remove {info.name}")
        self._emit("objects", "prompts", "masks")

    def prompts(self, object_id: int | None = None, frame: int | None = None) -> tuple[Prompt, ...]:
        """Prompts, of one object or on one frame if asked for, by ascending frame and object."""
        with self._ledger.lock:
            found = sorted(self._ledger.table("prompts").values(), key=lambda p: (p.frame, p.object_id))
        return tuple(
            prompt
            for p in found
            if object_id in (None, p.object_id) and frame in (None, p.frame)
            for prompt in from_json(p, self.shape_yx, self._read_blob)
        )

    def set_prompts(self, object_id: int, frame: int, prompts: Sequence[Prompt]) -> None:
        """Replace the prompts of an object on a frame; an empty sequence removes them.

        Raises
        ------
        PromptError
            If one does not fit the recording, or belongs to another object or frame.
        SessionError
            If there is no such object, or it is locked.
        """
        for prompt in prompts:
            if (prompt.object_id, prompt.frame) != (object_id, frame):
                raise PromptError(
                    f"A prompt of object {prompt.object_id} on frame {prompt.frame} was given as one of object "
                    f"{object_id} on frame {frame}; correct it."
                )
        given = [checked(p, self.n_frames, self.shape_yx) for p in prompts]
        if sum(isinstance(p, MaskPrompt) for p in given) > 1:
            raise PromptError(f"Object {object_id} has two masks on frame {frame}; give one.")
        with self._ledger.writing():
            info = self._changeable(object_id)
            if tuple(given) == self.prompts(object_id, frame):
                return
            number = self._ledger.next_number
            changes = self._prompt_changes(number, object_id, frame, given)
            self._ledger.commit(changes, name=f"prompts of {info.name} on frame {frame}", number=number)
        self._emit("prompts")

    def add_prompt(self, prompt: Prompt) -> None:
        """Add a prompt; a mask replaces the mask that is there."""
        kept = [
            p
            for p in self.prompts(prompt.object_id, prompt.frame)
            if not (isinstance(p, MaskPrompt) and isinstance(prompt, MaskPrompt))
        ]
        self.set_prompts(prompt.object_id, prompt.frame, [*kept, prompt])

    def remove_prompt(self, prompt: Prompt) -> None:
        """Remove a prompt.

        Raises
        ------
        PromptError
            If there is no such prompt.
        """
        kept = list(self.prompts(prompt.object_id, prompt.frame))
        if prompt not in kept:
            raise PromptError(f"Object {prompt.object_id} has no such prompt on frame {prompt.frame}.")
        kept.remove(prompt)
        self.set_prompts(prompt.object_id, prompt.frame, kept)

    def add_seeds(self, labels_yx: npt.NDArray[Any], frame: int) -> list[int]:
        """Make an object with a mask prompt of every label of a label image; their ids.

        A label keeps its number as id where that id was never used.

        Parameters
        ----------
        labels_yx : ndarray of int, shape (Y, X)
            Label image of the frame, 0 for none.
        frame : int
            The frame.

        Raises
        ------
        PromptError
            If it does not fit the frame or holds no label.
        """
        labels_yx = np.asarray(labels_yx)
        if labels_yx.shape != self.shape_yx or labels_yx.dtype.kind not in "bui":
            raise PromptError(
                f"The seeds have the shape {labels_yx.shape} and type {labels_yx.dtype} where whole numbers of shape "
                f"{self.shape_yx} were expected; give the label image of frame {frame}."
            )
        found = [int(i) for i in np.unique(labels_yx) if i > 0]
        if not found:
            raise PromptError("The seeds hold no label above 0; choose a label image with objects.")
        with self._ledger.writing():
            number = self._ledger.next_number
            changes: list[Change] = []
            ids: list[int] = []
            following = self._next_id()
            for label in found:
                free = self._ledger.get("objects", label) is None and self._ledger.get("removed", label) is None
                object_id = label if free and label not in ids and label <= 0xFFFFFFFF else max(following, *ids, *found) + 1
                ids.append(object_id)
                mask = checked(MaskPrompt(object_id, frame, labels_yx == label), self.n_frames, self.shape_yx)
                changes.append(("objects", object_id, self._new_object(object_id, None, None).to_json()))
                changes += self._prompt_changes(number, object_id, frame, [mask])
            self.masks.widen(max(ids))
            self._ledger.commit(changes, name=f"add {len(ids)} objects from labels", number=number)
        self._emit("objects", "prompts")
        return ids

    def paint(
        self,
        frame: int,
        origin_yx: tuple[int, int],
        labels: npt.NDArray[Any],
        where: npt.NDArray[np.bool_] | None = None,
    ) -> bool:
        """Set pixels by hand; True if any changed hands.

        The model never changes them again. A frame painted for an object is a prompt of it, and a frame that runs leave
        as it is. Pixels of locked objects stay.

        Parameters
        ----------
        frame : int
            The frame.
        origin_yx : tuple of int
            Where `labels` begins.
        labels : ndarray of int, shape (h, w)
            Object ids, 0 to erase; an id without an object makes one.
        where : ndarray of bool, shape (h, w), optional
            Which pixels are set; all if not given.
        """
        self.end_stroke()
        done = self._paint(frame, origin_yx, np.asarray(labels), where, step=None)
        return done is not None

    def clear_paint(self, frame: int, object_id: int | None = None) -> bool:
        """Give painted pixels of a frame, or of one object on it, back to the model; True if there were any."""
        self._check_writable()
        done = self.masks.clear_paint(frame, object_id)
        if done:
            self._emit("masks")
        return done

    def end_stroke(self) -> None:
        """Close the step that strokes through `labels` go to; a viewer calls it when the mouse button is released."""
        self._stroke_step = None

    def accept(self, object_id: int, start: int, stop: int) -> None:
        """Accept an object's masks on the frames from `start` up to, not including, `stop`: runs leave them as they are."""
        self._set_accepted(object_id, start, stop, accept=True)

    def unaccept(self, object_id: int, start: int, stop: int) -> None:
        """Take acceptance back on the frames from `start` up to, not including, `stop`."""
        self._set_accepted(object_id, start, stop, accept=False)

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

    @property
    def tracker(self) -> TrackerLike:
        """The tracker; loading its network takes seconds the first time."""
        with self._tracker_lock:
            if self._tracker is None:
                memory = None if self.read_only else self.folder / "memory"
                self._tracker = self._tracker_factory(self.model_settings, self.view, memory)
            return self._tracker

    def preview(self, object_id: int, frame: int, prompts: Sequence[Prompt] | None = None) -> Preview:
        """Masks that prompts would give, nothing being kept.

        Parameters
        ----------
        object_id, frame : int
            Object and frame.
        prompts : sequence of Prompt, optional
            The prompts; those of the session if not given.
        """
        given = self.prompts(object_id, frame) if prompts is None else prompts
        if not given:
            raise PromptError(f"Object {object_id} has no prompt on frame {frame}; click it first.")
        fitting = [checked(p, self.n_frames, self.shape_yx) for p in given]
        tracked = self._inputs.walked(object_id, model_tag(self.model_settings))
        return self.tracker.preview(object_id, frame, fitting, tracked=tracked)

    def track(
        self,
        settings: TrackSettings = TrackSettings(),  # noqa: B008
        *,
        stop: Callable[[], bool] | None = None,
    ) -> Generator[FrameDone]:
        """Track objects; each frame is on disk when it is yielded.

        Parameters
        ----------
        settings : TrackSettings
            Direction, range and objects; by default everything that changed, over all frames.
        stop : callable, optional
            Asked between frames; the run stops when it says True, and `resume` goes on.

        Yields
        ------
        FrameDone
            One for every frame and direction.

        Raises
        ------
        SessionError
            If a run is under way, or a locked object is named.
        PromptError
            If there is nothing to track.
        EngineError, FrameError, StoreError
            If it cannot go on; what was yielded stands, and `resume` goes on.
        """
        return self._go(lambda tag: self._runner.begin(settings, self._trackable(settings), tag), stop)

    @property
    def unfinished(self) -> bool:
        """True where a run was stopped or cut off and not done again."""
        return self._running is None and self._runner.unfinished is not None

    def resume(self, *, stop: Callable[[], bool] | None = None) -> Generator[FrameDone]:
        """Go on with the unfinished run; see `track`."""
        return self._go(self._runner.again, stop)

    @property
    def running(self) -> bool:
        """True while a run is under way."""
        return self._running is not None

    def undo(self) -> str | None:
        """Take the last step back; what it was, None if there is none.

        Raises
        ------
        SessionError
            If a run is under way.
        """
        return self._travel(self._ledger.undo)

    def redo(self) -> str | None:
        """Do the step taken back last again; what it is, None if there is none."""
        return self._travel(self._ledger.redo)

    @property
    def can_undo(self) -> str | None:
        """What `undo` would take back."""
        return self._ledger.undoable

    @property
    def can_redo(self) -> str | None:
        """What `redo` would do again."""
        return self._ledger.redoable

    def scores(self, object_id: int) -> dict[str, npt.NDArray[Any]]:
        """Figures of an object by frame, as of `MaskStore.scores`, and ``accepted``."""
        figures = self.masks.scores(object_id)
        accepted = self.accepted(object_id)
        figures["accepted"] = np.array([int(f) in accepted for f in figures["frame"]], bool)
        return figures

    def provenance(self) -> dict[str, Any]:
        """How the masks came to be, JSON-able; see ``schemas/provenance.schema.json``."""
        from napari_sam2_video.session.provenance import provenance_of

        return provenance_of(self, self._ledger)

    def result(self) -> TrackingResult:
        """The masks as an export reads them."""
        from napari_sam2_video.session.provenance import result_of

        return result_of(self)

    def flush(self, progress: Callable[[int, int], None] | None = None) -> None:
        """Bring ``masks/labels.zarr`` up to date; masks themselves are always safe."""
        self.masks.flush(progress)

    def close(self) -> None:
        """Write what is derived, and let go of the folder; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        try:
            self.masks.close()
        finally:
            if self._lock is not None:
                self._lock.release()
            if self._owns_recording:
                self.recording.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _go(self, begin: Callable[[str], Any], stop: Callable[[], bool] | None) -> Generator[FrameDone]:
        self._check_writable()
        with self._run_lock:
            if self._running is not None:
                raise SessionError("A run is under way; wait for it or stop it first.")
            self._running = frozenset()
        self.end_stroke()
        try:
            run, stale = begin(model_tag(self.model_settings))
            self._running = frozenset(run.plan.object_ids)
            for done in self._runner.execute(run, stale, self.tracker, stop=stop):
                self._emit("masks")
                yield done
        finally:
            self._running = None

    def _trackable(self, settings: TrackSettings) -> list[int]:
        for object_id in settings.objects or ():
            if self.object(object_id).locked:
                raise SessionError(f"Object {object_id} is locked; unlock it to track it.")
        return [o.id for o in self.objects if not o.locked]

    def _travel(self, move: Callable[[], tuple[str, frozenset[tuple[str, Key]]] | None]) -> str | None:
        self._check_writable()
        with self._run_lock:
            if self._running is not None:
                raise SessionError("A run is under way; stop it before you undo or redo.")
            self.end_stroke()
            moved = move()
        if moved is None:
            return None
        name, keys = moved
        for table, key in keys:
            self.masks.changed(table, key)
        self._emit(*sorted({_EVENTS[t] for t, _ in keys if t in _EVENTS}))
        return name

    def _paint(
        self,
        frame: int,
        origin_yx: tuple[int, int],
        labels: npt.NDArray[Any],
        where: npt.NDArray[np.bool_] | None,
        *,
        step: int | None,
    ) -> int | None:
        self._check_writable()
        with self._ledger.writing():
            chosen = labels if where is None else labels[np.asarray(where, bool)]
            ids = [int(i) for i in np.unique(chosen) if i > 0]
            made = []
            for object_id in ids:
                info = self._ledger.get("objects", object_id)
                if info is None:
                    made.append(self._new_object(object_id, None, None))
                elif info.locked:
                    raise SessionError(f"Object {object_id} is locked; unlock it to paint it.")
            number = self.masks.paint(
                frame,
                origin_yx,
                labels,
                where,
                step=step,
                extra=[("objects", o.id, o.to_json()) for o in made],
                protected=frozenset(o.id for o in self.objects if o.locked),
            )
        if number is not None:
            self._emit(*(["objects"] if made else []), "masks")
        return number

    def _set_accepted(self, object_id: int, start: int, stop: int, *, accept: bool) -> None:
        if not 0 <= start < stop <= self.n_frames:
            raise SessionError(
                f"The frames {start} to {stop} do not fit the recording, which has 0 to {self.n_frames - 1}."
            )
        with self._ledger.writing():
            info = self.object(object_id)
            old = self.accepted(object_id)
            span = frozenset(range(start, stop))
            new = old | span if accept else old - span
            if new == old:
                return
            word = "accept" if accept else "take back acceptance of"
            name = f"{word} {info.name} on frames {start} to {stop - 1}"
            self._ledger.commit([("accepted", object_id, ranges(new) or None)], name=name)
        self._emit("accepted")

    def _conditioning_prompts(self, object_id: int, frame: int, mark: Mark) -> list[Prompt]:
        """Prompts that the tracker gets: what a person painted, and clicks made after it."""
        revision, stroke, _ = mark
        prompts: list[Prompt] = list(self.prompts(object_id, frame)) if revision > stroke or not stroke else []
        if not stroke:
            return prompts
        painted = MaskPrompt(object_id, frame, self.masks.object_mask(frame, object_id))
        return [painted, *(p for p in prompts if not isinstance(p, MaskPrompt))]

    def _prompt_changes(self, number: int, object_id: int, frame: int, prompts: Sequence[Prompt]) -> list[Change]:
        key = key_of(object_id, frame)
        if not prompts:
            return [("prompts", key, None)]
        blobs: list[Change] = []

        def keep(data: bytes) -> str:
            name = f"{key}@{number}"
            blobs.append(("blobs", name, self.masks.blobs.put(data).to_json()))
            return name

        return [("prompts", key, {"revision": number, "items": to_json(prompts, keep)}), *blobs]

    def _read_blob(self, name: str) -> bytes:
        ref: BlobRef | None = self._ledger.get("blobs", name)
        if ref is None:
            raise PromptError("A mask prompt is gone from the journal; draw it again.")
        return self.masks.blobs.get(ref)

    def _new_object(self, object_id: int, name: str | None, color: tuple[int, int, int] | None) -> ObjectInfo:
        info = ObjectInfo(object_id, name or f"object {object_id}", color or default_color(object_id))
        check_object(info, {}, self.n_frames)
        return info

    def _next_id(self) -> int:
        with self._ledger.lock:
            used: Iterable[Any] = [*self._ledger.table("objects"), *self._ledger.table("removed")]
            return max((int(i) for i in used), default=0) + 1

    def _changeable(self, object_id: int) -> ObjectInfo:
        info = self.object(object_id)
        if info.locked:
            raise SessionError(f"Object {object_id} is locked; unlock it to change it.")
        return info

    def _check_idle(self, object_id: int) -> None:
        if self._running is not None and (object_id in self._running or not self._running):
            raise SessionError(f"Object {object_id} is being tracked; stop the run first.")

    def _check_writable(self) -> None:
        if self.read_only:
            raise SessionError(f"{self.folder} is open for reading only; open it for writing to change it.")

    def _emit(self, *kinds: str) -> None:
        for kind in kinds:
            for listener in list(self.on_change):
                listener(kind)


class _Painter:
    """Strokes that come through the label array."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def stroke(
        self, frame: int, origin_yx: tuple[int, int], labels: npt.NDArray[Any], where: npt.NDArray[np.bool_]
    ) -> int | None:
        session = self._session
        open_step = session._stroke_step
        last = session._ledger.last_step
        step = open_step[0] if open_step is not None and open_step == (last, frame) else None
        number = session._paint(frame, origin_yx, labels, where, step=step)
        if number is not None and step is None:
            session._stroke_step = (number, frame)
        return number

    def unstroke(self, number: int) -> None:
        session = self._session
        session._check_writable()
        session.end_stroke()
        if session.masks.revert_stroke(number):
            session._emit("masks")


def default_tracker(settings: ModelSettings, view: FrameSource, memory: Path | None) -> TrackerLike:
    """Tracker with the network that the settings name."""
    from napari_sam2_video.engine.load import load_model
    from napari_sam2_video.engine.shelf import MemoryFolder
    from napari_sam2_video.engine.tracker import Tracker
    from napari_sam2_video.models.resolve import resolve_model

    model = load_model(resolve_model(settings.model), settings)
    return Tracker(model, view, MemoryFolder(memory))


def _decoders() -> dict[str, Callable[[Key, Any], Any]]:
    return {
        "objects": object_from_json,
        "prompts": prompts_from_json,
        "accepted": lambda _, value: tuple((int(a), int(b)) for a, b in value),
        "conditioned": lambda _, value: mark_from_json(value),
        "memory": lambda _, value: mark_from_json(value),
        "runs": run_from_json,
        "model": lambda _, value: ModelSettings(**value),
    }


def _make_room(folder: Path, *, overwrite: bool) -> Path | None:
    """Check that a session can be made; where one is to be replaced, it is renamed, and the new name returned."""
    if not folder.exists():
        return None
    if not folder.is_dir():
        raise SessionError(f"{folder} is a file; choose another name for the session.")
    names = {p.name for p in folder.iterdir()}
    if NAME not in names:
        if names - _OWN_FILES:
            raise SessionError(f"{folder} holds other files; choose an empty or a new folder.")
        return None
    if not overwrite:
        raise SessionError(f"{folder} is a session already; open it, or say that it may be overwritten.")
    SessionLock(folder).release()
    old = folder.with_name(f".{folder.name}.replaced")
    shutil.rmtree(old, ignore_errors=True)
    os.replace(folder, old)
    return old


__all__ = ["SCHEMA", "Session", "default_tracker"]
