"""An array-like that shows planes of a session as a layer with the axes of the image layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from napari_sam2_video.plugin.layers import Geometry

    ReadPlane = Callable[[int], npt.NDArray[Any]]
    Paint = Callable[[int, tuple[int, int], npt.NDArray[Any], npt.NDArray[np.bool_]], None]


class PlaneStack:
    """Labels of every frame, laid out along the axes of an image layer, read a plane at a time.

    Along an axis that stands still the labels are seen only where it stands; along a channel axis, on every channel.

    Parameters
    ----------
    geometry : Geometry
        Axes of the layer, and where the session's frames and planes lie among them.
    dtype : dtype
        Unsigned integer type of the labels.
    read : callable
        ``read(frame)`` gives the labels of a frame, shape ``(Y, X)``.
    paint : callable, optional
        ``paint(frame, origin_yx, labels, where)`` receives each stroke: labels of shape ``(h, w)`` at `origin_yx`, and
        which of these pixels the stroke changed. Without it the array is read-only.
    """

    def __init__(self, geometry: Geometry, dtype: npt.DTypeLike, read: ReadPlane, paint: Paint | None = None) -> None:
        self._geometry = geometry
        self._read = read
        self._paint = paint
        self._handed_out: tuple[tuple[slice, ...], npt.NDArray[Any]] | None = None
        self.dtype = np.dtype(dtype)
        self.shape = geometry.shape
        self.ndim = geometry.ndim

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape))

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.asarray(self[...], dtype)

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        index = self._full(key)
        if any(isinstance(part, np.ndarray) for part in index):
            return self._gather(index)
        chosen = [np.atleast_1d(np.arange(n)[part]) for n, part in zip(self.shape, index, strict=True)]
        out = np.zeros([len(c) for c in chosen], self.dtype)
        self._fill(out, chosen)
        if len(chosen[self._geometry.walk]) == 1 and all(isinstance(part, slice) for part in index):
            self._handed_out = (index, out.copy())
        dropped = tuple(axis for axis, part in enumerate(index) if not isinstance(part, slice))
        return out.squeeze(dropped) if dropped else out

    def __setitem__(self, key: Any, value: Any) -> None:
        if self._paint is None:
            raise ValueError("these labels are shown only; paint in the layer of the masks")
        index = self._full(key)
        if any(isinstance(part, np.ndarray) for part in index):
            self._scatter(index, value)
            return
        whole = tuple(part if isinstance(part, slice) else slice(part, part + 1) for part in index)
        chosen = [np.arange(n)[part] for n, part in zip(self.shape, whole, strict=True)]
        before = self._before(whole, chosen)
        dropped = tuple(axis for axis, part in enumerate(index) if not isinstance(part, slice))
        given = np.asarray(value)
        if dropped and given.ndim:
            given = np.expand_dims(given, dropped)
        after = np.broadcast_to(given, before.shape)
        self._write(chosen, before, after)

    def _before(self, whole: tuple[slice, ...], chosen: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
        # A stroke reads a region and writes it back whole. What changed is what differs from the region as it was
        # handed out, not from the frame as it is now: a run may have written to it in between.
        if self._handed_out is not None and self._handed_out[0] == whole:
            return self._handed_out[1]
        before = np.zeros([len(c) for c in chosen], self.dtype)
        self._fill(before, chosen)
        return before

    def _full(self, key: Any) -> tuple[Any, ...]:
        parts = key if isinstance(key, tuple) else (key,)
        if any(part is Ellipsis for part in parts):
            at = next(n for n, part in enumerate(parts) if part is Ellipsis)
            parts = parts[:at] + (slice(None),) * (self.ndim - len(parts) + 1) + parts[at + 1 :]
        parts = parts + (slice(None),) * (self.ndim - len(parts))
        if len(parts) != self.ndim:
            raise IndexError(f"{len(parts)} indices were given for {self.ndim} axes")
        return tuple(self._normal(part, n) for part, n in zip(parts, self.shape, strict=True))

    @staticmethod
    def _normal(part: Any, length: int) -> Any:
        if isinstance(part, slice):
            return part
        if isinstance(part, np.ndarray | list) and np.ndim(part):
            return np.asarray(part)
        number = int(part)
        if not -length <= number < length:
            raise IndexError(f"index {number} is outside an axis of {length}")
        return number % length

    def _shown(self, chosen: list[npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        """For each axis that is neither walked nor in the plane, which of the chosen positions show labels."""
        geometry = self._geometry
        others = [axis for axis in range(self.ndim) if axis != geometry.walk and axis not in geometry.plane]
        return [
            np.flatnonzero(chosen[axis] == geometry.fixed[axis])
            if axis in geometry.fixed
            else np.arange(len(chosen[axis]))
            for axis in others
        ]

    def _canonical(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """A view of `array` with the axes walk, y, x, others."""
        geometry = self._geometry
        return np.moveaxis(array, (geometry.walk, *geometry.plane), (0, 1, 2))

    def _fill(self, out: npt.NDArray[Any], chosen: list[npt.NDArray[Any]]) -> None:
        others = self._shown(chosen)
        if any(len(positions) == 0 for positions in others):
            return
        geometry = self._geometry
        view = self._canonical(out)
        rows, columns = chosen[geometry.plane[0]], chosen[geometry.plane[1]]
        extra = (np.newaxis,) * len(others)
        for n, frame in enumerate(chosen[geometry.walk]):
            plane = self._read(int(frame))[_tight(rows)][:, _tight(columns)]
            target = view[n]
            target[(slice(None), slice(None), *np.ix_(*others))] = plane[(..., *extra)]

    def _write(self, chosen: list[npt.NDArray[Any]], before: npt.NDArray[Any], after: npt.NDArray[Any]) -> None:
        assert self._paint is not None
        self._handed_out = None
        others = self._shown(chosen)
        if any(len(positions) == 0 for positions in others):
            return
        geometry = self._geometry
        pick: tuple[Any, ...] = tuple(int(positions[0]) for positions in others)
        whole: tuple[Any, ...] = (slice(None), slice(None))
        rows, columns = chosen[geometry.plane[0]], chosen[geometry.plane[1]]
        for n, frame in enumerate(chosen[geometry.walk]):
            old = self._canonical(before)[(n, *whole, *pick)]
            new = self._canonical(after)[(n, *whole, *pick)]
            where = old != new
            if where.any():
                self._paint(int(frame), (int(rows[0]), int(columns[0])), new.astype(self.dtype), where)

    def _points(self, index: tuple[Any, ...]) -> tuple[list[npt.NDArray[Any]], npt.NDArray[np.bool_]]:
        if any(isinstance(part, slice) for part in index):
            raise IndexError("index arrays and slices cannot be mixed here")
        parts = [np.asarray(part) for part in np.broadcast_arrays(*index)]
        on = np.ones(parts[0].shape, bool)
        for axis, at in self._geometry.fixed.items():
            on &= parts[axis] == at
        return parts, on

    def _gather(self, index: tuple[Any, ...]) -> npt.NDArray[Any]:
        parts, on = self._points(index)
        geometry = self._geometry
        out = np.zeros(on.shape, self.dtype)
        frames = parts[geometry.walk]
        for frame in np.unique(frames[on]):
            here = on & (frames == frame)
            out[here] = self._read(int(frame))[parts[geometry.plane[0]][here], parts[geometry.plane[1]][here]]
        return out

    def _scatter(self, index: tuple[Any, ...], value: Any) -> None:
        assert self._paint is not None
        self._handed_out = None
        parts, on = self._points(index)
        geometry = self._geometry
        values = np.broadcast_to(np.asarray(value), on.shape)
        frames = parts[geometry.walk]
        for frame in np.unique(frames[on]):
            here = on & (frames == frame)
            rows, columns = parts[geometry.plane[0]][here], parts[geometry.plane[1]][here]
            origin = int(rows.min()), int(columns.min())
            where = np.zeros((int(rows.max()) - origin[0] + 1, int(columns.max()) - origin[1] + 1), bool)
            labels = np.zeros(where.shape, self.dtype)
            where[rows - origin[0], columns - origin[1]] = True
            labels[rows - origin[0], columns - origin[1]] = values[here]
            self._paint(int(frame), origin, labels, where)


def _tight(chosen: npt.NDArray[Any]) -> Any:
    """A slice in place of a run of consecutive positions: it gives a view instead of a copy."""
    if len(chosen) and chosen[-1] - chosen[0] + 1 == len(chosen):
        return slice(int(chosen[0]), int(chosen[-1]) + 1)
    return chosen
