"""What every kind of prompt has: an object, a frame, and a way to be written as text and as JSON."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from napari_sam2_video.errors import PromptError
from napari_sam2_video.types.checks import from_file, real, set_field, whole

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeVar

    P = TypeVar("P", bound="BasePrompt")

# Python converts no more than 4300 digits
_PLACE = re.compile(r"\s*(\d{1,99})\s*@\s*(\d{1,99})\s*:\s*(.+?)\s*", re.DOTALL)


@dataclass(frozen=True)
class BasePrompt:
    """The object and the frame of a prompt.

    Raises
    ------
    PromptError
        If a value is invalid.
    """

    kind: ClassVar[str]
    object_id: int
    frame: int

    def __post_init__(self) -> None:
        set_field(self, "object_id", whole(self.object_id, "The object id of a prompt", at_least=1, error=PromptError))
        set_field(self, "frame", whole(self.frame, f"The frame of {self._what}", at_least=0, error=PromptError))

    @property
    def _what(self) -> str:
        return f"a {self.kind} prompt of object {self.object_id}"

    @property
    def _where(self) -> str:
        return f"of object {self.object_id} on frame {self.frame}"

    def _number(self, name: str) -> None:
        set_field(self, name, real(getattr(self, name), f"{name} of the {self.kind} {self._where}", error=PromptError))

    def _check_frame(self, n_frames: int) -> None:
        if self.frame >= n_frames:
            raise PromptError(
                f"The {self.kind} {self._where} lies outside the recording, which has the frames 0 to {n_frames - 1}."
            )


def place_from_text(text: str, form: str) -> tuple[int, int, str]:
    """Object, frame and the rest of ``ID@FRAME:...``.

    Raises
    ------
    PromptError
        If it is written in another way; the sentence shows the right `form`.
    """
    found = _PLACE.fullmatch(text)
    if found is None or int(found[1]) < 1:
        raise PromptError(f'"{text}" is not a prompt; write it as {form}, with ids from 1 and frames from 0.')
    return int(found[1]), int(found[2]), found[3]


def numbers_from_text(text: str, count: int, form: str) -> tuple[Any, ...]:
    """Object, frame and `count` numbers of ``ID@FRAME:N,N,...``.

    Raises
    ------
    PromptError
        If it is written in another way; the sentence shows the right `form`.
    """
    object_id, frame, rest = place_from_text(text, form)
    try:
        values = [float(part) for part in rest.split(",")]
    except ValueError:
        values = []
    if len(values) != count or not np.isfinite(values).all():
        raise PromptError(f'"{text}" is not a prompt; write it as {form}, with ids from 1 and frames from 0.')
    return (object_id, frame, *values)


def head_of(prompt: BasePrompt) -> dict[str, Any]:
    """What the JSON of every prompt begins with."""
    return {"object": prompt.object_id, "frame": prompt.frame, "type": prompt.kind}


def made_of(make: type[P], value: Mapping[str, Any]) -> P:
    """Prompt of a kind from its JSON; raises ValueError for anything else."""
    return from_file(make, {name: one for name, one in value.items() if name != "type"}, {"object_id": "object"})
