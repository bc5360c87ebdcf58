"""Frozen value types that pass between the parts.

Coordinates are ``(y, x)`` pixels of the shown plane with integers at pixel centres, frames are zero-based
indices along the walked axis, and object ids are integers from 1.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, Self, TypeAlias

from napari_sam2_video.errors import RecordingError
from napari_sam2_video.units import SECONDS, length_unit, time_unit

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt

Direction: TypeAlias = Literal["both", "forward", "backward"]
PixelSize: TypeAlias = tuple[tuple[float, ...], str]
Precision: TypeAlias = Literal["auto", "fp32", "bf16", "fp16"]
LEVEL_STEP = 0.25


@dataclass(frozen=True)
class PointPrompt:
    """A click at ``(y, x)``: on the object, or with ``positive=False`` beside it."""

    object_id: int
    frame: int
    y: float
    x: float
    positive: bool = True


@dataclass(frozen=True)
class BoxPrompt:
    """A box around the object, corners ``(y0, x0)`` and ``(y1, x1)``."""

    object_id: int
    frame: int
    y0: float
    x0: float
    y1: float
    x1: float


@dataclass(frozen=True)
class MaskPrompt:
    """The object's mask, a boolean array of shape ``(Y, X)`` of the shown plane."""

    object_id: int
    frame: int
    mask: npt.NDArray[np.bool_] = field(repr=False)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MaskPrompt):
            return NotImplemented
        return (
            self.object_id == other.object_id
            and self.frame == other.frame
            and self.mask.shape == other.mask.shape
            and bool((self.mask == other.mask).all())
        )

    def __hash__(self) -> int:
        return hash((self.object_id, self.frame, self.mask.shape, self.mask.tobytes()))


Prompt: TypeAlias = PointPrompt | BoxPrompt | MaskPrompt


@dataclass(frozen=True)
class ContrastWindow:
    """The one window that maps raw values to what the model sees, the same for every frame.

    Parameters
    ----------
    low, high : float
        Raw values that become 0 and 255.
    source : str
        Where it came from: ``"manual"``, ``"layer"``, ``"percentile"``, ``"full"`` or ``"preset:<name>"``.
    """

    low: float
    high: float
    source: str = "manual"


