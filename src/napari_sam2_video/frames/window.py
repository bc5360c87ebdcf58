"""The contrast window, which maps raw values to what the model sees."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.errors import FrameError, RecordingError
from napari_sam2_video.types import CT_WINDOWS, ContrastWindow, ViewSettings
from napari_sam2_video.types.contrast import PERCENTILE

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from napari_sam2_video.frames.recording import AxisIndex, Recording

HOUNSFIELD = "hounsfield"
"""Key in a recording's metadata: True if its values are Hounsfield units."""
_PERCENTILES = (0.1, 99.9)
_FRAMES = 16
_PIXELS = 1_000_000
_LOST = 0.95
_FEW_LEVELS = 10


def percentile_window(
    recording: Recording, *, axis: str | None = None, at: Mapping[str, int] | None = None, channel: int | None = None
) -> ContrastWindow:
    """Window between the 0.1st and the 99.9th percentile of a sample of the whole recording.

    Parameters
    ----------
    recording : Recording
        At most 16 of its frames and a million of its pixels are sampled; NaN and infinite values are ignored.
    axis : str, optional
        The walked axis, along which the sampled frames are spread; the first axis outside the image if not given.
    at : mapping of str to int, optional
        Positions along the other axes; their middle if not given.
    channel : int, optional
        Index along ``C``.

    Returns
    -------
    ContrastWindow
        A window of width 1 if all values are the same.

    Raises
    ------
    RecordingError
        If none of the frames can be read; single unreadable frames are skipped.
    """
    values = _sample(recording, axis, at, channel)
    if values.size == 0:
        return ContrastWindow(0.0, 1.0, "percentile")
    low, high = (float(value) for value in np.percentile(values.astype(np.float64), _PERCENTILES))
    if not high > low:
        low, high = float(values.min()), float(values.max())
    return ContrastWindow(low, high if high > low else low + max(1.0, abs(low) * 1e-6), "percentile")


def soft_tissue_window(recording: Recording) -> ContrastWindow | None:
    """The soft-tissue window, with a note in the recording, if the values are Hounsfield units; else None."""
    if not recording.metadata.get(HOUNSFIELD):
        return None
    window = CT_WINDOWS["abdomen"]
    recording.add_note(
        f"The model sees this CT scan in the soft-tissue window ({window.low:g} to {window.high:g} HU); choose "
        f"another contrast window for other tissue, or {PERCENTILE} for all values."
    )
    return window


def note_contrast(recording: Recording, settings: ViewSettings) -> None:
    """Add a note to the recording if its contrast window leaves no contrast; see `contrast_note`."""
    note = contrast_note(recording, settings)
    if note is not None:
        recording.add_note(note)


def contrast_note(recording: Recording, settings: ViewSettings) -> str | None:
    """A note about a contrast window that hides most pixel values; None if it leaves enough contrast.

    It hides them if nearly all pixels lie outside the window and become black or white, or if the window is so wide
    that nearly all pixels map to a few grey levels.

    Parameters
    ----------
    recording : Recording
        A sample of it is read, as for `percentile_window`.
    settings : ViewSettings
        How it is viewed.
    """
    for one in settings.channels:
        alone = ViewSettings(settings.axis, one.window or settings.window, settings.at, one.channel)
        note = contrast_note(recording, alone)
        if note is not None:
            return f"Channel {one.channel}: {note}"
    if settings.channels:
        return None
    values = _sample(recording, settings.axis, settings.at, settings.channel).astype(np.float64)
    if values.size == 0:
        return None
    window = settings.window
    low, _middle, high = np.percentile(values, (2.5, 50, 97.5))
    remedy = f"most values lie between {low:g} and {high:g}, so choose a window in that range"
    black, white = float((values < window.low).mean()), float((values > window.high).mean())
    if black + white >= _LOST:
        seen = "black" if black >= _LOST else "white" if white >= _LOST else "black or white"
        return f"The contrast window {window.low:g} to {window.high:g} turns nearly all pixels {seen}; {remedy}."
    levels = 255 / (window.high - window.low)
    least, most = np.percentile(values, _PERCENTILES)
    if len(np.unique(values)) > _FEW_LEVELS and (most - least) * levels < _FEW_LEVELS:
        return (
            f"The contrast window {window.low:g} to {window.high:g} maps nearly all pixels to "
            f"{math.ceil((most - least) * levels) or 1} of 256 grey levels; {remedy}."
        )
    return None


