"""The base of all prompts: object, frame, and conversion from text and to JSON."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from napari_sam2_video.errors import PromptError
from napari_sam2_video.types.checks import from_file, real, set_field, shown, whole

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeVar

    P = TypeVar("P", bound="BasePrompt")

# Python converts no more than 4300 digits
_PLACE = re.compile(r"\s*(\d{1,99})\s*@\s*([A-Za-z]?)(\d{1,99})\s*:\s*(.+?)\s*", re.DOTALL)
_LETTER = re.compile(r"[A-Za-z]")
_HEAD = ("object_id", "frame", "axis")


@dataclass(frozen=True)
class BasePrompt:
    """The object and the frame of a prompt.

    Parameters
    ----------
    object_id : int
        The object, from 1.
    frame : int
        The frame, from 0; with `axis`, the number of the plane.
    axis : str, optional
        Axis of a volume that the plane is across, such as ``"Y"``, if it is not the one the session walks.

    Raises
    ------
    PromptError
        If a value is invalid.
    """

    kind: ClassVar[str]
    object_id: int
    frame: int
    axis: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        set_field(self, "object_id", whole(self.object_id, "The object id of a prompt", at_least=1, error=PromptError))
        set_field(self, "frame", whole(self.frame, f"The frame of {self._what}", at_least=0, error=PromptError))
        if self.axis is not None:
            if not isinstance(self.axis, str) or not _LETTER.fullmatch(self.axis):
                raise PromptError(f"The axis of {self._what} must be a letter such as Y, not {shown(self.axis)}.")
            set_field(self, "axis", self.axis.upper())

    @property
    def _what(self) -> str:
        return f"a {self.kind} prompt of object {self.object_id}"

    @property
    def _where(self) -> str:
        return f"of object {self.object_id} on {'frame' if self.axis is None else f'plane {self.axis}'} {self.frame}"

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Prompt from the result of `to_json`; raises KeyError, ValueError or TypeError for anything else."""
        given = {name: one for name, one in value.items() if name != "type"}
        return from_file(cls, given, {"object_id": "object"})

    def to_json(self) -> dict[str, Any]:
        """The prompt as JSON takes it."""
        own = [one.name for one in fields(self) if one.name not in _HEAD]
        return self._head() | {name: getattr(self, name) for name in own}

    def _head(self) -> dict[str, Any]:
        """The first fields in the JSON of every prompt."""
        axis = {} if self.axis is None else {"axis": self.axis}
        return {"object": self.object_id, **axis, "frame": self.frame, "type": self.kind}

    def _number(self, name: str) -> None:
        set_field(self, name, real(getattr(self, name), f"{name} of the {self.kind} {self._where}", error=PromptError))

    def _check_frame(self, n_frames: int) -> None:
        if self.frame >= n_frames:
            planes = "frames" if self.axis is None else "planes"
            raise PromptError(
                f"The {self.kind} {self._where} lies outside the recording, which has {planes} 0 to {n_frames - 1}."
            )


@dataclass(frozen=True)
class Place:
    """The content of ``ID@FRAME:`` or ``ID@AXISPLANE:``; see `BasePrompt`."""

    object_id: int
    frame: int
    axis: str | None


def place_from_text(text: str, form: str) -> tuple[Place, str]:
    """Place and rest from ``ID@FRAME:...``, or from ``ID@Y32:...`` for plane 32 across the axis Y.

    Raises
    ------
    PromptError
        If it is written in another way; the message shows the correct `form`.
    """
    found = _PLACE.fullmatch(text)
    if found is None or int(found[1]) < 1:
        raise PromptError(f'"{text}" is not a prompt; write it as {form}, with ids from 1 and frames from 0.')
    return Place(int(found[1]), int(found[3]), found[2] or None), found[4]


def numbers_from_text(text: str, count: int, form: str) -> tuple[Place, list[float]]:
    """Place and `count` numbers from ``ID@FRAME:N,N,...``.

    Raises
    ------
    PromptError
        If it is written in another way; the message shows the correct `form`.
    """
    place, rest = place_from_text(text, form)
    try:
        values = [float(part) for part in rest.split(",")]
    except ValueError:
        values = []
    if len(values) != count or not np.isfinite(values).all():
        raise PromptError(f'"{text}" is not a prompt; write it as {form}, with ids from 1 and frames from 0.')
    return place, values


def on_walk(prompt: P, walk_axis: str) -> P:
    """Prompt on the frames of a walk, without its axis.

    Raises
    ------
    PromptError
        If it lies on a plane across another axis.
    """
    if prompt.axis is None:
        return prompt
    if prompt.axis != walk_axis:
        raise PromptError(
            f"The {prompt.kind} prompt of object {prompt.object_id} lies on plane {prompt.axis} {prompt.frame}, which "
            f"is none of the planes across {walk_axis}; add it with add_prompts, or with add_prompt of the session's "
            "planes."
        )
    return replace(prompt, axis=None)
