"""What every recording is: a lazy array with named axes, pixel sizes and units."""

from __future__ import annotations

import math
import operator
import uuid
from abc import ABC, abstractmethod
from itertools import product
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from napari_sam2_video.errors import FrameError, RecordingError
from napari_sam2_video.frames.fingerprint import array_fingerprint, file_fingerprint
from napari_sam2_video.frames.times import checked_times

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

    import numpy.typing as npt

AxisIndex = int | slice


class Recording(ABC):
    """A lazy recording with named axes; reads are thread-safe, and it is a context manager.

    Parameters
    ----------
    name : str
        What a person calls it.
    axes : str
        One letter an axis, in the order of `shape`: ``T``, ``Z``, ``C``, ``Y``, ``X``, others for what has no name,
        and ``S`` for three RGB samples, which is always the last.
    shape : tuple of int
        Length of each axis.
    dtype : dtype
        Type of the values, in native byte order.
    scale : mapping of str to float, optional
        Pixel size or time step of each axis; 1.0 where nothing is known.
    units : mapping of str to str, optional
        Unit of `scale` of each axis; None where nothing is known.
    times : array-like of float, shape (T,), optional
        Seconds from the first frame along ``T`` to each, where they are known and the interval varies.
    path : Path, optional
        Where it was opened from.
    notes : tuple of str
        Sentences that a person should see.
    affine : ndarray, shape (4, 4), optional
        From voxel indices in the file's own order to world coordinates, of medical volumes.
    metadata : dict, optional
        What the file says besides.

    Attributes
    ----------
    times : ndarray of float64, shape (T,), or None
        Seconds from the first frame along ``T`` to each, strictly increasing; None where the interval is constant or
        unknown.
    nominal_range : tuple of float, optional
        Values that are black and white by the rules of the format, where it has any: of deep video, not of counts.

    Raises
    ------
    RecordingError
        If the axes do not fit the shape, or an axis is empty.
    """

    def __init__(
        self,
        *,
        name: str,
        axes: str,
        shape: tuple[int, ...],
        dtype: npt.DTypeLike,
        scale: Mapping[str, float] | None = None,
        units: Mapping[str, str | None] | None = None,
        times: npt.ArrayLike | None = None,
        path: Path | None = None,
        notes: tuple[str, ...] = (),
        affine: npt.NDArray[np.float64] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.shape = tuple(int(n) for n in shape)
        self.dtype = np.dtype(dtype).newbyteorder("=")
        self.path = path
        self.notes = notes
        self.affine = affine
        self.metadata = metadata or {}
        self.axes = check_axes(axes, self.shape, name)
        if self.dtype.kind not in "buif":
            raise RecordingError(f"{name} holds values of type {self.dtype}; convert them to whole or real numbers.")
        self.scale: dict[str, float] = dict.fromkeys(self.axes, 1.0)
        self.units: dict[str, str | None] = dict.fromkeys(self.axes)
        self.times: npt.NDArray[np.float64] | None = None
        self.set_calibration(scale or {}, units or {})
        self.set_times(times)
        self.nominal_range: tuple[float, float] | None = None
        self.closed = False

    def set_calibration(self, scale: Mapping[str, float], units: Mapping[str, str | None]) -> None:
        """Replace the pixel sizes and units of the axes named.

        Sizes that are not positive numbers are unknown: 1.0 without a unit. An interval along ``T`` replaces the
        times of the frames.
        """
        if "T" in scale:
            self.times = None
        unknown = {letter for letter, size in scale.items() if not (math.isfinite(size) and size > 0)}
        for letter, size in scale.items():
            if letter in self.scale:
                self.scale[letter] = 1.0 if letter in unknown else float(size)
        for letter in units.keys() | unknown:
            if letter in self.units:
                self.units[letter] = None if letter in unknown else units[letter]

    def set_times(self, times: npt.ArrayLike | None) -> None:
        """Replace the times of the frames along ``T``, in seconds from any origin; None where the interval is constant.

        Raises
        ------
        RecordingError
            If there is not one for each frame, or they do not increase.
        """
        self.times = checked_times(times, self.length("T"), self.name)

    def rename_axes(self, axes: str) -> None:
        """Give the axes other names, in place; pixel sizes stay with their positions, and times with the axis ``T``.

        Raises
        ------
        RecordingError
            If the names do not fit the shape.
        """
        old = self.axes
        self.axes = check_axes(axes, self.shape, self.name)
        if old.find("T") != self.axes.find("T"):
            self.times = None
        self.scale = {new: self.scale[letter] for new, letter in zip(self.axes, old, strict=True)}
        self.units = {new: self.units[letter] for new, letter in zip(self.axes, old, strict=True)}

    def length(self, axis: str) -> int:
        """Length of the axis of that name; 1 where there is none."""
        return self.shape[self.axes.index(axis)] if axis in self.axes else 1

    def read(self, selection: Mapping[str, AxisIndex]) -> npt.NDArray[Any]:
        """Read a part.

        Parameters
        ----------
        selection : mapping of str to int or slice
            By axis name. An int drops the axis; axes that are not named are read whole.

        Returns
        -------
        ndarray
            In native byte order, its axes in the order of `axes`. Copy it before you write to it: a frame of a video
            is read-only.

        Raises
        ------
        FrameError
            If the selection lies outside the recording, or that part cannot be read.
        RecordingError
            If an axis is unknown, the recording is closed, or something else than that part is to blame: too little
            memory, a program that was killed or hung.
        """
        self._check_open()
        for letter in selection:
            if letter not in self.axes:
                raise RecordingError(f"{self.name} has no axis {letter!r}; it has {', '.join(self.axes)}.")
        index = tuple(
            self._checked(letter, selection.get(letter, slice(None)), n)
            for letter, n in zip(self.axes, self.shape, strict=True)
        )
        try:
            return np.ascontiguousarray(self._read(index), dtype=self.dtype)
        except MemoryError as error:
            raise RecordingError(
                f"There is too little memory to read that much of {self.name}; read less at once, or crop it."
            ) from error
        except Exception:
            self._check_open()
            raise

    def _check_open(self) -> None:
        """Refuse to read a recording that is closed, perhaps by another thread while it is read."""
        if self.closed:
            raise RecordingError(f"{self.name} is closed; open it again to read it.")

    def _checked(self, letter: str, chosen: AxisIndex, length: int) -> AxisIndex:
        if isinstance(chosen, slice):
            start, stop, step = chosen.indices(length)
            if step < 1:
                raise RecordingError(f"Axis {letter} of {self.name} is read forward; give a positive step.")
            return slice(start, max(start, stop), step)
        position = operator.index(chosen)
        if not 0 <= position < length:
            raise FrameError(
                f"{self.name} has no position {position} along axis {letter}; choose one from 0 to {length - 1}."
            )
        return position

    @abstractmethod
    def _read(self, index: tuple[AxisIndex, ...]) -> npt.NDArray[Any]:
        """Read by position, with checked ints and slices of positive step, one for each axis."""

    def to_dask(self) -> Any:
        """Whole recording as a dask array, one chunk a frame of all of ``Y``, ``X`` and ``S``."""
        import dask.array as da

        chunks = tuple(n if letter in "YXS" else 1 for letter, n in zip(self.axes, self.shape, strict=True))
        name = f"recording-{uuid.uuid4().hex}"
        meta = np.empty((0,) * len(self.shape), self.dtype)
        from_array: Any = da.from_array
        return from_array(_Indexable(self), chunks=chunks, name=name, asarray=False, meta=meta)

    def fingerprint(self) -> dict[str, Any]:
        """What tells this recording from another: JSON-able, and cheap however large the recording is.

        Raises
        ------
        RecordingError
            If the recording is gone.
        """
        described: dict[str, Any] = {"shape": list(self.shape), "dtype": self.dtype.str, "axes": self.axes}
        try:
            return described | self._source()
        except OSError as error:
            raise RecordingError(
                f"{error.filename or self.path} is gone or cannot be read ({error.strerror or error}); put it back."
            ) from error

    def _source(self) -> dict[str, Any]:
        return file_fingerprint(self.path) if self.path is not None else array_fingerprint(self)

    def close(self) -> None:
        """Release files and processes; a second call does nothing."""
        if not self.closed:
            self.closed = True
            self._close()

    def _close(self) -> None:  # noqa: B027 - most arrays hold nothing
        """Release what the backend holds."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r} {self.axes} {self.shape} {self.dtype}>"


class PlanesRecording(Recording):
    """A recording that is stored plane by plane: its last axes are those of a plane.

    A backend gives the plane's own axes count as `plane_ndim` (2, or 3 with RGB samples) and `_plane`.
    """

    plane_ndim: int = 2

    @abstractmethod
    def _plane(self, number: int, rows: slice) -> npt.NDArray[Any]:
        """Rows of plane `number`, counted over the leading axes in C order, fresh or read-only; `rows` has step 1."""

    def _read(self, index: tuple[AxisIndex, ...]) -> npt.NDArray[Any]:
        leading = index[: -self.plane_ndim]
        within = index[-self.plane_ndim :]
        lengths = self.shape[: -self.plane_ndim]
        steps = [math.prod(lengths[n + 1 :]) for n in range(len(lengths))]
        wanted = [range(chosen, chosen + 1) if isinstance(chosen, int) else _numbers(chosen) for chosen in leading]
        rows, rest = _split_rows(within[0])
        planes: npt.NDArray[Any] | None = None
        counts = tuple(len(numbers) for numbers in wanted)
        kept = tuple(n for n, chosen in zip(counts, leading, strict=True) if isinstance(chosen, slice))
        for n, numbers in enumerate(product(*wanted)):
            plane = self._plane(sum(map(operator.mul, numbers, steps)), rows)[(rest, *within[1:])]
            if math.prod(counts) == 1:
                return plane.reshape(kept + plane.shape)
            if planes is None:
                planes = np.empty((math.prod(counts), *plane.shape), self.dtype)
            planes[n] = plane
        if planes is None:
            shape = [len(_numbers(chosen)) for chosen in within if isinstance(chosen, slice)]
            planes = np.empty((0, *shape), self.dtype)
        return planes.reshape(kept + planes.shape[1:])


class _Indexable:
    """The face that dask wants: shape, dtype and slices by position."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.shape = recording.shape
        self.dtype = recording.dtype
        self.ndim = len(recording.shape)

    def __getitem__(self, index: tuple[AxisIndex, ...]) -> npt.NDArray[Any]:
        return self.recording.read(dict(zip(self.recording.axes, index, strict=False)))


def check_axes(axes: str, shape: tuple[int, ...], name: str) -> str:
    """Axis names in capitals, if they fit `shape`.

    Raises
    ------
    RecordingError
        If they do not, or an axis is empty.
    """
    axes = axes.upper()
    if len(axes) != len(shape):
        raise RecordingError(f"{name} has {len(shape)} axes {shape}, but {axes!r} names {len(axes)}; name each one.")
    if len(set(axes)) != len(axes) or not axes.isalpha():
        raise RecordingError(f"The axes {axes!r} of {name} must be letters, each used once; correct them.")
    if "Y" not in axes or "X" not in axes:
        raise RecordingError(f"The axes {axes!r} of {name} must contain Y and X; name the two axes of an image so.")
    for letter, n in zip(axes, shape, strict=True):
        if n == 0:
            raise RecordingError(f"Axis {letter} of {name} is empty; there is nothing to read.")
    if "S" in axes and (axes[-1] != "S" or shape[-1] != 3):
        raise RecordingError(
            f"{name} has {shape[axes.index('S')]} colour samples as axes {axes}; give three (RGB) in the last axis, "
            "or call the axis C to choose one channel."
        )
    return axes


def _numbers(chosen: slice) -> range:
    return range(chosen.start, chosen.stop, chosen.step)


def _split_rows(chosen: AxisIndex) -> tuple[slice, AxisIndex]:
    if isinstance(chosen, int):
        return slice(chosen, chosen + 1), 0
    return slice(chosen.start, chosen.stop), slice(None, None, chosen.step)
