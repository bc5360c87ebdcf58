"""Settings and progress of finding objects."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Self

from napari_sam2_video.errors import SettingsError
from napari_sam2_video.types.checks import frame_span, frame_span_from_text, real, set_field, whole


@dataclass(frozen=True)
class FindSettings:
    """The frames that a detector looks at.

    Parameters
    ----------
    every : int
        Look at every Nth frame. With 1, the detector's masks are kept, and only missing ones are tracked; otherwise
        objects are tracked from its detections.
    start, stop : int, optional
        First frame and the frame after the last one; the whole recording if not given.
    smallest_area : int
        Detections with fewer pixels are dropped.

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
        """Frames of a recording that the detector looks at.

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
    """A smallest area in pixels; 0 if none is given.

    Raises
    ------
    SettingsError
        If it is invalid.
    """
    written = str(text or 0).strip() or "0"
    if not written.isdecimal():
        raise SettingsError(f"{text!r} is no smallest area; write a number of pixels such as 20.")
    return int(written)


def score_limit(value: object) -> float:
    """The lowest score to accept, 0 to 1, from a number or text.

    Raises
    ------
    SettingsError
        If it is invalid.
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
    """Progress of finding objects.

    Parameters
    ----------
    frame : int
        The frame that was looked at.
    found : int
        Number of objects found there; at the end, the number of proposals.
    done, total : int
        Number of steps done, and the total.
    """

    frame: int
    found: int
    done: int
    total: int
