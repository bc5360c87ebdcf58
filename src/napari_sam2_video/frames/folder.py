"""Folders of images, one a frame."""

from __future__ import annotations

import math
import os
import re
import threading
from collections import Counter, OrderedDict
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.errors import FrameError, RecordingError
from napari_sam2_video.frames.fingerprint import files_fingerprint
from napari_sam2_video.frames.image import SUFFIXES, ImageKind, probe_image, read_image
from napari_sam2_video.frames.reader import Reader
from napari_sam2_video.frames.recording import PlanesRecording
from napari_sam2_video.frames.tiff import is_tiff, open_tiff

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from napari_sam2_video.frames.recording import Recording

_SPREAD = 128
_OPEN_FILES = 4


def open_folder(path: Path) -> Recording:
    """Open a folder of images in the natural order of their names (2 before 10).

    Raises
    ------
    RecordingError
        If it holds no images, or they differ in size or type; the first that differs is named.
    """
    files, notes = image_files(path)
    with files[0].open("rb") as file:
        tiff = is_tiff(file.read(4))
    if tiff:
        return _TiffFolder(path, files, notes)
    return _ImageFolder(path, files, notes)


def image_files(folder: Path) -> tuple[list[Path], tuple[str, ...]]:
    """Images of a folder in natural order, and what is remarkable about their names.

    Raises
    ------
    RecordingError
        If there are none.
    """
    found = {name: SUFFIXES.get(os.path.splitext(name)[1].lower()) for name in os.listdir(folder) if name[0] != "."}
    kinds = Counter(kind for kind in found.values() if kind is not None)
    if not kinds:
        raise RecordingError(f"The folder {folder} holds no images and no OME-Zarr; choose the folder that does.")
    kind = kinds.most_common(1)[0][0]
    notes = []
    if len(kinds) > 1:
        others = ", ".join(f"{count} {other}" for other, count in kinds.most_common()[1:])
        notes.append(f"Only the {kinds[kind]} {kind} files of {folder.name} are used; left out: {others}.")
    names = sorted((name for name, its_kind in found.items() if its_kind == kind), key=natural_key)
    if names != sorted(names):
        notes.append("The names are sorted by their numbers (2 before 10), not letter by letter.")
    files = [folder / name for name in names]
    notes.extend(_gaps(files))
    return files, tuple(notes)


def natural_key(name: str) -> tuple[Any, ...]:
    """Sort key under which 2 comes before 10."""
    parts = re.split(r"(\d+)", name.lower())
    return (*((int(part), "") if n % 2 else (0, part) for n, part in enumerate(parts)), (0, name))


def _gaps(files: list[Path]) -> list[str]:
    numbered = [re.findall(r"\d+", item.stem) for item in files]
    if len({len(found) for found in numbered}) != 1 or not numbered[0]:
        return []
    moving = [n for n in range(len(numbered[0])) if len({int(found[n]) for found in numbered}) > 1]
    if len(moving) != 1:
        return []
    numbers = [int(found[moving[0]]) for found in numbered]
    steps = Counter(after - before for before, after in pairwise(numbers))
    usual = steps.most_common(1)[0][0]
    holes = [n for n in range(1, len(numbers)) if numbers[n] - numbers[n - 1] > usual > 0]
    if not holes:
        return []
    first = holes[0]
    more = f", and {len(holes) - 1} more" if len(holes) > 1 else ""
    return [
        f"There is a gap in the numbers between {files[first - 1].name} and {files[first].name}{more}; frames are "
        "counted by the files that exist."
    ]


