"""Voxels on which the walks of a volume disagreed when they were fused, and their place in the review."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.analysis.review import ReviewItem
from napari_sam2_video.geometry import region_of
from napari_sam2_video.session.context import JOURNAL, Context
from napari_sam2_video.session.planes.fusing import FUSIONS
from napari_sam2_video.session.planes.walks import FOLDER
from napari_sam2_video.storage.atomic import make_folder

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_sam2_video.session.objects import Objects
    from napari_sam2_video.session.planes.fusing import Fusing

DISPUTES = "disputes"


class Disputes:
    """The disputed voxels of a session.

    Parameters
    ----------
    context : Context
        The open session.
    objects : Objects
        Its objects.
    fusing : Fusing
        What fuses its walks.
    """

    def __init__(self, context: Context, objects: Objects, fusing: Fusing) -> None:
        self._context = context
        self._objects = objects
        self._fusing = fusing
        self._store: Context | None = None
        self._lock = threading.Lock()

    def made(self) -> Context:
        """Where they are stored."""
        store = self._opened(make=True)
        assert store is not None
        return store

    def labels(self, frame: int) -> npt.NDArray[Any]:
        """Disputed voxels of a frame, as a label image of object ids, shape ``(Y, X)``."""
        store = self._opened(make=False)
        labels = np.zeros(self._context.view.shape_yx, self._context.masks.dtype)
        for mask in () if store is None else store.masks.object_masks(frame):
            if self._are_current(mask.object_id):
                labels[region_of(mask.origin_yx, mask.levels.shape)][mask.levels > 0] = mask.object_id
        return labels

    def review_items(self) -> list[ReviewItem]:
        """Planes on which the walks disagree, those with the most disputed voxels first."""
        store = self._opened(make=False)
        if store is None:
            return []
        choices = (f"As tracked along {self._context.view.walk_axis}",)
        items = []
        for info in self._objects.all():
            if not self._are_current(info.id):
                continue
            figures = store.masks.scores(info.id)
            settled = set(self._context.masks.painted(info.id)) | self._context.inputs.accepted(info.id)
            total = max(1, int(self._context.masks.scores(info.id)["area"].sum()))
            for index, frame in enumerate(figures["frame"].tolist()):
                voxels = int(figures["area"][index])
                if voxels and frame not in settled:
                    y0, x0, y1, x1 = (int(figures[name][index]) for name in ("y0", "x0", "y1", "x1"))
                    why = f"the walks disagree on {voxels} voxels of this plane"
                    box, doubt = (y0, x0, y1, x1), voxels / total
                    items.append(ReviewItem(info.id, frame, doubt, "planes", why, "disagreement", choices, box))
        return sorted(items, key=lambda item: -item.doubt)

    def close(self) -> None:
        """Close the store."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def _are_current(self, object_id: int) -> bool:
        """Whether the stored disputes of an object belong to its last fusion."""
        kept = self._fusing.kept(object_id)
        return kept is not None and self._store is not None and self._store.state.get(FUSIONS, object_id) == kept

    def _opened(self, *, make: bool) -> Context | None:
        """The store; None if there is none and it should not be made."""
        with self._lock:
            folder = self._context.folder / FOLDER / DISPUTES
            if self._store is None and (make or (folder / JOURNAL).is_file()):
                if make:
                    make_folder(folder, parents=True)
                self._store = Context(folder, self._context.view, read_only=self._context.read_only)
            return self._store
