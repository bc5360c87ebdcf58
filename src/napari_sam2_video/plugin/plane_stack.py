"""Array-likes that show label images of shape ``(T, Y, X)`` along the axes of an image layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.errors import Sam2VideoError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from napari_sam2_video.plugin.layers import Geometry


class LabelStack:
    """Label images of every frame with the axes of the image layer, read and painted one plane at a time.

    Along a fixed axis, labels are visible only at the fixed position; along a channel axis, on every channel.

    Parameters
    ----------
    geometry : Geometry
        Axes of the layer, and where the frames and planes lie among them.
    labels : array-like of shape (T, Y, X)
        The labels; boxes of single frames are read, and written when the user paints.
    refused : callable, optional
        Called with a sentence when `labels` does not take a stroke. Without it the array is read-only.
    """

    def __init__(self, geometry: Geometry, labels: Any, refused: Callable[[str], Any] | None = None) -> None:
        self._geometry = geometry
        self._labels = labels
        self._refused = refused
        self.dtype = np.dtype(labels.dtype)
        self.shape = geometry.shape
        self.ndim = geometry.ndim
        assert geometry.walk is not None
        self._walk = geometry.walk
        self._others = [n for n in range(self.ndim) if n != geometry.walk and n not in geometry.plane]

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape))

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.asarray(self[...], dtype)

    def __deepcopy__(self, memo: object) -> npt.NDArray[Any]:
        """A duplicated layer holds a copy of the current labels, independent of the session."""
        return self[...]

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        index = self._full(key)
        if any(isinstance(part, np.ndarray) for part in index):
            parts, on = self._points(index)
            out = np.zeros(on.shape, self.dtype)
            out[on] = self._labels[tuple(part[on] for part in self._ordered(parts))]
            return out
        spans = self._spans(index)
        whole = np.zeros([len(span) for span in spans], self.dtype)
        others = self._shown(spans)
        if others is not None:
            target = self._canonical(whole)
            for n, frame in enumerate(spans[self._walk]):
                plane = np.asarray(self._labels[self._box(int(frame), spans)])
                place: tuple[Any, ...] = (slice(None), slice(None), *np.ix_(*others))
                target[n][place] = plane.reshape(plane.shape + (1,) * len(others))
        dropped = tuple(axis for axis, part in enumerate(index) if not isinstance(part, slice))
        return whole.squeeze(dropped) if dropped else whole

    def __setitem__(self, key: Any, value: Any) -> None:
        if self._refused is None:
            raise ValueError("these labels are read-only; paint in the masks layer")
        try:
            self._paint(self._full(key), np.asarray(value))
        except Sam2VideoError as error:
            self._refused(str(error))

    def _paint(self, index: tuple[Any, ...], values: npt.NDArray[Any]) -> None:
        if any(isinstance(part, np.ndarray) for part in index):
            parts, on = self._points(index)
            spread = np.broadcast_to(values, on.shape)
            if on.any():
                self._labels[tuple(part[on] for part in self._ordered(parts))] = spread[on] if values.ndim else values
            return
        spans = self._spans(index)
        others = self._shown(spans)
        if others is None:
            return
        dropped = tuple(axis for axis, part in enumerate(index) if not isinstance(part, slice))
        pick = tuple(int(positions[0]) for positions in others)
        for n, frame in enumerate(spans[self._walk]):
            box = self._box(int(frame), spans)
            if not values.ndim:
                self._labels[box] = values
                continue
            whole = np.broadcast_to(np.expand_dims(values, dropped), [len(span) for span in spans])
            one: tuple[Any, ...] = (slice(None), slice(None), *pick)
            self._labels[box] = self._canonical(whole)[n][one]

    def _full(self, key: Any) -> tuple[Any, ...]:
        parts = key if isinstance(key, tuple) else (key,)
        at = next((n for n, part in enumerate(parts) if part is Ellipsis), None)
        if at is not None:
            parts = parts[:at] + (slice(None),) * (self.ndim - len(parts) + 1) + parts[at + 1 :]
        parts = parts + (slice(None),) * (self.ndim - len(parts))
        if len(parts) != self.ndim:
            raise IndexError(f"{len(parts)} indices were given for {self.ndim} axes")
        return tuple(_normal(part, n) for part, n in zip(parts, self.shape, strict=True))

    def _spans(self, index: tuple[Any, ...]) -> list[range]:
        return [
            range(*part.indices(n)) if isinstance(part, slice) else range(part, part + 1)
            for part, n in zip(index, self.shape, strict=True)
        ]

    def _box(self, frame: int, spans: list[range]) -> tuple[int, slice, slice]:
        rows, columns = (spans[axis] for axis in self._geometry.plane)
        return frame, slice(rows.start, rows.stop, rows.step), slice(columns.start, columns.stop, columns.step)

    def _shown(self, spans: list[range]) -> list[npt.NDArray[np.intp]] | None:
        """For each other axis, which of the chosen positions show labels; None if no label is visible at all."""
        shown = []
        for axis in self._others:
            positions = np.arange(len(spans[axis]))
            if axis in self._geometry.fixed:
                positions = positions[np.asarray(spans[axis]) == self._geometry.fixed[axis]]
            if not positions.size:
                return None
            shown.append(positions)
        return shown

    def _canonical(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """A view of `array` with the axes walk, y, x, others."""
        return np.moveaxis(array, (self._walk, *self._geometry.plane), (0, 1, 2))

    def _ordered(self, parts: list[npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        return [parts[axis] for axis in (self._walk, *self._geometry.plane)]

    def _points(self, index: tuple[Any, ...]) -> tuple[list[npt.NDArray[Any]], npt.NDArray[np.bool_]]:
        if any(isinstance(part, slice) for part in index):
            raise IndexError("index arrays and slices cannot be mixed here")
        parts = [np.asarray(part) for part in np.broadcast_arrays(*index)]
        on = np.ones(parts[0].shape, bool)
        for axis, at in self._geometry.fixed.items():
            on &= parts[axis] == at
        return parts, on


def _normal(part: Any, length: int) -> Any:
    if isinstance(part, slice):
        return part
    if np.ndim(part):
        return np.asarray(part)
    number = int(part)
    if not -length <= number < length:
        raise IndexError(f"index {number} is outside an axis of {length}")
    return number % length


class SinglePlane:
    """The frame of a single image with the axes of its layer: a `LabelStack` with two axes.

    Parameters
    ----------
    labels : array-like of shape (1, Y, X)
        The labels to show and paint.
    refused : callable, optional
        As for `LabelStack`.
    """

    ndim = 2

    def __init__(self, labels: Any, refused: Callable[[str], Any] | None = None) -> None:
        self._labels = labels
        self._refused = refused
        self.dtype = np.dtype(labels.dtype)
        self.shape = tuple(labels.shape[1:])
        self.size = int(np.prod(self.shape))

    def __len__(self) -> int:
        return int(self.shape[0])

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.asarray(self[...], dtype)

    def __deepcopy__(self, memo: object) -> npt.NDArray[Any]:
        """See `LabelStack`."""
        return self[...].copy()

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        return np.asarray(self._labels[self._full(key)])

    def __setitem__(self, key: Any, value: Any) -> None:
        if self._refused is None:
            raise ValueError("these labels are read-only; paint in the masks layer")
        try:
            self._labels[self._full(key)] = np.asarray(value)
        except Sam2VideoError as error:
            self._refused(str(error))

    def _full(self, key: Any) -> tuple[Any, ...]:
        parts = tuple(part for part in (key if isinstance(key, tuple) else (key,)) if part is not Ellipsis)
        parts += (slice(None),) * (self.ndim - len(parts))
        arrays = [part for part in parts if isinstance(part, np.ndarray)]
        return (np.zeros(arrays[0].shape, int) if arrays else 0, *parts)


def shown_stack(
    geometry: Geometry, labels: Any, refused: Callable[[str], Any] | None = None
) -> LabelStack | SinglePlane:
    """Labels of shape ``(T, Y, X)`` as a layer of this geometry shows them."""
    return SinglePlane(labels, refused) if geometry.walk is None else LabelStack(geometry, labels, refused)
