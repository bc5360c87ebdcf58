"""Strokes: the user's paint on each frame."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.errors import StoreError
from napari_sam2_video.masks.codec import PAINTED, decode_stroke, encode_stroke
from napari_sam2_video.masks.paint import EMPTY, over
from napari_sam2_video.masks.tables import StrokeInfo, removed_objects

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_sam2_video.geometry import Region
    from napari_sam2_video.masks.codec import Stroke
    from napari_sam2_video.masks.paint import PaintLayer
    from napari_sam2_video.storage.packs import PackStore
    from napari_sam2_video.storage.state import State
    from napari_sam2_video.storage.tables import Change

_LAYERS = 16


class Strokes:
    """Strokes in the journal and the packs, and the tables ``strokes`` and ``paint`` that list the valid ones.

    Attributes
    ----------
    notes : list of str
        Sentences about what was found damaged.
    """

    def __init__(self, state: State, packs: PackStore, shape_yx: tuple[int, int]) -> None:
        self.notes: list[str] = []
        self._state = state
        self._packs = packs
        self._shape_yx = shape_yx
        self._layers: OrderedDict[int, tuple[Any, PaintLayer]] = OrderedDict()
        self._boxes: dict[int, dict[int, tuple[int, int, int, int]]] = {}
        self._lock = threading.Lock()

    def top(self, frame: int) -> int:
        """Newest stroke on a frame; 0 for none."""
        return int(self._state.get("paint", frame, 0))

    def layer(self, frame: int) -> PaintLayer:
        """Painted pixels of a frame."""
        top, removed = self.top(frame), removed_objects(self._state)
        key = (top, tuple(sorted(removed.items())))
        with self._lock:
            cached = self._layers.get(frame)
            if cached is not None and cached[0] == key:
                self._layers.move_to_end(frame)
                return cached[1]
        layer = EMPTY
        for number in reversed(self._chain(frame)):
            stroke = self._read(number)
            if stroke is not None:
                layer = over(layer, number, stroke, removed)
        self._keep_layer(frame, key, layer)
        return layer

    def touched(self, frame: int) -> dict[int, int]:
        """Objects touched by paint on a frame, with the newest stroke that touched each."""
        removed = removed_objects(self._state)
        return {i: n for i, n in self._newest(self.top(frame)).items() if n > removed.get(i, 0)}

    def frames(self, object_id: int | None = None) -> list[int]:
        """Frames with paint, or with paint that touches an object, in ascending order."""
        with self._state.lock:
            tops = {int(f): int(n) for f, n in self._state.table("paint").items()}
            since = 0 if object_id is None else self._state.get("removed", object_id, 0)
        if object_id is not None:
            tops = {f: n for f, n in tops.items() if self._newest(n).get(object_id, 0) > since}
        return sorted(tops)

    def painted_last(self, frame: int, object_id: int) -> bool:
        """Whether the newest stroke that touches an object on a frame gave it pixels."""
        stroke: StrokeInfo | None = self._state.get("strokes", self.touched(frame).get(object_id, 0))
        return stroke is not None and object_id in stroke.ids

    def change_over(self, frame: int, object_id: int, box: Region) -> int:
        """Newest change of the paint of a frame if any of it touches an object or `box`; 0 for none.

        All paint of the frame then counts, even that of objects removed since.
        """
        with self._state.lock:
            top = self.top(frame)
            change = max([top, *(self._state.get("removed", i, 0) for i in self._newest(top))])
        if not top:
            return 0
        tops, lefts, bottoms, rights = self._stroke_boxes(frame).T
        (y0, y1), (x0, x1) = ((side.start, side.stop) for side in box)
        hidden = ((tops < y1) & (bottoms > y0) & (lefts < x1) & (rights > x0)).any()
        return change if hidden or object_id in self.touched(frame) else 0

    def add(
        self,
        frame: int,
        stroke: Stroke,
        *,
        touched: Sequence[int] = (),
        dropped: Sequence[int] = (),
        step: int | None = None,
        name: str | None = None,
        extra: Sequence[Change] = (),
    ) -> int:
        """Add a stroke to a frame durably; returns its number.

        Parameters
        ----------
        frame : int
            The frame.
        stroke : Stroke
            The pixels.
        touched, dropped : sequence of int
            Objects that it touches, and those no longer touched by paint.
        step : int, optional
            Step to add it to; a step of its own if not given.
        name : str, optional
            Name of the step.
        extra : sequence of (table, key, value)
            Changes that become durable together with it.
        """
        ref = self._packs.put(encode_stroke(stroke))
        with self._state.writing():
            number = self._state.next_number
            below = self.top(frame)
            newest = {**self._newest(below), **dict.fromkeys(touched, number)}
            for object_id in dropped:
                newest.pop(object_id, None)
            ids = frozenset(int(i) for i in np.unique(stroke.values[stroke.kind == PAINTED]) if i)
            info = StrokeInfo(ref, frame, below, newest, ids)
            changes: list[Change] = [*extra, ("strokes", number, info.to_json()), ("paint", frame, number)]
            title = None if step is not None else name or f"paint on frame {frame}"
            self._state.commit(changes, name=title, step=step, number=number)
            with self._lock:
                cached = self._layers.get(frame)
            if cached is not None and cached[0][0] == below:
                layer = over(cached[1], number, stroke, removed_objects(self._state))
                self._keep_layer(frame, (number, cached[0][1]), layer)
        return number

    def _keep_layer(self, frame: int, key: Any, layer: PaintLayer) -> None:
        with self._lock:
            self._layers[frame] = (key, layer)
            self._layers.move_to_end(frame)
            while len(self._layers) > _LAYERS:
                self._layers.popitem(last=False)

    def _newest(self, top: int) -> dict[int, int]:
        info: StrokeInfo | None = self._state.get("strokes", top) if top else None
        return {} if info is None else info.newest

    def _chain(self, frame: int) -> list[int]:
        """Strokes on a frame, newest first."""
        chain = []
        number = self.top(frame)
        while number:
            chain.append(number)
            info: StrokeInfo | None = self._state.get("strokes", number)
            below = 0 if info is None else info.below
            number = below if below < number else 0
        return chain

    def _stroke_boxes(self, frame: int) -> npt.NDArray[np.int64]:
        """Boxes ``(y0, x0, y1, x1)`` of the strokes on a frame, shape ``(n, 4)``."""
        with self._lock:
            known = self._boxes.get(frame, {})
        boxes = {number: known.get(number) or self._stroke_box(number) for number in self._chain(frame)}
        with self._lock:
            self._boxes[frame] = boxes
        return np.array(list(boxes.values()), np.int64).reshape(-1, 4)

    def _stroke_box(self, number: int) -> tuple[int, int, int, int]:
        stroke = self._read(number)
        if stroke is None:
            return (0, 0, 0, 0)
        (top, left), (height, width) = stroke.origin_yx, stroke.kind.shape
        return (top, left, top + height, left + width)

    def _read(self, number: int) -> Stroke | None:
        info: StrokeInfo | None = self._state.get("strokes", number)
        if info is None:
            return None
        try:
            return decode_stroke(self._packs.get(info.ref), self._shape_yx)
        except StoreError as error:
            note = f"A stroke on frame {info.frame} could not be read: {error}"
            if note not in self.notes:
                self.notes.append(note)
            return None
