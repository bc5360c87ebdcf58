"""Create, replace, open and lock the folder of a session."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from napari_sam2_video.errors import SessionError
from napari_sam2_video.frames.view import FrameView
from napari_sam2_video.masks.check_results import FILE as CHECKS
from napari_sam2_video.session.context import JOURNAL
from napari_sam2_video.session.kept_source import FILE as SOURCE
from napari_sam2_video.session.manifest import (
    NAME,
    check_source,
    describe_source,
    find_source,
    migrate,
    read_manifest,
    view_of,
    write_manifest,
)
from napari_sam2_video.storage.atomic import make_folder, move, reading, writing
from napari_sam2_video.storage.lock import SessionLock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_sam2_video.frames.recording import Recording

_OWN_FILES = {JOURNAL, CHECKS, SOURCE, "masks", "memory", "walks", "lock", "lock.json", "quarantine", NAME}


@contextmanager
def new_folder(folder: Path, *, overwrite: bool) -> Iterator[SessionLock]:
    """Make an empty, locked folder; if the block fails, what was there before is restored.

    Raises
    ------
    SessionError
        If the folder is not empty, or cannot be written.
    SessionLockedError
        If the session to be replaced is open elsewhere.
    """
    old = _make_room(folder, overwrite=overwrite)
    try:
        make_folder(folder, parents=True)
        lock = SessionLock(folder)
        try:
            yield lock
        except BaseException:
            lock.release()
            shutil.rmtree(folder, ignore_errors=True)
            raise
    except BaseException:
        if old is not None:
            with writing(folder):
                move(old, folder)
        raise
    if old is not None:
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def opened_folder(
    folder: Path, recording: Recording | None, *, read_only: bool
) -> Iterator[tuple[FrameView, SessionLock | None]]:
    """View and lock of a session; both are released if the block fails.

    Parameters
    ----------
    folder : Path
        The session.
    recording : Recording, optional
        The recording; opened from the path in the session if not given.
    read_only : bool
        Take no lock, and change nothing.

    Raises
    ------
    SessionError, SessionLockedError, SessionVersionError, SourceChangedError
        See `Session.open`.
    """
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
            settings = view_of(manifest)
            n_frames, shape = int(manifest["n_frames"]), tuple(int(n) for n in manifest["shape_yx"])
            if recording is not None:
                check_source(folder, manifest, recording)
            else:
                owned = find_source(folder, manifest, read_only=read_only)
            known_path = manifest["source"]["path"]
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
            raise SessionError(f"{folder / NAME} is damaged; restore it from a copy.") from error
        source = recording if recording is not None else owned
        assert source is not None
        view = FrameView(source, settings)
        if (view.n_frames, view.shape_yx) != (n_frames, shape):
            raise SessionError(
                f"{folder / NAME} says {n_frames} frames of {shape} pixels where the recording has "
                f"{view.n_frames} of {view.shape_yx}; restore it from a copy."
            )
        yield view, lock
        if lock is not None and source.path is not None and str(source.path.absolute()) != known_path:
            write_manifest(folder, manifest | {"source": describe_source(folder, source)})
    except BaseException:
        if owned is not None:
            owned.close()
        if lock is not None:
            lock.release()
        raise


def _make_room(folder: Path, *, overwrite: bool) -> Path | None:
    """Check that a session can be made; one to be replaced is renamed, and its new name returned."""
    if "\0" in str(folder):
        raise SessionError(
            f"{str(folder)!r} has a character that is not allowed in paths; choose another name for the session."
        )
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
        raise SessionError(f"{folder} is already a session; open it, or allow it to be overwritten.")
    if others:
        raise SessionError(f"{folder} holds other files, such as {min(others)}; move them before it is overwritten.")
    SessionLock(folder).release()
    old = folder.with_name(f".{folder.name}.replaced")
    shutil.rmtree(old, ignore_errors=True)
    with writing(folder):
        move(folder, old)
    return old


def _is_ours(name: str) -> bool:
    """Whether a file is a copy of an older manifest, or one that file managers leave everywhere."""
    return name.startswith("session.schema-") or name in {".DS_Store", "Thumbs.db", "desktop.ini"}
