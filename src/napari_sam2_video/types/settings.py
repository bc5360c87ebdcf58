"""Settings: how a recording is viewed, which network runs, and what a run covers. Each checks its own values."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self, TypeAlias, get_args

from napari_sam2_video.errors import SettingsError
from napari_sam2_video.types.checks import (
    JsonSettings,
    flag,
    frame_span,
    frame_span_from_text,
    from_file,
    object_ids,
    object_ids_from_text,
    one_of,
    optional_whole,
    set_field,
    shown,
    whole,
)
from napari_sam2_video.types.contrast import ChannelColor, ContrastWindow, checked_channels

Direction: TypeAlias = Literal["both", "forward", "backward"]
Arithmetic: TypeAlias = Literal["exact", "fast", "auto"]
Precision: TypeAlias = Literal["auto", "fp32", "bf16", "fp16"]
WindowSetting: TypeAlias = Literal["auto", "off"] | int

_PLACE = re.compile(r"\s*([A-Za-z])\s*=\s*(\d{1,18})\s*")


@dataclass(frozen=True)
class ViewSettings:
    """How a recording is viewed.

    Parameters
    ----------
    axis : str
        Name of the walked axis, one letter of the recording's ``axes``.
    window : ContrastWindow
        The contrast window.
    at : mapping of str to int
        Positions along the other axes that are not shown, by axis name.
    channel : int, optional
        Index along ``C``; None if there is no ``C`` axis, or to show RGB samples unchanged.
    channels : sequence of ChannelColor
        Two or more channels to show together, each with its own colour and contrast window; `channel` and `window` are
        those of the first. Empty to show one channel in grey.

    Raises
    ------
    SettingsError
        If a value is invalid.
    """

    axis: str
    window: ContrastWindow
    at: Mapping[str, int] = field(default_factory=dict)
    channel: int | None = None
    channels: tuple[ChannelColor, ...] = ()

    def __post_init__(self) -> None:
        set_field(self, "axis", axis_letter(self.axis))
        set_field(self, "channels", checked_channels(self.channels))
        if self.channels:
            first = self.channels[0]
            if any(one.window is None for one in self.channels):
                raise SettingsError("Every channel of a composite needs its contrast window.")
            set_field(self, "channel", first.channel)
            set_field(self, "window", first.window)
        if not isinstance(self.window, ContrastWindow):
            raise SettingsError(f"The contrast window must be a ContrastWindow, not {shown(self.window)}.")
        set_field(self, "at", checked_places(self.at))
        set_field(self, "channel", optional_whole(self.channel, "The channel", at_least=0))

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Settings from the result of `to_json`; raises KeyError, ValueError or TypeError for anything else."""
        channels = tuple(ChannelColor.from_json(one) for one in value.get("channels", ()))
        given = {**value, "window": ContrastWindow.from_json(value["window"]), "channels": channels}
        return from_file(cls, given)

    def to_json(self) -> dict[str, Any]:
        """The settings as JSON takes them."""
        values = {"axis": self.axis, "window": self.window.to_json(), "at": dict(self.at), "channel": self.channel}
        return values | ({"channels": [one.to_json() for one in self.channels]} if self.channels else {})


@dataclass(frozen=True)
class ModelSettings(JsonSettings):
    """Which network runs, where and how.

    Parameters
    ----------
    model : str or path
        A name in the catalogue or the path of a checkpoint.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"`` ..., or the address of a server, such as
        ``"http://127.0.0.1:7860"``.
    precision : {"auto", "fp32", "bf16", "fp16"}
        Number type of the network; ``"auto"`` is bf16 on GPUs that are fast with it, else fp32.
    arithmetic : {"exact", "fast", "auto"}
        On a CPU in fp32: ``"exact"`` gives the same numbers as Meta's predictor for a single object, bit for bit;
        ``"fast"`` gives them up to rounding (logits differ by less than 1e-4), in one half to two thirds of the time.
        ``"auto"`` is fast, and also uses bf16 if the precision is ``"auto"`` and a comparison on this CPU finds it
        faster, with masks whose mean IoU with those of fp32 is at least 0.999.
    image_size : int, optional
        Side in pixels of the square image the network sees; the checkpoint's own if not given.
    compile : bool
        Compile the network: slow to start, then faster.
    window : "auto", "off" or int
        Whether the network sees the whole frame, or a square window of it that follows each object. ``"auto"`` uses a
        window at native resolution for objects that would be small in the whole frame; a number is the side of the
        windows in pixels of the frame; with ``"off"`` the masks are those of Meta's predictor, and memories that
        contradict a correction count as well.

    Raises
    ------
    SettingsError
        If a value is invalid.
    """

    model: str = "demo"
    device: str = "auto"
    precision: Precision = "auto"
    image_size: int | None = None
    compile: bool = False
    window: WindowSetting = "auto"
    arithmetic: Arithmetic = "exact"

    def __post_init__(self) -> None:
        model = os.fspath(self.model) if isinstance(self.model, os.PathLike) else self.model
        if not isinstance(model, str) or not model.strip():
            raise SettingsError(f"The model must be a name of the catalogue or a checkpoint, not {shown(model)}.")
        set_field(self, "model", model)
        if not isinstance(self.device, str) or not self.device.strip():
            raise SettingsError(f"The device must be auto, cpu, cuda, mps or an address, not {shown(self.device)}.")
        one_of(self.precision, "The precision", get_args(Precision))
        one_of(self.arithmetic, "The arithmetic", get_args(Arithmetic))
        set_field(self, "image_size", optional_whole(self.image_size, "The image size", at_least=1))
        set_field(self, "compile", flag(self.compile, "compile"))
        set_field(self, "window", _window(self.window))

    @property
    def is_remote(self) -> bool:
        """Whether the device is the address of another machine."""
        return self.device.startswith(("http://", "https://"))

    @classmethod
    def window_from_text(cls, text: str) -> WindowSetting:
        """Window setting written as ``auto``, ``off`` or a number of pixels.

        Raises
        ------
        SettingsError
            If it is written in another way.
        """
        word = text.strip().lower()
        return _window(int(word) if re.fullmatch(r"\d{1,9}", word) else word)

    @classmethod
    def of(cls, model: ModelSettings | str | os.PathLike[str]) -> ModelSettings:
        """Settings unchanged, or those of a model given by name or path.

        Raises
        ------
        SettingsError
            If it is something else.
        """
        return model if isinstance(model, ModelSettings) else cls(model)  # type: ignore[arg-type]


