"""Arrays of other libraries (xarray, torch, dask, h5py, pims and others) and what they declare about their axes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.errors import RecordingError
from napari_sam2_video.frames.axes import axes_named
from napari_sam2_video.frames.times import frame_times
from napari_sam2_video.units import SECONDS, time_unit

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_sam2_video.frames.calibration import Sizes, Units

_EVEN = 1e-3
_LIBRARIES = ("dask", "zarr", "h5py")
"""Libraries whose arrays can be sliced along several axes at once."""


@dataclass(frozen=True)
class DescribedArray:
    """An array with shape, dtype and slicing, and what is known about it.

    Parameters
    ----------
    array : array-like
        With ``shape``, ``dtype`` and basic slicing.
    axes : str, optional
        Letters of its axes, if it names them.
    scale, units : dict
        By axis letter, as for `Recording`.
    times : ndarray of float, shape (T,), optional
        Time of each frame in seconds, if the interval varies.
    name : str
        Its name.
    notes : tuple of str
        Notes for the user.
    """

    array: Any
    axes: str | None = None
    scale: Sizes = field(default_factory=dict)
    units: Units = field(default_factory=dict)
    times: npt.NDArray[np.float64] | None = None
    name: str = "array"
    notes: tuple[str, ...] = ()


def described_array(source: Any) -> DescribedArray:
    """Turn anything that holds numbers into an array.

    Parameters
    ----------
    source : object
        An array of numpy, dask, zarr, h5py, xarray or torch, a list of such arrays, or a sequence that returns one
        frame per index, as those of pims do. A list of arrays of different shapes is a multiscale image, of which the
        first is used.

    Raises
    ------
    RecordingError
        If it is not a regular array of numbers.
    """
    library = type(source).__module__.partition(".")[0]
    if library == "xarray":
        return _from_xarray(source)
    if library == "h5py":
        return _from_hdf5(source)
    if library == "nibabel":
        raise RecordingError("A nibabel image is not an array; save it and open the file, which keeps its axes.")
    if isinstance(source, list | tuple) and source and all(hasattr(level, "shape") for level in source):
        return _from_list(source)
    return DescribedArray(_plain(source, library))


def _plain(source: Any, library: str) -> Any:
    """An array with shape, numpy dtype and slicing."""
    if library == "torch":
        tensor = source.detach().cpu()
        return (tensor.float() if "bfloat16" in str(tensor.dtype) else tensor).numpy()
    if isinstance(source, np.ma.MaskedArray):
        return source.filled(np.nan if source.dtype.kind == "f" else 0)
    if library == "dask" and any(not np.isfinite(n) for n in source.shape):
        return source.copy().compute_chunk_sizes()
    if hasattr(source, "shape") and hasattr(source, "dtype") and hasattr(source, "__getitem__"):
        return source if isinstance(source, np.ndarray) or library in _LIBRARIES else _OneByOne(source)
    if (
        hasattr(source, "__len__")
        and hasattr(source, "__getitem__")
        and not isinstance(source, list | tuple | str | dict)
    ):
        return _OneByOne(source)
    try:
        return np.asarray(source)
    except (ValueError, TypeError) as error:
        raise RecordingError(
            f"{type(source).__name__} is neither a file nor a regular array of numbers; give frames of one shape."
        ) from error


class _OneByOne:
    """An array over a sequence that may only return one frame at a time."""

    def __init__(self, frames: Any) -> None:
        self._frames, self._sliceable = frames, hasattr(frames, "shape")
        if self._sliceable:
            self.shape, self.dtype = tuple(frames.shape), frames.dtype
        elif len(frames) == 0:
            raise RecordingError(f"{type(frames).__name__} holds no frames; there is nothing to read.")
        else:
            first = np.asarray(frames[0])
            self.shape, self.dtype = (len(frames), *first.shape), first.dtype

    def __getitem__(self, index: tuple[int | slice, ...]) -> npt.NDArray[Any]:
        if self._sliceable:
            try:
                return np.asarray(self._frames[index])
            except (TypeError, IndexError):
                self._sliceable = False
        first, rest = index[0], index[1:]
        if isinstance(first, int):
            return np.asarray(self._frames[first])[rest]
        numbers = range(*first.indices(self.shape[0]))
        if not numbers:
            return np.empty((0, *self.shape[1:]), self.dtype)[(slice(None), *rest)]
        return np.stack([np.asarray(self._frames[number])[rest] for number in numbers])


def _from_list(source: Sequence[Any]) -> DescribedArray:
    parts = [described_array(part) for part in source]
    first = parts[0]
    if len({tuple(part.array.shape) for part in parts}) == 1:
        lazy = all(type(part.array).__module__.startswith("dask") for part in parts)
        if lazy:
            import dask.array

            stack: Any = dask.array.stack
            return DescribedArray(stack([part.array for part in parts]))
        return DescribedArray(np.stack([np.asarray(part.array) for part in parts]))
    sizes = [int(np.prod(part.array.shape)) for part in parts]
    if len({len(part.array.shape) for part in parts}) > 1 or sizes != sorted(sizes, reverse=True):
        raise RecordingError(
            f"The list holds arrays of different shapes, such as {tuple(parts[0].array.shape)} and "
            f"{next(tuple(part.array.shape) for part in parts if part.array.shape != first.array.shape)}; give frames "
            "of one shape."
        )
    note = f"The image is multiscale with {len(parts)} levels: level 0, the full resolution, is used."
    return replace(first, notes=(*first.notes, note))


def _from_xarray(source: Any) -> DescribedArray:
    if hasattr(source, "data_vars"):
        images = [name for name, held in source.data_vars.items() if held.ndim > 1]
        if len(images) != 1:
            raise RecordingError(
                f"The xarray.Dataset holds {len(images)} images ({', '.join(map(str, images[:5]))}); give one of them."
            )
        source = source[images[0]]
    lengths = dict(zip(source.dims, source.shape, strict=True))
    axes = axes_named([str(name) for name in source.dims], tuple(lengths.values()))
    found = DescribedArray(_plain(source.data, type(source.data).__module__.partition(".")[0]), axes)
    found = replace(found, name=str(source.name or "array"))
    for dim, letter in zip(source.dims, axes or "", strict=bool(axes)):
        if dim in source.coords and source.coords[dim].ndim == 1:
            coordinate = source.coords[dim]
            found = with_coordinate(found, letter, np.asarray(coordinate.values), coordinate.attrs.get("units"))
    return found


def with_coordinate(found: DescribedArray, letter: str, values: npt.NDArray[Any], unit: object) -> DescribedArray:
    """Use the coordinates along an axis, which give its step, or its times if they vary.

    Parameters
    ----------
    found : DescribedArray
        What is known about the array so far.
    letter : str
        The axis.
    values : ndarray, shape (n,)
        Coordinates or times along it.
    unit : object
        Their unit, if the array names one.
    """
    if values.dtype.kind == "M":
        values, unit = (values - values[0]) / np.timedelta64(1, "s"), "s"
    elif values.dtype.kind == "m":
        values, unit = values / np.timedelta64(1, "s"), "s"
    if values.dtype.kind not in "iuf" or len(values) < 2 or letter in "CS":
        return found
    steps = np.diff(values.astype(np.float64))
    scale, units = found.scale | {letter: abs(float(np.median(steps)))}, found.units | {letter: str(unit or "")}
    if np.ptp(steps) <= _EVEN * abs(float(steps[0])):
        return replace(found, scale=scale, units=units)
    factor = SECONDS.get(time_unit(str(unit or "")) or "")
    times = frame_times(values * factor).times if letter == "T" and factor is not None else None
    if times is not None:
        return replace(found, scale=scale, units=units, times=times)
    note = f"The positions along {letter} are not evenly spaced, so the spacing along it is unknown."
    return replace(found, notes=(*found.notes, note))


def _from_hdf5(source: Any) -> DescribedArray:
    if not hasattr(source, "dtype"):
        names = [name for name in source if hasattr(source[name], "dtype") and source[name].ndim > 1]
        if len(names) != 1:
            raise RecordingError(
                f"{source.name} of the HDF5 file holds {len(names)} images ({', '.join(names[:5])}); give one of them."
            )
        source = source[names[0]]
    labels = [dimension.label for dimension in source.dims]
    if not all(labels) and "axistags" in source.attrs:
        labels = [axis.get("key", "") for axis in json.loads(source.attrs["axistags"])["axes"]]
    axes = axes_named(labels, source.shape) if all(labels) else None
    name = source.name.rpartition("/")[2] or "array"
    sizes = np.atleast_1d(source.attrs.get("element_size_um", ()))
    scale: Sizes = dict(zip("ZYX", map(float, sizes), strict=True)) if len(sizes) == 3 else {}
    return DescribedArray(source, axes, scale, dict.fromkeys(scale, "µm"), name=name)
