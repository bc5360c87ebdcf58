"""Frame records: the model's masks of each frame."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.errors import MissingError, StoreError
from napari_sam2_video.masks.codec import decode_masks, encode_masks
from napari_sam2_video.masks.figures import figures_of
from napari_sam2_video.masks.newest import NewestMasks
from napari_sam2_video.masks.tables import record_to_json, removed_objects
from napari_sam2_video.storage.atomic import keep_copy

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from napari_sam2_video.masks.tables import RecordInfo
    from napari_sam2_video.storage.packs import PackStore
    from napari_sam2_video.storage.state import State
    from napari_sam2_video.storage.tables import Change
    from napari_sam2_video.types import FrameMasks, ObjectMask


RUN, FUSED, OTHER = "masks", "fused", "other"
TABLES = (RUN, FUSED)
EVERY = (*TABLES, OTHER)


class FrameRecords:
    """Frame records in the packs, and the tables that list the valid ones.

    ``masks`` lists the records of each frame made by runs, ``fused`` those fused from several runs; the newest of both
    that holds an object counts. So a run after fusing shows its masks at once, and the masks before fusing are kept.
    ``other`` lists alternative masks from runs that are not shown, as choices for the user.

    A damaged record is ignored, with a note, as if its frame had not been tracked. One whose pack is gone stays in the
    journal.

    Attributes
    ----------
    figures : NewestMasks
        Figures of the newest mask of each object on each frame.
    notes : list of str
        Sentences about what was found damaged.
    lost_packs : set of int
        Packs that are missing or shorter than before; they may be restored.
    """

    def __init__(
        self, state: State, packs: PackStore, n_frames: int, shape_yx: tuple[int, int], quarantine: Path
    ) -> None:
        self.figures = NewestMasks(state, TABLES)
        self.notes: list[str] = []
        self.lost_packs: set[int] = set()
        self._state = state
        self._packs = packs
        self._n_frames = n_frames
        self._shape_yx = shape_yx
        self._quarantine = quarantine
        self._leave_out_lost()

    def masks(
        self, frame: int, tables: Sequence[str] = TABLES, objects: Collection[int] | None = None
    ) -> list[ObjectMask]:
        """The model's newest mask on a frame of each object, or of some, by ascending id."""
        removed = removed_objects(self._state)
        found: dict[int, ObjectMask] = {}
        for number in self.numbers(frame, tables):
            record = self._read(number, objects)
            for mask in () if record is None else record.objects:
                if mask.object_id not in found and number > removed.get(mask.object_id, 0):
                    found[mask.object_id] = mask
        return [found[i] for i in sorted(found)]

    def numbers(self, frame: int, tables: Sequence[str] = TABLES) -> tuple[int, ...]:
        """Records of a frame, the newest first."""
        return _numbers(self._state, frame, tables)

    def contents(self, frame: int) -> tuple[tuple[int, tuple[int, ...]], ...]:
        """Records of a frame with their objects, the newest first."""
        found = ((number, self._state.get("records", number)) for number in self.numbers(frame))
        return tuple((number, () if info is None else info.ids) for number, info in found)

    def put(self, masks: FrameMasks, *, generation: int | None, extra: Sequence[Change], table: str = RUN) -> None:
        """Store masks of one frame durably; see `MaskStore.write`."""
        figures = figures_of(masks)
        ref = self._packs.put(encode_masks(masks), inline=False)
        value = record_to_json(ref, masks, figures)
        with self._state.writing():
            number = self._state.next_number
            kept = self._still_needed(table, masks.frame, {m.object_id for m in masks.objects}, generation)
            changes: list[Change] = [("records", number, value), (table, masks.frame, [number, *kept]), *extra]
            name = None if generation is not None else f"masks of frame {masks.frame}"
            self._state.commit(changes, name=name, step=generation, number=number)

    def drop(self, frame: int, object_id: int, step: int, tables: Sequence[str] = EVERY) -> None:
        """Remove one object from a frame: records that hold it are rewritten without it, and keep their order.

        They stay in the frame's list, which the step sets too, so that undo lists them whatever a run wrote meanwhile.
        """
        with self._state.writing():
            removed = removed_objects(self._state)
            for table, number in [(t, n) for t in tables for n in self._state.get(t, frame, ())]:
                info: RecordInfo | None = self._state.get("records", number)
                if info is None or object_id not in info.ids or number <= removed.get(object_id, 0):
                    continue
                masks = self._read(number)
                kept = () if masks is None else masks.objects
                rest = tuple(m for m in kept if m.object_id != object_id and number > removed.get(m.object_id, 0))
                if masks is not None and rest:
                    left = replace(masks, objects=rest)
                    ref = self._packs.put(encode_masks(left), inline=False)
                    value = record_to_json(ref, left, figures_of(left))
                else:
                    value = None
                listed = self._state.get(table, frame, ())
                self._state.commit([("records", number, value), (table, frame, listed)], step=step)

    def newest(self, frame: int, object_id: int, tables: Sequence[str] = TABLES) -> tuple[int, RecordInfo] | None:
        """Number and description of the newest record of an object on a frame; None if there is none."""
        return newest_record(self._state, frame, object_id, tables)

    def rows(self, object_id: int, tables: Sequence[str] = TABLES) -> dict[int, RecordInfo]:
        """Newest record of an object on each frame, by ascending frame."""
        return {frame: info for frame, (_, info) in newest_records(self._state, object_id, tables).items()}

    def walked(self, object_id: int) -> npt.NDArray[np.int8]:
        """Direction of the last run on each frame: 1 forward, -1 backward, 0 none yet; shape ``(n_frames,)``."""
        result = np.zeros(self._n_frames, np.int8)
        if self._state.table(FUSED):
            for frame, info in self.rows(object_id, (RUN,)).items():
                result[frame] = info.walk
        else:
            newest = self.figures.of([object_id])[object_id]
            result[newest.frames] = newest.walks
        return result

    def drop_unneeded(self) -> set[int]:
        """Remove records that are no longer needed; returns the packs that hold the others."""
        with self._state.lock:
            now = [numbers for table in EVERY for numbers in self._state.table(table).values()]
            past = [numbers for table in EVERY for numbers in self._state.values_in_history(table)]
            needed = {number for numbers in (*now, *past) for number in numbers}
            records = dict(self._state.table("records"))
            packs = {info.ref.pack for number, info in records.items() if number in needed}
            packs.update(info.ref.pack for info in self._state.values_in_history("records"))
        unneeded = [number for number in records if number not in needed]
        if unneeded:
            self._state.commit([("records", number, None) for number in unneeded])
        return packs | self.lost_packs

    def _still_needed(self, table: str, frame: int, covered: set[int], step: int | None) -> list[int]:
        """Older records of a frame that hold an object that no newer one holds.

        Steps begun after `step` are undone before it. So whatever is undone of them, every object needs a record.
        """
        kept = []
        for number in self._state.get(table, frame, ()):
            values: list[RecordInfo | None] = [self._state.get("records", number)]
            if step is not None:
                values += self._state.values_before_later_steps("records", number, step)
            held = [set() if info is None else set(info.ids) for info in values]
            if not covered.issuperset(set[int]().union(*held)):
                kept.append(number)
                covered = covered.union(set.intersection(*held))
        return kept

    def _read(self, number: int, objects: Collection[int] | None = None) -> FrameMasks | None:
        info: RecordInfo | None = self._state.get("records", number)
        if info is None:
            return None
        try:
            ids = info.ids if objects is None else tuple(i for i in info.ids if i in objects)
            masks = decode_masks(self._packs.get(info.ref), self._shape_yx, objects=objects)
            if masks.frame != info.frame or tuple(m.object_id for m in masks.objects) != ids:
                raise StoreError("It does not hold the objects that the journal lists; track that frame again.")
            return masks
        except MissingError as error:
            self._note_loss(info, error)
            self._state.leave_out("records", [number])
            self.lost_packs.add(info.ref.pack)
        except StoreError as error:
            self._note_loss(info, error)
            self._give_up(number, info)
        return None

    def _give_up(self, number: int, info: RecordInfo) -> None:
        """Remove a damaged record, keeping its bytes in the quarantine folder."""
        if not self._packs.read_only:
            data = self._packs.get(info.ref, check=False)
            keep_copy(data, f"frame-{info.frame}-record-{number}", self._quarantine)
            self._state.commit([("records", number, None)])

    def _note_loss(self, info: RecordInfo, error: StoreError) -> None:
        note = f"The stored masks of frame {info.frame} could not be read: {error}"
        if note not in self.notes:
            self.notes.append(note)

    def _leave_out_lost(self) -> None:
        """Skip records that reach beyond the end of their pack."""
        sizes = self._packs.sizes()
        with self._state.lock:
            records: dict[int, RecordInfo] = dict(self._state.table("records"))  # type: ignore[arg-type]
        lost = [number for number, info in records.items() if not self._packs.reaches(info.ref, sizes)]
        if lost:
            frames = sorted({records[number].frame for number in lost})
            self.notes.append(
                f"The masks of {len(frames)} frame(s), the first {frames[0]}, are missing; track them again, or "
                f"restore {self._packs.path(records[lost[0]].ref.pack)} and open the session again."
            )
        self._state.leave_out("records", lost)
        self.lost_packs.update(records[number].ref.pack for number in lost)


