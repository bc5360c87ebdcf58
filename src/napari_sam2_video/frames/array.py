"""Recordings from arrays: numpy, dask, zarr, and anything else with a shape, a dtype and slicing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.errors import FrameError, RecordingError
from napari_sam2_video.frames.alpha import NOTE, on_white
from napari_sam2_video.frames.axes import guess_axes
from napari_sam2_video.frames.recording import AxisIndex, Recording

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import numpy.typing as npt


class ArrayRecording(Recording):
    """A recording backed by an array, in memory or lazy.

    Parameters
    ----------
    array : array-like
        With ``shape``, ``dtype`` and basic slicing. RGB or RGBA samples may be on any axis, which ``axes`` calls ``S``.
        Transparent pixels become white.
    on_close : callable, optional
        Called once, when the recording is closed.
    name, axes, **about
        As for `Recording`; axes are guessed from the shape if not given.
    """

    def __init__(
        self,
        array: Any,
        *,
        name: str = "array",
        axes: str | None = None,
        scale: Mapping[str, float | None] | None = None,
        units: Mapping[str, str | None] | None = None,
        times: npt.ArrayLike | None = None,
        path: Path | None = None,
        notes: tuple[str, ...] = (),
        affine: npt.NDArray[np.float64] | None = None,
        metadata: dict[str, Any] | None = None,
        on_close: Callable[[], None] | None = None,
    ) -> None:
        shape = tuple(int(n) for n in array.shape)
        if len(shape) < 2:
            raise RecordingError(f"{name} has {len(shape)} axes; a recording needs at least two (Y, X).")
        axes = (axes or guess_axes(shape)).upper()
        self._array = array
        self._alpha = False
        self._samples = axes.find("S") if "S" in axes and len(axes) == len(shape) else -1
        if self._samples >= 0:
            axes = axes.replace("S", "") + "S"
            samples = shape[self._samples]
            self._alpha = samples == 4
            shape = shape[: self._samples] + shape[self._samples + 1 :] + (3 if self._alpha else samples,)
            notes = (*notes, NOTE) if self._alpha else notes
        self._on_close = on_close
        super().__init__(
            name=name,
            axes=axes,
            shape=shape,
            dtype=array.dtype,
            scale=scale,
            units=units,
            times=times,
            path=path,
            notes=notes,
            affine=affine,
            metadata=metadata,
        )

    def _read(self, index: tuple[AxisIndex, ...]) -> npt.NDArray[Any]:
        if self.is_single:
            first, *rest = index
            frame = self._read_stored(tuple(rest))
            return frame if isinstance(first, int) else frame[None][first]
        return self._read_stored(index)

    def _read_stored(self, index: tuple[AxisIndex, ...]) -> npt.NDArray[Any]:
        """Read with one index for each axis of the array."""
        if self._alpha:
            *places, sample = index
            colours = on_white(self._values((*places, slice(None))))
            return colours[..., sample]
        return self._values(index)

    def _values(self, index: tuple[AxisIndex, ...]) -> npt.NDArray[Any]:
        try:
            values = self._fetch(self._stored(index))
        except (MemoryError, FrameError):
            raise
        except Exception as error:
            places = zip(self.axes[-len(index) :], index, strict=True)
            part = ", ".join(f"{letter} {chosen}" for letter, chosen in places if isinstance(chosen, int))
            remedy = "; copy or write it again" if self.path is not None else ""
            raise FrameError(
                f"The part {part or 'asked for'} of {self.path or self.name} cannot be read ({error}){remedy}."
            ) from error
        if self._samples >= 0 and isinstance(index[-1], slice):
            before = sum(isinstance(chosen, slice) for chosen in index[: self._samples])
            values = np.moveaxis(values, before, -1)
        return np.array(values)

    def _fetch(self, index: tuple[AxisIndex, ...]) -> npt.NDArray[Any]:
        """Read with the axes in the order of the array."""
        return np.asarray(self._array[index])

    def _stored(self, index: tuple[AxisIndex, ...]) -> tuple[AxisIndex, ...]:
        """The index in the array's own axis order, in which RGB samples need not be last."""
        if self._samples < 0:
            return index
        return (*index[: self._samples], index[-1], *index[self._samples : -1])

    def _close(self) -> None:
        self._array = None
        if self._on_close is not None:
            self._on_close()
