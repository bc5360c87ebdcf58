"""Label images as one array of shape ``(T, Y, X)`` that a viewer can show and paint on."""

from __future__ import annotations

import operator
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from napari_sam2_video.errors import PositionError, StoreError

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_sam2_video.masks.store import MaskStore

_READS = 8


class Painter(Protocol):
    """The owner of the strokes."""

    def stroke(
        self, frame: int, origin_yx: tuple[int, int], labels: npt.NDArray[Any], where: npt.NDArray[np.bool_]
    ) -> object:
        """Store painted pixels."""
        ...


@dataclass(frozen=True)
class _Span:
    """Positions along one axis, and whether the axis is kept."""

    positions: range
    kept: bool


class LabelArray(NDArrayOperatorsMixin):
    """Lazy label images of a store, which can be painted on.

    Reading returns a fresh array. Assigning to a part is a stroke of the user: it is on disk when the assignment
    returns, and the model never changes those pixels again.

    Arithmetic and comparisons, such as ``labels == 1``, are element by element and return a NumPy array of all frames;
    index first to read only a part.

    - A number sets every pixel of the part.
    - An array sets only pixels that differ from what was last read through the same index (or from the current values,
    if that part was not read). A viewer reads a box, changes some pixels of its copy and writes the box back; pixels
    that the model wrote in between are not overwritten. Strokes are one step in the session's history until
    `end_stroke` is called, another frame is painted, or something else is done; a viewer calls it when the mouse button
    is released. A viewer's own undo would paint, too: turn it off, and use the session's.

    Parameters
    ----------
    store : MaskStore
        The masks.
    painter : Painter, optional
        Stores the strokes; without one, the array is read-only.
    """

    ndim = 3

    def __init__(self, store: MaskStore, painter: Painter | None = None) -> None:
        self._store = store
        self._painter = painter
        self._reads: OrderedDict[Any, npt.NDArray[Any]] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def shape(self) -> tuple[int, int, int]:
        """Frames, rows, columns."""
        return (self._store.n_frames, *self._store.shape_yx)

    @property
    def dtype(self) -> np.dtype[Any]:
        """uint8, uint16 or uint32; grows with the object ids."""
        return self._store.dtype

    @property
    def size(self) -> int:
        """Number of pixels of all frames."""
        frames, rows, columns = self.shape
        return frames * rows * columns

    @property
    def nbytes(self) -> int:
        """Bytes that all frames would take in memory."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self._store.n_frames

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        if copy is False:
            raise ValueError("the label images are on disk and cannot be used without a copy")
        whole = np.empty(self.shape, self.dtype)
        for frame in range(self.shape[0]):
            whole[frame] = self._store.read_labels(frame)
        return whole if dtype is None else whole.astype(dtype, copy=False)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        arrays = [np.asarray(one) if isinstance(one, LabelArray) else one for one in inputs]
        return getattr(ufunc, method)(*arrays, **options)

    # Viewers need this to be hashable, which objects with element-wise comparison are not by default.
    __hash__ = object.__hash__

    def __getitem__(self, index: Any) -> npt.NDArray[Any]:
        spans = self._spans(index)
        if spans is None:
            return self._gather(index)
        frames, rows, columns = (span.positions for span in spans)
        whole = np.empty((len(frames), len(rows), len(columns)), self.dtype)
        part = (_slice(rows), _slice(columns))
        for number, frame in enumerate(frames):
            whole[number] = self._store.read_labels(frame)[part]
        result = whole.reshape([len(s.positions) for s in spans if s.kept])
        key = _box_key(spans)
        if key is not None:
            self._remember(key, whole)
        return result

    def __setitem__(self, index: Any, value: Any) -> None:
        if self._painter is None:
            raise StoreError("The session is open for reading only; open it for writing to paint.")
        values = np.asarray(value)
        if values.dtype.kind not in "biu":
            raise StoreError(f"Labels must be whole numbers, not {values.dtype}; convert them.")
        spans = self._spans(index)
        if spans is None:
            self._scatter(index, values)
            return
        frames, rows, columns = (span.positions for span in spans)
        spread = np.broadcast_to(values, [len(s.positions) for s in spans if s.kept])
        spread = spread.reshape(len(frames), len(rows), len(columns))
        if spread.size == 0:
            return
        key = _box_key(spans)
        with self._lock:
            known = self._reads.get(key) if key is not None else None
        origin = (min(rows), min(columns))
        box = (slice(origin[0], max(rows) + 1), slice(origin[1], max(columns) + 1))
        inner = np.ix_([y - origin[0] for y in rows], [x - origin[1] for x in columns])
        for number, frame in enumerate(frames):
            before = self._store.read_labels(frame)[box]
            labels = before.astype(np.int64)
            labels[inner] = spread[number]
            where = np.zeros(before.shape, bool)
            where[inner] = True
            if values.ndim:
                where &= labels != (before if known is None else known[0])
            self._paint(frame, origin, labels, where)
        if key is not None and known is not None:
            self._remember(key, spread)

    def _remember(self, key: tuple[int, ...], values: npt.NDArray[Any]) -> None:
        with self._lock:
            self._reads[key] = np.array(values)
            self._reads.move_to_end(key)
            while len(self._reads) > _READS:
                self._reads.popitem(last=False)

    def _paint(
        self, frame: int, origin: tuple[int, int], labels: npt.NDArray[Any], where: npt.NDArray[np.bool_]
    ) -> None:
        assert self._painter is not None
        if where.any():
            self._painter.stroke(frame, origin, labels, where)

    def _spans(self, index: Any) -> tuple[_Span, _Span, _Span] | None:
        """Positions along each axis of an index of numbers and slices; None if it contains arrays."""
        items = index if isinstance(index, tuple) else (index,)
        if any(np.ndim(i) > 0 for i in items if not isinstance(i, slice) and i is not Ellipsis):
            return None
        if Ellipsis in items:
            at = items.index(Ellipsis)
            items = items[:at] + (slice(None),) * (4 - len(items)) + items[at + 1 :]
        if len(items) > 3:
            raise PositionError(f"The label images have 3 axes, not {len(items)}.")
        items = items + (slice(None),) * (3 - len(items))
        first, second, third = (_span(i, n) for i, n in zip(items, self.shape, strict=True))
        return first, second, third

    def _gather(self, index: Any) -> npt.NDArray[Any]:
        frames, rows, columns = self._arrays(index)
        result = np.zeros(frames.shape, self.dtype)
        for frame in np.unique(frames):
            here = frames == frame
            result[here] = self._store.read_labels(int(frame))[rows[here], columns[here]]
        return result

    def _scatter(self, index: Any, values: npt.NDArray[Any]) -> None:
        frames, rows, columns = self._arrays(index)
        spread = np.broadcast_to(values, frames.shape)
        for frame in np.unique(frames):
            here = frames == frame
            y, x = rows[here], columns[here]
            origin = (int(y.min()), int(x.min()))
            box = (slice(origin[0], int(y.max()) + 1), slice(origin[1], int(x.max()) + 1))
            before = self._store.read_labels(int(frame))[box]
            labels = before.astype(np.int64)
            labels[y - origin[0], x - origin[1]] = spread[here]
            where = np.zeros(before.shape, bool)
            where[y - origin[0], x - origin[1]] = True
            if values.ndim:
                where &= labels != before
            self._paint(int(frame), origin, labels, where)

    def _arrays(self, index: Any) -> tuple[npt.NDArray[np.int64], ...]:
        """Position along each axis of every pixel of an index, as in numpy."""
        axes = np.ogrid[tuple(slice(n) for n in self.shape)]
        frames, rows, columns = (np.broadcast_to(axis, self.shape)[index] for axis in axes)
        return frames, rows, columns


def _span(item: Any, length: int) -> _Span:
    if isinstance(item, slice):
        return _Span(range(*item.indices(length)), kept=True)
    try:
        position = operator.index(item)
    except TypeError:
        raise PositionError(f"The label images are indexed by numbers, slices and arrays, not {item!r}.") from None
    if not -length <= position < length:
        raise PositionError(f"There is no position {position} along an axis of {length}.")
    return _Span(range(position % length, position % length + 1), kept=False)


def _slice(positions: range) -> slice:
    """The slice that selects a range of positions."""
    stop: int | None = positions.stop
    return slice(positions.start, None if stop is not None and stop < 0 else stop, positions.step)


def _box_key(spans: tuple[_Span, _Span, _Span]) -> tuple[int, ...] | None:
    """Key of a box on one frame; None for any other index."""
    if len(spans[0].positions) != 1 or not all(s.positions.step == 1 and len(s.positions) for s in spans):
        return None
    return tuple(n for s in spans for n in (s.positions.start, s.positions.stop))
