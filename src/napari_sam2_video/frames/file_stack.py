"""One recording made of many files, each a plane or a stack."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_sam2_video.errors import FrameError, RecordingError
from napari_sam2_video.frames.fingerprint import files_fingerprint
from napari_sam2_video.frames.image import ImageKind, probe_image, read_image
from napari_sam2_video.frames.planes_recording import PlanesRecording

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from napari_sam2_video.frames.recording import Recording

_SPREAD = 128
_OPEN_FILES = 4
_MOST_NOTES = 5
_PROGRAM_FORMATS = ("tiff", "npy", "zarr")
"""Formats whose axes are guessed."""


class FileContents(Protocol):
    """What each file of a stack holds, and how it is read."""

    axes: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def check(self, file: Path) -> tuple[str, ...]:
        """Notes from the header of a file; raises `RecordingError` if the file does not match the first."""
        ...

    def plane(self, file: Path, place: int, rows: slice) -> npt.NDArray[Any]:
        """Rows of plane `place` of a file; raises `RecordingError`."""
        ...

    def close(self) -> None:
        """Close open files."""
        ...


class Pictures:
    """PNG, JPEG and the like: one plane each."""

    def __init__(self, first: Path) -> None:
        self._first, self._kind = first, probe_image(first)
        self.axes = "YXS" if len(self._kind.shape) == 3 else "YX"
        self.shape, self.dtype = self._kind.shape, self._kind.dtype

    def check(self, file: Path) -> tuple[str, ...]:
        """See `FileContents`."""
        kind: ImageKind = probe_image(file)
        if kind != self._kind:
            raise _differs(file, str(kind), self._first, str(self._kind))
        return kind.notes()

    def plane(self, file: Path, place: int, rows: slice) -> npt.NDArray[Any]:
        """See `FileContents`."""
        return read_image(file, self._kind)[rows]

    def close(self) -> None:
        """See `FileContents`."""


class Recordings:
    """Files that are recordings themselves, such as TIFF stacks."""

    def __init__(self, first: Path, opener: Callable[[Path], Recording]) -> None:
        self._first, self._opener = first, opener
        self._lock = threading.Lock()
        self._opened: OrderedDict[Path, Recording] = OrderedDict()
        with opener(first) as recording:
            self.axes, self.shape, self.dtype = recording.axes, recording.shape, recording.dtype
            self.scale, self.units, self.format = recording.scale, recording.units, recording.metadata.get("format")

    @property
    def times_are_meant(self) -> bool:
        """Whether the axis ``T`` of a file is declared as time, and not only guessed."""
        return "T" in self.axes and (self.units["T"] is not None or self.format not in _PROGRAM_FORMATS)

    def check(self, file: Path) -> tuple[str, ...]:
        """See `FileContents`."""
        with self._opener(file) as recording:
            self._compare(file, recording)
            return recording.notes

    def plane(self, file: Path, place: int, rows: slice) -> npt.NDArray[Any]:
        """See `FileContents`."""
        with self._lock:
            recording = self._open(file)
            lengths = [n for letter, n in zip(recording.axes, recording.shape, strict=True) if letter not in "YXS"]
            leading = [letter for letter in recording.axes if letter not in "YXS"]
            at = dict(zip(leading, map(int, np.unravel_index(place, lengths)), strict=True)) if leading else {}
            return recording.read({**at, "Y": rows})

    def close(self) -> None:
        """See `FileContents`."""
        with self._lock:
            while self._opened:
                self._opened.popitem()[1].close()

    def _open(self, file: Path) -> Recording:
        if file not in self._opened:
            recording = self._opener(file)
            self._opened[file] = recording
            while len(self._opened) > _OPEN_FILES:
                self._opened.popitem(last=False)[1].close()
            self._compare(file, recording)
        self._opened.move_to_end(file)
        return self._opened[file]

    def _compare(self, file: Path, recording: Recording) -> None:
        found, first = (recording.axes, recording.shape, recording.dtype), (self.axes, self.shape, self.dtype)
        if found != first:
            named = found[0] != first[0]
            raise _differs(file, _described(*found, named), self._first, _described(*first, named))


class FileStack(PlanesRecording):
    """A recording made of files.

    Parameters
    ----------
    files : sequence of (Path or None)
        One for each position of the leading axes in C order; None if it is missing.
    contents : FileContents
        What each file holds.
    axes, lengths : str, tuple of int
        The leading axes, which count files.
    path : Path, optional
        The folder; None for a list of files.
    name : str
        Its name.
    notes : tuple of str
        Notes for the user.
    metadata : mapping
        Further metadata.
    """

    def __init__(
        self,
        files: Sequence[Path | None],
        contents: FileContents,
        axes: str,
        lengths: tuple[int, ...],
        *,
        path: Path | None,
        name: str,
        notes: tuple[str, ...] = (),
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self._files, self._contents, self._lengths = list(files), contents, lengths
        present = [file for file in files if file is not None]
        remarks = _checked(contents, present[:: max(1, len(present) // _SPREAD)])
        inner = contents.axes
        self.plane_ndim = 3 if inner.endswith("S") else 2
        self._each = math.prod(contents.shape[: -self.plane_ndim])
        scale: dict[str, float | None] = dict(getattr(contents, "scale", {}))
        units: dict[str, str | None] = dict(getattr(contents, "units", {}))
        if "T" in inner and "T" in axes:
            if isinstance(contents, Recordings) and contents.times_are_meant:
                axes = axes.replace("T", next(letter for letter in "PRQ" if letter not in axes + inner))
            else:
                inner = inner.replace("T", next(letter for letter in "ZQRA" if letter not in axes + inner))
                scale.pop("T", None)
        for letter in set(inner) & set(axes):
            inner = inner.replace(letter, next(one for one in "QRAHEFG" if one not in axes + inner))
        super().__init__(
            name=name,
            axes=axes + inner,
            shape=(*lengths, *contents.shape),
            dtype=contents.dtype,
            scale={letter: size for letter, size in scale.items() if letter in inner},
            units=units,
            path=path,
            notes=(*notes, *remarks),
            metadata={"format": "folder", "first": present[0].name, "last": present[-1].name, **(metadata or {})},
        )

    def read_as(self, contents: FileContents) -> FileStack:
        """The same files, read in another way."""
        axes = self.axes[: len(self._lengths)]
        return FileStack(self._files, contents, axes, self._lengths, path=self.path, name=self.name)

    def _plane(self, number: int, rows: slice) -> npt.NDArray[Any]:
        place, within = divmod(number, self._each)
        file = self._files[place]
        if file is None:
            raise FrameError(f"{self._called(place)} of {self.name} is missing: there is no file for it; put it back.")
        try:
            return self._contents.plane(file, within, rows)
        except RecordingError as error:
            raise FrameError(f"{self._called(place)} cannot be read: {error}") from error

    def _called(self, place: int) -> str:
        """The position of a file in words: frame 3, or T 1, C 0."""
        if len(self._lengths) == 1:
            return f"Frame {place}"
        at = zip(self.axes, np.unravel_index(place, self._lengths), strict=False)
        return ", ".join(f"{letter} {n}" for letter, n in at)

    def file_of(self, axis: str, position: int) -> str | None:
        """Name of the file that holds one position along an axis and nothing else; None if there is none."""
        file = self._files[position] if len(self._lengths) == 1 and axis == self.axes[0] else None
        return None if file is None else file.name

    def _source(self) -> dict[str, Any]:
        present = [file for file in self._files if file is not None]
        return files_fingerprint(self.path or present[0].parent, present)

    def _close(self) -> None:
        self._contents.close()


class _MismatchError(RecordingError):
    """A file does not match the others."""


def _checked(contents: FileContents, files: Sequence[Path]) -> list[str]:
    """Notes about files; a file that cannot be read only affects its own frame.

    Raises
    ------
    RecordingError
        If one does not match the others.
    """
    remarks: dict[str, None] = {}
    damaged = []
    for file in files:
        try:
            remarks |= dict.fromkeys(contents.check(file))
        except _MismatchError:
            raise
        except RecordingError:
            damaged.append(file.name)
    notes = list(remarks)[:_MOST_NOTES]
    if damaged:
        named = ", ".join(damaged[:3]) + (f" and {len(damaged) - 3} more" if len(damaged) > 3 else "")
        notes.append(f"{named} cannot be read; the other frames can. Copy or write them again.")
    return notes


def _differs(file: Path, found: str, first: Path, expected: str) -> RecordingError:
    return _MismatchError(f"{file} is {found}, but {first.name} is {expected}; use only images of one size and type.")


def _described(axes: str, shape: tuple[int, ...], dtype: np.dtype[Any], named: bool) -> str:
    return f"{f'{axes} ' if named else ''}{' × '.join(str(n) for n in shape)} {dtype}"