@dataclass(frozen=True)
class OpenSettings:
    """What a person says of a recording that its file does not say, or says wrongly; it wins over the file.

    Parameters
    ----------
    axes : str, optional
        A letter for each axis, such as ``"ZYX"``; that of RGB samples, ``S``, may be left out.
    pixel_size : tuple, optional
        Numbers and their unit: one number for ``Y`` and ``X``, two for ``(Y, X)``, three for ``(Z, Y, X)``.
    interval : float, optional
        Seconds from one time point to the next.
    series : int or str, optional
        Index from 0, or name, of the image series in a file that holds several.

    Raises
    ------
    RecordingError
        If one of them makes no sense.
    """

    axes: str | None = None
    pixel_size: PixelSize | None = None
    interval: float | None = None
    series: int | str | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        if self.axes is not None:
            axes = self.axes.upper()
            if not axes.isalpha() or not axes.isascii() or len(set(axes)) != len(axes) or not {"Y", "X"} <= set(axes):
                raise RecordingError(
                    f"The axes {self.axes!r} must be letters, each used once, Y and X among them, such as TYX or ZYX."
                )
            object.__setattr__(self, "axes", axes)
        if self.pixel_size is not None:
            sizes, unit = self.pixel_size
            symbol = length_unit(unit)
            if symbol is None or not 1 <= len(sizes) <= 3 or not all(_positive(size) for size in sizes):
                raise RecordingError(
                    f"The pixel size {', '.join(map(str, sizes))} {unit} must be one to three positive numbers and a "
                    "unit of length, such as '0.25 um' or '2,0.5,0.5 mm' for Z, Y and X."
                )
            object.__setattr__(self, "pixel_size", (tuple(map(float, sizes)), symbol))
        if self.interval is not None and not _positive(self.interval):
            raise RecordingError(f"The interval {self.interval} must be a positive time, such as '2.5 s' or '5 min'.")
        if isinstance(self.series, int) and self.series < 0:
            raise RecordingError(f"The series {self.series} must be 0 for the first one, or a higher number.")

    @classmethod
    def of(
        cls,
        *,
        axes: str | None = None,
        pixel_size: str | PixelSize | None = None,
        interval: str | float | None = None,
        series: int | str | None = None,
    ) -> Self:
        """Settings from values or from text, as a command line or a table has it.

        Parameters
        ----------
        axes : str, optional
            As above.
        pixel_size : str or tuple, optional
            ``"0.25 um"``, ``"0.25,0.25 um"`` (Y, X), ``"2,0.5,0.5 mm"`` (Z, Y, X), or the numbers and the unit.
        interval : str or float, optional
            ``"2.5 s"``, ``"5 min"``, or seconds.
        series : int or str, optional
            Index or name; text of digits is an index.

        Raises
        ------
        RecordingError
            If one of them cannot be read.
        """
        if isinstance(pixel_size, str):
            pixel_size = _read_pixel_size(pixel_size)
        elif pixel_size is not None:
            numbers, unit = pixel_size
            pixel_size = (tuple(numbers) if isinstance(numbers, list | tuple) else (numbers,)), unit
        if isinstance(interval, str):
            interval = _read_interval(interval)
        if isinstance(series, str) and series.strip().isdecimal():
            series = int(series)
        return cls(axes=axes or None, pixel_size=pixel_size, interval=interval, series=series)

    @property
    def sizes(self) -> dict[str, tuple[float, str]]:
        """Sizes and units by axis letter, those that are given."""
        found: dict[str, tuple[float, str]] = {}
        if self.pixel_size is not None:
            numbers, unit = self.pixel_size
            numbers = numbers * 2 if len(numbers) == 1 else numbers
            found.update(zip("ZYX"[-len(numbers) :], ((size, unit) for size in numbers), strict=True))
        if self.interval is not None:
            found["T"] = self.interval, "s"
        return found


_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"


def _positive(number: object) -> bool:
    return isinstance(number, int | float) and math.isfinite(number) and number > 0


def _read_pixel_size(text: str) -> PixelSize:
    match = re.fullmatch(rf"\s*({_NUMBER}(?:[\s,;x×]+{_NUMBER})*)\s*(\D+?)\s*", text)
    if match is None:
        raise RecordingError(
            f"The pixel size {text!r} must be one to three numbers and a unit of length, such as '0.25 um' or "
            "'2,0.5,0.5 mm' for Z, Y and X."
        )
    return tuple(float(number) for number in re.findall(_NUMBER, match[1])), match[2]


def _read_interval(text: str) -> float:
    match = re.fullmatch(rf"\s*({_NUMBER})\s*(\D*?)\s*", text)
    seconds = SECONDS.get(time_unit(match[2] or "s") or "") if match else None
    if match is None or seconds is None:
        raise RecordingError(f"The interval {text!r} must be a number and a unit of time, such as '2.5 s' or '5 min'.")
    return float(match[1]) * seconds


@dataclass(frozen=True)
class ViewSettings:
    """How a recording is looked at.

    Parameters
    ----------
    axis : str
        Name of the axis that is walked, one letter of the recording's ``axes``.
    at : mapping of str to int
        Where the other axes that are not shown stand, by axis name.
    channel : int, optional
        Index along ``C``; None where there is no ``C`` axis, or to show RGB samples as they are.
    window : ContrastWindow
        The contrast window.
    """

    axis: str
    window: ContrastWindow
    at: Mapping[str, int] = field(default_factory=dict)
    channel: int | None = None


