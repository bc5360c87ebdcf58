"""The masks of a session, safe on disk."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.errors import StoreError
from napari_sam2_video.geometry import region_of, whole_mask
from napari_sam2_video.masks.codec import CLEARED, PAINTED, UNTOUCHED, Stroke
from napari_sam2_video.masks.label_images import LabelImages
from napari_sam2_video.masks.paint import check_painted, cut
from napari_sam2_video.masks.records import EVERY, RUN, FrameRecords
from napari_sam2_video.masks.scores import scores_of
from napari_sam2_video.masks.strokes import Strokes
from napari_sam2_video.masks.tables import refs_of
from napari_sam2_video.storage.atomic import make_folder
from napari_sam2_video.storage.packs import PackStore

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from napari_sam2_video.masks.paint import PaintLayer
    from napari_sam2_video.storage.state import State
    from napari_sam2_video.storage.tables import Change
    from napari_sam2_video.types import FrameMasks, ObjectMask


class MaskStore:
    """Masks of all objects on all frames: frame records, strokes, and the label images composed from both.

    Parameters
    ----------
    folder : Path
        Folder of the packs.
    state : State
        Tables, made with `napari_sam2_video.masks.tables.decoders`.
    n_frames : int
        Number of frames.
    shape_yx : tuple of int
        Shape of a frame.
    read_only : bool
        Change nothing on disk.
    quarantine : Path
        Folder for damaged files.
    """

    def __init__(
        self,
        folder: Path,
        state: State,
        n_frames: int,
        shape_yx: tuple[int, int],
        *,
        read_only: bool,
        quarantine: Path,
    ) -> None:
        self.folder = folder
        self.n_frames = n_frames
        self.shape_yx = shape_yx
        self.read_only = read_only
        if not read_only:
            make_folder(folder)
        self._state = state
        self._packs = PackStore(folder / "packs", read_only=read_only)
        self._records = FrameRecords(state, self._packs, n_frames, shape_yx, quarantine)
        self._strokes = Strokes(state, self._packs, shape_yx)
        self._images = LabelImages(state, self._records, self._strokes, shape_yx)
        self._notes: list[str] = []
        if not read_only:
            self._sweep(quarantine)

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about what was found damaged."""
        return (*self._notes, *self._records.notes, *self._strokes.notes)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Smallest unsigned dtype that holds every id ever used."""
        return self._images.dtype

    def read_labels(self, frame: int) -> npt.NDArray[Any]:
        """Label image of a frame, read-only, shape ``(Y, X)``, of `dtype`."""
        return self._images.read(self._checked(frame))

    def label_key(self, frame: int) -> tuple[Any, ...]:
        """Key of the label image of a frame; equal keys mean equal images."""
        return self._images.key(frame)

    def object_masks(self, frame: int) -> list[ObjectMask]:
        """The model's newest mask of each object on a frame, by ascending id."""
        return self._records.masks(self._checked(frame))

    def run_masks(self, frame: int, table: str = RUN) -> list[ObjectMask]:
        """The newest masks from runs on a frame, before any fusing, or those of another table."""
        return self._records.masks(self._checked(frame), (table,))

    def object_levels(self, frame: int, object_id: int) -> ObjectMask | None:
        """The model's newest mask of one object on a frame; None if there is none."""
        return next(iter(self._records.masks(self._checked(frame), objects=[object_id])), None)

    def object_mask(self, frame: int, object_id: int) -> npt.NDArray[np.bool_]:
        """One object's own pixels, shape ``(Y, X)``: the model's, even where others cover them, and paint."""
        return next(self.each_mask(frame, [object_id]))

    def each_mask(self, frame: int, object_ids: Iterable[int]) -> Iterator[npt.NDArray[np.bool_]]:
        """`object_mask` of several objects one by one, reading the frame once."""
        object_ids = list(object_ids)
        found = {m.object_id: m for m in self._records.masks(self._checked(frame), objects=set(object_ids))}
        layer = self.paint_layer(frame)
        for object_id in object_ids:
            mask = found.get(object_id)
            inside = np.zeros(self.shape_yx, bool) if mask is None else self._pixels(mask)
            inside[layer.region][layer.painted] = (layer.values == object_id)[layer.painted]
            yield inside

    def stamp(self, frame: int, object_id: int) -> tuple[int, int, int]:
        """Identifies an `object_mask`: number and CRC-32 of its record, newest change of the paint; 0 for none."""
        record, crc, box = 0, 0, (slice(0, 0), slice(0, 0))
        newest = self._records.newest(frame, object_id)
        if newest is not None:
            record, info = newest
            row = info.figures_of(object_id)
            crc, box = info.ref.crc, (slice(int(row["y0"]), int(row["y1"])), slice(int(row["x0"]), int(row["x1"])))
        return record, crc, self._strokes.change_over(frame, object_id, box)

    def paint_layer(self, frame: int) -> PaintLayer:
        """Painted pixels of a frame."""
        return self._strokes.layer(frame)

    def touched(self, frame: int) -> dict[int, int]:
        """Objects touched by paint on a frame, with the newest stroke that touched each."""
        return self._strokes.touched(frame)

    def painted(self, object_id: int | None = None) -> list[int]:
        """Frames with paint, or with paint that touches an object, in ascending order."""
        return self._strokes.frames(object_id)

    def is_painted(self, frame: int) -> bool:
        """Whether a frame has paint."""
        return self._strokes.top(frame) > 0

    def painted_last(self, frame: int, object_id: int) -> bool:
        """Whether the newest stroke that touches an object on a frame gave it pixels."""
        return self._strokes.painted_last(frame, object_id)

    def walked(self, object_id: int) -> npt.NDArray[np.int8]:
        """Direction of the last run on each frame: 1 forward, -1 backward, 0 none yet; shape ``(n_frames,)``."""
        return self._records.walked(object_id)

    def frames_done(self, object_id: int) -> npt.NDArray[np.int64]:
        """Frames on which the model computed an object, in ascending order."""
        return self._records.figures.of([object_id])[object_id].frames.copy()

    def scores(self, object_id: int) -> dict[str, npt.NDArray[Any]]:
        """Figures of an object, one entry for each tracked or painted frame, in ascending order.

        Returns
        -------
        dict of str to ndarray
            ``frame``, ``object_score`` (logit), ``predicted_iou``, ``area`` (pixels of `object_mask`, also those that
            other objects cover), ``y``, ``x`` (centre, NaN where the object is absent), ``y0``, ``x0``, ``y1``, ``x1``
            (box, end not included), ``prompted``, ``painted``, ``walk`` (1 forward, -1 backward, 0 painted only).
        """
        return self.scores_of([object_id])[object_id]

    def scores_of(self, object_ids: Collection[int]) -> dict[int, dict[str, npt.NDArray[Any]]]:
        """Figures of several objects at once, each as `scores` gives them."""
        painted = {number: self.painted(number) for number in object_ids} if self.painted() else {}
        return scores_of(self._records.figures.of(object_ids), painted, self.object_mask)

    def changed_since(self, mark: int) -> tuple[int, set[int]]:
        """The present mark, and the objects whose model's masks changed since an earlier one; begin with 0."""
        return self._records.figures.changed_since(mark)

    def widen(self, object_id: int) -> None:
        """Make sure that label images hold an id before anything with it is written.

        Raises
        ------
        StoreError
            If the id is not between 1 and 2**32 - 1.
        """
        self._images.widen(object_id)

    def write(
        self, masks: FrameMasks, *, generation: int | None = None, extra: Sequence[Change] = (), table: str = RUN
    ) -> None:
        """Store the masks of some objects on one frame; they are on disk when this returns.

        Parameters
        ----------
        masks : FrameMasks
            Masks from a run; only the objects in it change.
        generation : int, optional
            The step it belongs to; by default a new one.
        extra : sequence of (table, key, value)
            Changes that become durable together with it.
        table : str
            The kind of masks, see `FrameRecords`: from a run, fused, or not shown.

        Raises
        ------
        StoreError
            If it cannot be written or does not fit the store; nothing is changed then.
        """
        self._checked(masks.frame)
        if masks.shape_yx != self.shape_yx:
            raise StoreError(
                f"Frame {masks.frame} has masks of {masks.shape_yx} pixels where {self.shape_yx} were expected."
            )
        for mask in masks.objects:
            self.widen(mask.object_id)
        if masks.objects:
            self._records.put(masks, generation=generation, extra=extra, table=table)
        elif extra:
            self._state.commit(extra, step=generation)

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
        protected: Collection[int] = (),
    ) -> int | None:
        """Paint pixels; the model never changes them again.

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
        protected : collection of int
            Objects whose pixels stay unchanged.

        Returns
        -------
        int or None
            Number of the stroke, or None if no pixel was set.

        Raises
        ------
        StoreError
            If it does not fit the frame or cannot be written.
        """
        frame = self._checked(operator.index(frame))
        labels = np.asarray(labels)
        mask = np.ones(labels.shape, bool) if where is None else np.asarray(where, bool)
        origin = (operator.index(origin_yx[0]), operator.index(origin_yx[1]))
        check_painted(frame, origin, labels, mask, self.shape_yx)
        before = self.read_labels(frame)[region_of(origin, labels.shape)]
        if protected:
            mask = mask & ~np.isin(before, list(protected))
        stroke = cut(Stroke(origin, mask.astype(np.uint8), np.where(mask, labels, 0).astype(np.uint32)))
        if stroke is None:
            return None
        ids = {int(i) for i in np.unique(stroke.values[stroke.kind == PAINTED])} - {0}
        for object_id in sorted(ids):
            self.widen(object_id)
        hidden = {int(i) for i in np.unique(before[mask])} - {0}
        with self._state.writing():
            image = self._images.kept(frame)
            touched = sorted(ids | hidden)
            number = self._strokes.add(frame, stroke, touched=touched, step=step, name=name, extra=extra)
            self._images.paint_over(frame, image, stroke)
        return number

    def clear_paint(
        self,
        frame: int,
        object_id: int | None = None,
        *,
        step: int | None = None,
        name: str | None = None,
        protected: Collection[int] = (),
    ) -> bool:
        """Return painted pixels of a frame to the model; True if there were any.

        Parameters
        ----------
        frame, object_id : int
            Only this object's pixels on the frame, and those erased from it; by default all.
        step, name : int and str, optional
            Step to add it to, a step of its own if not given; and its name.
        protected : collection of int
            Objects that neither lose nor gain a pixel.
        """
        layer = self.paint_layer(self._checked(frame))
        masks = self.object_masks(frame)
        free = self.touched(frame).keys() - set(protected)
        back = layer.painted
        if object_id is not None:
            erased = (layer.values == 0) & self._covered(masks, {object_id})[layer.region]
            back = back & ((layer.values == object_id) | erased)
        if protected:
            back = back & ~(np.isin(layer.values, list(protected)) | self._covered(masks, protected)[layer.region])
        if object_id is None:
            dropped = sorted(free)
        else:
            others = [m for m in masks if m.object_id in free - {object_id}]
            dropped = [object_id, *(m.object_id for m in others if self._is_freed(m, layer, back))]
        stroke = cut(Stroke(layer.origin_yx, np.where(back, CLEARED, UNTOUCHED).astype(np.uint8), layer.values))
        if stroke is None:
            return False
        self._strokes.add(frame, stroke, dropped=dropped, step=step, name=name or f"clear paint on frame {frame}")
        return True

    def drop(self, frame: int, object_id: int, *, step: int, tables: Sequence[str] = EVERY) -> None:
        """Remove the model's mask of an object on a frame, as part of a step."""
        self._records.drop(self._checked(frame), object_id, step, tables)

    def remove_objects(self, object_ids: Sequence[int], *, extra: Sequence[Change] = (), name: str) -> int:
        """Remove the masks and paint of objects; their ids can then be used for new objects."""
        with self._state.writing():
            number = self._state.next_number
            changes: list[Change] = [*(("removed", object_id, number) for object_id in object_ids), *extra]
            self._state.commit(changes, name=name, number=number)
            return number

    def put(self, data: bytes) -> dict[str, Any]:
        """Store bytes beside the masks; returns a reference for the table ``blobs``."""
        return self._packs.put(data).to_json()

    def get(self, name: str) -> bytes:
        """Bytes listed in the table ``blobs`` under a name.

        Raises
        ------
        StoreError
            If there are none, or they are damaged.
        """
        ref = self._state.get("blobs", name)
        if ref is None:
            raise StoreError("The journal does not list it.")
        return self._packs.get(ref)

    def close(self) -> None:
        """Delete packs that are no longer needed, and close the files."""
        try:
            if not self.read_only:
                packs = self._records.drop_unneeded() | {ref.pack for ref in refs_of(self._state, ("strokes", "blobs"))}
                for pack in set(self._packs.files()) - packs:
                    self._packs.remove(pack)
        finally:
            self._packs.close()

    def _pixels(self, mask: ObjectMask) -> npt.NDArray[np.bool_]:
        return whole_mask(mask.origin_yx, mask.levels > 0, self.shape_yx)

    def _covered(self, masks: Iterable[ObjectMask], object_ids: Collection[int]) -> npt.NDArray[np.bool_]:
        """Where the model sees any of the given objects."""
        inside = np.zeros(self.shape_yx, bool)
        for mask in masks:
            if mask.object_id in object_ids:
                inside |= self._pixels(mask)
        return inside

    def _is_freed(self, mask: ObjectMask, layer: PaintLayer, back: npt.NDArray[np.bool_]) -> bool:
        """Whether an object gets pixels back and is no longer touched by paint."""
        own, rest = self._pixels(mask)[layer.region], layer.painted & ~back
        return bool((back & own).any()) and not (rest & (own | (layer.values == mask.object_id))).any()

    def _sweep(self, quarantine: Path) -> None:
        """Move files that the journal does not list to the quarantine folder."""
        known = {ref.pack for ref in refs_of(self._state, ("records", "strokes", "blobs"))}
        moved = self._packs.sweep(known | self._records.lost_packs, quarantine)
        if moved:
            self._notes.append(f"{len(moved)} file(s) that the journal does not list were moved to {quarantine}.")

    def _checked(self, frame: int) -> int:
        if not 0 <= frame < self.n_frames:
            raise StoreError(f"There is no frame {frame}; the recording has frames 0 to {self.n_frames - 1}.")
        return frame
