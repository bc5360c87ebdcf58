"""The masks of a session, safe on disk: what the model computed, what a person painted, and what both make."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from napari_sam2_video.errors import StoreError
from napari_sam2_video.masks.blobs import BlobStore, ref_from_json
from napari_sam2_video.masks.durable import keep_copy, make_folder, replace_file
from napari_sam2_video.masks.journal import Journal
from napari_sam2_video.masks.labels_file import LabelsFile
from napari_sam2_video.masks.ledger import Ledger
from napari_sam2_video.masks.paint import EMPTY, PaintLayer, apply, cut, fold, over, region_of
from napari_sam2_video.masks.records import (
    CLEARED,
    FIGURES,
    PAINTED,
    UNTOUCHED,
    RecordInfo,
    Stroke,
    StrokeInfo,
    decode_masks,
    decode_stroke,
    encode_masks,
    encode_stroke,
    figures_of,
    measure,
    record_from_json,
    record_to_json,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from types import TracebackType

    import numpy.typing as npt

    from napari_sam2_video.masks.ledger import Change, Decoder
    from napari_sam2_video.types import FrameMasks, ObjectMask

CACHE_BYTES = 128 << 20


class MaskStore:
    """Masks of all objects on all frames.

    The label image of a frame follows from what the model computed last for each object (the higher level wins a
    pixel, a tie goes to the lower id) and from the person's pixels, which lie over all. Use `create` and `open`, or
    let a session make it.

    Parameters
    ----------
    folder : Path
        Folder of the packs and of ``labels.zarr``.
    ledger : Ledger
        Tables, made with the decoders of `decoders`.
    n_frames : int
        Number of frames.
    shape_yx : tuple of int
        Shape of a frame.
    read_only : bool
        Change nothing on disk.
    quarantine : Path, optional
        Where broken things are kept; ``quarantine`` beside the folder if not given.

    Attributes
    ----------
    notes : list of str
        Sentences about what was found damaged.
    """

    def __init__(
        self,
        folder: Path,
        ledger: Ledger,
        n_frames: int,
        shape_yx: tuple[int, int],
        *,
        read_only: bool = False,
        quarantine: Path | None = None,
    ) -> None:
        self.folder = folder
        self.n_frames = n_frames
        self.shape_yx = shape_yx
        self.read_only = read_only
        self.notes: list[str] = []
        self.ledger = ledger
        self._quarantine = quarantine or folder.parent / "quarantine"
        self._images: OrderedDict[tuple[Any, ...], npt.NDArray[Any]] = OrderedDict()
        self._layers: OrderedDict[int, tuple[Any, PaintLayer]] = OrderedDict()
        self._cache_lock = threading.Lock()
        self._highest = 0
        self._stale: set[int] = set()
        if not read_only:
            make_folder(folder)
        self.blobs = BlobStore(folder / "packs", read_only=read_only)
        self._check_packs()
        self._count_ids()
        self._file = None if read_only else self._labels_file()

    @classmethod
    def create(cls, folder: Path, n_frames: int, shape_yx: tuple[int, int]) -> Self:
        """Make a store of its own, with its own journal.

        Raises
        ------
        StoreError
            If there is one already, or the folder cannot be written.
        """
        if (folder / "journal").exists():
            raise StoreError(f"{folder} holds masks already; open it or choose another folder.")
        make_folder(folder)
        ledger = Ledger(Journal(folder / "journal", read_only=False, quarantine=folder / "quarantine"), decoders())
        ledger.commit([("shape", "n_frames", n_frames), ("shape", "yx", list(shape_yx))])
        return cls(folder, ledger, n_frames, shape_yx, quarantine=folder / "quarantine")

    @classmethod
    def open(cls, folder: Path, *, read_only: bool = False) -> Self:
        """Open a store that `create` made.

        Raises
        ------
        StoreError
            If there is none, or its journal says nothing of its shape.
        """
        if not (folder / "journal").exists():
            raise StoreError(f"{folder} holds no masks; check the path.")
        quarantine = folder / "quarantine"
        ledger = Ledger(Journal(folder / "journal", read_only=read_only, quarantine=quarantine), decoders())
        n_frames, shape = ledger.get("shape", "n_frames"), ledger.get("shape", "yx")
        if not isinstance(n_frames, int) or not isinstance(shape, list) or len(shape) != 2:
            ledger.close()
            raise StoreError(f"The journal of {folder} is damaged at its beginning; restore it from a copy.")
        return cls(folder, ledger, n_frames, (shape[0], shape[1]), read_only=read_only, quarantine=quarantine)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Smallest unsigned type that holds every id there ever was."""
        return np.dtype(
            np.uint8 if self._highest <= 0xFF else np.uint16 if self._highest <= 0xFFFF else np.uint32
        )

    def widen(self, object_id: int) -> None:
        """Make room for an id in the label images before anything with it is written.

        Raises
        ------
        StoreError
            If the id is not between 1 and 2**32 - 1.
        """
        if not 1 <= object_id <= 0xFFFFFFFF:
            raise StoreError(f"An object cannot have the id {object_id}; use 1 to {0xFFFFFFFF}.")
        if object_id > self._highest:
            before = self.dtype
            self._highest = object_id
            if self.dtype != before and self._file is not None:
                self._file = self._labels_file()

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
        self._check_frame(frame)
        labels = np.asarray(labels)
        self._check_region(origin_yx, labels.shape)
        if labels.size and (int(labels.min()) < 0 or int(labels.max()) > 0xFFFFFFFF):
            raise StoreError(f"Labels on frame {frame} must lie between 0 and {0xFFFFFFFF}.")
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
        return self._commit_stroke(
            frame, stroke, touched=sorted({*ids, *hidden}), dropped=[], step=step, name=name, extra=extra
        )

    def clear_paint(self, frame: int, object_id: int | None = None, *, name: str | None = None) -> bool:
        """Give a frame's painted pixels back to the model; True if there were any.

        Parameters
        ----------
        frame : int
            The frame.
        object_id : int, optional
            Only this object's pixels, and those erased from it; all if not given.
        name : str, optional
            Name of the step.
        """
        self._check_frame(frame)
        layer = self.paint_layer(frame)
        if object_id is None:
            back = layer.painted
            dropped = sorted(self.touched(frame))
        else:
            own = np.zeros(self.shape_yx, bool)
            for mask in self.object_masks(frame):
                if mask.object_id == object_id:
                    own[region_of(mask.origin_yx, mask.levels.shape)] = mask.levels > 0
            erased = (layer.values == 0) & own[layer.region]
            back = layer.painted & ((layer.values == object_id) | erased)
            dropped = [object_id]
        stroke = cut(Stroke(layer.origin_yx, np.where(back, CLEARED, UNTOUCHED).astype(np.uint8), layer.values))
        if stroke is None:
            return False
        self._commit_stroke(frame, stroke, touched=[], dropped=dropped, name=name or f"clear paint on frame {frame}")
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
        rest = [self.ledger.get("strokes", n) for n in chain if n != number]
        mentioned = {i for i, newest in info.newest.items() if newest == number}
        still = {i for s in rest if s is not None and s.frame == info.frame for i in s.newest if s.newest[i] != number}
        self._commit_stroke(
            info.frame, stroke, touched=[], dropped=sorted(mentioned - still), name=name or f"undo paint on frame {info.frame}"
        )
        return True

    def _commit_stroke(
        self,
        frame: int,
        stroke: Stroke,
        *,
        touched: list[int],
        dropped: list[int],
        step: int | None = None,
        name: str | None = None,
        extra: Sequence[Change] = (),
    ) -> int:
        ref = self.blobs.put(encode_stroke(stroke))
        with self.ledger.writing():
            number = self.ledger.next_number
            below = self.ledger.get("paint", frame, 0)
            value = {"ref": ref.to_json(), "frame": frame, "below": below, "touched": touched, "dropped": dropped}
            before = self._layer_state(frame, below)
            newest = dict(self._newest(below))
            newest.update(dict.fromkeys(touched, number))
            for object_id in dropped:
                newest.pop(object_id, None)
            value["newest"] = [[i, n] for i, n in sorted(newest.items())]
            changes: list[Change] = [*extra, ("strokes", number, value), ("paint", frame, number)]
            if step is None and name is None:
                name = f"paint on frame {frame}"
            self.ledger.commit(changes, name=None if step is not None else name, step=step, number=number)
        if before is not None:
            key, layer = before
            with self._cache_lock:
                self._layers[frame] = ((number, key[1]), over(layer, number, stroke, self._removed()))
        self._stale.add(frame)
        return number

    def remove_object(self, object_id: int, *, extra: Sequence[Change] = (), name: str | None = None) -> int:
        """Forget an object's masks and paint; its id can be used for a new object afterwards."""
        with self.ledger.writing():
            number = self.ledger.next_number
            self.ledger.commit(
                [("removed", object_id, number), *extra], name=name or f"remove object {object_id}", number=number
            )
            return number

    def read_labels(self, frame: int) -> npt.NDArray[Any]:
        """Label image of a frame, read-only, shape ``(Y, X)``, of `dtype`."""
        self._check_frame(frame)
        key = self.image_key(frame)
        with self._cache_lock:
            image = self._images.get(key)
            if image is not None:
                self._images.move_to_end(key)
                return image
        image = self._compose(frame)
        image.flags.writeable = False
        with self._cache_lock:
            for old in [k for k in self._images if k[0] == frame]:
                del self._images[old]
            self._images[key] = image
            room = CACHE_BYTES
            for cached in reversed(list(self._images)):
                room -= self._images[cached].nbytes
                if room < 0 and cached != key:
                    del self._images[cached]
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
        """One object's own pixels, shape ``(Y, X)``: the model's, whatever lies over them, with the person's over all."""
        inside = np.zeros(self.shape_yx, bool)
        mask = self.object_levels(frame, object_id)
        if mask is not None:
            inside[region_of(mask.origin_yx, mask.levels.shape)] = mask.levels > 0
        layer = self.paint_layer(frame)
        inside[layer.region][layer.painted] = (layer.values == object_id)[layer.painted]
        return inside

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
            while len(self._layers) > 16:
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
            frames = sorted(int(f) for f in self.ledger.table("paint"))
        if object_id is None:
            return frames
        return [f for f in frames if object_id in self.touched(f)]

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
            ``frame``, ``object_score`` (logit), ``predicted_iou``, ``area`` (pixels), ``y``, ``x`` (centre, NaN where the
            object is absent), ``y0``, ``x0``, ``y1``, ``x1`` (box, end not included), ``prompted``, ``painted``,
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

    def flush(self, progress: Callable[[int, int], None] | None = None) -> None:
        """Bring ``labels.zarr`` up to date and make it durable."""
        if self._file is None:
            return
        stale = sorted(self._stale)
        for index, frame in enumerate(stale):
            self._refresh_file(frame)
            if progress is not None:
                progress(index + 1, len(stale))
        if self._file is not None:
            self._file.sync()

    def changed(self, table: str, key: Any) -> None:
        """Tell the store that undo or redo changed a key of one of its tables."""
        if table in {"masks", "paint"} and isinstance(key, int):
            self._stale.add(key)
        elif table == "removed":
            self._stale.update(self._frames_in_use())

    def collect(self) -> None:
        """Delete packs that neither the masks nor anything that can be undone needs any more."""
        with self.ledger.lock:
            needed = {n for numbers in self.ledger.table("masks").values() for n in numbers}
            needed.update(n for numbers in self.ledger.values_in_history("masks") for n in numbers)
            records = dict(self.ledger.table("records"))
            packs = {info.ref.pack for n, info in records.items() if n in needed}
            kept = [*self.ledger.values_in_history("records"), *self.ledger.table("strokes").values()]
            packs.update(info.ref.pack for info in kept)
            packs.update(info.ref.pack for info in self.ledger.values_in_history("strokes"))
            packs.update(ref.pack for ref in self.ledger.table("blobs").values())
            packs.update(ref.pack for ref in self.ledger.values_in_history("blobs"))
        unneeded = [n for n in records if n not in needed]
        if unneeded:
            self.ledger.commit([("records", n, None) for n in unneeded])
        for pack in set(self.blobs.packs()) - packs:
            self.blobs.remove(pack)

    def close(self) -> None:
        """Write what is derived and close the files."""
        try:
            if not self.read_only:
                self.flush()
                self.collect()
        finally:
            self.blobs.close()
            self.ledger.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _compose(self, frame: int) -> npt.NDArray[Any]:
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
        apply(self.paint_layer(frame), labels_yx)
        return labels_yx

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

    def _version(self, frame: int) -> int:
        _, masks, paint, removed, _ = self.image_key(frame)
        if not masks and not paint:
            return 0
        text = repr((masks, paint, removed)).encode()
        return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") | 1

    def _refresh_file(self, frame: int) -> None:
        if self._file is None:
            return
        version = self._version(frame)
        self._file.write(frame, self.read_labels(frame), version)
        self._stale.discard(frame)

    def _labels_file(self) -> LabelsFile:
        file = LabelsFile(self.folder / "labels.zarr", self.n_frames, self.shape_yx, self.dtype)
        used = self._frames_in_use() | {int(f) for f in np.flatnonzero(file.versions)}
        self._stale = {f for f in used if int(file.versions[f]) != self._version(f)}
        return file

    def _frames_in_use(self) -> set[int]:
        with self.ledger.lock:
            return {f for t in ("masks", "paint") for f in self.ledger.table(t) if isinstance(f, int)}

    def _count_ids(self) -> None:
        with self.ledger.lock:
            records = [*self.ledger.table("records").values(), *self.ledger.values_in_history("records")]
            strokes = [*self.ledger.table("strokes").values(), *self.ledger.values_in_history("strokes")]
            ids = {k for t in ("objects", "removed") for k in self.ledger.table(t) if isinstance(k, int)}
        ids.update(i for info in records for i in info.ids)
        ids.update(i for info in strokes for i in info.newest)
        self._highest = max(ids, default=0)

    def _check_packs(self) -> None:
        """Leave out records that reach behind the end of their pack, and set unknown files aside."""
        sizes = self.blobs.sizes()
        with self.ledger.lock:
            records = dict(self.ledger.table("records"))
            known = [*records.values(), *self.ledger.table("strokes").values()]
            known += [*self.ledger.values_in_history("records"), *self.ledger.values_in_history("strokes")]
            packs = {info.ref.pack for info in known}
            packs.update(ref.pack for ref in self.ledger.table("blobs").values())
            packs.update(ref.pack for ref in self.ledger.values_in_history("blobs"))
        lost = [n for n, info in records.items() if not self.blobs.reaches(info.ref, sizes)]
        if lost:
            frames = sorted({records[n].frame for n in lost})
            self.notes.append(f"The masks of {len(frames)} frame(s) from frame {frames[0]} on are gone; track them again.")
        if self.read_only:
            return
        if lost:
            self.ledger.commit([("records", n, None) for n in lost])
        moved = self.blobs.sweep(packs, self._quarantine)
        if moved:
            self.notes.append(f"{len(moved)} file(s) that the journal does not know were moved to {self._quarantine}.")

    def _record(self, number: int) -> FrameMasks | None:
        info: RecordInfo | None = self.ledger.get("records", number)
        if info is None:
            return None
        try:
            return decode_masks(self.blobs.get(info.ref), self.shape_yx)
        except StoreError as error:
            self._give_up("records", number, info, str(error))
            return None

    def _stroke(self, number: int) -> Stroke | None:
        info: StrokeInfo | None = self.ledger.get("strokes", number)
        if info is None:
            return None
        try:
            return decode_stroke(self.blobs.get(info.ref), self.shape_yx)
        except StoreError as error:
            self._give_up("strokes", number, info, str(error))
            return None

    def _give_up(self, table: str, number: int, info: RecordInfo | StrokeInfo, reason: str) -> None:
        """Leave a damaged record out, keeping its bytes in the quarantine folder."""
        self.notes.append(f"Frame {info.frame} lost what was kept of it: {reason}")
        if self.read_only or table != "records":
            return
        path = self.blobs.path(info.ref.pack)
        if path.exists():
            with path.open("rb") as file:
                file.seek(info.ref.offset)
                keep_copy(file.read(info.ref.length), f"frame-{info.frame}-record-{number}", self._quarantine)
        self.ledger.commit([(table, number, None)])

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

    def _fold(self, newest_first: list[int], removed: dict[int, int]) -> PaintLayer:
        strokes = [(n, self._stroke(n)) for n in reversed(newest_first)]
        return fold([(n, s) for n, s in strokes if s is not None], removed)

    def _layer_state(self, frame: int, top: int) -> tuple[Any, PaintLayer] | None:
        with self._cache_lock:
            cached = self._layers.get(frame)
        return cached if cached is not None and cached[0][0] == top else None

    def _check_frame(self, frame: int) -> None:
        if not 0 <= frame < self.n_frames:
            raise StoreError(f"There is no frame {frame}; the recording has the frames 0 to {self.n_frames - 1}.")

    def _check_region(self, origin_yx: tuple[int, int], shape: tuple[int, ...]) -> None:
        if (
            len(shape) != 2
            or min(origin_yx) < 0
            or origin_yx[0] + shape[0] > self.shape_yx[0]
            or origin_yx[1] + shape[1] > self.shape_yx[1]
        ):
            raise StoreError(f"Pixels of shape {shape} at {origin_yx} do not fit a frame of {self.shape_yx} pixels.")


def decoders() -> dict[str, Decoder]:
    """How the store's tables are read from the journal."""
    return {
        "records": lambda _, value: record_from_json(value),
        "masks": lambda _, value: tuple(int(n) for n in value),
        "strokes": lambda _, value: StrokeInfo(
            ref_from_json(value["ref"]),
            int(value["frame"]),
            int(value["below"]),
            {int(i): int(n) for i, n in value["newest"]},
        ),
        "paint": lambda _, value: int(value),
        "removed": lambda _, value: int(value),
        "blobs": lambda _, value: ref_from_json(value),
    }
