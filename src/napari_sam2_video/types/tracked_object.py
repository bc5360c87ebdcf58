"""A tracked object: its id, name, colour and parent."""

from __future__ import annotations

import colorsys
import re
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from napari_sam2_video.errors import SettingsError

UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True)
class TrackedObject:
    """One object.

    Parameters
    ----------
    id : int
        From 1; never changes.
    name : str
        Its name; characters that a format cannot hold are replaced.
    color : tuple of int
        Red, green and blue from 0 to 255.
    parent : int, optional
        Object it came from.
    parent_frame : int, optional
        First frame on which it is separate from its parent.
    locked : bool
        True if neither runs nor strokes may change it.
    """

    id: int
    name: str
    color: tuple[int, int, int]
    parent: int | None = None
    parent_frame: int | None = None
    locked: bool = False

    def __post_init__(self) -> None:
        """Replace characters of the name that some format cannot hold."""
        if not isinstance(self.name, str):
            raise SettingsError(f"The name of object {self.id} must be text, not {self.name!r}.")
        object.__setattr__(self, "name", printable(self.name))

    def to_json(self) -> dict[str, Any]:
        """Form in the journal, without the id."""
        return {key: value for key, value in asdict(self).items() if key != "id"}


def printable(text: str) -> str:
    """Text without line breaks, and with a mark in place of every character that XML or UTF-8 cannot hold."""
    return UNPRINTABLE.sub("\ufffd", re.sub(r"[\t\n\r]", " ", text))


def default_color(object_id: int) -> tuple[int, int, int]:
    """Bright colour for an id; neighbouring ids differ most."""
    red, green, blue = colorsys.hsv_to_rgb((object_id * 0.618034) % 1.0, 0.75, 1.0)
    return round(red * 255), round(green * 255), round(blue * 255)


def label_dtype(max_id: int) -> np.dtype[Any]:
    """Smallest unsigned dtype that holds `max_id`."""
    return np.dtype(np.uint8 if max_id <= 0xFF else np.uint16 if max_id <= 0xFFFF else np.uint32)
