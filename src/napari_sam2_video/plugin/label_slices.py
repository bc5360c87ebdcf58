"""The labels of a person's layer as a volume that a session can make objects of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.plugin.layers import labels_on_frame

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_sam2_video.plugin.layers import Geometry


class LabelSlices:
    """The labels of a layer by frame of the session, read when they are asked for; without those that are too small.

    Parameters
    ----------
    data : array-like
        The layer's array.
    name : str
        The layer's name.
    geometry : Geometry
        Axes of the image layer.
    smallest : int
        Labels with fewer pixels on a frame are left out there.
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
        """Whether a label is large enough on any frame, or there is none at all."""
        if self._smallest:
            for frame in range(self.shape[0]):
                self[frame]
        return bool(self._found) or not self._small

    def left_out(self) -> str:
        """What to say of labels that are too small on every frame; empty if there are none."""
        count = len(self._small - self._found)
        labels = "1 label was" if count == 1 else f"{count} labels were"
        return f" {labels} left out: smaller than {self._smallest} pixels on every slice." if count else ""