def newest_record(
    state: State, frame: int, object_id: int, tables: Sequence[str] = TABLES
) -> tuple[int, RecordInfo] | None:
    """Number and description of the newest record of an object on a frame; None if there is none."""
    with state.lock:
        since = state.get("removed", object_id, 0)
        for number in _numbers(state, frame, tables):
            info: RecordInfo | None = state.get("records", number)
            if info is not None and number > since and object_id in info.ids:
                return number, info
    return None


def newest_records(state: State, object_id: int, tables: Sequence[str] = TABLES) -> dict[int, tuple[int, RecordInfo]]:
    """Newest record of an object on each frame, with its number, by ascending frame."""
    with state.lock:
        since = state.get("removed", object_id, 0)
        lists: list[dict[Any, tuple[int, ...]]] = [dict(state.table(table)) for table in tables]
        if not any(lists):
            return {}
        records: dict[Any, RecordInfo] = dict(state.table("records"))
    found = {}
    for frame in sorted(set().union(*lists)):
        for number in sorted((number for table in lists for number in table.get(frame, ())), reverse=True):
            info = records.get(number)
            if info is not None and number > since and object_id in info.ids:
                found[int(frame)] = number, info
                break
    return found


def _numbers(state: State, frame: int, tables: Sequence[str]) -> tuple[int, ...]:
    """Records of a frame, the newest first."""
    lists = [state.get(table, frame, ()) for table in tables]
    return tuple(sorted((number for numbers in lists for number in numbers), reverse=True))
