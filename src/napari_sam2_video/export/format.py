"""What a format module receives and declares."""

from __future__ import annotations

import importlib
import json
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from napari_sam2_video.errors import ExportError

if TYPE_CHECKING:
    from types import ModuleType

    from napari_sam2_video.results import TrackingResult

Progress: TypeAlias = Callable[[int, int], None]
OptionKind: TypeAlias = Literal["int", "float", "bool", "str", "color", "path", "ids"]
MOST_IDS = 1_000_000
NOT_IN_FILES = re.compile("[\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True)
class ExportOption:
    """One option of a format: its name, kind, default, help text and, if any, choices or limits."""

    name: str
    kind: OptionKind
    default: Any
    help: str
    choices: tuple[str, ...] = ()
    limits: tuple[float, float] | None = None

    def convert(self, value: Any) -> Any:
        """Convert a value, or its text from the command line, to the option's kind.

        Raises
        ------
        ExportError
            If the value does not fit.
        """
        if value is None:
            return None
        try:
            converted = CONVERTERS[self.kind](value)
        except (ValueError, TypeError, OverflowError):
            raise ExportError(f"The option {self.name} cannot be {value!r}; it is {self.kind}: {self.help}.") from None
        if self.choices and converted not in self.choices:
            raise ExportError(f"The option {self.name} cannot be {value!r}; choose {', '.join(self.choices)}.")
        if self.limits is not None and not self.limits[0] <= converted <= self.limits[1]:
            low, high = (f"{end:g}" for end in self.limits)
            raise ExportError(
                f"The option {self.name} cannot be {value!r}; it must be between {low} and {high}: {self.help}."
            )
        return converted


@dataclass
class ExportJob:
    """An export in progress.

    Parameters
    ----------
    result : TrackingResult
        What to write.
    path : Path
        Where to write it now (aside; renamed to `target` when complete).
    target : Path
        Its final path.
    options : mapping
        All options of the format with their values.
    progress : callable
        Called with the number of steps done and the total.
    notes : list of str
        Notes for the user.
    unreadable : collection of int
        Frames of the recording that could not be read.
    """

    result: TrackingResult
    path: Path
    target: Path
    options: Mapping[str, Any] = field(default_factory=dict)
    progress: Progress = lambda done, total: None
    notes: list[str] = field(default_factory=list)
    unreadable: Collection[int] = ()

    def frames(self) -> Iterator[int]:
        """Indices of the frames to write, in order; progress is reported after each."""
        total = len(self.result.frames)
        for done, frame in enumerate(self.result.frames, start=1):
            yield frame
            self.progress(done, total)

    def note(self, sentence: str) -> None:
        """Add a note for the user, unless it is there already."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def stated(self) -> dict[str, Any]:
        """How the result was made, and which frames could not be read."""
        lost = {"unreadable_frames": sorted(self.unreadable)} if self.unreadable else {}
        return {**self.result.provenance, **lost}

    def provenance_text(self) -> str:
        """How the result was made, as one line of JSON."""
        return json_text(self.stated())

    def provenance(self) -> Any:
        """How the result was made, as JSON values."""
        return json.loads(self.provenance_text())


@dataclass(frozen=True)
class ExportFormat:
    """A format: its writer, and its description for the menu, the command line and the documentation.

    Parameters
    ----------
    name : str
        Short name, e.g. ``"ome-tiff"``.
    title : str
        Title for a menu.
    write : callable
        Writes an `ExportJob`.
    about : str
        Its content and conventions, in one or two sentences.
    suffixes : tuple of str
        File name extensions; the first is the default. Most folders have none.
    kind : {"file", "folder"}
        What is written.
    options : tuple of ExportOption
        Its options.
    max_id : int, optional
        Highest object id it can hold.
    embeds_provenance : bool
        True if the file contains its provenance; otherwise it is in a JSON file beside it.
    overlaps : bool
        True if overlapping objects stay complete, or no masks are written.
    whole : bool
        True if all frames are written by default, because its voxels match the source.
    sidecar : bool
        True if the provenance of a folder is beside it, because it would confuse readers inside.
    enter : callable, optional
        Called with the target before anything is written: prepares an existing store around it, and returns a function
        that registers the target there once it is complete; None for a target of its own.
    guess : bool
        Whether the suffix alone selects this format.
    group : str
        Heading in the menu; groups and formats are listed in the order of the registry.
    """

    name: str
    title: str
    write: Callable[[ExportJob], None]
    about: str
    suffixes: tuple[str, ...] = ()
    kind: Literal["file", "folder"] = "file"
    options: tuple[ExportOption, ...] = ()
    max_id: int | None = None
    embeds_provenance: bool = False
    overlaps: bool = False
    whole: bool = False
    sidecar: bool = False
    enter: Callable[[Path], Callable[[], None] | None] | None = None
    guess: bool = True
    group: str = "Masks for other programs"


@dataclass(frozen=True)
class ExportReport(os.PathLike[str]):
    """Path of the export, notes about it, and the path of its provenance."""

    path: Path
    notes: tuple[str, ...] = ()
    provenance_path: Path | None = None

    def __fspath__(self) -> str:
        """Path of the export, so that a report can be used as a path."""
        return str(self.path)


def json_text(content: object, indent: int | None = None) -> str:
    """JSON with unescaped Unicode; other values become text, and characters that no file can hold are escaped.

    Paths may hold bytes that are not valid text, which Python represents as lone surrogates.
    """
    text = json.dumps(content, indent=indent, ensure_ascii=False, default=str)
    return NOT_IN_FILES.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def parse_color(value: Any) -> tuple[int, int, int]:
    """Colour as ``(r, g, b)`` from 0 to 255, from such a triple, ``"#rrggbb"``, ``"r,g,b"`` or a CSS name."""
    if isinstance(value, str):
        from PIL import ImageColor

        text = value.strip()
        value = text.split(",") if "," in text and not text.startswith("rgb") else ImageColor.getrgb(text)[:3]
    red, green, blue = (int(part) for part in value)
    if min(red, green, blue) < 0 or max(red, green, blue) > 255:
        raise ValueError(value)
    return red, green, blue


def parse_bool(value: Any) -> bool:
    """Boolean, also from ``"true"``, ``"yes"``, ``"1"`` and their opposites."""
    if not isinstance(value, str):
        return bool(value)
    text = value.strip().lower()
    if text not in YES_NO:
        raise ValueError(value)
    return YES_NO[text]


def parse_ids(value: Any) -> tuple[int, ...]:
    """Object ids from a sequence, or from text such as ``"1,3-5"``."""
    if not isinstance(value, str):
        return tuple(int(part) for part in value)
    found: list[int] = []
    for part in value.split(","):
        first, dash, last = part.strip().partition("-")
        ids = range(int(first), int(last if dash else first) + 1)
        if not ids or len(found) + len(ids) > MOST_IDS:
            raise ValueError(value)
        found.extend(ids)
    return tuple(found)


YES_NO = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
CONVERTERS: Mapping[str, Callable[[Any], Any]] = {
    "int": int,
    "float": float,
    "bool": parse_bool,
    "str": str,
    "color": parse_color,
    "path": Path,
    "ids": parse_ids,
}


def need(module: str, format_name: str) -> ModuleType:
    """Import a library of the ``export`` extra, or say how to install it.

    Raises
    ------
    ExportError
        If the library is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ExportError(
            f"The format {format_name} needs the library {module.split('.')[0]}, which is not installed; "
            'install it with: pip install "napari-sam2-video[export]"'
        ) from error
