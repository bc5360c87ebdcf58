"""Turn an image layer and the user's choices into a recording and a view of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.plugin.layers import axes_are_labelled, axes_of, level_zero, shown_point, walked_axis_shown
from napari_sam2_video.plugin.recording_layers import known_recording
from napari_sam2_video.types import ContrastWindow, OpenSettings
from napari_sam2_video.types.contrast import PERCENTILE

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from napari.layers import Image
    from napari.viewer import Viewer

    from napari_sam2_video.frames.recording import Recording
    from napari_sam2_video.types import ChannelColor, ViewSettings

AS_SHOWN = "layer"
PLANES_COMPARED = 16


@dataclass(frozen=True)
class Choices:
    """The choices in the recording panel for a layer.

    Parameters
    ----------
    axes : str
        Letters of the data axes, without RGB samples.
    axis : str
        Letter of the axis to walk.
    channel : int, optional
        Index along ``C``; None if there is no such axis.
    at : dict of str to int
        Positions along the other axes.
    window : str or ContrastWindow
        A window, or `PERCENTILE` to compute one from a sample of the recording.
    opening : OpenSettings
        Axes and sizes from the user, which override the file.
    axes_known : bool
        Whether `axes` are more than a guess from their number; if not, the file decides.
    channels : tuple of ChannelColor
        Channels to show together in colour, each with its own window; percentiles where it has none.
    """

    axes: str
    axis: str
    channel: int | None
    at: dict[str, int]
    window: str | ContrastWindow
    opening: OpenSettings = field(default_factory=OpenSettings)
    axes_known: bool = False
    channels: tuple[ChannelColor, ...] = ()


def letters_with_samples(layer: Image, axes: str) -> str:
    """Axes of the layer's array, including RGB samples."""
    return axes + ("S" if layer.rgb else "")


def shown_window(layer: Image) -> ContrastWindow:
    """The contrast window in which the layer is shown; colour with 8 bits, or from 0 to 1, is left unchanged."""
    if layer.rgb:
        return colour_window(level_zero(layer).dtype, layer.contrast_limits)
    low, high = (float(limit) for limit in layer.contrast_limits)
    return ContrastWindow(low, high, AS_SHOWN)


def colour_window(dtype: npt.DTypeLike, limits: Sequence[float]) -> ContrastWindow:
    """The contrast window for colour of a given type and limits."""
    kind, size = np.dtype(dtype).kind, np.dtype(dtype).itemsize
    low, high = (float(limit) for limit in limits)
    if kind in "ui" and size == 1:
        return ContrastWindow(0.0, 255.0, "full")
    if kind not in "ui" and low >= 0 and high <= 1:
        return ContrastWindow(0.0, 1.0, "full")
    return ContrastWindow(low, high, AS_SHOWN)


def default_choices(viewer: Viewer, layer: Image, axes: str | None = None, axis: str | None = None) -> Choices:
    """Choices that follow what the viewer shows; a single image is a recording of one frame."""
    recording = known_recording(layer)
    letters = axes or (recording.axes.removesuffix("S") if recording is not None else axes_of(layer))
    known = bool(axes) or recording is not None or axes_are_labelled(layer)
    shape = level_zero(layer).shape[: layer.ndim]
    if layer.ndim == 2:
        plane = letters[-2:]
        return Choices(f"T{plane}", "T", None, {}, shown_window(layer), axes_known=known)
    if axis is None or axis not in letters:
        axis = walked_axis_shown(viewer, layer, letters, shape)
    point = shown_point(viewer, layer)
    places = {
        letter: min(max(round(float(position)), 0), length - 1)
        for letter, position, length in zip(letters, point, shape, strict=True)
    }
    at = {letter: place for letter, place in places.items() if letter not in (*_plane(letters, axis), axis, "C")}
    channel = places["C"] if "C" in letters and axis != "C" else None
    return Choices(letters, axis, channel, at, shown_window(layer), axes_known=known)


def _plane(letters: str, axis: str) -> tuple[str, str]:
    if axis not in "YX":
        return "Y", "X"
    others = [letter for letter in letters if letter not in "CYXS"]
    return ("Z" if "Z" in others else others[0] if others else "Y"), ("X" if axis == "Y" else "Y")


