"""A run on disk: the one source of truth for scripts, the command line and the viewer."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from napari_sam2_video.errors import SessionError
from napari_sam2_video.frames.view import FrameView, default_view
from napari_sam2_video.masks.check_results import FILE as CHECKS
from napari_sam2_video.session.base import JOURNAL
from napari_sam2_video.session.manifest import (
    NAME,
    check_source,
    describe_source,
    find_source,
    migrate,
    new_manifest,
    read_manifest,
    view_of,
    write_manifest,
)
from napari_sam2_video.session.running import SessionRunner
from napari_sam2_video.storage.atomic import make_folder, move, reading, writing
from napari_sam2_video.storage.lock import SessionLock
from napari_sam2_video.types import ModelSettings

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from napari_sam2_video.frames.recording import Recording
    from napari_sam2_video.results import TrackingResult
    from napari_sam2_video.session.base import TrackerFactory
    from napari_sam2_video.types import ViewSettings

_OWN_FILES = {JOURNAL, CHECKS, "masks", "memory", "lock", "lock.json", "quarantine", NAME}


class Session(SessionRunner):
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
    events : SessionEvents
        Signals that are emitted after each change.
    """

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
            Where; by custom its name ends with ``.sam2v``.
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
        old = _make_room(folder, overwrite=overwrite)
        try:
            make_folder(folder, parents=True)
            lock = SessionLock(folder)
            with ExitStack() as undone:
                undone.callback(shutil.rmtree, folder, ignore_errors=True)
                undone.callback(lock.release)
                session = cls(
                    folder, recording, frames, lock=lock, owns_recording=False, tracker_factory=tracker_factory
                )
                undone.callback(session.close)
                session._state.commit([("model", "settings", model.to_json())])
                write_manifest(folder, new_manifest(folder, frames))
                if prepare is not None:
                    prepare(session)
                undone.pop_all()
        except BaseException:
            if old is not None:
                with writing(folder):
                    move(old, folder)
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
        with reading(folder / JOURNAL):
            if not (folder / JOURNAL).exists():
                raise SessionError(f"{folder} has lost its {JOURNAL}; restore it from a copy.")
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
            except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
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
            if (
                lock is not None
                and source.path is not None
                and str(source.path.absolute()) != manifest["source"]["path"]
            ):
                write_manifest(folder, manifest | {"source": describe_source(folder, source)})
        except BaseException:
            if owned is not None:
                owned.close()
            if lock is not None:
                lock.release()
            raise
        return session

    def provenance(self) -> dict[str, Any]:
        """How the masks came to be, JSON-able; see ``schemas/provenance.schema.json``."""
        from napari_sam2_video.session.provenance import provenance_of

        return provenance_of(self, self._state)

    def result(self) -> TrackingResult:
        """The masks as an export reads them."""
        from napari_sam2_video.session.provenance import result_of

        return result_of(self)

    def adopt_recording(self) -> None:
        """Close the recording with the session; otherwise one handed in stays the caller's to close."""
        self._owns_recording = True

    def close(self) -> None:
        """Close the files and the lock; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        try:
            self.masks.close()
        finally:
            self._state.close()
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


def _make_room(folder: Path, *, overwrite: bool) -> Path | None:
    """Check that a session can be made; where one is to be replaced, it is renamed, and the new name returned."""
    if "\0" in str(folder):
        raise SessionError(f"{str(folder)!r} has a character that no path holds; choose another name for the session.")
    with writing(folder):
        if not folder.exists():
            return None
    if not folder.is_dir():
        raise SessionError(f"{folder} is a file; choose another name for the session.")
    with writing(folder):
        names = {p.name for p in folder.iterdir()}
    others = {name for name in names - _OWN_FILES - {f".{name}.part" for name in _OWN_FILES} if not _is_ours(name)}
    if NAME not in names:
        if others:
            raise SessionError(f"{folder} holds other files; choose an empty or a new folder.")
        return None
    if not overwrite:
        raise SessionError(f"{folder} is a session already; open it, or say that it may be overwritten.")
    if others:
        raise SessionError(f"{folder} holds other files, such as {min(others)}; move them before it is overwritten.")
    SessionLock(folder).release()
    old = folder.with_name(f".{folder.name}.replaced")
    shutil.rmtree(old, ignore_errors=True)
    with writing(folder):
        move(folder, old)
    return old


def _is_ours(name: str) -> bool:
    """Whether a file is the copy of an older manifest, or what a file manager leaves everywhere."""
    return name.startswith("session.schema-") or name in {".DS_Store", "Thumbs.db", "desktop.ini"}
