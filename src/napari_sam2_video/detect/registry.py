"""Detectors by name: built-in ones, and those that other packages add by entry points."""

from __future__ import annotations

import re
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from napari_sam2_video.errors import DetectorError, Sam2VideoError

if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.metadata import EntryPoint
    from pathlib import Path

    from napari_sam2_video.detect.protocol import Detector, Examples

    Maker = Callable[[str, Examples | None, Path | None], Detector]

GROUP = "napari_sam2_video.detectors"


def detector_names() -> list[str]:
    """Names that `detector_from_text` knows: built-in ones first, then those of other packages."""
    return [*_MAKERS, *sorted(set(_added()) - set(_MAKERS))]


def detector_from_text(text: str, *, examples: Examples | None = None, folder: Path | None = None) -> Detector:
    """Detector written as ``NAME`` or ``NAME:WHAT``.

    Parameters
    ----------
    text : str
        Such as ``everything``, ``like:1,2,3``, ``labels:FILE``, ``text:"red cell"``, or the name of an entry point of
        the group ``napari_sam2_video.detectors``. An entry point is called with the text after the colon, or with
        nothing if there is none, and returns a `Detector`.
    examples : callable, optional
        Returns masks of the objects that ``like`` names.
    folder : Path, optional
        Where a relative path starts; the current folder if not given.

    Raises
    ------
    DetectorError
        If there is no such detector, or it cannot be made.
    """
    name, _, rest = text.strip().partition(":")
    name, rest = name.strip(), unquoted(rest)
    if name in _MAKERS:
        return _MAKERS[name](rest, examples, folder)
    added = _added()
    if name not in added:
        raise DetectorError(f"There is no detector {name!r}; choose one of {', '.join(detector_names())}.")
    try:
        detector: Detector = added[name].load()(*([rest] if rest else []))
    except Sam2VideoError:
        raise
    except Exception as error:
        raise DetectorError(
            f"The detector {name} of the package {_package(added[name])} cannot be made "
            f"({type(error).__name__}: {error}); update or remove that package."
        ) from error
    if not callable(getattr(detector, "detect", None)):
        raise DetectorError(
            f"The detector {name} of the package {_package(added[name])} has no method detect; update or remove that "
            "package."
        )
    return detector


def unquoted(text: str) -> str:
    """Text without the blanks and the quotes around it."""
    text = text.strip()
    quoted = re.fullmatch(r"\"([^\"]*)\"|'([^']*)'|“([^”]*)”", text)
    return text if quoted is None else next(part for part in quoted.groups() if part is not None).strip()


def _everything(rest: str, examples: Examples | None, folder: Path | None) -> Detector:
    from napari_sam2_video.detect.everything import Everything

    if rest:
        raise DetectorError(f"The detector everything takes no argument; omit {rest!r}.")
    return Everything()


def _labels(rest: str, examples: Examples | None, folder: Path | None) -> Detector:
    from napari_sam2_video.detect.labels import labels_from_text

    return labels_from_text(rest, folder)


def _like(rest: str, examples: Examples | None, folder: Path | None) -> Detector:
    from napari_sam2_video.detect.more_like_this import like_from_text

    return like_from_text(rest, examples)


def _text(rest: str, examples: Examples | None, folder: Path | None) -> Detector:
    from napari_sam2_video.detect.text import text_from_text

    return text_from_text(rest)


_MAKERS: dict[str, Maker] = {"everything": _everything, "like": _like, "labels": _labels, "text": _text}


def _added() -> dict[str, EntryPoint]:
    """Entry points of other packages by name."""
    return {point.name: point for point in entry_points(group=GROUP)}


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.value