@dataclass(frozen=True)
class TrackSettings(JsonSettings):
    """What a run covers.

    Parameters
    ----------
    direction : {"both", "forward", "backward"}
        Direction from each object's own first prompted frame.
    start, stop : int, optional
        First frame and the frame after the last one; the whole recording if not given.
    objects : tuple of int, optional
        Objects to track; by default those whose prompts changed.

    Raises
    ------
    SettingsError
        If a value is invalid.
    """

    direction: Direction = "both"
    start: int | None = None
    stop: int | None = None
    objects: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        one_of(self.direction, "The direction", get_args(Direction))
        _set_span(self)

    @classmethod
    def from_text(cls, direction: str = "both", range: str | None = None, objects: str | None = None) -> Self:
        """Settings written as a direction, ``A:B`` and ``ID,ID,...``.

        Raises
        ------
        SettingsError
            If one is written in another way.
        """
        return cls(direction, *frame_span_from_text(range), object_ids_from_text(objects))  # type: ignore[arg-type]


@dataclass(frozen=True)
class CheckSettings:
    """What a check covers.

    Parameters
    ----------
    start, stop : int, optional
        First frame to compare and the frame after the last one; the whole recording if not given.
    objects : tuple of int, optional
        Objects to check; all if not given.
    span : int
        Maximum number of frames to track back from one mask. Short spans locate an error more precisely, long ones
        detect slower changes.

    Raises
    ------
    SettingsError
        If a value is invalid.
    """

    start: int | None = None
    stop: int | None = None
    objects: tuple[int, ...] | None = None
    span: int = 16

    def __post_init__(self) -> None:
        _set_span(self)
        set_field(self, "span", whole(self.span, "The span", at_least=1))

    @classmethod
    def from_text(cls, range: str | None = None, objects: str | None = None, span: int = 16) -> Self:
        """Settings written as ``A:B``, ``ID,ID,...`` and a number.

        Raises
        ------
        SettingsError
            If one is written in another way.
        """
        return cls(*frame_span_from_text(range), object_ids_from_text(objects), span)


def axis_letter(value: object) -> str:
    """Name of an axis as a capital letter.

    Raises
    ------
    SettingsError
        If it is not one letter.
    """
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z]", value.strip()):
        raise SettingsError(f"An axis must be one letter such as Z, not {shown(value)}.")
    return value.strip().upper()


def checked_places(places: Any) -> dict[str, int]:
    """Positions by axis name.

    Raises
    ------
    SettingsError
        If it is not a mapping of letters to whole numbers from 0.
    """
    if not isinstance(places, Mapping):
        raise SettingsError(f'Positions must be given as {{"Z": 5}}, not {shown(places)}.')
    return {
        axis_letter(letter): whole(place, f"The position along {letter}", at_least=0)
        for letter, place in places.items()
    }


def places_from_text(text: str) -> dict[str, int]:
    """Positions written as ``Z=5`` or ``Z=5,R=2``.

    Raises
    ------
    SettingsError
        If they are written in another way, or an axis is named twice.
    """
    places: dict[str, int] = {}
    for part in text.split(","):
        match = _PLACE.fullmatch(part)
        if match is None or match[1].upper() in places:
            raise SettingsError(f"{text!r} is not a position; write AXIS=INDEX once for each axis, such as Z=5.")
        places[match[1].upper()] = int(match[2])
    return places


def _set_span(settings: TrackSettings | CheckSettings) -> None:
    start, stop = frame_span(settings.start, settings.stop)
    set_field(settings, "start", start)
    set_field(settings, "stop", stop)
    set_field(settings, "objects", object_ids(settings.objects, "The objects"))


def _window(value: object) -> WindowSetting:
    if value == "auto" or value == "off":
        return "auto" if value == "auto" else "off"
    if isinstance(value, str):
        raise SettingsError(f"The window must be auto, off or a number of pixels, not {shown(value)}.")
    return whole(value, "The window", at_least=32)
