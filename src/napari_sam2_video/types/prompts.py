"""Prompts: points, boxes and masks of one object on one frame."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias

import numpy as np

from napari_sam2_video.errors import PromptError
from napari_sam2_video.types.checks import flag, from_file, real, set_field, shown, whole

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeVar

    import numpy.typing as npt

    P = TypeVar("P", bound="_Prompt")

# Python converts no more than 4300 digits
_PLACE = re.compile(r"\s*(\d{1,99})\s*@\s*(\d{1,99})\s*:\s*(.+?)\s*", re.DOTALL)


@dataclass(frozen=True)
class _Prompt:
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


@dataclass(frozen=True)
class PointPrompt(_Prompt):
    """A click at ``(y, x)``: on the object, or with ``positive=False`` beside it."""

    kind: ClassVar[str] = "point"
    y: float
    x: float
    positive: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self._number("y")
        self._number("x")
        set_field(self, "positive", flag(self.positive, f"positive of the point {self._where}", error=PromptError))

    @classmethod
    def from_text(cls, text: str, *, positive: bool = True) -> Self:
        """Point written as ``ID@FRAME:Y,X``.

        Raises
        ------
        PromptError
            If it is written in another way.
        """
        object_id, frame, y, x = _numbers(text, 2, "ID@FRAME:Y,X")
        return cls(object_id, frame, y, x, positive)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Point of what `to_json` gave; raises ValueError for anything else."""
        return _made(cls, value)

    def to_json(self) -> dict[str, Any]:
        """The point as JSON takes it."""
        return _head(self) | {"y": self.y, "x": self.x, "positive": self.positive}

    def fitted(self, n_frames: int, shape_yx: tuple[int, int]) -> Self:
        """The same point, if it lies in the recording.

        Raises
        ------
        PromptError
            If it does not.
        """
        self._check_frame(n_frames)
        height, width = shape_yx
        if not (-0.5 <= self.y <= height - 0.5 and -0.5 <= self.x <= width - 0.5):
            raise PromptError(
                f"The point ({self.y:g}, {self.x:g}) {self._where} lies outside the image of {height} × {width} "
                "pixels; click inside it."
            )
        return self


@dataclass(frozen=True)
class BoxPrompt(_Prompt):
    """A box around the object; the corners ``(y0, x0)`` and ``(y1, x1)`` may come in any order and are sorted."""

    kind: ClassVar[str] = "box"
    y0: float
    x0: float
    y1: float
    x1: float

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("y0", "x0", "y1", "x1"):
            self._number(name)
        for low, high in (("y0", "y1"), ("x0", "x1")):
            first, last = sorted((getattr(self, low), getattr(self, high)))
            set_field(self, low, first)
            set_field(self, high, last)
        if not (self.y0 < self.y1 and self.x0 < self.x1):
            raise PromptError(f"The box {self._where} is empty; draw it around the object.")

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Box written as ``ID@FRAME:Y0,X0,Y1,X1``.

        Raises
        ------
        PromptError
            If it is written in another way, or is empty.
        """
        return cls(*_numbers(text, 4, "ID@FRAME:Y0,X0,Y1,X1"))

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Box of what `to_json` gave; raises ValueError for anything else."""
        return _made(cls, value)

    def to_json(self) -> dict[str, Any]:
        """The box as JSON takes it."""
        return _head(self) | {"y0": self.y0, "x0": self.x0, "y1": self.y1, "x1": self.x1}

    def fitted(self, n_frames: int, shape_yx: tuple[int, int]) -> Self:
        """The part of the box that lies in the recording.

        Raises
        ------
        PromptError
            If there is none.
        """
        self._check_frame(n_frames)
        height, width = shape_yx
        y0, x0 = max(self.y0, -0.5), max(self.x0, -0.5)
        y1, x1 = min(self.y1, height - 0.5), min(self.x1, width - 0.5)
        if not (y0 < y1 and x0 < x1):
            raise PromptError(
                f"The box {self._where} lies outside the image of {height} × {width} pixels; draw it around the object."
            )
        return replace(self, y0=y0, x0=x0, y1=y1, x1=x1)


