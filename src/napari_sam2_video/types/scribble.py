"""Scribbles: freehand strokes on an object or off it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self, TypeAlias

from napari_sam2_video.errors import PromptError
from napari_sam2_video.types.checks import flag, line_from_text, real, set_field, shown
from napari_sam2_video.types.prompt_base import BasePrompt, place_from_text

Corner: TypeAlias = tuple[float, float]
FORM = "ID@FRAME:Y,X Y,X ..."


@dataclass(frozen=True)
class ScribblePrompt(BasePrompt):
    """A stroke through the points ``(y, x)`` of `path`: on the object, or with ``positive=False`` off it."""

    kind: ClassVar[str] = "scribble"
    path: tuple[Corner, ...]
    positive: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        set_field(self, "path", _checked(self.path, self._where))
        set_field(self, "positive", flag(self.positive, f"positive of the scribble {self._where}", error=PromptError))

    @classmethod
    def from_text(cls, text: str, *, positive: bool = True) -> Self:
        """Scribble written as ``ID@FRAME:Y,X Y,X ...``.

        Raises
        ------
        PromptError
            If it is written in another way.
        """
        place, rest = place_from_text(text, FORM)
        path = line_from_text(rest)
        if path is None:
            raise PromptError(f'"{text}" is not a scribble; write it as {FORM}, with two or more points.')
        return cls(place.object_id, place.frame, tuple(path), positive, axis=place.axis)

    def to_json(self) -> dict[str, Any]:
        """The scribble as JSON values."""
        return super().to_json() | {"path": [list(corner) for corner in self.path]}

    def fitted(self, n_frames: int, shape_yx: tuple[int, int]) -> Self:
        """The scribble without the points of its path that lie outside the recording.

        Raises
        ------
        PromptError
            If fewer than two are left.
        """
        self._check_frame(n_frames)
        height, width = shape_yx
        inside = tuple((y, x) for y, x in self.path if -0.5 <= y <= height - 0.5 and -0.5 <= x <= width - 0.5)
        if len(inside) < 2:
            raise PromptError(
                f"The scribble {self._where} lies outside the image of {height} × {width} pixels; draw it inside."
            )
        return self if len(inside) == len(self.path) else replace(self, path=inside)


def _checked(path: Any, where: str) -> tuple[Corner, ...]:
    what = f"A point of the scribble {where}"
    try:
        corners = tuple((real(y, what, error=PromptError), real(x, what, error=PromptError)) for y, x in path)
    except (TypeError, ValueError) as error:
        raise PromptError(f"The path of the scribble {where} must be points (y, x), not {shown(path)}.") from error
    if len(corners) < 2:
        raise PromptError(f"The scribble {where} needs two or more points.")
    return corners
