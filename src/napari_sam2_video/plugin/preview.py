"""The live preview of the active object on the shown frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]

from napari_sam2_video.geometry import whole_mask
from napari_sam2_video.plugin.worker import Job
from napari_sam2_video.regions import contour
from napari_sam2_video.types import MaskPrompt

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_sam2_video.errors import Sam2VideoError
    from napari_sam2_video.plugin.mask_layers import MaskLayers
    from napari_sam2_video.plugin.worker import TaskRunner
    from napari_sam2_video.session import Session
    from napari_sam2_video.types import ObjectMask, Preview

    Place: TypeAlias = tuple[str, int, int]

KEY = "preview"
LIGHT, DARK, ADDED, REMOVED = 1, 2, 3, 4
"""Values of outline pixels: the dashes of the contour, and what a candidate adds to the mask or removes from it."""
DASH = 3
PLANE_PER_WIDTH = 800
SIZE_PER_WIDTH = 12


@dataclass(frozen=True, eq=False)
class Outline:
    """A candidate mask as drawn on a frame; `pixels` begins at `origin_yx`."""

    frame: int
    origin_yx: tuple[int, int]
    pixels: npt.NDArray[np.uint8]

    @classmethod
    def of(cls, preview: Preview, candidate: ObjectMask, before: npt.NDArray[np.bool_]) -> Outline:
        """The contour of a candidate, and what it would change.

        Parameters
        ----------
        preview : Preview
            The preview.
        candidate : ObjectMask
            One of its masks.
        before : ndarray of bool, shape (Y, X)
            The object's current mask on that frame.
        """
        mask = whole_mask(candidate.origin_yx, candidate.levels > 0, preview.shape_yx)
        either = np.argwhere(mask | before)
        if not len(either):
            return cls(preview.frame, (0, 0), np.zeros((0, 0), np.uint8))
        (top, left), (bottom, right) = either.min(axis=0), either.max(axis=0) + 1
        mask, before = mask[top:bottom, left:right], before[top:bottom, left:right]
        pixels = np.zeros(mask.shape, np.uint8)
        if before.any():
            pixels[mask & ~before] = ADDED
            pixels[before & ~mask] = REMOVED
        # Wide enough to see when the whole frame is shown, but never so wide that it hides a small object.
        seen = round(max(preview.shape_yx) / PLANE_PER_WIDTH)
        line = contour(mask, max(1, min(seen, int(np.sqrt(mask.sum()) / SIZE_PER_WIDTH))))
        rows, columns = np.nonzero(line)
        dashes = (rows + columns + int(top) + int(left)) // DASH % 2 == 0
        pixels[rows, columns] = np.where(dashes, LIGHT, DARK)
        return cls(preview.frame, (int(top), int(left)), pixels)


class LivePreview(QObject):
    """Requests previews in the background, shows the newest one, and steps through its candidates.

    Attributes
    ----------
    place : (str, int, int) or None
        Axis across whose planes the shown preview is, its object, and the plane.

    Signals
    -------
    changed
        Another preview or candidate is shown, or none.
    failed : str
        A sentence.
    """

    changed = Signal()
    failed = Signal(str)

    def __init__(self, runner: TaskRunner, session: Session, layers: MaskLayers) -> None:
        super().__init__()
        self._runner = runner
        self._session = session
        self._layers = layers
        self._wanted: Place | None = None
        self.place: Place | None = None
        self.preview: Preview | None = None
        self._outlines: tuple[Outline, ...] = ()
        self.chosen = 0

    @property
    def waiting(self) -> bool:
        """Whether a preview is being computed."""
        return self._wanted is not None and self.preview is None

    def request(self, axis: str, object_id: int, plane: int) -> None:
        """Compute the preview of an object on a plane across an axis, if it has new prompts there."""
        if object_id == 0 or not self._may_be_new(axis, object_id, plane):
            self.clear()
            return
        self._wanted = wanted = (axis, object_id, plane)
        # The outline may stay until the new one is ready; its candidates belong to older prompts and are now useless.
        keep = self.place == self._wanted
        self.preview, self._outlines = None, ()
        if not keep:
            self._show()
        session = self._session

        def work(job: Job) -> tuple[Place, Preview | None, tuple[Outline, ...]] | None:
            if job.stopping():
                return None
            if not session.planes.is_new(*wanted):
                return wanted, None, ()
            from napari_sam2_video.preload import preload_for

            preload_for(session.model_settings)
            preview = session.planes.preview(*wanted)
            before = session.planes.section(*wanted)
            return wanted, preview, tuple(Outline.of(preview, candidate, before) for candidate in preview.candidates)

        self._runner.submit(Job("computing the preview", work, done=self._on_done, failed=self._on_failed, key=KEY))
        self.changed.emit()

    def _may_be_new(self, axis: str, object_id: int, plane: int) -> bool:
        """Whether there are prompts; on the session's own frames they must be new, other walks are checked later."""
        session = self._session
        if axis == session.planes.axes[0]:
            return bool(session.prompt_sets(object_id, plane)) and plane in session.state(object_id).dirty
        given = session.planes.prompt_sets(axis)
        return not session.read_only and any((p.object_id, p.frame) == (object_id, plane) for p in given)

    def clear(self) -> None:
        """Show no preview, and drop the one being computed."""
        if self._wanted is not None:
            self._runner.forget(KEY)
        busy = self._wanted is not None or self.place is not None
        self._wanted = None
        self._show()
        if busy:
            self.changed.emit()

    def cycle(self, step: int = 1) -> None:
        """Show another candidate mask, by default the next."""
        if self.place is not None and self.preview is not None and self.preview.candidates:
            self.chosen = (self.chosen + step) % len(self.preview.candidates)
            self._layers.set_preview(self._outlines[self.chosen], self.place[0])
            self.changed.emit()

    def chosen_mask(self) -> MaskPrompt | None:
        """The shown candidate as a mask prompt."""
        if self.preview is None or not self.preview.candidates:
            return None
        candidate = self.preview.candidates[self.chosen]
        mask = whole_mask(candidate.origin_yx, candidate.levels > 0, self.preview.shape_yx)
        return MaskPrompt(self.preview.object_id, self.preview.frame, mask) if mask.any() else None

    def _on_done(self, found: tuple[Place, Preview | None, tuple[Outline, ...]] | None) -> None:
        if found is None or found[0] != self._wanted:
            return
        place, preview, outlines = found
        if preview is None:
            self._wanted = None
            self._show()
        else:
            self._show(place, preview, outlines)
        self.changed.emit()

    def _on_failed(self, error: Sam2VideoError) -> None:
        self._wanted = None
        self._show()
        self.changed.emit()
        self.failed.emit(str(error))

    def _show(
        self, place: Place | None = None, preview: Preview | None = None, outlines: tuple[Outline, ...] = ()
    ) -> None:
        self.place, self.preview, self._outlines = place, preview, outlines
        self.chosen = preview.best if preview is not None else 0
        self._layers.set_preview(outlines[self.chosen] if outlines else None, place[0] if place is not None else None)