@dataclass(frozen=True)
class MaskPrompt(_Prompt):
    """The object's mask, an array of shape ``(Y, X)`` of the shown plane, neither 0 nor NaN where the object is."""

    kind: ClassVar[str] = "mask"
    mask: npt.NDArray[np.bool_] = field(repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        set_field(self, "mask", _mask_array(self.mask, self._where))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MaskPrompt):
            return NotImplemented
        return (self.object_id, self.frame) == (other.object_id, other.frame) and np.array_equal(self.mask, other.mask)

    def __hash__(self) -> int:
        return hash((self.object_id, self.frame, self.mask.shape, self.mask.tobytes()))

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Mask of what `to_json` gave; raises KeyError, ValueError or TypeError for anything else."""
        rle = value["rle"]
        rest = {name: one for name, one in value.items() if name != "rle"}
        return _made(cls, rest | {"mask": _mask_of_runs(rle["size"], rle["counts"])})

    def to_json(self) -> dict[str, Any]:
        """The mask as JSON takes it: as COCO's uncompressed run lengths, which go down the columns."""
        flat = self.mask.ravel(order="F")
        cuts = np.flatnonzero(np.diff(flat)) + 1
        counts = np.diff(np.concatenate(([0], cuts, [flat.size]))).tolist()
        if flat.size and flat[0]:
            counts.insert(0, 0)
        return _head(self) | {"rle": {"size": list(self.mask.shape), "counts": counts}}

    def fitted(self, n_frames: int, shape_yx: tuple[int, int]) -> Self:
        """The same mask, if it fits the recording.

        Raises
        ------
        PromptError
            If it has another shape, or no pixel.
        """
        self._check_frame(n_frames)
        if self.mask.shape != tuple(shape_yx):
            raise PromptError(
                f"The mask {self._where} has the shape {self.mask.shape} where the image has {tuple(shape_yx)}; give "
                "it at full size."
            )
        if not self.mask.any():
            raise PromptError(f"The mask {self._where} is empty; paint at least one pixel.")
        return self


Prompt: TypeAlias = PointPrompt | BoxPrompt | MaskPrompt
KINDS: Mapping[str, type[Prompt]] = {one.kind: one for one in (PointPrompt, BoxPrompt, MaskPrompt)}


def prompt_from_json(value: Mapping[str, Any]) -> Prompt:
    """Prompt of what its `to_json` gave; raises KeyError, ValueError or TypeError for anything else."""
    return KINDS[value["type"]].from_json(value)


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


def _numbers(text: str, count: int, form: str) -> tuple[Any, ...]:
    object_id, frame, rest = place_from_text(text, form)
    try:
        values = [float(part) for part in rest.split(",")]
    except ValueError:
        values = []
    if len(values) != count or not np.isfinite(values).all():
        raise PromptError(f'"{text}" is not a prompt; write it as {form}, with ids from 1 and frames from 0.')
    return (object_id, frame, *values)


def _head(prompt: _Prompt) -> dict[str, Any]:
    return {"object": prompt.object_id, "frame": prompt.frame, "type": prompt.kind}


def _made(make: type[P], value: Mapping[str, Any]) -> P:
    return from_file(make, {name: one for name, one in value.items() if name != "type"}, {"object_id": "object"})


def _mask_array(mask: Any, where: str) -> npt.NDArray[np.bool_]:
    try:
        array = np.asarray(mask)
    except (TypeError, ValueError) as error:
        raise PromptError(f"The mask {where} is not an array of numbers.") from error
    if array.ndim != 2 or array.dtype.kind not in "buif":
        raise PromptError(
            f"The mask {where} has the shape {array.shape} and the type {array.dtype} where an array of numbers of "
            "shape (Y, X) is needed."
        )
    if array.dtype.kind == "f":
        drawn: npt.NDArray[np.bool_] = (array != 0) & ~np.isnan(array)
        return drawn
    return array.astype(bool, copy=False)


def _mask_of_runs(size: Any, counts: Any) -> npt.NDArray[np.bool_]:
    height, width = (whole(n, "The size of a mask", at_least=1) for n in size)
    runs = np.array([whole(n, "A run of a mask", at_least=0) for n in counts], np.int64)
    if runs.sum() != height * width:
        raise ValueError(f"the runs of a mask cover {runs.sum()} of {height * width} pixels")
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape((height, width), order="F")


def prompt_list(prompts: Any) -> list[Prompt]:
    """Prompts, from any iterable.

    Raises
    ------
    PromptError
        If it holds something else.
    """
    given = list(prompts) if isinstance(prompts, Iterable) else [prompts]
    for one in given:
        if not isinstance(one, PointPrompt | BoxPrompt | MaskPrompt):
            raise PromptError(f"prompts must be a list of PointPrompt, BoxPrompt or MaskPrompt, not of {shown(one)}.")
    return given


def seed_list(seeds: Any) -> list[tuple[npt.NDArray[Any], int]]:
    """Label images and their frames.

    Raises
    ------
    PromptError
        If it is not a list of pairs, or a label image is not one.
    """
    pairs = list(seeds) if isinstance(seeds, list | tuple) else [seeds]
    checked: list[tuple[npt.NDArray[Any], int]] = []
    for pair in pairs:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise PromptError(
                "seeds must be a list of label images and their frames, such as [(labels_yx, 0)], not of "
                f"{type(pair).__name__}."
            )
        labels_yx, frame = np.asarray(pair[0]), whole(pair[1], "The frame of seeds", at_least=0, error=PromptError)
        if labels_yx.ndim != 2 or labels_yx.dtype.kind not in "bui":
            raise PromptError(
                f"The seeds of frame {frame} have the shape {labels_yx.shape} and the type {labels_yx.dtype} where "
                "whole numbers of shape (Y, X) are needed."
            )
        checked.append((labels_yx, frame))
    return checked
