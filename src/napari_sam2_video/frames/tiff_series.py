"""Choose the image series of a TIFF, and list its pages."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_sam2_video.errors import RecordingError, SeveralSeriesError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    _Numbered = Sequence[tuple[int, Any]]


@dataclass(frozen=True)
class Chosen:
    """The series that was chosen.

    Parameters
    ----------
    number : int
        Its index in the file, from 0.
    series : tifffile.TiffPageSeries
        Its first part, if single images were joined.
    axes, shape : str, tuple of int
        As tifffile names them.
    pages : sequence of tifffile.TiffPage
        One for each plane; None if a page is missing.
    joined : bool
        Whether it is made of single images that are separate series in the file.
    notes : tuple of str
        Notes for the user about the choice.
    """

    number: int
    series: Any
    axes: str
    shape: tuple[int, ...]
    pages: Sequence[Any]
    joined: bool = False
    notes: tuple[str, ...] = ()


def choose_series(path: Path, file: Any, wanted: int | str | None) -> Chosen:
    """Choose a series: the one asked for, or the only plausible one.

    Raises
    ------
    RecordingError
        If there is no series, several are plausible, or the one asked for does not exist.
    """
    found = list(enumerate(file.series))
    if not found:
        raise RecordingError(f"{path} holds no image; choose another file.")
    if wanted is not None:
        return _asked_for(path, found, wanted)
    full = [(number, one) for number, one in found if not one.keyframe.is_reduced] or found
    if len(full) == 1:
        return _whole(*full[0])
    moving = [(number, one) for number, one in full if _frames(one) > 1]
    number, first = (moving or full)[0]
    alike = all((one.shape, one.dtype, one.axes) == (first.shape, first.dtype, first.axes) for _, one in full)
    if len(moving) > 1 or (alike and first.kind == "ome"):
        raise SeveralSeriesError(
            f"{path} holds {len(full)} image series ({_described(full)}); choose one with series, for instance "
            f"--series {number}.",
            [one for one, _ in full],
        )
    if moving:
        return _whole(number, first, _used(path, found, number, "the only one with several frames"))
    if alike:
        pages = [page for _, one in full for page in one.pages]
        note = f"{path.name} holds {len(full)} single images of one size: they are the frames of one recording."
        return Chosen(number, first, "I" + first.axes, (len(full), *first.shape), pages, joined=True, notes=(note,))
    number, largest = max(full, key=lambda pair: math.prod(pair[1].shape))
    return _whole(number, largest, _used(path, found, number, "the largest image"))


def _described(found: _Numbered) -> str:
    named = [
        f"{number}{f' {one.name!r}' if one.name else ''}: {one.axes} {' × '.join(map(str, one.shape))}"
        for number, one in found[:8]
    ]
    return "; ".join(named) + ("; …" if len(found) > 8 else "")


def _asked_for(path: Path, found: _Numbered, wanted: int | str) -> Chosen:
    fitting = [(number, one) for number, one in found if wanted in (number, one.name)]
    if len(fitting) != 1:
        raise RecordingError(f"{path} has no series {wanted!r}; choose one of {_described(found)}.")
    return _whole(*fitting[0])


def _whole(number: int, series: Any, *notes: str) -> Chosen:
    return Chosen(number, series, series.axes, tuple(series.shape), series.pages, notes=notes)


def _frames(series: Any) -> int:
    """Number of frames along a walked axis."""
    return math.prod(n for letter, n in zip(series.axes, series.shape, strict=True) if letter not in "CYXS")


def _used(path: Path, found: _Numbered, number: int, why: str) -> str:
    return (
        f"{path.name} holds {len(found)} image series ({_described(found)}): series {number}, {why}, is used; choose "
        "another one with series."
    )
