"""The base of every recording: a lazy array with named axes, pixel sizes and units."""

from __future__ import annotations

import operator
import uuid
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from napari_sam2_video.errors import FrameError, RecordingError
from napari_sam2_video.frames.axes import check_axes
from napari_sam2_video.frames.calibration import fits_axis, settle
from napari_sam2_video.frames.fingerprint import array_fingerprint, file_fingerprint
from napari_sam2_video.frames.times import checked_times
from napari_sam2_video.units import SECONDS, time_unit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

    import numpy.typing as npt

    from napari_sam2_video.types import OpenSettings

AxisIndex = int | slice
_USUAL_CHANNELS = 4


class Recording(ABC):
    """A lazy recording with named axes; reads are thread-safe, and it is a context manager.

    Parameters
    ----------
    name : str
        Its name.
    axes : str
        One letter per axis, in the order of `shape`: ``T``, ``Z``, ``C``, ``Y``, ``X``, other letters for unnamed axes,
        and ``S`` for three RGB samples, which is always the last.
    shape : tuple of int
        Length of each axis.
    dtype : dtype
        Type of the values, in native byte order.
    scale : mapping of str to float, optional
        Pixel size or time step by axis letter, as in the file; `calibration.settle` decides which are known.
    units : mapping of str to str, optional
        Their units, in any spelling.
    times : array-like of float, shape (T,), optional
        Seconds from the first frame along ``T`` to each, if they are known and the interval varies.
    path : Path, optional
        The file or folder it was opened from.
    notes : tuple of str
        Sentences for the user.
    affine : ndarray, shape (4, 4), optional
        From voxel indices in the file's own order to world coordinates, of medical volumes.
    metadata : dict, optional
        Further metadata from the file.

    Attributes
    ----------
    times : ndarray of float64, shape (T,), or None
        Seconds from the first frame to each, strictly increasing; None if the interval is constant or unknown.
    scale : dict of str to (float or None)
        Pixel size or time step of each axis; None where unknown. Exactly 1 is a valid size.
    units : dict of str to (str or None)
        Unit symbols; None where unknown or where only the ratio of the sizes is known.
    calibration_source : dict of str to str
        Where each size comes from, by axis: ``"file"``, ``"person"`` or ``"unknown"``.
    series : int or str, optional
        Which series of the file or folder at `path` it is, if one was chosen.
    is_single : bool
        Whether it is a single image, whose ``T`` axis was added.
    nominal_range : tuple of float, optional
        Values that the format defines as black and white, such as those of deep video; photon counts have none.

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
        scale: Mapping[str, float | None] | None = None,
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
        self.scale: dict[str, float | None] = dict.fromkeys(self.axes)
        self.units: dict[str, str | None] = dict.fromkeys(self.axes)
        self.times: npt.NDArray[np.float64] | None = None
        self.calibration_source: dict[str, str] = dict.fromkeys(self.axes, "unknown")
        self.set_calibration(scale or {}, units or {})
        self.set_times(times)
        self.nominal_range: tuple[float, float] | None = None
        self.closed = False
        self.is_single = False
        self.series: int | str | None = None

    def add_note(self, sentence: str) -> None:
        """Add a sentence for the user, unless it is there already."""
        if sentence not in self.notes:
            self.notes = (*self.notes, sentence)

    def ensure_frames(self) -> None:
        """Turn a single image into a recording of one frame by adding a ``T`` axis of length 1."""
        if set(self.axes) <= set("CYXS"):
            self.is_single = True
            if (channels := self.length("C")) > _USUAL_CHANNELS:
                self.add_note(f"{self.name} says it has {channels} channels; if they are frames, name the axes TYX.")
            self.axes, self.shape = "T" + self.axes, (1, *self.shape)
            self.scale, self.units = {"T": None, **self.scale}, {"T": None, **self.units}
            self.calibration_source = {"T": "unknown", **self.calibration_source}

    def set_calibration(
        self, scale: Mapping[str, float | None], units: Mapping[str, str | None], source: str = "file"
    ) -> None:
        """Replace the pixel sizes and units of the axes that `scale` names; the others stay.

        An interval along ``T`` from the user, or one that differs from the current one, replaces the times of the
        frames.

        Parameters
        ----------
        scale, units : mapping
            By axis letter; letters that the recording lacks are ignored.
        source : {"file", "person"}
            Where the sizes come from.
        """
        sizes, settled, notes = settle({letter: scale[letter] for letter in self.axes if letter in scale}, units)
        if "T" in sizes and (source == "person" or (sizes["T"], settled["T"]) != (self.scale["T"], self.units["T"])):
            self.times = None
        self.scale |= sizes
        self.units |= settled
        self.calibration_source |= {letter: source if sizes[letter] is not None else "unknown" for letter in sizes}
        self.notes = (*self.notes, *notes)

    def file_of(self, axis: str, position: int) -> str | None:
        """Name of the file that holds one position along an axis and nothing else; None if there is none."""
        return None

    def apply(self, settings: OpenSettings) -> None:
        """Apply what the user states about the recording, in place of what its file says.

        Raises
        ------
        RecordingError
            If the axes do not fit the shape, or a size is given for an axis that the recording lacks.
        """
        if settings.axes is not None:
            if len(settings.axes.removesuffix("S")) > len(self.axes.removesuffix("S")):
                self.ensure_frames()
            added = "S" if self.axes.endswith("S") and len(settings.axes) == len(self.axes) - 1 else ""
            self.rename_axes(settings.axes + added)
        for letter in settings.sizes:
            if letter not in self.axes:
                what = "an interval" if letter == "T" else f"a size along {letter}"
                named = f", or name the axes, such as {letter}{self.axes[1:]}" if self.axes[0] not in "YX" else ""
                raise RecordingError(
                    f"{self.name} ({self.axes}) has no axis {letter}, but {what} was given; leave it out{named}."
                )
        given = settings.sizes
        self.set_calibration(
            {letter: size for letter, (size, _) in given.items()},
            {letter: unit for letter, (_, unit) in given.items()},
            "person",
        )

    def set_times(self, times: npt.ArrayLike | None) -> None:
        """Replace the times of the frames along ``T``, in seconds from any origin; None if the interval is constant.

        The step along ``T`` becomes the median interval, in the current unit if that is a unit of time.

        Raises
        ------
        RecordingError
            If there is not one time for each frame, or they do not increase.
        """
        times = checked_times(times, self.length("T"), self.name)
        if times is not None:
            unit = time_unit(self.units["T"]) or "s"
            self.set_calibration({"T": float(np.median(np.diff(times))) / SECONDS[unit]}, {"T": unit})
        self.times = times

    def rename_axes(self, axes: str) -> None:
        """Rename the axes, in place.

        Sizes stay with their positions, but become unknown where a time axis becomes a spatial one or the reverse.
        Times stay with the axis ``T``.

        Raises
        ------
        RecordingError
            If the names do not fit the shape.
        """
        names = check_axes(axes, self.shape, self.name)
        if self.axes.find("T") != names.find("T"):
            self.times = None
        old = zip(self.axes, names, strict=True)
        scale, units, source = self.scale, self.units, self.calibration_source
        self.axes, self.scale, self.units, self.calibration_source = "", {}, {}, {}
        for letter, new in old:
            fits = fits_axis(units[letter], new)
            self.axes += new
            self.scale[new] = scale[letter] if fits else None
            self.units[new] = units[letter] if fits else None
            self.calibration_source[new] = source[letter] if fits else "unknown"

    def length(self, axis: str) -> int:
        """Length of the axis of that name; 1 if there is none."""
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
            If an axis is unknown, the recording is closed, or the cause is not that part of the file: too little
            memory, or a helper program that was killed or hung.
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
                f"There is not enough memory to read that much of {self.name}; read less at once, or crop it."
            ) from error
        except Exception:
            self._check_open()
            raise

    def _check_open(self) -> None:
        """Refuse to read a closed recording; another thread may close it during a read."""
        if self.closed:
            raise RecordingError(f"{self.name} is closed; open it again to read it.")

    def _checked(self, letter: str, chosen: AxisIndex, length: int) -> AxisIndex:
        if isinstance(chosen, slice):
            start, stop, step = chosen.indices(length)
            if step < 1:
                raise RecordingError(f"Axis {letter} of {self.name} can only be read forward; give a positive step.")
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
        """Whole recording as a dask array, one chunk per plane."""
        import dask.array as da

        chunks = tuple(n if letter in "YXS" else 1 for letter, n in zip(self.axes, self.shape, strict=True))
        name = f"recording-{uuid.uuid4().hex}"
        meta = np.empty((0,) * len(self.shape), self.dtype)
        from_array: Any = da.from_array
        return from_array(_Indexable(self), chunks=chunks, name=name, asarray=False, meta=meta)

    def fingerprint(self) -> dict[str, Any]:
        """JSON-serializable fingerprint of the recording, cheap to compute for recordings of any size.

        Raises
        ------
        RecordingError
            If the recording can no longer be found.
        """
        described: dict[str, Any] = {"shape": list(self.shape), "dtype": self.dtype.str, "axes": self.axes}
        try:
            return described | self._source()
        except OSError as error:
            raise RecordingError(
                f"{error.filename or self.path} is missing or unreadable ({error.strerror or error}); put it back."
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


class _Indexable:
    """What dask needs of an array: shape, dtype and slicing by position."""

    def __init__(self, recording: Recording) -> None:
        self.recording, self.shape, self.dtype = recording, recording.shape, recording.dtype
        self.ndim = len(recording.shape)

    def __getitem__(self, index: tuple[AxisIndex, ...]) -> npt.NDArray[Any]:
        return self.recording.read(dict(zip(self.recording.axes, index, strict=False)))