@dataclass(frozen=True)
class LayerSource:
    """Everything needed from a layer to open its recording on another thread.

    Parameters
    ----------
    data : array-like
        The layer's array, with at least three axes besides RGB samples.
    name : str
        The layer's name.
    axes : str
        Letters of all axes of `data`, including RGB samples.
    axes_known : bool
        Whether these are more than a guess.
    scale, units : dict
        By axis letter, from the layer; a scale of 1 without a unit counts as unknown.
    path : Path, optional
        The file that napari read the layer from.
    recording : Recording, optional
        The recording behind a layer from the plugin's own readers.
    opening : OpenSettings
        Axes and sizes from the user.
    """

    data: Any
    name: str
    axes: str
    axes_known: bool
    scale: dict[str, float]
    units: dict[str, str | None]
    path: Path | None
    recording: Recording | None
    opening: OpenSettings = field(default_factory=OpenSettings)

    @classmethod
    def of(
        cls, layer: Image, axes: str, *, axes_known: bool = True, opening: OpenSettings | None = None
    ) -> LayerSource:
        """Collect it on the main thread.

        Parameters
        ----------
        layer : Image
            The layer.
        axes : str
            A letter for each of its data axes, without RGB samples; a single image may have one for its frame.
        axes_known, opening
            As for the class.
        """
        if len(axes) == 2:
            axes = f"T{axes}"
        data = level_zero(layer)
        if layer.rgb and data.shape[-1] == 4:
            data = data[..., :3]
        letters = axes[-layer.ndim :]
        if len(axes) > layer.ndim:
            data = (data if hasattr(data, "dask") else np.asarray(data))[np.newaxis]
        units = [None if str(unit) in {"pixel", "pixels", "dimensionless"} else str(unit) for unit in layer.units]
        path = Path(layer.source.path) if layer.source.path else None
        recording = known_recording(layer)
        if path is None and recording is not None:
            path = recording.path
        return cls(
            data=data,
            name=layer.name,
            axes=letters_with_samples(layer, axes),
            axes_known=axes_known,
            scale=dict(zip(letters, (abs(float(size)) for size in layer.scale), strict=True)),
            units=dict(zip(letters, units, strict=True)),
            path=path,
            recording=recording,
            opening=opening or OpenSettings(),
        )

    def open(self) -> Recording:
        """The recording of the layer: the file it was read from if that is the same array, else the array itself.

        Axes and sizes from the file apply unless the layer or the user states others.
        """
        from napari_sam2_video.frames.open import open_recording

        plain = self.opening == OpenSettings()
        if self.recording is not None and plain and len(self.recording.axes) == len(self.axes):
            return self.recording
        recording = self.open_file()
        if recording is None:
            recording = open_recording(self.data, axes=self.axes, name=self.name)
            recording.set_calibration(self.scale, self.units)
            recording.apply(replace(self.opening, series=None))
        return recording

    def open_file(self) -> Recording | None:
        """The recording of the layer's file; None unless it holds what the layer shows."""
        from napari_sam2_video.errors import RecordingError
        from napari_sam2_video.frames.open import open_recording

        if self.path is None or not self.path.exists():
            return None
        try:
            recording = open_recording(self.path, series=self.opening.series)
        except RecordingError:
            return None
        try:
            if not _same_pixels(recording, self.data):
                recording.close()
                return None
            if self.axes_known:
                recording.rename_axes(self.axes)
            letters = dict(zip(self.axes, recording.axes, strict=True))
            given = {
                letters[letter]: size
                for letter, size in self.scale.items()
                if self.units[letter] is not None or size not in (1, recording.scale[letters[letter]])
            }
            recording.set_calibration(given, {letters[letter]: unit for letter, unit in self.units.items()}, "person")
            recording.apply(replace(self.opening, series=None))
        except BaseException:
            recording.close()
            raise
        return recording

    def release(self, recording: Recording) -> None:
        """Close a recording from `open`, unless it belongs to the layer."""
        if recording is not self.recording:
            recording.close()


def _same_pixels(recording: Recording, data: Any) -> bool:
    """Compare a sample of planes of a file and a layer, whose data may have been replaced."""
    if recording.shape != tuple(data.shape) or recording.dtype != data.dtype:
        return False
    lengths = {letter: n for letter, n in zip(recording.axes, recording.shape, strict=True) if letter not in "YXS"}
    for part in np.linspace(0, 1, PLANES_COMPARED if lengths else 1):
        at = {letter: round(part * (n - 1)) for letter, n in lengths.items()}
        shown = np.asarray(data[tuple(at.get(letter, slice(None)) for letter in recording.axes)])
        if not np.array_equal(recording.read(at), shown, equal_nan=shown.dtype.kind in "fc"):
            return False
    return True


def view_of(recording: Recording, choices: Choices) -> ViewSettings:
    """Frozen view settings; reads a sample of the recording if a percentile window is requested.

    If the recording names its axes differently from the choices, they are matched by position.
    """
    from napari_sam2_video.frames.view import default_view

    letters = dict(zip(choices.axes, recording.axes, strict=False))
    at = {letters[letter]: place for letter, place in choices.at.items() if letters[letter] != "C"}
    axis = letters[choices.axis]
    channel = choices.channel if "C" in recording.axes and axis != "C" else None
    if channel is None and "C" in recording.axes and axis != "C":
        channel = next((place for letter, place in choices.at.items() if letters[letter] == "C"), 0)
    window = choices.window if isinstance(choices.window, ContrastWindow) and not choices.channels else PERCENTILE
    channels = choices.channels if channel is not None else ()
    settings = default_view(recording, axis=axis, at=at, channel=channel, window=window, channels=channels)
    return replace(settings, at=dict(settings.at))
