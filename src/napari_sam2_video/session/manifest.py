"""``session.json``: the recording that a session belongs to, and how it is viewed."""

from __future__ import annotations

import json
import os
import stat
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam2_video import __version__
from napari_sam2_video.errors import RecordingError, SessionError, SessionVersionError, SourceChangedError
from napari_sam2_video.frames.fingerprint import same_source
from napari_sam2_video.frames.reopen import described, open_described
from napari_sam2_video.session.kept_source import LostRecording, kept_array
from napari_sam2_video.storage.atomic import reading, replace_file
from napari_sam2_video.types import ViewSettings

if TYPE_CHECKING:
    from napari_sam2_video.frames.recording import Recording
    from napari_sam2_video.frames.view import FrameView

NAME = "session.json"
FORMAT = "napari-sam2-video session"
SCHEMA = 1


def new_manifest(folder: Path, view: FrameView) -> dict[str, Any]:
    """Manifest of a new session."""
    return {
        "format": FORMAT,
        "schema": SCHEMA,
        "software": __version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "source": describe_source(folder, view.recording),
        "view": view.settings.to_json(),
        "n_frames": view.n_frames,
        "shape_yx": list(view.shape_yx),
    }


def describe_source(folder: Path, recording: Recording) -> dict[str, Any]:
    """Description of a recording, with its path both absolute and relative to the session."""
    path = None if recording.path is None else Path(recording.path).absolute()
    relative = None
    if path is not None:
        try:
            relative = Path(os.path.relpath(path, folder.absolute())).as_posix()
        except ValueError:
            relative = None
    return {
        "path": None if path is None else str(path),
        "relative": relative,
        **described(recording),
        "fingerprint": plain(recording.fingerprint()),
    }


def plain(value: Any) -> Any:
    """Value as it would come back from JSON."""
    return json.loads(json.dumps(value, default=str))


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Write ``session.json`` atomically."""
    replace_file(folder / NAME, json.dumps(manifest, indent=1, allow_nan=False).encode())


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read ``session.json``.

    Raises
    ------
    SessionVersionError
        If a newer version wrote it.
    SessionError
        If it is missing or damaged.
    """
    path = folder / NAME
    try:
        if not path.is_file():
            raise SessionError(f"{folder} is not a session: it has no {NAME}; choose a folder that ends with .sam2v.")
        manifest = json.loads(path.read_bytes())
        json.dumps(manifest, allow_nan=False)
        if manifest["format"] != FORMAT:
            raise ValueError("another format")
        schema = manifest["schema"]
        if not isinstance(schema, int) or schema < 0:
            raise ValueError("no schema")
    except OSError as error:
        raise SessionError(f"{path} cannot be read: {error.strerror}; check its permissions.") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise SessionError(f"{path} is damaged; restore it from a copy.") from error
    if schema > SCHEMA:
        raise SessionVersionError(
            f"{folder} was written by a newer version of napari-sam2-video ({manifest.get('software', 'unknown')}); "
            f"this is {__version__}: update it to open the session."
        )
    return manifest  # type: ignore[no-any-return]


def migrate(folder: Path, manifest: dict[str, Any]) -> dict[str, Any]:
    """Convert the manifest of an older version to the current one, keeping a copy beside it."""
    old = int(manifest["schema"])
    if old == SCHEMA:
        return manifest
    with reading(folder / NAME):
        data = (folder / NAME).read_bytes()
    replace_file(folder / f"session.schema-{old}.json", data)
    try:
        for step in range(old, SCHEMA):
            manifest = _MIGRATIONS[step](dict(manifest))
    except (AttributeError, KeyError, TypeError) as error:
        raise SessionError(f"{folder / NAME} is damaged; restore it from a copy.") from error
    manifest["schema"] = SCHEMA
    manifest["software"] = __version__
    write_manifest(folder, manifest)
    return manifest


def _from_0(manifest: dict[str, Any]) -> dict[str, Any]:
    """Schema 0, of versions before the first release, named the source's absolute path only."""
    manifest["source"].setdefault("relative", None)
    return manifest


_MIGRATIONS = {0: _from_0}


def view_of(manifest: dict[str, Any]) -> ViewSettings:
    """View described in a manifest; raises KeyError, TypeError or ValueError if it is damaged."""
    return ViewSettings.from_json(manifest["view"])


def find_source(folder: Path, manifest: dict[str, Any], *, read_only: bool = False) -> Recording:
    """Open the recording of a session by its path relative to the session, its absolute path, or beside the session.

    With `read_only`, an array in memory that was not kept becomes a recording whose pixels cannot be read.

    Raises
    ------
    SourceChangedError
        If it is gone, or is a different one.
    """
    source = manifest["source"]
    if source["path"] is None:
        kept = kept_array(folder)
        if kept is not None:
            recording = open_described(kept, source)
            check_source(folder, manifest, recording)
            return recording
        if read_only:
            return LostRecording(source)
        raise SourceChangedError(
            f"{folder} was made from an array in memory ({source['name']}); give that array to open the session."
        )
    places = [Path(os.path.normpath(folder.absolute() / source["relative"]))] if source["relative"] else []
    known = Path(source["path"])
    found = [path for path in dict.fromkeys((*places, known, folder.absolute().parent / known.name)) if _is_plain(path)]
    if not found:
        raise SourceChangedError(
            f"The recording {known} of {folder} is missing; put it beside the session, or give its new path."
        )
    refusal: RecordingError | None = None
    for path in found:
        with ExitStack() as opened:
            try:
                recording = opened.enter_context(open_described(path, source))
                check_source(folder, manifest, recording)
            except RecordingError as error:
                refusal = error
                continue
            opened.pop_all()
            return recording
    assert refusal is not None
    raise SourceChangedError(str(refusal)) from refusal


def check_source(folder: Path, manifest: dict[str, Any], recording: Recording) -> None:
    """Refuse a recording that is not the session's.

    Raises
    ------
    SourceChangedError
        If its fingerprint differs.
    """
    source = manifest["source"]
    if not same_source(source["fingerprint"], plain(recording.fingerprint())):
        where = recording.path if recording.path is not None else recording.name
        raise SourceChangedError(
            f"{where} is not the recording that {folder} was made from, or has changed since; "
            "say where the original is, or make a new session."
        )


def _is_plain(path: Path) -> bool:
    """Whether it is a file or a folder, not a device or a pipe."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)
