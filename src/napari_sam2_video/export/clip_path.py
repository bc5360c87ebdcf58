"""Find the position of each object's clip on each frame."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_sam2_video.analysis.measure import measure_frame
from napari_sam2_video.errors import ExportError
from napari_sam2_video.export.selection import select

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_sam2_video.export.format import ExportJob
    from napari_sam2_video.results import Array, PictureReader, TrackingResult
    from napari_sam2_video.types.tracked_object import TrackedObject

POSITIONS = "positions.csv"


@dataclass(frozen=True)
class Clip:
    """Position of an object's clip in the recording.

    Parameters
    ----------
    entry : TrackedObject
        The object.
    frames : range
        From its first frame to its last.
    shape_yx : tuple of int
        Shape of the clip in pixels, with even sides for video.
    corners_yx : ndarray of int64, shape (n, 2)
        First pixel of the clip on each frame, possibly outside the recording.
    """

    entry: TrackedObject
    frames: range
    shape_yx: tuple[int, int]
    corners_yx: npt.NDArray[np.int64]

    def cut(self, image: Array, frame: int) -> Array:
        """The clip's part of an image ``(Y, X)`` or ``(Y, X, C)`` of a frame; 0 outside the image."""
        corner = self.corners_yx[frame - self.frames.start]
        part = np.zeros((*self.shape_yx, *image.shape[2:]), image.dtype)
        low = np.maximum(corner, 0)
        high = np.maximum(np.minimum(corner + self.shape_yx, image.shape[:2]), low)
        (y0, x0), (y1, x1) = low - corner, high - corner
        part[y0:y1, x0:x1] = image[low[0] : high[0], low[1] : high[1]]
        return part

    def of(self, result: TrackingResult) -> TrackingResult:
        """The part of a result in the clip: only its object, complete even where others cover it."""
        one = select(result, [self.entry.id], self.frames, whole=False)

        def around(reader: PictureReader | None) -> PictureReader | None:
            if reader is None:
                return None

            def read(frame: int) -> Array | None:
                image = reader(frame)
                return None if image is None else self.cut(image, frame)

            return read

        levels = one.read_levels
        return replace(
            one,
            shape_yx=self.shape_yx,
            read_labels=lambda frame: self.cut(one.labels(frame), frame),
            read_frame=around(one.read_frame),
            read_raw=around(one.read_raw),
            read_levels=None if levels is None else lambda frame, ids: self.cut(levels(frame, ids), frame),
            read_masks=None,
            read_scores=None,
            affine=None,
        )


def find_clips(job: ExportJob) -> list[Clip]:
    """Clips of all objects, from one pass over the masks.

    Raises
    ------
    ExportError
        If no object has a pixel.
    """
    places: dict[int, list[tuple[int, npt.NDArray[np.float64]]]] = {}
    frames = job.result.frames
    most = len(frames) * (1 + len(job.result.objects))
    for done, frame in enumerate(frames, start=1):
        for labels_yx in job.result.layers(frame):
            rows = measure_frame(labels_yx, {}, frame=frame)
            names = ("centroid_y_px", "centroid_x_px", "bbox_y0", "bbox_x0", "bbox_y1", "bbox_x1")
            figures = np.column_stack([rows[name] for name in names]).astype(float)
            for object_id, row in zip(rows["object_id"].tolist(), figures, strict=True):
                places.setdefault(object_id, []).append((frame, row))
        job.progress(done, most)
    if not places:
        raise ExportError("No object has a pixel, so there is no clip to write.")
    left_out = len(job.result.objects) - len(places)
    if left_out:
        job.note(f"{left_out} objects without a pixel are left out.")
    clips = [path_of(job.result.entry(object_id), found, job.options) for object_id, found in sorted(places.items())]
    outside = [((c.corners_yx < 0) | (c.corners_yx + c.shape_yx > job.result.shape_yx)).any() for c in clips]
    if any(outside):
        job.note(f"{sum(outside)} clips extend beyond the edge of the recording, where they are black (0).")
    return clips


def path_of(entry: TrackedObject, found: list[tuple[int, npt.NDArray[np.float64]]], options: Mapping[str, Any]) -> Clip:
    """Clip of an object from its centre and box on each of its frames; it moves in a straight line across gaps."""
    known = np.array([frame for frame, _ in found])
    figures = np.array([row for _, row in found])
    frames = range(int(known[0]), int(known[-1]) + 1)
    centres = np.column_stack([np.interp(frames, known, figures[:, axis]) for axis in (0, 1)])
    if options["smooth"] > 0:
        from scipy.ndimage import gaussian_filter1d

        centres = gaussian_filter1d(centres, options["smooth"], axis=0, mode="nearest")
    if options["size"] is not None:
        half = np.full(2, options["size"] / 2)
    else:
        middle = centres[known - frames.start] + 0.5
        half = np.maximum(middle - figures[:, 2:4], figures[:, 4:6] - middle).max(axis=0) + 0.5 + options["margin"]
    height, width = (2 * int(np.ceil(part)) for part in half)
    corners = np.floor(centres + 1 - np.array((height, width)) / 2).astype(np.int64)
    return Clip(entry, frames, (height, width), corners)


def write_positions(job: ExportJob, clips: list[Clip]) -> None:
    """Write a table with the first pixel of each clip on each frame."""
    with (job.path / POSITIONS).open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["object_id", "frame", "clip_frame", *(f"{axis.lower()}0" for axis in job.result.plane_axes)])
        for clip in clips:
            for number, (frame, corner) in enumerate(zip(clip.frames, clip.corners_yx.tolist(), strict=True)):
                writer.writerow([clip.entry.id, frame, number, *corner])
