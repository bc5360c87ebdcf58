"""Labels of a layer as a volume from which a session can make objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.plugin.layers import labels_on_frame

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_sam2_video.plugin.layers import Geometry


class LabelSlices:
    """Labels of a layer by frame of the session, read on demand, without those that are too small.

    Parameters
    ----------
    data : array-like
        The layer's array.
    name : str
        The layer's name.
    geometry : Geometry
        Axes of the image layer.
    smallest : int
        Labels with fewer pixels on a frame are skipped there.
    """

    def __init__(self, data: Any, name: str, geometry: Geometry, smallest: int = 0) -> None:
        self._data = data
        self._name = name
        self._geometry = geometry
        self._smallest = smallest
        self._found: set[int] = set()
        self._small: set[int] = set()
        self.shape = (geometry.n_frames, *geometry.shape_yx)

    def __getitem__(self, frame: int) -> npt.NDArray[Any]:
        labels_yx = np.asarray(labels_on_frame(self._data, self._name, self._geometry, frame))
        if not self._smallest:
            return labels_yx
        numbers, areas = np.unique(labels_yx, return_counts=True)
        few = numbers[(areas < self._smallest) & (numbers > 0)]
        self._small.update(few.tolist())
        self._found.update(set(numbers[numbers > 0].tolist()) - set(few.tolist()))
        return np.where(np.isin(labels_yx, few), 0, labels_yx)

    def any(self) -> bool:
        """Whether any label is large enough on any frame, or there are no labels at all."""
        if self._smallest:
            for frame in range(self.shape[0]):
                self[frame]
        return bool(self._found) or not self._small

    def left_out(self) -> str:
        """A message about labels that are too small on every frame; empty if there are none."""
        count = len(self._small - self._found)
        labels = "1 label was" if count == 1 else f"{count} labels were"
        return f" {labels} left out: smaller than {self._smallest} pixels on every slice." if count else ""
