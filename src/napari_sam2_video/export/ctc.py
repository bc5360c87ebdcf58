"""Cell Tracking Challenge: label TIFFs and the table of tracks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_video.errors import ExportError
from napari_sam2_video.export.format import ExportFormat, ExportJob
from napari_sam2_video.export.ome_tiff import note_geometry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_sam2_video.results import Array
    from napari_sam2_video.types.tracked_object import TrackedObject

LIMIT = 0xFFFF


@dataclass
class TrackRow:
    """One row of ``res_track.txt``: label, first frame, last frame, parent label."""

    label: int
    begin: int
    end: int
    parent: int = 0


class TrackTable:
    """Tracks without gaps, built frame by frame.

    A track that reappears after a gap continues under a new label with the earlier one as its parent; so does a parent
    that still exists when its daughter appears.
    """

    def __init__(self, objects: Sequence[TrackedObject]) -> None:
        self._parents = {entry.id: entry.parent for entry in objects}
        self._current: dict[int, TrackRow] = {}
        self._next_label = max(self._parents, default=0) + 1
        self.tracks: list[TrackRow] = []

    def labels_of(self, ids: Sequence[int], frame: int) -> list[int]:
        """Labels of a frame's objects in the files, in the order of `ids`."""
        present = set(ids)
        new = [i for i in ids if i not in self._current]
        dividing = {self._parents[i] for i in new} & present - set(new)
        for object_id in ids:
            track = self._current.get(object_id)
            if track is None:
                self._begin(object_id, object_id, frame, 0)
            elif track.end < frame - 1 or (object_id in dividing and track.begin < frame):
                self._begin(object_id, self._new_label(), frame, track.label)
            self._current[object_id].end = frame
        for object_id in new:
            self._current[object_id].parent = self._parent_label(object_id, frame)
        return [self._current[i].label for i in ids]

    def _begin(self, object_id: int, label: int, frame: int, parent: int) -> None:
        self._current[object_id] = TrackRow(label, frame, frame, parent)
        self.tracks.append(self._current[object_id])

    def _new_label(self) -> int:
        if self._next_label > LIMIT:
            raise ExportError(
                f"The Cell Tracking Challenge format holds labels up to {LIMIT} and splitting the tracks at their gaps "
                "needs more; choose ome-tiff, which holds any id."
            )
        self._next_label += 1
        return self._next_label - 1

    def _parent_label(self, object_id: int, frame: int) -> int:
        parent = self._parents.get(object_id)
        track = None if parent is None else self._current.get(parent)
        if track is None:
            return 0
        return track.label if track.end < frame else track.parent


def write(job: ExportJob) -> None:
    """Write ``mask000.tif`` and so on and ``res_track.txt``."""
    import tifffile

    result = job.result
    note_geometry(job)
    digits = 3 if result.frames.stop <= 1000 else 4
    table = TrackTable(result.objects)
    for frame in job.frames():
        labels_yx = result.labels(frame)
        ids = np.unique(labels_yx)
        ids = ids[ids > 0]
        present = [result.entry(object_id).id for object_id in ids.tolist()]
        relabelled = relabel(labels_yx, ids, table.labels_of(present, frame))
        tifffile.imwrite(
            job.path / f"mask{frame:0{digits}d}.tif", relabelled, photometric="minisblack", compression="zlib"
        )
    rows = sorted((track.label, track.begin, track.end, track.parent) for track in table.tracks)
    text = "".join(f"{label} {begin} {end} {parent}\n" for label, begin, end, parent in rows)
    (job.path / "res_track.txt").write_text(text, encoding="ascii")
    split = len(rows) - len({track.label for track in table.tracks} & {entry.id for entry in result.objects})
    if split:
        job.note(
            f"{split} tracks were split where an object was absent or divided, "
            "because the format allows no gaps; each part names the earlier one as its parent."
        )


def relabel(labels_yx: Array, ids: Array, labels: Sequence[int]) -> Array:
    """Label image in uint16 with each of `ids` (ascending) replaced by its label."""
    if ids.tolist() == list(labels):
        return labels_yx.astype(np.uint16)
    values = np.array([0, *labels], np.uint16)
    return values[np.searchsorted(ids, labels_yx, side="right")]


FORMAT = ExportFormat(
    name="ctc",
    title="Cell Tracking Challenge folder",
    kind="folder",
    write=write,
    about=(
        "`mask000.tif` and so on in uint16 and `res_track.txt` with rows L B E P (zero-based, parent 0 for none); "
        "a track with a gap is split."
    ),
    max_id=LIMIT,
    group="Tracks and lineages",
)
