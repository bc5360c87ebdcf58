"""What the masks of a session are: the model's, the person's, and the label images that both make."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.errors import MissingError, StoreError
from napari_sam2_video.masks.codec import FIGURES, decode_masks, decode_stroke, measure
from napari_sam2_video.masks.paint import EMPTY, PaintLayer, apply, fold, region_of
from napari_sam2_video.storage.atomic import keep_copy, reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import numpy.typing as npt

    from napari_sam2_video.masks.codec import RecordInfo, Stroke, StrokeInfo
    from napari_sam2_video.storage.packs import BlobStore
    from napari_sam2_video.storage.state import Ledger
    from napari_sam2_video.types import FrameMasks, ObjectMask

CACHE_BYTES = 32 << 20
_LEAST_IMAGES = 3
_LAYERS = 16


class MaskReader:
    """Masks read from the tables and the packs.

    The label image of a frame follows from what the model computed last for each object (the higher level wins a
    pixel, a tie goes to the lower id) and from the person's pixels, which lie over all. A record that turns out to be
    damaged is left out, with a note, as if its frame had not been done. One whose pack is gone stays in the journal.

    Parameters
    ----------
    ledger : Ledger
        The tables.
    blobs : BlobStore
        The packs.
    n_frames : int
        Number of frames.
    shape_yx : tuple of int
        Shape of a frame.
    quarantine : Path
        Where damaged bytes are kept.
    """

    def __init__(
        self, ledger: Ledger, blobs: BlobStore, n_frames: int, shape_yx: tuple[int, int], quarantine: Path
    ) -> None:
        self.n_frames = n_frames
        self.shape_yx = shape_yx
        self.ledger = ledger
        self.blobs = blobs
        self.read_only = blobs.read_only
        self.notes: list[str] = []
        self._quarantine = quarantine
        self._images: OrderedDict[int, tuple[Any, npt.NDArray[Any]]] = OrderedDict()
        self._image_bytes = 0
        self._layers: OrderedDict[int, tuple[Any, PaintLayer]] = OrderedDict()
        self._boxes: dict[int, dict[int, tuple[int, int, int, int]]] = {}
        self._cache_lock = threading.Lock()
        self._highest = 0
        self._lost_packs: set[int] = set()
        self._lost_strokes: set[int] = set()

    @property
    def dtype(self) -> np.dtype[Any]:
        """Smallest unsigned type that holds every id there ever was."""
        return np.dtype(np.uint8 if self._highest <= 0xFF else np.uint16 if self._highest <= 0xFFFF else np.uint32)

    def read_labels(self, frame: int) -> npt.NDArray[Any]:
        """Label image of a frame, read-only, shape ``(Y, X)``, of `dtype`."""
        self._check_frame(frame)
        key = self.image_key(frame)
        image = self._cached(key)
        if image is None:
            image = self._compose(frame)
            self._cache(key, image)
        return image

    def object_masks(self, frame: int) -> list[ObjectMask]:
        """What the model computed last for each object on a frame, by ascending id."""
        self._check_frame(frame)
        with self.ledger.lock:
            numbers = self.ledger.get("masks", frame, ())
        removed = self._removed()
        found: dict[int, ObjectMask] = {}
        for number in numbers:
            masks = self._record(number)
            if masks is None:
                continue
            for mask in masks.objects:
                if mask.object_id not in found and number > removed.get(mask.object_id, 0):
                    found[mask.object_id] = mask
        return [found[i] for i in sorted(found)]

    def object_levels(self, frame: int, object_id: int) -> ObjectMask | None:
        """What the model computed last for one object on a frame, None if nothing."""
        return next((m for m in self.object_masks(frame) if m.object_id == object_id), None)

    def object_mask(self, frame: int, object_id: int) -> npt.NDArray[np.bool_]:
        """One object's own pixels, shape ``(Y, X)``: the model's, even where others cover them, and the person's."""
        return next(self.each_mask(frame, [object_id]))

    def each_mask(self, frame: int, object_ids: Iterable[int]) -> Iterator[npt.NDArray[np.bool_]]:
        """`object_mask` of several objects, one after the other, the frame being read once."""
        found = {m.object_id: m for m in self.object_masks(frame)}
        layer = self.paint_layer(frame)
        for object_id in object_ids:
            inside = np.zeros(self.shape_yx, bool)
            mask = found.get(object_id)
            if mask is not None:
                inside[region_of(mask.origin_yx, mask.levels.shape)] = mask.levels > 0
            inside[layer.region][layer.painted] = (layer.values == object_id)[layer.painted]
            yield inside

    def stamp(self, frame: int, object_id: int) -> tuple[int, int, int]:
        """What `object_mask` follows from: number and CRC-32 of the record, newest change of the paint; 0 for none.

        All paint of a frame counts where some of it touches the object or may lie over it, also that of objects removed
        since.
        """
        record = crc = 0
        y0 = x0 = y1 = x1 = 0
        with self.ledger.lock:
            since = self.ledger.get("removed", object_id, 0)
            for number in self.ledger.get("masks", frame, ()):
                info = self.ledger.get("records", number)
                if info is not None and number > since and object_id in info.ids:
                    record, crc = number, info.ref.crc
                    row = info.figures[info.ids.index(object_id)]
                    y0, x0, y1, x1 = (int(row[edge]) for edge in ("y0", "x0", "y1", "x1"))
                    break
            top = self.ledger.get("paint", frame, 0)
            paint = max([top, *(self.ledger.get("removed", i, 0) for i in self._newest(top))])
        if not top:
            return record, crc, 0
        tops, lefts, bottoms, rights = self._stroke_boxes(frame).T
        over = ((tops < y1) & (bottoms > y0) & (lefts < x1) & (rights > x0)).any()
        return record, crc, paint if over or object_id in self.touched(frame) else 0

    def paint_layer(self, frame: int) -> PaintLayer:
        """The person's pixels of a frame."""
        top = self.ledger.get("paint", frame, 0)
        removed = self._removed()
        key = (top, tuple(sorted(removed.items())))
        with self._cache_lock:
            cached = self._layers.get(frame)
            if cached is not None and cached[0] == key:
                self._layers.move_to_end(frame)
                return cached[1]
        layer = self._fold(self._chain(frame), removed) if top else EMPTY
        with self._cache_lock:
            self._layers[frame] = (key, layer)
            while len(self._layers) > _LAYERS:
                self._layers.popitem(last=False)
        return layer

    def touched(self, frame: int) -> dict[int, int]:
        """Objects that a person painted on or erased from on a frame, with the newest stroke that did."""
        removed = self._removed()
        newest = self._newest(self.ledger.get("paint", frame, 0))
        return {i: n for i, n in newest.items() if n > removed.get(i, 0)}

    def painted(self, object_id: int | None = None) -> list[int]:
        """Frames with paint, or with paint that touches an object, in ascending order."""
        with self.ledger.lock:
            tops = {int(f): int(n) for f, n in self.ledger.table("paint").items()}
            since = 0 if object_id is None else self.ledger.get("removed", object_id, 0)
        if object_id is not None:
            tops = {f: n for f, n in tops.items() if self._newest(n).get(object_id, 0) > since}
        return sorted(tops)

    def painted_last(self, frame: int, object_id: int) -> bool:
        """Whether the newest stroke that touches an object on a frame gave it pixels."""
        stroke: StrokeInfo | None = self.ledger.get("strokes", self.touched(frame).get(object_id, 0))
        return stroke is not None and object_id in stroke.ids

    def walked(self, object_id: int) -> npt.NDArray[np.int8]:
        """Direction in which each frame was computed last: 1 forward, -1 backward, 0 not yet; shape ``(n_frames,)``."""
        result = np.zeros(self.n_frames, np.int8)
        for frame, info, _ in self._rows(object_id):
            result[frame] = info.walk
        return result

    def frames_done(self, object_id: int) -> npt.NDArray[np.int64]:
        """Frames on which the model computed an object, in ascending order."""
        return np.array([frame for frame, _, _ in self._rows(object_id)], np.int64)

    def scores(self, object_id: int) -> dict[str, npt.NDArray[Any]]:
        """Figures of an object, one entry a frame that is done or painted, in ascending order.

        Returns
        -------
        dict of str to ndarray
            ``frame``, ``object_score`` (logit), ``predicted_iou``, ``area`` (pixels), ``y``, ``x`` (centre, NaN where
            the object is absent), ``y0``, ``x0``, ``y1``, ``x1`` (box, end not included), ``prompted``, ``painted``,
            ``walk`` (1 forward, -1 backward, 0 painted only).
        """
        rows = {frame: (info.figures[index], info.walk) for frame, info, index in self._rows(object_id)}
        by_hand = set(self.painted(object_id))
        frames = sorted(rows.keys() | by_hand)
        figures = np.zeros(len(frames), FIGURES)
        walk = np.zeros(len(frames), np.int8)
        for index, frame in enumerate(frames):
            if frame in rows:
                figures[index], walk[index] = rows[frame]
            if frame in by_hand:
                measure(figures[index], self.object_mask(frame, object_id), (0, 0))
        result: dict[str, npt.NDArray[Any]] = {"frame": np.array(frames, np.int64)}
        result.update({str(name): figures[name].copy() for name in FIGURES.names or ()})
        result["painted"] = np.array([frame in by_hand for frame in frames], bool)
        result["walk"] = walk
        return result

    def image_key(self, frame: int) -> tuple[Any, ...]:
        """What the label image of a frame follows from; equal keys mean equal images."""
        with self.ledger.lock:
            removed = self.ledger.table("removed")
            return (
                frame,
                tuple(self.ledger.get("masks", frame, ())),
                self.ledger.get("paint", frame, 0),
                tuple(sorted(removed.items())),
                self.dtype.str,
            )

    def _cached(self, key: tuple[Any, ...]) -> npt.NDArray[Any] | None:
        """The cached label image of a frame, if it is as `key` says."""
        with self._cache_lock:
            held = self._images.get(key[0])
            if held is None or held[0] != key:
                return None
            self._images.move_to_end(key[0])
            return held[1]

    def _cache(self, key: tuple[Any, ...], image: npt.NDArray[Any]) -> None:
        image.flags.writeable = False
        with self._cache_lock:
            old = self._images.pop(key[0], None)
            self._image_bytes += image.nbytes - (0 if old is None else old[1].nbytes)
            self._images[key[0]] = (key, image)
            while self._image_bytes > CACHE_BYTES and len(self._images) > _LEAST_IMAGES:
                _, (_, dropped) = self._images.popitem(last=False)
                self._image_bytes -= dropped.nbytes

    def _compose(self, frame: int) -> npt.NDArray[Any]:
        layer = self.paint_layer(frame)
        self._highest = max(self._highest, int(layer.values.max(initial=0)))
        labels_yx = np.zeros(self.shape_yx, self.dtype)
        masks = self.object_masks(frame)
        best = np.zeros(self.shape_yx, np.uint8) if len(masks) > 1 else None
        for mask in masks:
            part = region_of(mask.origin_yx, mask.levels.shape)
            if best is None:
                labels_yx[part][mask.levels > 0] = mask.object_id
            else:
                wins = mask.levels > best[part]
                labels_yx[part][wins] = mask.object_id
                best[part][wins] = mask.levels[wins]
        apply(layer, labels_yx)
        return labels_yx

    def _record(self, number: int) -> FrameMasks | None:
        info: RecordInfo | None = self.ledger.get("records", number)
        if info is None:
            return None
        try:
            masks = decode_masks(self.blobs.get(info.ref), self.shape_yx)
            if masks.frame != info.frame or tuple(m.object_id for m in masks.objects) != info.ids:
                raise StoreError("It holds other objects than the journal says; track that frame again.")
            return masks
        except MissingError as error:
            self._note_loss(info, str(error))
            self.ledger.leave_out("records", [number])
            self._lost_packs.add(info.ref.pack)
            return None
        except StoreError as error:
            self._give_up(number, info, str(error))
            return None

    def _stroke(self, number: int) -> Stroke | None:
        info: StrokeInfo | None = self.ledger.get("strokes", number)
        if info is None:
            return None
        try:
            return decode_stroke(self.blobs.get(info.ref), self.shape_yx)
        except StoreError as error:
            self._note_loss(info, str(error))
            self._lost_strokes.add(number)
            return None

    def _note_loss(self, info: RecordInfo | StrokeInfo, reason: str) -> None:
        note = f"Frame {info.frame} lost what was kept of it: {reason}"
        if note not in self.notes:
            self.notes.append(note)

    def _give_up(self, number: int, info: RecordInfo, reason: str) -> None:
        """Leave a damaged record out, keeping its bytes in the quarantine folder."""
        self._note_loss(info, reason)
        if self.read_only:
            return
        path = self.blobs.path(info.ref.pack)
        with reading(path), path.open("rb") as file:
            file.seek(info.ref.offset)
            data = file.read(info.ref.length)
        keep_copy(data, f"frame-{info.frame}-record-{number}", self._quarantine)
        self.ledger.commit([("records", number, None)])

    def _rows(self, object_id: int) -> list[tuple[int, RecordInfo, int]]:
        """(frame, record, row) of the newest record of an object on each frame, by ascending frame."""
        found = []
        with self.ledger.lock:
            since = self.ledger.get("removed", object_id, 0)
            records = self.ledger.table("records")
            for frame, numbers in self.ledger.table("masks").items():
                for number in numbers:
                    info = records.get(number)
                    if info is not None and number > since and object_id in info.ids:
                        found.append((int(frame), info, info.ids.index(object_id)))
                        break
        return sorted(found, key=lambda row: row[0])

    def _frames_in_use(self) -> set[int]:
        with self.ledger.lock:
            return {f for t in ("masks", "paint") for f in self.ledger.table(t) if isinstance(f, int)}

    def _removed(self) -> dict[int, int]:
        with self.ledger.lock:
            return {int(i): int(n) for i, n in self.ledger.table("removed").items()}

    def _newest(self, top: int) -> dict[int, int]:
        info: StrokeInfo | None = self.ledger.get("strokes", top) if top else None
        return {} if info is None else info.newest

    def _chain(self, frame: int) -> list[int]:
        """Strokes of a frame, newest first."""
        chain = []
        number = self.ledger.get("paint", frame, 0)
        while number:
            chain.append(number)
            info = self.ledger.get("strokes", number)
            below = 0 if info is None else info.below
            number = below if below < number else 0
        return chain

    def _stroke_boxes(self, frame: int) -> npt.NDArray[np.int64]:
        """Boxes ``(y0, x0, y1, x1)`` of the strokes of a frame, shape ``(n, 4)``."""
        chain = self._chain(frame)
        with self._cache_lock:
            known = self._boxes.get(frame, {})
        boxes = {number: known.get(number) or self._stroke_box(number) for number in chain}
        with self._cache_lock:
            self._boxes[frame] = boxes
        return np.array(list(boxes.values()), np.int64).reshape(-1, 4)

    def _stroke_box(self, number: int) -> tuple[int, int, int, int]:
        stroke = self._stroke(number)
        if stroke is None:
            return (0, 0, 0, 0)
        (top, left), (height, width) = stroke.origin_yx, stroke.kind.shape
        return (top, left, top + height, left + width)

    def _fold(self, newest_first: list[int], removed: dict[int, int]) -> PaintLayer:
        strokes = [(n, self._stroke(n)) for n in reversed(newest_first)]
        return fold([(n, s) for n, s in strokes if s is not None], removed)

    def _check_frame(self, frame: int) -> None:
        if not 0 <= frame < self.n_frames:
            raise StoreError(f"There is no frame {frame}; the recording has the frames 0 to {self.n_frames - 1}.")
