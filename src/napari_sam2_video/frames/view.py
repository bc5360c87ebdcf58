"""A recording as frames for the model: the walked axis, positions along the others, and one contrast window."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_sam2_video.errors import FrameError, RecordingError
from napari_sam2_video.frames.composite import Composite
from napari_sam2_video.frames.window import WindowMap, percentile_window, soft_tissue_window
from napari_sam2_video.types import ContrastWindow, ViewSettings
from napari_sam2_video.types.contrast import PERCENTILE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from napari_sam2_video.frames.recording import AxisIndex, Recording
    from napari_sam2_video.types import ChannelColor


LARGEST_FRAME = 1 << 30


class FrameView:
    """Frames of a recording, as the model and the user see them.

    Parameters
    ----------
    recording : Recording
        The recording.
    settings : ViewSettings
        How it is viewed.

    Attributes
    ----------
    n_frames : int
        Length of the walked axis.
    shape_yx : tuple of int
        Shape of a frame, whose axes are ``YX``, or ``ZX`` or ``ZY`` if ``Y`` or ``X`` is walked.
    plane_axes : tuple of str
        Names of those two axes.
    walk_axis : str
        Name of the walked axis.
    pixel_size : tuple of (float or None)
        Size of a pixel along the two axes of the plane, None if unknown; `units` holds their units.
    step : float or None
        Distance between two frames in `walk_unit`, None if unknown; the median if `times` is given.
    times : ndarray of float64, shape (n_frames,), or None
        Seconds from the first frame to each, if time is walked and the interval varies.

    Raises
    ------
    RecordingError
        If the settings do not fit the recording, or a frame is only one pixel high or wide.
    """

    def __init__(self, recording: Recording, settings: ViewSettings) -> None:
        self.recording = recording
        self.settings = settings
        self.walk_axis = self.settings.axis
        self.plane_axes = plane_axes(recording, self.walk_axis)
        self.n_frames = recording.length(self.walk_axis)
        self.shape_yx = (recording.length(self.plane_axes[0]), recording.length(self.plane_axes[1]))
        self._places = self._placed()
        if min(self.shape_yx) < 2:
            raise RecordingError(
                f"The frames of {recording.name} are {self.shape_yx[0]} × {self.shape_yx[1]} pixels; there is nothing "
                "to segment in them, so track along another axis."
            )
        if math.prod(self.shape_yx) > LARGEST_FRAME:
            raise RecordingError(
                f"The frames of {recording.name} are {self.shape_yx[0]} × {self.shape_yx[1]} pixels, more than fit in "
                "memory; crop it or open a lower resolution."
            )
        self.pixel_size = (recording.scale[self.plane_axes[0]], recording.scale[self.plane_axes[1]])
        self.units = (recording.units[self.plane_axes[0]], recording.units[self.plane_axes[1]])
        self.step = recording.scale[self.walk_axis]
        self.walk_unit = recording.units[self.walk_axis]
        self.times = recording.times if self.walk_axis == "T" else None
        letters = [letter for letter in recording.axes if letter in (*self.plane_axes, "S")]
        self._swapped = letters.index(self.plane_axes[0]) > letters.index(self.plane_axes[1])
        self._map = WindowMap(self.settings.window, recording.dtype)
        self._composite = Composite(self.settings.channels, recording.dtype) if self.settings.channels else None

    @property
    def is_volume(self) -> bool:
        """Whether frames are planes of a volume, where an object that has ended does not reappear."""
        return self.walk_axis in ("Z", "Y", "X")

    def _placed(self) -> dict[str, int]:
        places: dict[str, int] = {}
        for letter in self.settings.at:
            if letter not in self.recording.axes or letter in (*self.plane_axes, self.walk_axis, "S", "C"):
                raise RecordingError(
                    f"Axis {letter} of {self.recording.name} ({self.recording.axes}) has no position to set; omit it."
                )
        for letter in self.recording.axes:
            if letter in (*self.plane_axes, self.walk_axis, "S"):
                continue
            count = self.recording.length(letter)
            place = self.settings.channel if letter == "C" else self.settings.at.get(letter)
            if place is None and count > 1:
                raise RecordingError(
                    f"{self.recording.name} has {count} positions along {letter}; choose one of 0 to {count - 1}."
                )
            wanted = [one.channel for one in self.settings.channels] if letter == "C" else []
            for number in [place, *wanted]:
                if number is not None and not 0 <= number < count:
                    name = self.recording.name
                    raise RecordingError(
                        f"{name} has no position {number} along {letter}; choose one of 0 to {count - 1}."
                    )
            places[letter] = place or 0
        if self.settings.channel is not None and "C" not in places:
            raise RecordingError(
                f"{self.recording.name} ({self.recording.axes}) has no channels to choose from; leave the channel out."
            )
        return places

    @cached_property
    def key(self) -> str:
        """SHA-256 that changes whenever the pixels that `read` gives would change."""
        about = self.recording.fingerprint()
        about.pop("path", None)
        window = self.settings.window
        seen: list[Any] = [self.walk_axis, self.plane_axes, self._places, float(window.low), float(window.high)]
        if self._composite is not None:
            seen.append(self._composite.key)
        return hashlib.sha256(json.dumps([about, seen], sort_keys=True).encode()).hexdigest()

    def read(self, frame: int) -> npt.NDArray[np.uint8]:
        """Frame as the model sees it.

        Returns
        -------
        ndarray of uint8, shape (Y, X, 3)
            C-contiguous, and the caller's own.

        Raises
        ------
        FrameError
            If the frame does not exist or cannot be read.
        """
        if self._composite is not None:
            return self._composite([self.raw(frame, channel) for channel in self._composite.channels])
        mapped = self._map(self.raw(frame))
        if mapped.ndim == 3:
            return np.ascontiguousarray(mapped)
        frame_yxc = np.empty((*mapped.shape, 3), np.uint8)
        frame_yxc[...] = mapped[..., None]
        return frame_yxc

    def raw(self, frame: int, channel: int | None = None) -> npt.NDArray[Any]:
        """Frame with raw values, shape ``(Y, X)``, or ``(Y, X, 3)`` for a colour recording.

        Parameters
        ----------
        frame : int
            The frame.
        channel : int, optional
            Index along ``C``; the channel in the settings, or the first of a composite, if not given.

        Raises
        ------
        FrameError
            If the frame does not exist or cannot be read.
        """
        if not 0 <= frame < self.n_frames:
            raise FrameError(
                f"{self.recording.name} has no frame {frame}; it has {self.n_frames}, numbered from 0 to "
                f"{self.n_frames - 1}."
            )
        selection: dict[str, AxisIndex] = {**self._places, self.walk_axis: int(frame)}
        if channel is not None:
            selection["C"] = channel
        values = self.recording.read(selection)
        return np.ascontiguousarray(values.swapaxes(0, 1)) if self._swapped else values


def plane_axes(recording: Recording, axis: str) -> tuple[str, str]:
    """Names of the two axes that are shown while `axis` is walked.

    Raises
    ------
    RecordingError
        If the recording has no such axis, or too few others.
    """
    if axis not in recording.axes or axis == "S":
        choice = ", ".join(letter for letter in recording.axes if letter != "S")
        others = [letter for letter in recording.axes if letter not in "YXSC"]
        renamed = recording.axes.replace(others[0], axis) if len(others) == 1 and axis in "TZ" else None
        hint = f", or name its axes with --axes {renamed} (axes={renamed!r} in a script)" if renamed else ""
        raise RecordingError(f"{recording.name} has no axis {axis!r} to track along; choose one of {choice}{hint}.")
    if axis not in "YX":
        return "Y", "X"
    others = [letter for letter in recording.axes if letter not in "CYXS"]
    if not others or recording.is_single:
        raise RecordingError(f"{recording.name} is a single image, which cannot be tracked along {axis}; choose T.")
    return ("Z" if "Z" in others else others[0]), ("X" if axis == "Y" else "Y")


def default_view(
    recording: Recording,
    *,
    axis: str | None = None,
    at: Mapping[str, int] | None = None,
    channel: int | None = None,
    window: ContrastWindow | tuple[float, float] | Literal["percentile"] | None = None,
    channels: Sequence[ChannelColor] = (),
) -> ViewSettings:
    """Complete default settings for a `FrameView` of a recording.

    Parameters
    ----------
    recording : Recording
        The recording.
    axis : str, optional
        Axis to walk. By default ``T`` if it has more than one frame, else ``Z``, else the first not in ``CYXS``.
    at : mapping of str to int, optional
        Positions along other axes, where those of the plane are ignored; by default 0 along ``T`` and the middle of
        others.
    channel : int, optional
        Index along ``C``; 0 if not given.
    window : ContrastWindow, tuple of float or "percentile", optional
        ``(low, high)``. If not given, the full range for 8-bit images and video, that of soft tissue for computed
        tomography in Hounsfield units, which is noted in the recording, else `percentile_window`.
    channels : sequence of ChannelColor
        Channels to show together in colour; `window` applies to those without one of their own.

    Raises
    ------
    RecordingError
        If an axis, a position or the window does not fit the recording.
    """
    axis = axis.upper() if axis else _default_axis(recording)
    shown = plane_axes(recording, axis)
    places = {letter.upper(): int(place) for letter, place in (at or {}).items()}
    places = {letter: place for letter, place in places.items() if letter not in (*shown, axis, "S")}
    if "C" in places:
        channel = places.pop("C") if channel is None else channel
    for letter in recording.axes:
        if letter not in (*shown, axis, "S", "C"):
            places.setdefault(letter, 0 if letter == "T" else recording.length(letter) // 2)
    if channel is None and "C" in recording.axes and axis != "C":
        channel = 0
    if isinstance(window, ContrastWindow):
        chosen: ContrastWindow | None = window
    elif window is None or window == PERCENTILE:
        chosen = None if window or channels else soft_tissue_window(recording)
    else:
        chosen = ContrastWindow(float(window[0]), float(window[1])) if window is not None else None
    full = chosen or full_window(recording)
    settings = ViewSettings(axis, full, places, channel, tuple(replace(one, window=full) for one in channels))
    FrameView(recording, settings)
    counts = (recording.dtype.kind, recording.dtype.itemsize) not in (("u", 1), ("b", 1))
    sampled = chosen is None and recording.nominal_range is None and counts

    def settled(number: int | None) -> ContrastWindow:
        return percentile_window(recording, axis=axis, at=places, channel=number) if sampled else full

    if channels:
        own = tuple(replace(one, window=one.window or settled(one.channel)) for one in channels)
        return replace(settings, channels=own)
    return replace(settings, window=settled(channel))


def full_window(recording: Recording) -> ContrastWindow:
    """Window of all values that the format or the dtype can hold; 0 to 1 for floats and booleans."""
    if recording.nominal_range is not None:
        return ContrastWindow(*recording.nominal_range, "full")
    if recording.dtype.kind in "ui":
        limits = np.iinfo(recording.dtype)
        return ContrastWindow(float(limits.min), float(limits.max), "full")
    return ContrastWindow(0.0, 1.0, "full")


def _default_axis(recording: Recording) -> str:
    candidates: list[str] = [*"TZ", *(letter for letter in recording.axes if letter not in "TZCYXS")]
    present = [letter for letter in candidates if letter in recording.axes]
    if not present:
        raise RecordingError(f"{recording.name} ({recording.axes}) has no axis to track along; name one with axes.")
    return next((letter for letter in present if recording.length(letter) > 1), present[0])