class _ImageFolder(PlanesRecording):
    """PNG, JPEG and the like."""

    def __init__(self, path: Path, files: list[Path], notes: tuple[str, ...]) -> None:
        self._folder, self._files = path, files
        self._kind = probe_image(files[0])
        said = dict.fromkeys(self._kind.notes())
        for file in _spread(files):
            kind = probe_image(file)
            self._check(file, kind)
            said |= dict.fromkeys(kind.notes())
        self.plane_ndim = len(self._kind.shape)
        notes = (*notes, *said)
        axes = "TYXS" if self.plane_ndim == 3 else "TYX"
        super().__init__(
            name=path.name,
            axes=axes,
            shape=(len(files), *self._kind.shape),
            dtype=self._kind.dtype,
            path=path,
            notes=notes,
            metadata={"format": "folder", "first": files[0].name, "last": files[-1].name},
        )

    def _check(self, file: Path, kind: ImageKind) -> None:
        if kind != self._kind:
            raise RecordingError(
                f"{file} is {kind}, but {self._files[0].name} is {self._kind}; put only images of one size and type "
                "into the folder."
            )

    def _plane(self, number: int, rows: slice) -> npt.NDArray[Any]:
        file = self._files[number]
        try:
            return read_image(file, self._kind)[rows]
        except RecordingError as error:
            raise FrameError(f"Frame {number} cannot be read: {error}") from error

    def _source(self) -> dict[str, Any]:
        return files_fingerprint(self._folder, self._files)


class _TiffFolder(PlanesRecording):
    """TIFF files, each one plane or one stack."""

    def __init__(self, path: Path, files: list[Path], notes: tuple[str, ...]) -> None:
        self._folder, self._files = path, files
        self._lock = threading.Lock()
        self._opened: OrderedDict[int, Recording] = OrderedDict()
        with open_tiff(files[0]) as first:
            self._inner, self._type = (first.axes, first.shape), first.dtype
            for file in _spread(files):
                with open_tiff(file) as other:
                    self._check(file, other)
            self.plane_ndim = 3 if first.axes.endswith("S") else 2
            self._each = math.prod(first.shape[: -self.plane_ndim])
            axes = first.axes
            if "T" in axes:
                axes = axes.replace("T", "Z" if "Z" not in axes else "Q")
            super().__init__(
                name=path.name,
                axes="T" + axes,
                shape=(len(files), *first.shape),
                dtype=first.dtype,
                scale={letter: first.scale[letter] for letter in "ZYX" if letter in first.scale},
                units={letter: first.units[letter] for letter in "ZYX" if letter in first.units},
                path=path,
                notes=(*notes, *first.notes),
                metadata={"format": "folder", "first": files[0].name, "last": files[-1].name},
            )

    def _check(self, file: Path, other: Recording) -> None:
        if ((other.axes, other.shape), other.dtype) != (self._inner, self._type):
            raise RecordingError(
                f"{file} is {_size(other.shape)} {other.dtype}, but {self._files[0].name} is {_size(self._inner[1])} "
                f"{self._type}; put only images of one size and type into the folder."
            )

    def _plane(self, number: int, rows: slice) -> npt.NDArray[Any]:
        frame, inner = divmod(number, self._each)
        try:
            with self._lock:
                recording = self._open(frame)
                places = np.unravel_index(inner, recording.shape[: -self.plane_ndim])
                at = {letter: int(place) for letter, place in zip(recording.axes, places, strict=False)}
                return recording.read({**at, "Y": rows})
        except RecordingError as error:
            raise FrameError(f"Frame {frame} cannot be read: {error}") from error

    def _open(self, frame: int) -> Recording:
        if frame not in self._opened:
            recording = open_tiff(self._files[frame])
            self._opened[frame] = recording
            while len(self._opened) > _OPEN_FILES:
                self._opened.popitem(last=False)[1].close()
            self._check(self._files[frame], recording)
        self._opened.move_to_end(frame)
        return self._opened[frame]

    def _source(self) -> dict[str, Any]:
        return files_fingerprint(self._folder, self._files)

    def _close(self) -> None:
        with self._lock:
            for recording in self._opened.values():
                recording.close()
            self._opened.clear()


def _spread(files: list[Path]) -> list[Path]:
    """Files that are checked when a folder is opened: all of a small one, a hundred or two spread over a large one.

    The others are checked when they are read, so that opening takes no longer the longer the recording is.
    """
    return files[1 :: max(1, len(files) // _SPREAD)]


def _size(shape: tuple[int, ...]) -> str:
    return " × ".join(str(n) for n in shape)


READER = Reader(
    name="folder of images",
    patterns=(),
    matches=lambda head, path: head is None,
    open=lambda path, series: open_folder(path),
)
