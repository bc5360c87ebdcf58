"""Small pictures of objects on frames, made in the background on demand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QImage, QPixmap

from napari_sam2_video.errors import Sam2VideoError
from napari_sam2_video.geometry import bounding_box
from napari_sam2_video.plugin.worker import Job

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_sam2_video.analysis.review import ReviewItem
    from napari_sam2_video.plugin.worker import TaskRunner
    from napari_sam2_video.session import Session

SIDE = 48
MARGIN = 0.6
SMALLEST_PART = 24
MOST_KEPT = 500
KEY = "thumbnails"


class Thumbnails(QObject):
    """Pictures for a session's review; only the latest request is worked on.

    Parameters
    ----------
    runner : TaskRunner
        Makes the pictures in the background.
    session : Session
        The session whose frames and masks are shown.

    Signals
    -------
    made
        Some requested pictures are ready.
    """

    made = Signal()

    def __init__(self, runner: TaskRunner, session: Session) -> None:
        super().__init__()
        self._runner = runner
        self._session = session
        self._pictures: dict[ReviewItem, tuple[tuple[int, ...], QPixmap]] = {}

    def picture(self, item: ReviewItem) -> QPixmap | None:
        """The picture of a place; None if there is none yet."""
        found = self._pictures.get(item)
        return None if found is None else found[1]

    def want(self, items: Sequence[ReviewItem]) -> None:
        """Make the pictures of these places, unless they are ready and show the current masks."""
        if items:
            known = {item: self._pictures[item][0] for item in items if item in self._pictures}
            self._runner.submit(
                Job("making thumbnails", lambda job: self._make(job, items, known), self._keep, key=KEY), KEY
            )

    def _make(
        self, job: Job, items: Sequence[ReviewItem], known: dict[ReviewItem, tuple[int, ...]]
    ) -> dict[ReviewItem, tuple[tuple[int, ...], QImage]]:
        made: dict[ReviewItem, tuple[tuple[int, ...], QImage]] = {}
        colors = {entry.id: entry.color for entry in self._session.objects}
        for item in items:
            if job.stopping():
                break
            stamp = self._session.masks.stamp(item.frame, item.object_id) if item.object_id else ()
            if known.get(item) == stamp:
                continue
            try:
                pixels = draw_thumbnail(self._session, item, colors.get(item.object_id, (255, 255, 255)))
            except Sam2VideoError:
                # The object is gone, or the frame cannot be read; going there shows the error.
                continue
            made[item] = stamp, QImage(pixels.tobytes(), SIDE, SIDE, 3 * SIDE, QImage.Format.Format_RGB888).copy()
        return made

    def _keep(self, made: dict[ReviewItem, tuple[tuple[int, ...], QImage]]) -> None:
        for item, (stamp, image) in made.items():
            self._pictures.pop(item, None)
            self._pictures[item] = stamp, QPixmap.fromImage(image)
        for old in list(self._pictures)[: max(0, len(self._pictures) - MOST_KEPT)]:
            del self._pictures[old]
        if made:
            self.made.emit()

    def close(self) -> None:
        """Stop making pictures."""
        self._runner.forget(KEY)


def draw_thumbnail(session: Session, item: ReviewItem, color: tuple[int, int, int]) -> npt.NDArray[np.uint8]:
    """Draw the part of a frame that a review item is about, with the outline of the object.

    Returns
    -------
    ndarray of uint8, shape (SIDE, SIDE, 3)
        What the model sees there; black beyond the frame.
    """
    rgb_yxc = session.view.read(item.frame)
    mask_yx = session.mask(item.object_id, item.frame) if item.object_id else np.zeros(rgb_yxc.shape[:2], bool)
    box = item.box_yxyx or _box_of(mask_yx) or _nearest_box(session, item) or (0, 0, *rgb_yxc.shape[:2])
    rows, columns = _samples(box[0], box[2], box[1], box[3])
    inside = np.logical_and.outer(
        (rows >= 0) & (rows < rgb_yxc.shape[0]), (columns >= 0) & (columns < rgb_yxc.shape[1])
    )
    where = np.ix_(rows.clip(0, rgb_yxc.shape[0] - 1), columns.clip(0, rgb_yxc.shape[1] - 1))
    drawn = np.where(inside[..., None], rgb_yxc[where], 0).astype(np.uint8)
    part = mask_yx[where] & inside
    padded = np.pad(part, 1)
    core = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    drawn[part & ~core] = color
    return drawn


def _box_of(mask_yx: npt.NDArray[np.bool_]) -> tuple[int, int, int, int] | None:
    found = bounding_box(mask_yx)
    return None if found is None else (found[0].start, found[1].start, found[0].stop, found[1].stop)


def _samples(y0: int, y1: int, x0: int, x1: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Rows and columns of a square around a box, sampled to the size of a picture."""
    side = max((1 + MARGIN) * max(y1 - y0, x1 - x0), SMALLEST_PART)
    steps = (np.arange(SIDE) + 0.5) / SIDE * side - side / 2
    rows, columns = (np.floor((a + b) / 2 + steps).astype(np.intp) for a, b in ((y0, y1), (x0, x1)))
    return rows, columns


def _nearest_box(session: Session, item: ReviewItem) -> tuple[int, int, int, int] | None:
    """Where the object lies on the nearest frame that shows it."""
    if not item.object_id:
        return None
    scores = session.scores(item.object_id)
    shown = np.flatnonzero(scores["area"] > 0)
    if not shown.size:
        return None
    row = shown[np.abs(scores["frame"][shown].astype(int) - item.frame).argmin()]
    y0, x0, y1, x1 = (int(scores[edge][row]) for edge in ("y0", "x0", "y1", "x1"))
    return y0, x0, y1, x1
