"""The masks of a session, safe on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from napari_sam2_video.errors import StoreError
from napari_sam2_video.masks.codec import RecordInfo, StrokeInfo, record_from_json
from napari_sam2_video.masks.editing import MaskEditor
from napari_sam2_video.masks.labels_file import LabelsFile
from napari_sam2_video.storage.atomic import make_folder
from napari_sam2_video.storage.journal import Journal
from napari_sam2_video.storage.packs import BlobStore, ref_from_json
from napari_sam2_video.storage.state import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

    from napari_sam2_video.storage.tables import Decoder


class MaskStore(MaskEditor):
    """Masks of all objects on all frames, in a folder.

    Use `create` and `open`, or let a session make it.

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
    quarantine : Path
        Where broken things are kept.

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
        read_only: bool,
        quarantine: Path,
    ) -> None:
        self.folder = folder
        if not read_only:
            make_folder(folder)
        blobs = BlobStore(folder / "packs", read_only=read_only)
        super().__init__(ledger, blobs, n_frames, shape_yx, quarantine)
        self._check_packs()
        self._count_ids()
        self._file = self._labels_file()

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
        make_folder(folder, parents=True)
        quarantine = folder / "quarantine"
        journal = Journal(folder / "journal", read_only=False, quarantine=quarantine)
        ledger = Ledger(journal, decoders(n_frames))
        ledger.commit([("shape", "n_frames", n_frames), ("shape", "yx", list(shape_yx))])
        return cls(folder, ledger, n_frames, shape_yx, read_only=False, quarantine=quarantine)

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
        journal = Journal(folder / "journal", read_only=read_only, quarantine=quarantine)
        try:
            said = {k: v for e in journal.entries[:2] for t, k, v in e.get("set", ()) if t == "shape"}
            n_frames, (height, width) = int(said["n_frames"]), (int(n) for n in said["yx"])
        except (KeyError, TypeError, ValueError) as error:
            journal.close()
            raise StoreError(f"The journal of {folder} is damaged at its beginning; restore it from a copy.") from error
        ledger = Ledger(journal, decoders(n_frames))
        return cls(folder, ledger, n_frames, (height, width), read_only=read_only, quarantine=quarantine)

    def flush(self, progress: Callable[[int, int], None] | None = None) -> None:
        """Bring ``labels.zarr`` up to date and make it durable."""
        if self.read_only:
            return
        with self._file_lock:
            if self._file is None:
                self._file = self._labels_file()
        stale = sorted(self._stale)
        for index, frame in enumerate(stale):
            self._refresh_file(frame)
            if progress is not None:
                progress(index + 1, len(stale))
        with self._file_lock:
            if self._file is not None:
                self._file.sync()

    def doubt(self) -> None:
        """Prepare ``labels.zarr`` for an undo or redo, after which frames may be as its versions said once before."""
        with self._file_lock:
            if self._file is not None:
                self._file.doubt()

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
            packs |= self._lost_packs
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

    def _labels_file(self) -> LabelsFile | None:
        if self.read_only:
            return None
        file = LabelsFile(self.folder / "labels.zarr", self.n_frames, self.shape_yx, self.dtype)
        used = self._frames_in_use() | {int(f) for f in np.flatnonzero(file.versions)}
        self._stale = {f for f in used if int(file.versions[f]) != self._version(f)}
        return file

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
            self.notes.append(
                f"The masks of {len(frames)} frame(s), the first {frames[0]}, are gone; track them again, or put "
                f"{self.blobs.path(records[lost[0]].ref.pack)} back and open the session again."
            )
        self.ledger.leave_out("records", lost)
        self._lost_packs.update(records[n].ref.pack for n in lost)
        if self.read_only:
            return
        moved = self.blobs.sweep(packs, self._quarantine)
        if moved:
            self.notes.append(f"{len(moved)} file(s) that the journal does not know were moved to {self._quarantine}.")


def decoders(n_frames: int) -> dict[str, Decoder]:
    """How the store's tables are read from the journal of a recording of `n_frames`."""

    def frame(key: Any) -> int:
        if isinstance(key, bool) or not isinstance(key, int) or not 0 <= key < n_frames:
            raise ValueError("a frame outside the recording")
        return key

    def record(key: Any, value: Any) -> RecordInfo:
        info = record_from_json(value)
        frame(info.frame)
        return info

    def numbers(key: Any, value: Any) -> tuple[int, ...]:
        frame(key)
        return tuple(int(n) for n in value)

    def stroke(key: Any, value: Any) -> StrokeInfo:
        newest = {int(i): int(n) for i, n in value["newest"]}
        ids = frozenset(int(i) for i in value["ids"])
        return StrokeInfo(ref_from_json(value["ref"]), frame(value["frame"]), int(value["below"]), newest, ids)

    def top(key: Any, value: Any) -> int:
        frame(key)
        return int(value)

    def removed(key: Any, value: Any) -> int:
        if not isinstance(key, int):
            raise ValueError("an id is a whole number")
        return int(value)

    return {
        "records": record,
        "masks": numbers,
        "strokes": stroke,
        "paint": top,
        "removed": removed,
        "blobs": lambda _, value: ref_from_json(value),
    }
