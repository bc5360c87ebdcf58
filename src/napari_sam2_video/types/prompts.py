"""Prompts: points, boxes, scribbles and masks of one object on one frame."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias

import numpy as np

from napari_sam2_video.errors import PromptError
from napari_sam2_video.types.checks import flag, set_field, shown, whole
from napari_sam2_video.types.prompt_base import BasePrompt, numbers_from_text
from napari_sam2_video.types.scribble import ScribblePrompt

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt


@dataclass(frozen=True)
class PointPrompt(BasePrompt):
    """A click at ``(y, x)``: on the object, or with ``positive=False`` off it."""

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
        place, (y, x) = numbers_from_text(text, 2, "ID@FRAME:Y,X")
        return cls(place.object_id, place.frame, y, x, positive, axis=place.axis)

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
class BoxPrompt(BasePrompt):
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
        place, corners = numbers_from_text(text, 4, "ID@FRAME:Y0,X0,Y1,X1")
        return cls(place.object_id, place.frame, *corners, axis=place.axis)

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
class MaskPrompt(BasePrompt):
    """The object's mask on the shown plane, an array of shape ``(Y, X)`` that is neither 0 nor NaN on the object."""

    kind: ClassVar[str] = "mask"
    mask: npt.NDArray[np.bool_] = field(repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        set_field(self, "mask", _mask_array(self.mask, self._where))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MaskPrompt):
            return NotImplemented
        same = (self.object_id, self.frame, self.axis) == (other.object_id, other.frame, other.axis)
        return same and np.array_equal(self.mask, other.mask)

    def __hash__(self) -> int:
        return hash((self.object_id, self.frame, self.axis, self.mask.shape, self.mask.tobytes()))

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Mask from the result of `to_json`; raises KeyError, ValueError or TypeError for anything else."""
        rle = value["rle"]
        rest = {name: one for name, one in value.items() if name != "rle"}
        return super().from_json(rest | {"mask": _mask_of_runs(rle["size"], rle["counts"])})

    def to_json(self) -> dict[str, Any]:
        """The mask as JSON values: COCO's uncompressed, column-major run lengths."""
        flat = self.mask.ravel(order="F")
        cuts = np.flatnonzero(np.diff(flat)) + 1
        counts = np.diff(np.concatenate(([0], cuts, [flat.size]))).tolist()
        if flat.size and flat[0]:
            counts.insert(0, 0)
        return self._head() | {"rle": {"size": list(self.mask.shape), "counts": counts}}

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


Prompt: TypeAlias = PointPrompt | BoxPrompt | ScribblePrompt | MaskPrompt
Seeds: TypeAlias = "tuple[npt.NDArray[Any], int | str]"
"""A label image and its frame, or a label volume and which of its slices to use: one of `SLICES`."""

SLICES = ("all", "middle")

KINDS: Mapping[str, type[Prompt]] = {one.kind: one for one in (PointPrompt, BoxPrompt, ScribblePrompt, MaskPrompt)}


def prompt_from_json(value: Mapping[str, Any]) -> Prompt:
    """Prompt from the result of its `to_json`; raises KeyError, ValueError or TypeError for anything else."""
    return KINDS[value["type"]].from_json(value)


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
    if not isinstance(counts, list | tuple):
        raise ValueError('"counts" of a mask must be a list of run lengths; decode compressed ones first')
    height, width = (whole(n, "The size of a mask", at_least=1, error=PromptError) for n in size)
    runs = np.array([whole(n, "A run of a mask", at_least=0, error=PromptError) for n in counts], np.int64)
    if runs.sum() != height * width:
        raise ValueError(f"the runs of a mask cover {runs.sum()} of {height * width} pixels")
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape((height, width), order="F")


def prompt_list(prompts: Any) -> list[Prompt]:
    """Check prompts from any iterable, and return them as a list.

    Raises
    ------
    PromptError
        If it holds something else.
    """
    given = list(prompts) if isinstance(prompts, Iterable) else [prompts]
    for one in given:
        if not isinstance(one, Prompt):
            raise PromptError(
                f"prompts must be a list of PointPrompt, BoxPrompt, ScribblePrompt or MaskPrompt, not of {shown(one)}."
            )
    return given


def large_labels(labels: npt.NDArray[Any], smallest_area: int) -> npt.NDArray[Any]:
    """Labels without those with fewer pixels (voxels in a volume).

    Raises
    ------
    PromptError
        If none is left.
    """
    numbers, places = np.unique(labels, return_inverse=True)
    small = (np.bincount(places.ravel(), minlength=len(numbers)) < smallest_area) & (numbers > 0)
    if not small.any():
        return labels
    if small.sum() == (numbers > 0).sum():
        raise PromptError(f"No label of the seeds has {smallest_area} pixels or more; give a smaller smallest area.")
    return np.where(small[places.reshape(labels.shape)], labels.dtype.type(0), labels)


def seed_list(seeds: Any, smallest_area: int = 0) -> list[Seeds]:
    """Label images with frames, and label volumes with ``"all"`` or ``"middle"``, without small labels.

    Raises
    ------
    PromptError
        If it is not a list of pairs, a label image is invalid, or all of its labels are small.
    """
    least = whole(smallest_area, "The smallest area", at_least=0, error=PromptError)
    pairs = list(seeds) if isinstance(seeds, list | tuple) else [seeds]
    checked: list[Seeds] = []
    for pair in pairs:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise PromptError(
                "seeds must be a list of label images and their frames, such as [(labels_yx, 0)], not of "
                f"{type(pair).__name__}."
            )
        labels, at = np.asarray(pair[0]), pair[1]
        if isinstance(at, str):
            if at not in SLICES:
                raise PromptError(f'Seeds of a volume use "all" or "middle" slices, not {shown(at)}.')
        else:
            at = whole(at, "The frame of seeds", at_least=0, error=PromptError)
        ndim, axes = (3, "(Z, Y, X)") if isinstance(at, str) else (2, "(Y, X)")
        if labels.ndim != ndim or labels.dtype.kind not in "bui":
            where = f"of {at} slices" if isinstance(at, str) else f"of frame {at}"
            raise PromptError(
                f"The seeds {where} have the shape {labels.shape} and the type {labels.dtype} where whole numbers of "
                f"shape {axes} are needed."
            )
        checked.append((large_labels(labels, least), at))
    return checked
