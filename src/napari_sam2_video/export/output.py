"""Write beside the target, then rename: the target is either unchanged or complete."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam2_video.errors import ExportError, TargetExistsError
from napari_sam2_video.export.format import json_text
from napari_sam2_video.frames.image import SUFFIXES
from napari_sam2_video.storage.atomic import move, sync_file, sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

PROVENANCE_NAME = "provenance.json"
LEFT_BY_SYSTEMS = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
PART_NUMBERS = count(1)
DISK_FULL = frozenset({errno.ENOSPC, errno.EFBIG, errno.EDQUOT})
SHORT_WRITE = re.compile(r"\d+ requested and \d+ written")


def part_path(target: Path, suffix: str = "") -> Path:
    """Temporary path for `target`: beside it, hidden, with a similar name and the same suffix; new for each call."""
    return target.with_name(f".{target.name}.part-{os.getpid()}-{next(PART_NUMBERS)}{suffix}")


def leftovers(target: Path) -> list[Path]:
    """Temporary files of unfinished (or running) exports to `target`."""
    return sorted(path for path in target.parent.iterdir() if path.name.startswith(f".{target.name}.part-"))


def stood_aside(target: Path) -> list[Path]:
    """Folders that were at `target` when an export was killed while replacing them."""
    return sorted(path for path in target.parent.iterdir() if path.name.startswith(f".{target.name}.older-"))


def disk_full(target: Path) -> ExportError:
    """The message for a full disk."""
    return ExportError(
        f"The disk is full, so {target.name} was not written and nothing in {target.parent} was changed; "
        "free some space or choose another place."
    )


def unwritable(target: Path, error: OSError) -> ExportError:
    """Message for a file system error; numpy reports a short write without an error number."""
    if error.errno in DISK_FULL or SHORT_WRITE.fullmatch(str(error)):
        return disk_full(target)
    reason = error.strerror or str(error)
    return ExportError(f"{target} cannot be written ({reason}); choose another place.")


def absolute_target(target: str | Path) -> Path:
    """Absolute path of a target, after checking that it can be created.

    Raises
    ------
    ExportError
        If it is a whole disk, or its name is not allowed.
    """
    path = Path(target).absolute()
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise unwritable(path, error) from error
    except ValueError:
        path = Path()
    if not path.name:
        raise ExportError(f"{str(target)!r} cannot be the name of an export; choose another name.")
    return path


def spare_recording(target: Path, source: Path | None) -> None:
    """Refuse a target that would replace the recording, or become one of its images.

    Raises
    ------
    ExportError
        If it would.
    """
    if source is None:
        return
    here, recording = Path(os.path.realpath(target)), Path(os.path.realpath(source))
    if here == recording or here in recording.parents:
        raise ExportError(f"{target} is the recording itself, which is never replaced; choose another name.")
    within = recording in here.parents and recording.is_dir()
    if within and (target.exists() or target.suffix.lower() in SUFFIXES):
        raise ExportError(
            f"{target} is in the folder of the recording and would become part of it; choose another folder."
        )


def files_below(folder: Path) -> list[str]:
    """Files and links to folders below a folder, by relative path."""
    found = []
    for here, folders, names in os.walk(folder):
        links = (name for name in folders if os.path.islink(os.path.join(here, name)))
        found += [Path(here, name).relative_to(folder).as_posix() for name in (*names, *links)]
    return sorted(found)


def statement_of(folder: Path) -> Path:
    """Path of the provenance of an exported folder: inside, or beside it."""
    inside = folder / PROVENANCE_NAME
    return inside if inside.exists() else folder.with_name(f"{folder.name}.{PROVENANCE_NAME}")


def foreign_file(folder: Path) -> str | None:
    """First file below an exported folder that the export did not make; None if there is none.

    Raises
    ------
    ExportError
        If the folder does not record what the export made.
    """
    try:
        made = json.loads(statement_of(folder).read_text(encoding="utf-8"))["files"]
        own = {PROVENANCE_NAME, *made}
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ExportError(
            f"The folder {folder} does not record which of its files were exported, so it is not replaced; choose "
            "another name."
        ) from None
    for path in files_below(folder):
        name = path.rpartition("/")[2]
        if path not in own and name not in LEFT_BY_SYSTEMS and not name.startswith("._"):
            return path
    return None


def check_target(target: Path, *, folder: bool, overwrite: bool) -> None:
    """Refuse a target that may not be replaced.

    A folder is replaced only if it is empty, or its provenance file lists all of its files as exported.

    Raises
    ------
    TargetExistsError
        If the target exists and may not be replaced.
    ExportError
        If it is never replaced, or its parent folder is missing.
    """
    if not target.parent.is_dir():
        raise ExportError(f"The folder {target.parent} does not exist; create it first or choose another place.")
    if not (target.exists() or target.is_symlink()):
        return
    if folder and target.is_dir():
        names = {entry.name for entry in target.iterdir()}
        if not names:
            return
        if not statement_of(target).exists():
            raise ExportError(
                f"The folder {target} holds files that no export wrote, so it is not replaced; choose another name."
            )
        foreign = foreign_file(target)
        if foreign is not None:
            raise ExportError(
                f"The folder {target} holds {foreign}, which no export wrote, so it is not replaced; move that file "
                "elsewhere or choose another name."
            )
    elif folder or target.is_dir():
        kind = "folder" if target.is_dir() else "file"
        raise ExportError(f"{target} is a {kind} and is not replaced; choose another name.")
    if not overwrite:
        raise TargetExistsError(f"{target} already exists; choose another name or allow it to be replaced.")


@contextmanager
def written_aside(target: Path, *, folder: bool = False, overwrite: bool = False, suffix: str = "") -> Iterator[Path]:
    """Yield a path to write to, and move it to the target when the block succeeds.

    Parameters
    ----------
    target : Path
        The file or folder to make.
    folder : bool
        Whether it is a folder, which is then created.
    overwrite : bool
        Whether an existing target may be replaced, which happens after the new one is complete.
    suffix : str
        Suffix that the path to write to must have.

    Raises
    ------
    TargetExistsError
        If the target exists and may not be replaced.
    ExportError
        If it is never replaced, or the file system refuses; the target is then unchanged.
    """
    part = part_path(target, suffix)
    try:
        check_target(target, folder=folder, overwrite=overwrite)
        remove(part)
        if folder:
            part.mkdir()
        yield part
        flush_tree(part)
        check_target(target, folder=folder, overwrite=overwrite)
        put_in_place(part, target, folder=folder)
    except OSError as error:
        raise unwritable(target, error) from error
    finally:
        with contextlib.suppress(OSError):
            remove(part)


def put_in_place(part: Path, target: Path, *, folder: bool) -> None:
    """Rename the finished `part`; an older folder is moved aside until the new one is in place."""
    if not (folder and target.exists()):
        move(part, target)
    else:
        older = target.with_name(f".{target.name}.older-{os.getpid()}")
        remove(older)
        move(target, older)
        try:
            move(part, target)
        except OSError:
            move(older, target)
            raise
        remove(older)
    sync_folder(target.parent)


def remove(path: Path) -> None:
    """Remove a file or folder of this export, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def flush_tree(path: Path) -> None:
    """Flush a file, or every file and folder below a folder."""
    if not path.is_dir():
        sync_file(path)
        return
    for folder, _, names in os.walk(path, topdown=False):
        for name in names:
            sync_file(Path(folder, name))
        sync_folder(Path(folder))


def write_json(path: Path, content: object) -> None:
    """Write JSON with plain numbers; values that JSON cannot hold become text."""
    path.write_text(json_text(content, 2) + "\n", encoding="utf-8")
