"""Store how far masks differ from those found by tracking back.

The file is a line of JSON followed by rows of `ROW`. It only adds to the masks: a damaged one is set aside with a note,
and its frames count as not checked.
"""

from __future__ import annotations

import json
import threading
import zlib
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from napari_sam2_video.errors import StoreError, UnreachableError
from napari_sam2_video.storage.atomic import reading, replace_file, set_aside

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt

    from napari_sam2_video.masks.store import MaskStore

Stamp: TypeAlias = tuple[int, int, int]
"""Number and CRC-32 of the record of a mask, and the newest change of the paint on its frame."""

FILE = "checks.dat"
SCHEMA = 1
_DAMAGED = (ValueError, KeyError, TypeError, RecursionError)
ROW = np.dtype(
    [
        ("object_id", "<u4"),
        ("frame", "<u4"),
        ("record", "<i8"),
        ("crc", "<u4"),
        ("stroke", "<i8"),
        ("disagreement", "<f8"),
        ("origin", "<u4"),
        ("origin_record", "<i8"),
        ("origin_crc", "<u4"),
        ("origin_stroke", "<i8"),
    ]
)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of a check on a frame.

    Parameters
    ----------
    stamp : tuple of int
        Stamp of the compared mask.
    disagreement : float
        1 - IoU with the mask found by tracking back.
    origin : int
        Frame from which it was tracked back.
    origin_stamp : tuple of int
        Stamp of the mask there.
    """

    stamp: Stamp
    disagreement: float
    origin: int
    origin_stamp: Stamp


class CheckResults:
    """Disagreement of masks with tracking back; a result is valid while the checked mask is unchanged.

    Parameters
    ----------
    path : Path
        The file; read if it exists, written by `save`.
    masks : MaskStore
        The masks.
    read_only : bool
        Change nothing on disk.
    quarantine : Path
        Where a damaged file is kept.

    Attributes
    ----------
    notes : list of str
        Notes about damaged data.
    """

    def __init__(self, path: Path, masks: MaskStore, *, read_only: bool, quarantine: Path) -> None:
        self.notes: list[str] = []
        self._path = path
        self._masks = masks
        self._lock = threading.Lock()
        self._fresh: dict[int, list[tuple[Any, ...]]] = {}
        self._rows = np.zeros(0, ROW)
        self._unread = False
        self._puts: dict[int, int] = {}
        try:
            self._rows = self._read()
        except UnreachableError as error:
            self.notes.append(str(error))
            self._unread = True
        except _DAMAGED as error:
            self.notes.append(f"{path.name} cannot be read ({error}); check the tracked frames again.")
            if not read_only:
                # A file that cannot be moved is replaced by the next check.
                with suppress(StoreError):
                    set_aside(path, quarantine)

    def figures(
        self, object_id: int, frames: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Results for an object on frames.

        Returns
        -------
        disagreement, origin : ndarray of float
            NaN where the current mask was not checked; the origin also where its mask has changed since.
        """
        disagreement, origin = np.full(len(frames), np.nan), np.full(len(frames), np.nan)
        with self._lock:
            low, high = np.searchsorted(self._rows["object_id"], [object_id, object_id + 1])
            rows = _newest(self._rows[low:high], self._fresh.get(object_id, ()))
        stamps = _Stamps(self._masks, object_id)
        _, places, found = np.intersect1d(frames, rows["frame"], assume_unique=True, return_indices=True)
        for place, (_, frame, *stamp, figure, start, a, b, c) in zip(places, rows[found].tolist(), strict=True):
            if tuple(stamp) == stamps[frame]:
                disagreement[place] = figure
                if (a, b, c) == stamps[start]:
                    origin[place] = start
        return disagreement, origin

    def put(self, object_id: int, frame: int, finding: CheckResult) -> None:
        """Add a result; it is on disk after `save`."""
        row = (object_id, frame, *finding.stamp, finding.disagreement, finding.origin, *finding.origin_stamp)
        with self._lock:
            self._fresh.setdefault(object_id, []).append(row)
            self._puts[object_id] = self._puts.get(object_id, 0) + 1

    def counts(self) -> dict[int, int]:
        """How many results were added for each object since the file was read; those without any are left out."""
        with self._lock:
            return dict(self._puts)

    def save(self) -> None:
        """Write all results.

        Raises
        ------
        UnreachableError
            If the file could not be read at first and still cannot; it is left unchanged.
        StoreError
            If they cannot be written; the file is left unchanged.
        """
        with self._lock:
            if self._unread:
                with suppress(*_DAMAGED):
                    self._rows = self._read()
                self._unread = False
            self._rows = _newest(self._rows, [row for rows in self._fresh.values() for row in rows])
            self._fresh.clear()
            rows = self._rows
        replace_file(self._path, _encode(rows))

    def _read(self) -> npt.NDArray[Any]:
        with reading(self._path):
            try:
                data = self._path.read_bytes()
            except FileNotFoundError:
                return np.zeros(0, ROW)
        return _decode(data)


def _newest(kept: npt.NDArray[Any], fresh: Sequence[tuple[Any, ...]]) -> npt.NDArray[Any]:
    """Rows in the order of objects and frames; only the last of several for one frame."""
    if not fresh:
        return kept
    rows = np.concatenate([kept, np.array(fresh, ROW)])
    rows = rows[np.lexsort((rows["frame"], rows["object_id"]))]
    following = rows[1:]
    same = (rows["object_id"][:-1] == following["object_id"]) & (rows["frame"][:-1] == following["frame"])
    newest: npt.NDArray[Any] = rows[~np.append(same, False)]
    return newest


class _Stamps(dict[int, Stamp]):
    """Cached stamps of an object by frame."""

    def __init__(self, masks: MaskStore, object_id: int) -> None:
        super().__init__()
        self._masks = masks
        self._object_id = object_id

    def __missing__(self, frame: int) -> Stamp:
        self[frame] = self._masks.stamp(frame, self._object_id)
        return self[frame]


def _encode(rows: npt.NDArray[Any]) -> bytes:
    body = rows.tobytes()
    head = {"schema": SCHEMA, "rows": len(rows), "crc": zlib.crc32(body)}
    return json.dumps(head, separators=(",", ":")).encode() + b"\n" + body


def _decode(data: bytes) -> npt.NDArray[Any]:
    """Rows of a file; raises ValueError, KeyError or TypeError for anything else."""
    head, _, body = data.partition(b"\n")
    said = json.loads(head)
    if said["schema"] != SCHEMA:
        raise ValueError("it was written by another version")
    if len(body) != said["rows"] * ROW.itemsize or zlib.crc32(body) != said["crc"]:
        raise ValueError("its checksum does not fit")
    rows = np.frombuffer(body, ROW)
    if not ((rows["disagreement"] >= 0) & (rows["disagreement"] <= 1)).all():
        raise ValueError("a value that is not between 0 and 1")
    return rows
