"""Label images, composed from the masks and paint of a frame and cached."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.errors import StoreError
from napari_sam2_video.geometry import region_of
from napari_sam2_video.masks.codec import CLEARED, MAX_ID, PAINTED
from napari_sam2_video.masks.tables import removed_objects
from napari_sam2_video.types.tracked_object import label_dtype

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_sam2_video.masks.codec import Stroke
    from napari_sam2_video.masks.records import FrameRecords
    from napari_sam2_video.masks.strokes import Strokes
    from napari_sam2_video.storage.state import State

CACHE_BYTES = 32 << 20
_LEAST_IMAGES = 3


class LabelImages:
    """Label images of all frames, composed on demand.

    The higher level wins a pixel, a tie goes to the lower id, and paint covers everything.
    """

    def __init__(self, state: State, records: FrameRecords, strokes: Strokes, shape_yx: tuple[int, int]) -> None:
        self._state = state
        self._records = records
        self._strokes = strokes
        self._shape_yx = shape_yx
        self._highest = _highest_id(state)
        self._images: OrderedDict[int, tuple[Any, npt.NDArray[Any]]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    @property
    def dtype(self) -> np.dtype[Any]:
        """Smallest unsigned dtype that holds every id ever used."""
        return label_dtype(self._highest)

    def widen(self, object_id: int) -> None:
        """Make sure that the dtype holds an id before anything with it is written.

        Raises
        ------
        StoreError
            If the id is not between 1 and 2**32 - 1.
        """
        if not 1 <= object_id <= MAX_ID:
            raise StoreError(f"An object cannot have the id {object_id}; use 1 to {MAX_ID}.")
        with self._lock:
            self._highest = max(self._highest, object_id)

    def key(self, frame: int) -> tuple[Any, ...]:
        """Key of the label image of a frame; equal keys mean equal images."""
        with self._state.lock:
            masks = self._records.contents(frame)
            removed = tuple(sorted(removed_objects(self._state).items()))
            return (frame, masks, self._strokes.top(frame), removed, self.dtype.str)

    def read(self, frame: int) -> npt.NDArray[Any]:
        """Label image of a frame, read-only, shape ``(Y, X)``, of `dtype`."""
        key = self.key(frame)
        image = self._kept(key)
        if image is None:
            image = self._compose(frame)
            self._keep(key, image)
        return image

    def kept(self, frame: int) -> npt.NDArray[Any] | None:
        """The current label image of a frame; None if it would have to be composed."""
        return self._kept(self.key(frame))

    def paint_over(self, frame: int, before: npt.NDArray[Any] | None, stroke: Stroke) -> None:
        """Update the cached image of a frame by a stroke, from the one `before` it, without composing it."""
        if before is None or (stroke.kind == CLEARED).any():
            return
        key = self.key(frame)
        patched = before.astype(key[-1])
        part = patched[region_of(stroke.origin_yx, stroke.kind.shape)]
        part[stroke.kind == PAINTED] = stroke.values[stroke.kind == PAINTED]
        self._keep(key, patched)

    def _kept(self, key: tuple[Any, ...]) -> npt.NDArray[Any] | None:
        with self._lock:
            held = self._images.get(key[0])
            if held is None or held[0] != key:
                return None
            self._images.move_to_end(key[0])
            return held[1]

    def _keep(self, key: tuple[Any, ...], image: npt.NDArray[Any]) -> None:
        image.flags.writeable = False
        with self._lock:
            old = self._images.pop(key[0], None)
            self._bytes += image.nbytes - (0 if old is None else old[1].nbytes)
            self._images[key[0]] = (key, image)
            while self._bytes > CACHE_BYTES and len(self._images) > _LEAST_IMAGES:
                _, (_, dropped) = self._images.popitem(last=False)
                self._bytes -= dropped.nbytes

    def _compose(self, frame: int) -> npt.NDArray[Any]:
        layer = self._strokes.layer(frame)
        with self._lock:
            self._highest = max(self._highest, int(layer.values.max(initial=0)))
        labels_yx = np.zeros(self._shape_yx, self.dtype)
        masks = self._records.masks(frame)
        best = np.zeros(self._shape_yx, np.uint8) if len(masks) > 1 else None
        for mask in masks:
            part = region_of(mask.origin_yx, mask.levels.shape)
            if best is None:
                labels_yx[part][mask.levels > 0] = mask.object_id
            else:
                wins = mask.levels > best[part]
                labels_yx[part][wins] = mask.object_id
                best[part][wins] = mask.levels[wins]
        labels_yx[layer.region][layer.painted] = layer.values[layer.painted]
        return labels_yx


def _highest_id(state: State) -> int:
    """Highest object id that is, was, or could again be in use."""
    with state.lock:
        records = [*state.table("records").values(), *state.values_in_history("records")]
        strokes = [*state.table("strokes").values(), *state.values_in_history("strokes")]
        ids = {k for t in ("objects", "removed") for k in state.table(t) if isinstance(k, int)}
    ids.update(i for info in records for i in info.ids)
    ids.update(i for info in strokes for i in info.newest)
    return max(ids, default=0)