@dataclass(frozen=True)
class ModelSettings:
    """Which network runs, where and how.

    Parameters
    ----------
    model : str
        A name of the catalogue or the path of a checkpoint.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"`` ...
    precision : {"auto", "fp32", "bf16", "fp16"}
        Arithmetic of the network; ``"auto"`` is bf16 where a GPU is fast with it, and fp32 elsewhere.
    image_size : int, optional
        Side in pixels of the square image the network sees; the checkpoint's own if not given.
    compile : bool
        Compile the network: slow to start, then faster.
    """

    model: str = "demo"
    device: str = "auto"
    precision: Precision = "auto"
    image_size: int | None = None
    compile: bool = False


@dataclass(frozen=True)
class TrackSettings:
    """What a run covers.

    Parameters
    ----------
    direction : {"both", "forward", "backward"}
        Where to go from each object's own starting frame.
    start, stop : int, optional
        First frame and the frame after the last one; the whole recording if not given.
    objects : tuple of int, optional
        Objects to track; those whose prompts changed if not given.
    """

    direction: Direction = "both"
    start: int | None = None
    stop: int | None = None
    objects: tuple[int, ...] | None = None


@dataclass(frozen=True)
class CheckSettings:
    """What a check covers.

    Parameters
    ----------
    start, stop : int, optional
        First frame and the frame after the last one that are compared; the whole recording if not given.
    objects : tuple of int, optional
        Objects to check; all if not given.
    span : int
        Most frames that are walked back from one mask. Short ones tell closely where a track went wrong, long ones
        notice what changes more slowly.
    """

    start: int | None = None
    stop: int | None = None
    objects: tuple[int, ...] | None = None
    span: int = 16


@dataclass(frozen=True)
class ObjectMask:
    """One object on one frame, as the engine hands it over.

    Parameters
    ----------
    object_id : int
        The object.
    origin_yx : tuple of int
        Pixel of the frame at which `levels` begins.
    levels : ndarray of uint8, shape (h, w)
        0 outside the object; inside, ``min(255, 1 + floor(logit / LEVEL_STEP))`` of the logit at frame resolution.
        Shape ``(0, 0)`` where the object is absent.
    object_score : float
        The network's logit that the object is on this frame.
    predicted_iou : float
        The network's own estimate of the mask's IoU, 0 to 1.
    prompted : bool
        True where the frame holds prompts of this object.
    """

    object_id: int
    origin_yx: tuple[int, int]
    levels: npt.NDArray[np.uint8] = field(repr=False)
    object_score: float = 0.0
    predicted_iou: float = 0.0
    prompted: bool = False


@dataclass(frozen=True)
class FrameMasks:
    """All objects that a run computed on one frame; `shape_yx` is the frame's shape."""

    frame: int
    shape_yx: tuple[int, int]
    objects: tuple[ObjectMask, ...]
    direction: Direction = "forward"


@dataclass(frozen=True)
class FrameDone:
    """Said after a frame is safe on disk."""

    frame: int
    objects: tuple[int, ...]
    done: int
    total: int


@dataclass(frozen=True)
class Preview:
    """Candidate masks of one object on one frame, best first chosen by the predicted IoU.

    `candidates` holds up to three; `best` is the index of the one the tracker would take.
    """

    object_id: int
    frame: int
    shape_yx: tuple[int, int]
    candidates: tuple[ObjectMask, ...]
    best: int


class FrameSource(Protocol):
    """What the engine needs of a recording."""

    @property
    def n_frames(self) -> int:
        """Number of frames along the walked axis."""
        ...

    @property
    def shape_yx(self) -> tuple[int, int]:
        """Shape of a frame in pixels."""
        ...

    @property
    def key(self) -> str:
        """Changes whenever the pixels that `read` gives would change."""
        ...

    def read(self, frame: int) -> npt.NDArray[np.uint8]:
        """Frame as the model sees it, uint8 of shape ``(Y, X, 3)``."""
        ...
