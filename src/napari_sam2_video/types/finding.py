"""Settings of finding, and what is said in the meantime."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Self

from napari_sam2_video.errors import SettingsError
from napari_sam2_video.types.checks import frame_span, frame_span_from_text, real, set_field, whole


@dataclass(frozen=True)
class FindSettings:
    """On which frames a detector looks.

    Parameters
    ----------
    every : int
        It looks on every so many frames. Where it looks on every frame, its masks are those of the objects, and only
        what is missing has to be tracked; otherwise objects are tracked from what it finds.
    start, stop : int, optional
        First frame and the frame after the last one; the whole recording if not given.
    smallest_area : int
        What has fewer pixels on a frame is left out.

    Raises
    ------
    SettingsError
        If a value is invalid.
    """

    every: int = 1
    start: int | None = None
    stop: int | None = None
    smallest_area: int = 0

    def __post_init__(self) -> None:
        set_field(self, "every", whole(self.every, "The number after every", at_least=1))
        start, stop = frame_span(self.start, self.stop)
        set_field(self, "start", start)
        set_field(self, "stop", stop)
        set_field(self, "smallest_area", whole(self.smallest_area, "The smallest area", at_least=0))

    @classmethod
    def from_text(
        cls, every: str | None = None, range: str | None = None, smallest_area: str | int | None = None
    ) -> Self:
        """Settings written as a number, ``A:B`` and a number.

        Raises
        ------
        SettingsError
            If one is written in another way.
        """
        if every is not None and not every.strip().isdecimal():
            raise SettingsError(f"{every!r} is not a number of frames; write a whole number such as 5.")
        return cls(1 if every is None else int(every), *frame_span_from_text(range), area_from_text(smallest_area))

    def frames(self, n_frames: int) -> range:
        """Frames of a recording on which the detector looks.

        Raises
        ------
        SettingsError
            If they do not fit it.
        """
        first, last = self.start or 0, n_frames if self.stop is None else self.stop
        if last > n_frames or first >= last:
            raise SettingsError(
                f"The range {first}:{last} does not fit the recording, which has frames 0 to {n_frames - 1}."
            )
        return range(first, last, self.every)

    def to_json(self) -> dict[str, Any]:
        """The settings as JSON takes them."""
        return asdict(self)


def area_from_text(text: str | int | None) -> int:
    """A smallest area in pixels, 0 where none is given.

    Raises
    ------
    SettingsError
        If it is none.
    """
    written = str(text or 0).strip() or "0"
    if not written.isdecimal():
        raise SettingsError(f"{text!r} is no smallest area; write a number of pixels such as 20.")
    return int(written)


def score_limit(value: object) -> float:
    """A score from which on proposals are accepted, 0 to 1, as a number or as text.

    Raises
    ------
    SettingsError
        If it is none.
    """
    text = value.strip() if isinstance(value, str) else value
    try:
        found = float(text) if isinstance(text, str) else text
    except ValueError:
        found = text
    limit = real(found, "The score")
    if not 0 <= limit <= 1:
        raise SettingsError(f"The score must be between 0 and 1, not {limit:g}.")
    return limit


@dataclass(frozen=True)
class FindProgress:
    """Said while something is found.

    Parameters
    ----------
    frame : int
        The frame that the detector has looked at.
    found : int
        How many objects it found there; how many proposals there are when all is done.
    done, total : int
        Steps that are done, and their number.
    """

    frame: int
    found: int
    done: int
    total: int
