"""A run on disk: the one source of truth for scripts, the command line and the viewer."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from napari_sam2_video.frames.view import FrameView, default_view
from napari_sam2_video.session.content import SessionContent
from napari_sam2_video.session.context import Context
from napari_sam2_video.session.folder import new_folder, opened_folder
from napari_sam2_video.session.history import travel
from napari_sam2_video.session.manifest import new_manifest, write_manifest
from napari_sam2_video.types import CheckSettings, ModelSettings, TrackSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from os import PathLike
    from types import EllipsisType, TracebackType

    import numpy.typing as npt

    from napari_sam2_video.frames.recording import Recording
    from napari_sam2_video.masks.clean import CleanSettings
    from napari_sam2_video.results import TrackedObject
    from napari_sam2_video.session.tracker import TrackerFactory
    from napari_sam2_video.storage.lock import SessionLock
    from napari_sam2_video.types import FrameDone, Prompt, ViewSettings


class Session(SessionContent):
    """A recording, how it is looked at, its objects, prompts and masks, in one folder.

    Every change is on disk when the call that makes it returns. Make one with `create` or `open`; close it with `close`
    or use it as a context manager. All methods may be called from any thread. A change raises `SessionError` where the
    session is open for reading only, an object is unknown or locked, or a run is at work on it.

    Attributes
    ----------
    recording, view : Recording and FrameView
        The recording, and how it is looked at.
    """

    def __init__(
        self,
        context: Context,
        lock: SessionLock | None,
        tracker_factory: TrackerFactory | None,
        *,
        owns_recording: bool,
    ) -> None:
        super().__init__(context, tracker_factory)
        self._lock = lock
        self._owns_recording = owns_recording

    @classmethod
    def create(
        cls,
        folder: str | Path,
        recording: Recording,
        view: ViewSettings | None = None,
        model: ModelSettings = ModelSettings(),  # noqa: B008
        *,
        overwrite: bool = False,
        prepare: Callable[[Session], None] | None = None,
        tracker_factory: TrackerFactory | None = None,
    ) -> Self:
        """Make a session.

        Parameters
        ----------
        folder : str or Path
            Where; its name usually ends with ``.sam2v``.
        recording : Recording
            The recording; it stays the caller's to close.
        view : ViewSettings, optional
            How it is looked at; `default_view` if not given.
        model : ModelSettings
            The network.
        overwrite : bool
            Replace a session that is there; refused where its folder holds other files, too.
        prepare : callable, optional
            Called with the new session; if it raises, the new session is removed, and one that was to be replaced is
            kept.
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
        with new_folder(folder, overwrite=overwrite) as lock:
            context = Context(folder, frames, read_only=False)
            session = cls(context, lock, tracker_factory, owns_recording=False)
            with ExitStack() as on_failure:
                on_failure.callback(session.close)
                context.state.commit([("model", "settings", model.to_json())])
                write_manifest(folder, new_manifest(folder, frames))
                if prepare is not None:
                    prepare(session)
                on_failure.pop_all()
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
        with opened_folder(folder, recording, read_only=read_only) as (view, lock):
            context = Context(folder, view, read_only=read_only)
            return cls(context, lock, tracker_factory, owns_recording=recording is None)

    def add_object(
        self, name: str | None = None, color: tuple[int, int, int] | None = None, object_id: int | None = None
    ) -> int:
        """Add an object; its id.

        If not given, the id is the next one that was never used; name and colour (red, green and blue from 0 to 255)
        follow from it.
        """
        return self._objects.add(name, color, object_id)

    def edit_object(
        self,
        object_id: int,
        *,
        name: str | None = None,
        color: tuple[int, int, int] | None = None,
        locked: bool | None = None,
        parent: int | EllipsisType | None = ...,
        parent_frame: int | EllipsisType | None = ...,
    ) -> TrackedObject:
        """Change what is known of an object; what is not given stays. Refused where the parent cannot be one."""
        given: dict[str, Any] = {"name": name, "locked": locked, "color": color}
        changes = {field: value for field, value in given.items() if value is not None}
        lineage = {"parent": parent, "parent_frame": parent_frame}
        changes.update({field: value for field, value in lineage.items() if value is not ...})
        return self._objects.edit(object_id, changes)

    def remove_object(self, object_id: int) -> None:
        """Remove an object with its prompts, masks and paint; `undo` brings all back."""
        self._objects.remove(object_id)

    def merge_objects(self, object_id: int, other_id: int) -> None:
        """Give an object the masks, prompts and paint of another one too, which is removed."""
        self._life.merge(object_id, other_id)

    def split_object(self, object_id: int, frame: int, line_yx: npt.ArrayLike | None = None) -> list[int]:
        """Make an object of every connected part of a mask but the largest, to be tracked from its frame; their ids.

        With a line, its corners ``(y, x)`` in an array of shape ``(n, 2)``, the mask is cut along it first.
        """
        return self._life.split(object_id, frame, line_yx)

    def renumber_object(self, object_id: int, new_id: int) -> None:
        """Give an object an id that no object has."""
        self._life.renumber(object_id, new_id)

    def swap_objects(self, first_id: int, second_id: int, start: int = 0, stop: int | None = None) -> None:
        """Exchange two objects on the frames from `start` up to, not including, `stop`; to the end if not given."""
        self._life.swap(first_id, second_id, start, stop)

    def delete_masks(self, object_id: int, start: int, stop: int) -> None:
        """Delete masks, prompts and paint from `start` up to, not including, `stop`; the next run tracks them again."""
        self._life.delete(object_id, start, stop)

    def copy_mask(self, object_id: int, frame: int, to: int | None = None) -> None:
        """Make the mask of a frame the prompt and the mask of another one, the next if not given."""
        self._life.copy(object_id, frame, frame + 1 if to is None else to)

    def set_prompts(self, object_id: int, frame: int, prompts: Sequence[Prompt]) -> None:
        """Replace the prompts of an object on a frame; an empty sequence removes them.

        Raises `PromptError` if one does not fit the recording, or belongs to another object or frame.
        """
        self._prompts.set(object_id, frame, prompts)

    def add_prompt(self, prompt: Prompt) -> None:
        """Add a prompt; a mask replaces the mask that is there."""
        self._prompts.add(prompt)

    def remove_prompt(self, prompt: Prompt) -> None:
        """Remove a prompt; raises `PromptError` if there is no such prompt."""
        self._prompts.remove(prompt)

    def add_seeds(self, labels_yx: npt.NDArray[Any], frame: int) -> list[int]:
        """Make an object with a mask prompt of every label of a label image ``(Y, X)``; their ids.

        A label keeps its number as id where that id was never used. Raises `PromptError` if the image does not fit the
        frame or holds no label.
        """
        return self._prompts.add_seeds(labels_yx, frame)

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
        frame, origin_yx : int and tuple of int
            The frame, and where `labels` begins on it.
        labels : ndarray of int, shape (h, w)
            Object ids, 0 to erase; an id without an object makes one.
        where : ndarray of bool, shape (h, w), optional
            Which pixels are set; all if not given.
        """
        self.end_stroke()
        return self._paint.paint(frame, origin_yx, np.asarray(labels), where) is not None

    def stroke(
        self, frame: int, origin_yx: tuple[int, int], labels: npt.NDArray[Any], where: npt.NDArray[np.bool_]
    ) -> bool:
        """Set pixels by hand, as `paint`, in one step with those before it until `end_stroke`; True if any changed.

        A step also ends where another frame is painted, or something else is done.
        """
        return self._paint.stroke(frame, origin_yx, labels, where)

    def end_stroke(self) -> None:
        """End the step that strokes go to; a viewer calls it when the mouse button is released."""
        self._paint.end_stroke()

    def clear_paint(self, frame: int, object_id: int | None = None) -> bool:
        """Give painted pixels of a frame, or of one object on it, back to the model; True if there were any.

        Locked objects neither lose nor gain a pixel.
        """
        return self._paint.clear(frame, object_id)

    def accept(self, object_id: int, start: int, stop: int) -> None:
        """Accept an object on the frames from `start` up to, not including, `stop`: runs leave them as they are."""
        self._acceptance.set(object_id, start, stop, accept=True)

    def unaccept(self, object_id: int, start: int, stop: int) -> None:
        """Undo acceptance on the frames from `start` up to, not including, `stop`."""
        self._acceptance.set(object_id, start, stop, accept=False)

    def mark_absent(self, object_id: int, start: int, stop: int, *, parent: int | None = None) -> None:
        """Say that an object is not on the frames from `start` up to, not including, `stop`.

        Its prompts, masks and paint there are removed, and runs leave these frames as they are. With `parent` the
        object is a daughter of that one from frame `stop` on. One step of the history.
        """
        self._acceptance.mark_absent(object_id, start, stop, parent)

    def set_model(self, model: ModelSettings | str | PathLike[str]) -> None:
        """Choose another network by settings, name or path; the next run tracks everything again."""
        self._tracking.set_model(model)

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
            Asked between frames; the run stops when it says True, and `resume` continues.

        Yields
        ------
        FrameDone
            One for every frame and direction.

        Raises
        ------
        SessionError
            If a run is under way, a locked object is named, or a listener of `events` failed.
        PromptError
            If there is nothing to track.
        EngineError, FrameError, StoreError
            If it cannot continue; what was yielded is kept, and `resume` continues.
        """
        self.end_stroke()
        return self._tracking.track(settings, stop)

    def resume(self, *, stop: Callable[[], bool] | None = None) -> Generator[FrameDone]:
        """Continue the unfinished run; see `track`."""
        return self._tracking.resume(stop)

    def check(
        self,
        settings: CheckSettings = CheckSettings(),  # noqa: B008
        *,
        stop: Callable[[], bool] | None = None,
    ) -> Generator[FrameDone]:
        """Compare masks with those found by tracking back from later ones; no mask changes.

        Each span of frames is tracked against its own direction, from the mask at its far end as the only prompt. What
        `scores` then gives as ``disagreement`` is 1 - IoU of the stored mask and the one found. It is kept in the
        session when the check ends, and counts while the mask is the one that was compared.

        Parameters
        ----------
        settings : CheckSettings
            Objects, range and length of the spans.
        stop : callable, optional
            Asked between frames; what was compared is kept.

        Yields a `FrameDone` for every frame that was tracked back, and raises as `track`; what was compared is kept.
        """
        return self._tracking.check(settings, self.scores, stop)

    def tidy(
        self,
        settings: CleanSettings,
        objects: Sequence[int] | None = None,
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> int:
        """Tidy masks of some objects, or of all that are not locked; the number of masks that changed.

        Painted and accepted frames stay as they are. `progress` is called with the number of objects done and of all.
        """
        return self._tracking.tidy(settings, objects, progress)

    def undo(self) -> str | None:
        """Undo the last step; its name, None if there is none. Refused while a run is under way."""
        self.end_stroke()
        return travel(self._context, back=True)

    def redo(self) -> str | None:
        """Do the step undone last again; its name, None if there is none."""
        self.end_stroke()
        return travel(self._context, back=False)

    def adopt_recording(self) -> None:
        """Close the recording with the session; otherwise one handed in stays the caller's to close."""
        self._owns_recording = True

    def close(self) -> None:
        """Close the files and the lock; a second call does nothing."""
        if self._context.closed:
            return
        try:
            self._tracking.close()
            self._context.close()
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
