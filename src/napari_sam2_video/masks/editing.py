"""Change the masks: what a run computed, and what a person paints."""

from __future__ import annotations

import hashlib
import operator
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.errors import StoreError
from napari_sam2_video.masks.codec import (
    CLEARED,
    MAX_ID,
    PAINTED,
    UNTOUCHED,
    Stroke,
    encode_masks,
    encode_stroke,
    figures_of,
    record_to_json,
)
from napari_sam2_video.masks.paint import cut, over, region_of
from napari_sam2_video.masks.reading import MaskReader

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from napari_sam2_video.masks.labels_file import LabelsFile
    from napari_sam2_video.masks.paint import PaintLayer
    from napari_sam2_video.storage.packs import BlobStore
    from napari_sam2_video.storage.state import Ledger
    from napari_sam2_video.storage.tables import Change
    from napari_sam2_video.types import FrameMasks, ObjectMask


class MaskEditor(MaskReader):
    """Masks that can be written and painted; see `MaskReader` for the parameters."""

    def __init__(
        self, ledger: Ledger, blobs: BlobStore, n_frames: int, shape_yx: tuple[int, int], quarantine: Path
    ) -> None:
        super().__init__(ledger, blobs, n_frames, shape_yx, quarantine)
        self._file: LabelsFile | None = None
        self._file_lock = threading.RLock()
        self._stale: set[int] = set()

    def widen(self, object_id: int) -> None:
        """Make room for an id in the label images before anything with it is written.

        Raises
        ------
        StoreError
            If the id is not between 1 and 2**32 - 1.
        """
        if not 1 <= object_id <= MAX_ID:
            raise StoreError(f"An object cannot have the id {object_id}; use 1 to {MAX_ID}.")
        with self._file_lock:
            before, highest = self.dtype, self._highest
            self._highest = max(highest, object_id)
            if self.dtype != before:
                try:
                    self._file = self._labels_file()
                except BaseException:
                    self._highest = highest
                    # Part of it may be gone: `flush` makes it anew.
                    self._file = None
                    raise

    def write(
        self,
        masks: FrameMasks,
        *,
        generation: int | None = None,
        extra: Sequence[Change] = (),
    ) -> None:
        """Keep the masks of some objects on one frame; they are on disk when this returns.

        Parameters
        ----------
        masks : FrameMasks
            What a run computed; only the objects in it change.
        generation : int, optional
            The step it belongs to; with none it is a step of its own.
        extra : sequence of (table, key, value)
            Changes that become durable together with it.

        Raises
        ------
        StoreError
            If it cannot be written, or does not fit the store; nothing has changed then.
        """
        self._check_frame(masks.frame)
        if masks.shape_yx != self.shape_yx:
            raise StoreError(
                f"Frame {masks.frame} has masks of {masks.shape_yx} pixels where {self.shape_yx} were expected."
            )
        for mask in masks.objects:
            self.widen(mask.object_id)
        if not masks.objects:
            if extra:
                self.ledger.commit(extra, step=generation)
            return
        figures = figures_of(masks)
        ref = self.blobs.put(encode_masks(masks), inline=False)
        value = record_to_json(ref, masks, figures)
        with self.ledger.writing():
            number = self.ledger.next_number
            kept = self._still_needed(masks.frame, {m.object_id for m in masks.objects})
            changes: list[Change] = [
                ("records", number, value),
                ("masks", masks.frame, [number, *kept]),
                *extra,
            ]
            name = None if generation is not None else f"masks of frame {masks.frame}"
            self.ledger.commit(changes, name=name, step=generation, number=number)
        self._refresh_file(masks.frame)

    def paint(
        self,
        frame: int,
        origin_yx: tuple[int, int],
        labels: npt.NDArray[Any],
        where: npt.NDArray[np.bool_] | None = None,
        *,
        step: int | None = None,
        name: str | None = None,
        extra: Sequence[Change] = (),
        protected: frozenset[int] = frozenset(),
    ) -> int | None:
        """Set pixels by hand; the model never changes them again.

        Parameters
        ----------
        frame : int
            The frame.
        origin_yx : tuple of int
            Where `labels` begins.
        labels : ndarray of int, shape (h, w)
            Object ids, 0 to erase.
        where : ndarray of bool, shape (h, w), optional
            Which pixels are set; all if not given.
        step : int, optional
            Step to add it to; a step of its own if not given.
        name : str, optional
            Name of the step.
        extra : sequence of (table, key, value)
            Changes that become durable together with it.
        protected : frozenset of int
            Objects whose pixels stay as they are.

        Returns
        -------
        int or None
            Number of the stroke, or None if no pixel was set.

        Raises
        ------
        StoreError
            If it does not fit the frame or cannot be written.
        """
        frame = operator.index(frame)
        origin_yx = (operator.index(origin_yx[0]), operator.index(origin_yx[1]))
        self._check_frame(frame)
        labels = np.asarray(labels)
        self._check_region(origin_yx, labels.shape)
        if labels.dtype.kind not in "buif" or not (labels == np.floor(labels)).all():
            raise StoreError(f"Labels on frame {frame} must be whole numbers; convert them.")
        if labels.size and (int(labels.min()) < 0 or int(labels.max()) > MAX_ID):
            raise StoreError(f"Labels on frame {frame} must lie between 0 and {MAX_ID}.")
        mask = np.ones(labels.shape, bool) if where is None else np.asarray(where, bool)
        if mask.shape != labels.shape:
            raise StoreError(f"The painted pixels of frame {frame} and their mask differ in shape; give both alike.")
        before = self.read_labels(frame)[region_of(origin_yx, labels.shape)]
        if protected:
            mask = mask & ~np.isin(before, list(protected))
        stroke = cut(Stroke(origin_yx, mask.astype(np.uint8), np.where(mask, labels, 0).astype(np.uint32)))
        if stroke is None:
            return None
        ids = sorted({int(i) for i in np.unique(stroke.values[stroke.kind == PAINTED])} - {0})
        for object_id in ids:
            self.widen(object_id)
        hidden = {int(i) for i in np.unique(before[mask])} - {0}
        return self._commit_stroke(frame, stroke, touched=sorted({*ids, *hidden}), step=step, name=name, extra=extra)

    def clear_paint(
        self,
        frame: int,
        object_id: int | None = None,
        *,
        name: str | None = None,
        protected: frozenset[int] = frozenset(),
    ) -> bool:
        """Give a frame's painted pixels back to the model; True if there were any.

        Parameters
        ----------
        frame : int
            The frame.
        object_id : int, optional
            Only this object's pixels, and those erased from it; all if not given.
        name : str, optional
            Name of the step.
        protected : frozenset of int
            Objects that neither lose nor gain a pixel.
        """
        self._check_frame(frame)
        layer = self.paint_layer(frame)
        if object_id is None:
            back = layer.painted
            dropped = sorted(self.touched(frame).keys() - protected)
        else:
            erased = (layer.values == 0) & self._computed(frame, {object_id})[layer.region]
            back = layer.painted & ((layer.values == object_id) | erased)
            dropped = [object_id]
        if protected:
            kept = np.isin(layer.values, list(protected)) | self._computed(frame, protected)[layer.region]
            back = back & ~kept
        if object_id is not None:
            dropped += self._freed(frame, layer, back, self.touched(frame).keys() - {object_id} - protected)
        stroke = cut(Stroke(layer.origin_yx, np.where(back, CLEARED, UNTOUCHED).astype(np.uint8), layer.values))
        if stroke is None:
            return False
        self._commit_stroke(frame, stroke, dropped=dropped, name=name or f"clear paint on frame {frame}")
        return True

    def revert_stroke(self, number: int, *, name: str | None = None) -> bool:
        """Take one stroke out from under those painted later; True if any pixel changed hands.

        Pixels that only this stroke set go back to what the model says now.
        """
        info = self.ledger.get("strokes", number)
        if info is None or number not in self._chain(info.frame):
            return False
        chain = self._chain(info.frame)
        removed = self._removed()
        index = chain.index(number)
        gone = self._stroke(number)
        if gone is None:
            return False
        part = region_of(gone.origin_yx, gone.kind.shape)
        mine = np.zeros(self.shape_yx, bool)
        mine[part] = gone.kind != UNTOUCHED
        for later in chain[:index]:
            stroke = self._stroke(later)
            if stroke is not None:
                covered = mine[region_of(stroke.origin_yx, stroke.kind.shape)]
                covered[stroke.kind != UNTOUCHED] = False
        beneath = self._fold(chain[index + 1 :], removed)
        painted = np.zeros(self.shape_yx, bool)
        values = np.zeros(self.shape_yx, np.uint32)
        painted[beneath.region], values[beneath.region] = beneath.painted, beneath.values
        kind = np.where(mine, np.where(painted, PAINTED, CLEARED), UNTOUCHED)[part].astype(np.uint8)
        stroke = cut(Stroke(gone.origin_yx, kind, values[part]))
        if stroke is None:
            return False
        now, then = self._newest(chain[0]), self._newest(chain[index + 1] if index + 1 < len(chain) else 0)
        mentioned = {i for i, newest in info.newest.items() if newest == number} & now.keys()
        last = {i for i in mentioned if now[i] == number}
        # Where nothing lies beneath, the objects that nobody touched later are as they were before.
        restored = {} if (stroke.kind == PAINTED).any() else {i: then[i] for i in last & then.keys()}
        dropped = last - then.keys()
        self._commit_stroke(
            info.frame,
            stroke,
            touched=sorted(mentioned - dropped - restored.keys()),
            restored=restored,
            dropped=sorted(dropped),
            name=name or f"undo paint on frame {info.frame}",
        )
        return True

    def remove_object(self, object_id: int, *, extra: Sequence[Change] = (), name: str | None = None) -> int:
        """Forget an object's masks and paint; its id can be used for a new object afterwards."""
        with self.ledger.writing():
            number = self.ledger.next_number
            self.ledger.commit(
                [("removed", object_id, number), *extra], name=name or f"remove object {object_id}", number=number
            )
            self._stale.update(self._frames_in_use())
            return number

    def _commit_stroke(
        self,
        frame: int,
        stroke: Stroke,
        *,
        touched: Sequence[int] = (),
        restored: Mapping[int, int] | None = None,
        dropped: Sequence[int] = (),
        step: int | None = None,
        name: str | None = None,
        extra: Sequence[Change] = (),
    ) -> int:
        ref = self.blobs.put(encode_stroke(stroke))
        with self.ledger.writing():
            number = self.ledger.next_number
            below = self.ledger.get("paint", frame, 0)
            newest = {**self._newest(below), **(restored or {}), **dict.fromkeys(touched, number)}
            value = {
                "ref": ref.to_json(),
                "frame": frame,
                "below": below,
                "newest": [[i, n] for i, n in sorted(newest.items()) if i not in dropped],
                "ids": [int(i) for i in np.unique(stroke.values[stroke.kind == PAINTED]) if i],
            }
            layer, image = self._layer_on(frame, below), self._cached(self.image_key(frame))
            changes: list[Change] = [*extra, ("strokes", number, value), ("paint", frame, number)]
            if step is None and name is None:
                name = f"paint on frame {frame}"
            self.ledger.commit(changes, name=None if step is not None else name, step=step, number=number)
            self._stale.add(frame)
            if layer is not None:
                with self._cache_lock:
                    self._layers[frame] = ((number, layer[0][1]), over(layer[1], number, stroke, self._removed()))
            if image is not None and not (stroke.kind == CLEARED).any():
                key = self.image_key(frame)
                patched = image.astype(key[-1])
                part = patched[region_of(stroke.origin_yx, stroke.kind.shape)]
                part[stroke.kind == PAINTED] = stroke.values[stroke.kind == PAINTED]
                self._cache(key, patched)
        return number

    def _computed(self, frame: int, object_ids: Collection[int]) -> npt.NDArray[np.bool_]:
        """Where the model sees any of some objects."""
        return self._covered(m for m in self.object_masks(frame) if m.object_id in object_ids)

    def _covered(self, masks: Iterable[ObjectMask]) -> npt.NDArray[np.bool_]:
        """Pixels of any of some masks."""
        inside = np.zeros(self.shape_yx, bool)
        for mask in masks:
            inside[region_of(mask.origin_yx, mask.levels.shape)] |= mask.levels > 0
        return inside

    def _freed(
        self, frame: int, layer: PaintLayer, back: npt.NDArray[np.bool_], object_ids: Collection[int]
    ) -> list[int]:
        """Those of some objects that get pixels back, and have no paint left on or over them."""
        rest, freed = layer.painted & ~back, []
        for mask in self.object_masks(frame):
            if mask.object_id in object_ids:
                own = self._covered([mask])[layer.region]
                if (back & own).any() and not (rest & (own | (layer.values == mask.object_id))).any():
                    freed.append(mask.object_id)
        return freed

    def _layer_on(self, frame: int, top: int) -> tuple[Any, PaintLayer] | None:
        """The cached layer of a frame, if it ends with the stroke `top`."""
        with self._cache_lock:
            cached = self._layers.get(frame)
        return cached if cached is not None and cached[0][0] == top else None

    def _still_needed(self, frame: int, covered: set[int]) -> list[int]:
        """Older records of a frame that hold an object which no newer one holds."""
        kept = []
        covered = set(covered)
        for number in self.ledger.get("masks", frame, ()):
            info = self.ledger.get("records", number)
            if info is not None and not covered.issuperset(info.ids):
                kept.append(number)
                covered.update(info.ids)
        return kept

    def _version(self, frame: int) -> int:
        _, masks, paint, removed, _ = self.image_key(frame)
        if not masks and not paint:
            return 0
        lost = [n for n in masks if self.ledger.get("records", n) is None]
        lost += [n for n in self._chain(frame) if n in self._lost_strokes]
        text = repr((masks, paint, removed, *([lost] if lost else []))).encode()
        return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") | 1

    def _refresh_file(self, frame: int) -> None:
        self._stale.add(frame)
        # Reading comes before the lock, for a damaged record is struck out of the journal while it is read.
        version, labels_yx = self._version(frame), self.read_labels(frame)
        with self._file_lock:
            if self._file is None:
                return
            self._stale.discard(frame)
            try:
                self._file.write(frame, labels_yx, version)
            except BaseException:
                self._stale.add(frame)
                raise
            if version != self._version(frame):
                self._stale.add(frame)

    def _check_region(self, origin_yx: tuple[int, int], shape: tuple[int, ...]) -> None:
        if (
            len(shape) != 2
            or min(origin_yx) < 0
            or origin_yx[0] + shape[0] > self.shape_yx[0]
            or origin_yx[1] + shape[1] > self.shape_yx[1]
        ):
            raise StoreError(f"Pixels of shape {shape} at {origin_yx} do not fit a frame of {self.shape_yx} pixels.")

    def _labels_file(self) -> LabelsFile | None:
        """The label images as a file; none where nothing may be written."""
        return None
