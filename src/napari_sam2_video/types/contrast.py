"""How the model sees raw values: the contrast window, and channels in colour with a window each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, TypeAlias

from napari_sam2_video.errors import SettingsError
from napari_sam2_video.types.checks import NUMBER, JsonSettings, from_file, real, set_field, shown, whole

Rgb: TypeAlias = tuple[int, int, int]


@dataclass(frozen=True)
class ContrastWindow(JsonSettings):
    """The one window that maps raw values to what the model sees, the same for every frame.

    Parameters
    ----------
    low, high : float
        Raw values that become 0 and 255.
    source : str
        Where it came from: ``"manual"``, ``"layer"``, ``"percentile"``, ``"full"`` or ``"preset:<name>"``.

    Raises
    ------
    SettingsError
        If an end is not a finite number, or the high end is not above the low one.
    """

    low: float
    high: float
    source: str = "manual"

    def __post_init__(self) -> None:
        set_field(self, "low", real(self.low, "The low end of the contrast window"))
        set_field(self, "high", real(self.high, "The high end of the contrast window"))
        if self.high <= self.low:
            raise SettingsError(
                f"The contrast window {self.low:g} to {self.high:g} is empty; give a low end and a higher high end."
            )

    @classmethod
    def from_text(cls, text: str) -> ContrastWindow:
        """Window written as ``"-160,240"``, or named as one of `CT_WINDOWS`.

        Raises
        ------
        SettingsError
            If it is neither.
        """
        preset = CT_WINDOWS.get(text.strip().lower())
        if preset is not None:
            return preset
        match = re.fullmatch(rf"\s*({NUMBER})\s*[,:]\s*({NUMBER})\s*", text)
        if match is None:
            raise SettingsError(
                f"The contrast window {text!r} is neither two numbers such as -160,240 nor one of "
                f"{PERCENTILE}, {', '.join(CT_WINDOWS)}."
            )
        return ContrastWindow(float(match[1]), float(match[2]))


CT_WINDOWS: Mapping[str, ContrastWindow] = {
    name: ContrastWindow(centre - width / 2, centre + width / 2, f"preset:{name}")
    for name, centre, width in (
        ("brain", 40, 80),
        ("lung", -600, 1500),
        ("abdomen", 40, 400),
        ("bone", 400, 1800),
        ("mediastinum", 40, 350),
    )
}
"""Standard CT windows in Hounsfield units."""

PERCENTILE: Literal["percentile"] = "percentile"
"""The name of a window between percentiles of the recording, which is found when the recording is open."""


def contrast_from_text(text: str) -> ContrastWindow | Literal["percentile"]:
    """Contrast window as `ContrastWindow.from_text` takes it, or ``"percentile"``."""
    return PERCENTILE if text.strip().lower() == PERCENTILE else ContrastWindow.from_text(text)


COLORS: Mapping[str, Rgb] = {
    "green": (0, 255, 0),
    "magenta": (255, 0, 255),
    "cyan": (0, 255, 255),
    "yellow": (255, 255, 0),
    "red": (255, 0, 0),
    "blue": (0, 0, 255),
    "white": (255, 255, 255),
}
"""Channel colours by name; the first ones are the defaults."""

_CHANNEL = re.compile(rf"\s*(\d{{1,18}})\s*(?:=\s*(#?\w+))?\s*(?::\s*({NUMBER})\s*:\s*({NUMBER}))?\s*")


@dataclass(frozen=True)
class ChannelColor:
    """A channel, the colour in which the model sees it, and its contrast window.

    Parameters
    ----------
    channel : int
        Index along ``C``.
    color : str or tuple of int
        A name of `COLORS`, ``"#rrggbb"``, or red, green and blue from 0 to 255; kept as numbers.
    window : ContrastWindow, optional
        The contrast window; None until it is chosen.

    Raises
    ------
    SettingsError
        If a value is invalid.
    """

    channel: int
    color: Rgb
    window: ContrastWindow | None = None

    def __post_init__(self) -> None:
        set_field(self, "channel", whole(self.channel, "The channel", at_least=0))
        set_field(self, "color", _rgb(self.color))
        if self.window is not None and not isinstance(self.window, ContrastWindow):
            raise SettingsError(f"The contrast window of a channel must be a ContrastWindow, not {shown(self.window)}.")

    @property
    def color_name(self) -> str:
        """The name of the colour, or ``"#rrggbb"``."""
        named = {rgb: name for name, rgb in COLORS.items()}
        return named.get(self.color) or "#{:02x}{:02x}{:02x}".format(*self.color)

    def text(self) -> str:
        """The channel as text for `channels_from_text`."""
        window = "" if self.window is None else f":{self.window.low:g}:{self.window.high:g}"
        return f"{self.channel}={self.color_name}{window}"

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Channel from the result of `to_json`; raises KeyError, ValueError or TypeError for anything else."""
        return from_file(cls, {**value, "window": ContrastWindow.from_json(value["window"])})

    def to_json(self) -> dict[str, Any]:
        """The channel as JSON takes it."""
        window = None if self.window is None else self.window.to_json()
        return {"channel": self.channel, "color": list(self.color), "window": window}


def channels_from_text(text: str) -> tuple[ChannelColor, ...]:
    """Channels written as ``0=green,1=magenta``, or with windows as ``0=green:200:4000,1=magenta:50:900``.

    A semicolon separates them as well, for tables.

    Raises
    ------
    SettingsError
        If they are written in another way, or there are fewer than two.
    """
    found = []
    for number, part in enumerate(re.split("[,;]", text)):
        match = _CHANNEL.fullmatch(part)
        if match is None:
            raise SettingsError(
                f"{text!r} is not a list of channels and colours; write 0=green,1=magenta, or with contrast "
                "windows as 0=green:200:4000,1=magenta:50:900."
            )
        color: Any = match[2] or list(COLORS)[number % len(COLORS)]
        window = None if match[3] is None else ContrastWindow(float(match[3]), float(match[4]))
        found.append(ChannelColor(int(match[1]), color, window))
    return checked_channels(found)


def checked_channels(channels: Any) -> tuple[ChannelColor, ...]:
    """Check the channels of a composite: none, or at least two.

    Raises
    ------
    SettingsError
        If they are not a sequence of `ChannelColor`, one comes twice, or there is only one.
    """
    if isinstance(channels, str):
        return channels_from_text(channels)
    given = tuple(channels) if isinstance(channels, Iterable) else (channels,)
    for one in given:
        if not isinstance(one, ChannelColor):
            raise SettingsError(
                f'The channels must be ChannelColor, or text such as "0=green,1=magenta", not {shown(one)}.'
            )
    numbers = [one.channel for one in given]
    if len(numbers) == 1:
        raise SettingsError(f"A composite needs two channels or more; give a single one as channel={numbers[0]}.")
    if len(set(numbers)) < len(numbers):
        raise SettingsError(f"The channels {', '.join(map(str, numbers))} repeat a channel; name each once.")
    return given


def _rgb(color: Any) -> Rgb:
    if isinstance(color, str):
        name = color.strip().lower()
        if name in COLORS:
            return COLORS[name]
        if re.fullmatch(r"#[0-9a-f]{6}", name):
            red, green, blue = (int(name[n : n + 2], 16) for n in (1, 3, 5))
            return red, green, blue
    elif isinstance(color, tuple | list) and len(color) == 3:
        red, green, blue = (whole(part, "A part of a colour", at_least=0) for part in color)
        if max(red, green, blue) <= 255:
            return red, green, blue
    raise SettingsError(f"{shown(color)} is not a colour; choose one of {', '.join(COLORS)}, or write it as #rrggbb.")
