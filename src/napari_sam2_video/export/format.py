"""What a format module is given and what it declares."""

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
    """One setting of a format: its name, kind, default, help sentence and, if it has any, the choices or the limits."""

    name: str
    kind: OptionKind
    default: Any
    help: str
    choices: tuple[str, ...] = ()
    limits: tuple[float, float] | None = None

    def convert(self, value: Any) -> Any:
        """Turn a value (or its text, as the command line has it) into the option's kind.

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
    """One export under way.

    Parameters
    ----------
    result : TrackingResult
        What to write.
    path : Path
        Where to write it now (aside; renamed to `target` when complete).
    target : Path
        Where it will be.
    options : mapping
        Every option of the format with its value.
    progress : callable
        Called with the steps done and their number.
    notes : list of str
        Sentences that a person should see.
    unreadable : collection of int
        Frames of the recording that could not be read so far.
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
        """Keep a sentence for the person, once."""
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
        """How the result was made, as JSON has it."""
        return json.loads(self.provenance_text())


@dataclass(frozen=True)
class ExportFormat:
    """A format: what the menu, the command line and the documentation say of it, and its writer.

    Parameters
    ----------
    name : str
        Short name, e.g. ``"ome-tiff"``.
    title : str
        Title for a menu.
    write : callable
        Writes an `ExportJob`.
    about : str
        What it holds and its conventions, one or two sentences.
    suffixes : tuple of str
        File name extensions; the first is the default. Most folders have none.
    kind : {"file", "folder"}
        What is written.
    options : tuple of ExportOption
        Its settings.
    max_id : int, optional
        Highest object id that it can hold.
    embeds_provenance : bool
        True where the file itself says how it was made; otherwise a JSON file beside it does.
    overlaps : bool
        True where objects that overlap stay whole, or no masks are written.
    whole : bool
        True where all frames are written if none are named, because its voxels are those of the source.
    sidecar : bool
        True where the provenance of a folder is beside it, because its readers would trip over it inside.
    enter : callable, optional
        Called with the target before anything is written: prepares the store of another program around it, and
        gives what registers it there once it is complete; None if the target is on its own.
    guess : bool
        Whether the suffix alone chooses this format.
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
    """Where the export is, what a person should know about it, and where its provenance is."""

    path: Path
    notes: tuple[str, ...] = ()
    provenance_path: Path | None = None

    def __fspath__(self) -> str:
        """Path of the export, so that a report can be used where a path can."""
        return str(self.path)


def json_text(content: object, indent: int | None = None) -> str:
    """JSON with letters as they are; what JSON cannot say becomes text, and what no file can hold as text is escaped.

    Paths may hold bytes that are no letters, which Python keeps as halves of a letter.
    """
    text = json.dumps(content, indent=indent, ensure_ascii=False, default=str)
    return NOT_IN_FILES.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def parse_color(value: Any) -> tuple[int, int, int]:
    """Colour as ``(r, g, b)`` of 0 to 255, from such a triple, ``"#rrggbb"``, ``"r,g,b"`` or a CSS name."""
    if isinstance(value, str):
        from PIL import ImageColor

        text = value.strip()
        value = text.split(",") if "," in text and not text.startswith("rgb") else ImageColor.getrgb(text)[:3]
    red, green, blue = (int(part) for part in value)
    if min(red, green, blue) < 0 or max(red, green, blue) > 255:
        raise ValueError(value)
    return red, green, blue


def parse_bool(value: Any) -> bool:
    """Truth value, also from ``"true"``, ``"yes"``, ``"1"`` and their opposites."""
    if not isinstance(value, str):
        return bool(value)
    text = value.strip().lower()
    if text not in YES_NO:
        raise ValueError(value)
    return YES_NO[text]


def parse_ids(value: Any) -> tuple[int, ...]:
    """Object ids from such a sequence or from text as ``"1,3-5"``."""
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
    """Import a library of the ``export`` extra, or say how to get it.

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