def _sample(
    recording: Recording, axis: str | None, at: Mapping[str, int] | None, channel: int | None
) -> npt.NDArray[Any]:
    """Finite values of a sample of pixels spread over the recording.

    Unreadable frames are skipped, and noted in the recording.

    Raises
    ------
    RecordingError
        If none of the frames can be read.
    """
    leading = [letter for letter in recording.axes if letter not in "YXS"]
    walked = axis if axis in leading else next((letter for letter in leading if letter != "C"), None)
    places: dict[str, AxisIndex] = {letter: recording.length(letter) // 2 for letter in leading}
    places |= {letter: place for letter, place in (at or {}).items() if letter in leading}
    if "C" in leading and channel is not None:
        places["C"] = channel
    count = recording.length(walked) if walked else 1
    frames = sorted({round(part * (count - 1)) for part in np.linspace(0, 1, _FRAMES)})
    others = sorted({round(part * (count - 1)) for part in np.linspace(0, 1, 4 * _FRAMES)} - set(frames))
    area = math.prod(recording.length(letter) for letter in "YXS")
    step = max(1, math.ceil(math.sqrt(area * len(frames) / _PIXELS)))
    places |= {letter: slice(None, None, step) for letter in "YX"}
    found: list[npt.NDArray[Any]] = []
    failed: dict[int, FrameError] = {}
    for frame in (*frames, *others):
        if frame in others and found:
            break
        try:
            found.append(recording.read({**places, walked: frame} if walked else places).ravel())
        except FrameError as error:
            failed[frame] = error
    if not found:
        first = next(iter(failed.values()))
        raise RecordingError(f"None of {len(failed)} frames of {recording.name} that were tried can be read. {first}")
    if failed:
        numbers = ", ".join(map(str, list(failed)[:5])) + (" and others" if len(failed) > 5 else "")
        recording.add_note(
            f"{'Frames' if len(failed) > 1 else 'Frame'} {numbers} of {recording.name} cannot be read; the others can."
        )
    values = np.concatenate(found)
    return values[np.isfinite(values)] if values.dtype.kind == "f" else values


class WindowMap:
    """Applies one window to arrays of one type.

    Parameters
    ----------
    window : ContrastWindow
        Values up to `low` become 0, from `high` on 255, between them ``round((value - low) * 255 / (high - low))``.
        NaN becomes 0.
    dtype : dtype
        Type of the raw values.
    """

    def __init__(self, window: ContrastWindow, dtype: npt.DTypeLike) -> None:
        self.window = window
        self.dtype = np.dtype(dtype)
        self._table: npt.NDArray[np.uint8] | None = None
        self._same = self.dtype == np.uint8 and (window.low, window.high) == (0, 255)
        if self.dtype.kind in "bui" and self.dtype.itemsize <= 2:
            codes = np.arange(256**self.dtype.itemsize, dtype=f"u{self.dtype.itemsize}")
            values = codes.view(self.dtype) if self.dtype.kind == "i" else codes
            self._table = self._scaled(values.astype(np.float64))

    def __call__(self, raw: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        """Map `raw`, of any shape; the result may be `raw` itself where nothing changes."""
        if self._same:
            return raw
        if self._table is not None:
            return np.asarray(self._table[raw.view(f"u{self.dtype.itemsize}")])
        if raw.ndim < 2 or raw.size <= _PIXELS:
            return self._scaled(raw.astype(np.float64))
        mapped = np.empty(raw.shape, np.uint8)
        rows = max(1, _PIXELS * len(raw) // raw.size)
        for start in range(0, len(raw), rows):
            mapped[start : start + rows] = self._scaled(raw[start : start + rows].astype(np.float64))
        return mapped

    def _scaled(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
        values = np.clip(values, self.window.low, self.window.high)
        values -= self.window.low
        values *= 255 / (self.window.high - self.window.low)
        np.nan_to_num(values, copy=False, nan=0.0)
        return np.rint(values).astype(np.uint8)
