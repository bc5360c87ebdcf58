"""Options of a session from a script, the command line or a table, and whether an existing session fits them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from napari_sam2_video.errors import RecordingError, SessionError, SettingsError
from napari_sam2_video.frames.axes import axis_named
from napari_sam2_video.frames.open import open_recording
from napari_sam2_video.frames.view import default_view
from napari_sam2_video.frames.voxel_order import place_of
from napari_sam2_video.frames.window import note_contrast
from napari_sam2_video.session.manifest import NAME as MANIFEST
from napari_sam2_video.session.tracker import remember_choice
from napari_sam2_video.types import ContrastWindow, ModelSettings, OpenSettings, channels_from_text
from napari_sam2_video.types.checks import optional_whole, set_field, shown
from napari_sam2_video.types.contrast import PERCENTILE, checked_channels, contrast_from_text
from napari_sam2_video.types.settings import checked_places, places_from_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import numpy.typing as npt

    from napari_sam2_video.frames.recording import Recording
    from napari_sam2_video.session import Session
    from napari_sam2_video.types import ChannelColor, ViewSettings

OPENING = ("axes", "pixel_size", "interval", "series")
VIEW = ("axis", "at", "channel", "channels", "contrast")
MODEL = ("model", "device", "precision", "arithmetic", "image_size", "window")


@dataclass(frozen=True)
class SessionOptions:
    """How a recording is opened, viewed and tracked; None where an option is not given.

    Parameters
    ----------
    opening : OpenSettings
        Missing or wrong metadata.
    axis : str, optional
        Axis to walk, by its letter, or by its index as text.
    at : mapping of str to int
        Positions along the other axes.
    channel : int, optional
        Index along ``C``.
    window : ContrastWindow, optional
        The contrast window.
    model : mapping of str to object
        Fields of `ModelSettings`.
    channels : tuple of ChannelColor
        Channels to show together in colour.

    Raises
    ------
    SettingsError
        If a value is invalid.
    """

    opening: OpenSettings = field(default_factory=OpenSettings)
    axis: str | None = None
    at: Mapping[str, int] = field(default_factory=dict)
    channel: int | None = None
    window: ContrastWindow | Literal["percentile"] | None = None
    model: Mapping[str, Any] = field(default_factory=dict)
    channels: tuple[ChannelColor, ...] = ()

    def __post_init__(self) -> None:
        if self.axis is not None and not isinstance(self.axis, str):
            raise SettingsError(f"The axis must be a letter such as Z, not {shown(self.axis)}.")
        checked_places(self.at)
        optional_whole(self.channel, "The channel", at_least=0)
        set_field(self, "channels", checked_channels(self.channels))
        if self.channels and self.channel is not None:
            raise SettingsError("Give either one channel, or the channels of a composite.")
        self.model_settings()

    @classmethod
    def from_text(cls, options: Mapping[str, str | None], *, compile: bool = False) -> Self:
        """Options from text by name, as on the command line or in a table; None and empty text count as not given.

        Raises
        ------
        SettingsError
            If one is invalid.
        """
        given = {name: text.strip() for name, text in options.items() if text is not None and text.strip()}
        model: dict[str, Any] = {name: given[name] for name in MODEL if name in given}
        if "image_size" in given:
            model["image_size"] = number_from_text(given["image_size"], "The image size")
        if "window" in given:
            model["window"] = ModelSettings.window_from_text(given["window"])
        return cls(
            OpenSettings.of(**{name: given.get(name) for name in OPENING}),
            given.get("axis"),
            places_from_text(given["at"]) if "at" in given else {},
            number_from_text(given["channel"], "The channel") if "channel" in given else None,
            contrast_from_text(given["contrast"]) if "contrast" in given else None,
            model | ({"compile": True} if compile else {}),
            channels_from_text(given["channels"]) if "channels" in given else (),
        )

    def open(self, recording: Any) -> Recording:
        """Open a recording with these options."""
        if type(recording).__module__.startswith("napari.layers"):
            raise RecordingError("A recording cannot be a layer of napari; pass open_layer(layer).")
        if isinstance(recording, str | Path) and (Path(recording) / MANIFEST).is_file():
            raise RecordingError(f"{recording} is a session, not a recording; name the recording that it tracks.")
        opening = self.opening
        return open_recording(
            recording,
            axes=opening.axes,
            pixel_size=opening.pixel_size,
            interval=opening.interval,
            series=opening.series,
        )

    def affine_of(self, recording: Any) -> npt.NDArray[np.float64] | None:
        """From ``(x, y, z)`` voxels of a recording to the world; None if it does not say where it lies."""
        source = self.open(recording)
        try:
            return place_of(source)
        finally:
            if source is not recording:
                source.close()

    def view_of(self, recording: Recording) -> ViewSettings:
        """How a recording is viewed; a window that leaves no contrast is noted in the recording."""
        axis = axis_named(recording.axes, self.axis)
        settings = default_view(
            recording, axis=axis, at=self.at, channel=self.channel, window=self.window, channels=self.channels
        )
        for letter, place in checked_places(self.at).items():
            if letter in recording.axes and letter not in (*settings.at, "C"):
                raise SettingsError(
                    f"{letter} is tracked along or lies in the frames, so it has no position to set; omit "
                    f"{letter}={place}, or track along another axis."
                )
        if settings.window.source not in ("percentile", "full") or any(one.window for one in self.channels):
            note_contrast(recording, settings)
        return settings

    def model_settings(self) -> ModelSettings:
        """Model settings of a new session."""
        return ModelSettings(**self.model)

    def settle(self, session: Session) -> None:
        """Apply the device and compilation to a session, and refuse options that would change its masks.

        Raises
        ------
        SessionError
            If the session was made with other options.
        """
        view, model = session.view.settings, session.model_settings
        axis = axis_named(session.recording.axes, self.axis)
        window = self.window
        for option, wanted, kept in (
            ("axis", axis and axis.upper(), view.axis),
            ("channel", self.channel, None if view.channels else view.channel),
            ("channels", _channels_text(self.channels, self.channels), _channels_text(view.channels, self.channels)),
            ("contrast", _window(window), view.window.source if window == PERCENTILE else _window(view.window)),
            *((f"at {letter}", place, view.at.get(letter)) for letter, place in checked_places(self.at).items()),
            *(
                (name.replace("_", " "), self.model.get(name), getattr(model, name))
                for name in MODEL
                if name != "device"
            ),
        ):
            if wanted is not None and wanted != kept:
                was = "was made without it" if kept is None else f"has {kept}"
                raise SessionError(
                    f"Cannot resume {session.folder} with {option} {wanted}: the session {was}; omit the option, or "
                    "make another session."
                )
        chosen = replace(model, device=self.model.get("device", model.device), compile=self.model.get("compile", False))
        if "device" in self.model:
            remember_choice(chosen)
        session.set_model(chosen)


def _window(window: ContrastWindow | Literal["percentile"] | None) -> str | None:
    """A contrast window as text, None if there is none."""
    return f"{window.low:g},{window.high:g}" if isinstance(window, ContrastWindow) else window


def _channels_text(channels: Sequence[ChannelColor], asked: Sequence[ChannelColor]) -> str | None:
    """Channels as text, None if there are none; windows are included only if the requested ones have any."""
    windows = any(one.window is not None for one in asked)
    return ",".join((one if windows else replace(one, window=None)).text() for one in channels) or None


def number_from_text(text: str, what: str) -> int:
    """A whole number from 0.

    Raises
    ------
    SettingsError
        If the text is something else.
    """
    if not (text.isascii() and text.isdigit() and len(text) < 100):
        raise SettingsError(f"{what} must be a whole number, not {shown(text)}.")
    return int(text)
