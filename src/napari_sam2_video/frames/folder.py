"""Folders of images, and lists of files: which of them make one recording."""

from __future__ import annotations

import os
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam2_video.errors import RecordingError
from napari_sam2_video.frames.file_names import arrange_names, natural_key
from napari_sam2_video.frames.file_stack import FileStack, Pictures, Recordings
from napari_sam2_video.frames.image import SUFFIXES, is_image, open_image
from napari_sam2_video.frames.reader import HEAD_BYTES, Reader
from napari_sam2_video.frames.tiff import NDTIFF_INDEX, described_files, is_tiff, open_tiff

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_sam2_video.frames.file_stack import FileContents
    from napari_sam2_video.frames.recording import Recording

_MOST_GROUPS = 32
_MOST_DAMAGED = 16
_LOOKED_AT = 64


def open_folder(path: Path, series: int | str | None = None) -> Recording:
    """Open a folder of images in the natural order of their names (2 before 10).

    TIFF files that refer to one another, and single files, are opened like a file. Names that vary in several parts,
    such as ``_t00_ch00``, make several axes.

    Parameters
    ----------
    path : Path
        The folder.
    series : int or str, optional
        Which recording, if the folder holds TIFF files of several.

    Raises
    ------
    RecordingError
        If it holds no images, several recordings, or images that differ in size or type; the first that differs is
        named.
    """
    files, notes = image_files(path)
    tiff = any(map(_is_tiff, files[:_MOST_DAMAGED]))
    if tiff and (path / NDTIFF_INDEX).is_file():
        return open_tiff(files[0], series)
    if tiff:
        groups = _described_groups(files)
        if len(groups) > 1:
            return _chosen(path, groups, series)
        if len(groups) == 1 or len(files) == 1:
            return open_tiff(groups[0][0] if groups else files[0], series)
    if series not in (None, 0):
        raise RecordingError(f"The folder {path} holds one series; leave out series {series!r}.")
    if len(files) == 1:
        return open_image(files[0])
    found = arrange_names([file.name for file in files])
    contents = _contents(files, open_tiff if tiff else None)
    return FileStack(
        [None if name is None else path / name for name in found.names],
        contents,
        found.axes,
        found.lengths,
        path=path,
        name=path.name,
        notes=(*notes, *found.notes),
        metadata={"channels": list(found.channels)} if found.channels else None,
    )


def open_files(files: Sequence[str | Path], opener: Callable[[Path], Recording]) -> Recording:
    """Open a list of files as one recording, one frame or stack each, in the order of the list.

    Parameters
    ----------
    files : sequence of str or Path
        The files.
    opener : callable
        Opens a file that is not an image.

    Raises
    ------
    RecordingError
        If one is missing, or they differ in size or type.
    """
    paths = [Path(file) for file in files]
    missing = next((path for path in paths if not path.is_file()), None)
    if missing is not None:
        raise RecordingError(f"There is no file {missing}; check the name.")
    with paths[0].open("rb") as file:
        picture = is_image(file.read(HEAD_BYTES))
    contents = _contents(paths, None if picture else opener)
    return FileStack(paths, contents, "T", (len(paths),), path=None, name=paths[0].parent.absolute().name)


def image_files(folder: Path) -> tuple[list[Path], tuple[str, ...]]:
    """Images in a folder, in natural order, and notes about them.

    Raises
    ------
    RecordingError
        If there are none.
    """
    found = {name: SUFFIXES.get(os.path.splitext(name)[1].lower()) for name in os.listdir(folder) if name[0] != "."}
    kinds = Counter(kind for kind in found.values() if kind is not None)
    if not kinds:
        inner = sorted((entry.name for entry in folder.iterdir() if _holds_images(entry)), key=natural_key)[:5]
        choose = (
            f"open one of the folders in it, such as {', '.join(inner)}" if inner else "choose the folder that does"
        )
        raise RecordingError(f"The folder {folder} holds no images and no OME-Zarr; {choose}.")
    kind = kinds.most_common(1)[0][0]
    notes = []
    if len(kinds) > 1:
        others = ", ".join(f"{count} {other}" for other, count in kinds.most_common()[1:])
        notes.append(f"Only the {kinds[kind]} {kind} files of {folder.name} are used; left out: {others}.")
    names = sorted((name for name, its_kind in found.items() if its_kind == kind), key=natural_key)
    if names != sorted(names):
        notes.append("The names are sorted by their numbers (2 before 10), not letter by letter.")
    return [folder / name for name in names], tuple(notes)


def _holds_images(folder: Path) -> bool:
    if not folder.is_dir() or folder.name.startswith("."):
        return False
    with os.scandir(folder) as entries:
        return any(os.path.splitext(entry.name)[1].lower() in SUFFIXES for entry in islice(entries, _LOOKED_AT))


def _contents(files: Sequence[Path], opener: Callable[[Path], Recording] | None) -> FileContents:
    """How to read the files, decided by the first readable one; without an opener they are images."""
    refusal: RecordingError | None = None
    for file in files[:_MOST_DAMAGED]:
        try:
            return Pictures(file) if opener is None else Recordings(file, opener)
        except RecordingError as error:
            refusal = refusal or error
    assert refusal is not None
    raise refusal


def _is_tiff(file: Path) -> bool:
    with file.open("rb") as stream:
        return is_tiff(stream.read(4))


def _described_groups(files: list[Path]) -> list[tuple[Path, tuple[str, ...]]]:
    """Recordings whose files refer to one another: the file that describes each, and the names of all; else none."""
    groups: list[tuple[Path, tuple[str, ...]]] = []
    left = {file.name: file for file in files}
    while left and len(groups) < _MOST_GROUPS:
        try:
            main, names = described_files(next(iter(left.values())))
        except RecordingError:
            left.pop(next(iter(left)))
            continue
        if len(names) < 2 and not groups:
            return []
        groups.append((main, names))
        for name in (*names, main.name, next(iter(left))):
            left.pop(name, None)
    return groups


def _chosen(path: Path, groups: list[tuple[Path, tuple[str, ...]]], series: int | str | None) -> Recording:
    named = "; ".join(f"{n}: {main.name}, {len(names)} files" for n, (main, names) in enumerate(groups[:8]))
    if series is None:
        raise RecordingError(
            f"The folder {path} holds {len(groups)} recordings ({named}); open one of these files, or choose one with "
            "series, for instance --series 0."
        )
    fitting = [main for n, (main, _) in enumerate(groups) if series in (n, main.name)]
    if not fitting:
        raise RecordingError(f"The folder {path} has no series {series!r}; choose one of {named}.")
    return open_tiff(fitting[0])


READER = Reader(
    name="folder of images",
    patterns=(),
    matches=lambda head, path: head is None,
    open=open_folder,
    has_series=True,
)
