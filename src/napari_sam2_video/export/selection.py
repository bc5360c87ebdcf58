"""Which objects an export is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_sam2_video.errors import ExportError
from napari_sam2_video.export.format import ExportOption

if TYPE_CHECKING:
    from napari_sam2_video.export.format import ExportJob
    from napari_sam2_video.results import Array

OBJECTS = ExportOption("objects", "ids", None, "ids to take, as 1,3-5; all if not given")


class Selection:
    """The objects that the option ``objects`` names, all if it is not given.

    Raises
    ------
    ExportError
        If an id is not in the table of objects.
    """

    def __init__(self, job: ExportJob) -> None:
        asked = job.options["objects"]
        known = {entry.id for entry in job.result.objects}
        for object_id in asked or ():
            if object_id not in known:
                raise ExportError(f"There is no object {object_id}; choose among {', '.join(map(str, sorted(known)))}.")
        self._ids = None if asked is None else np.array(sorted(set(asked)))

    def mask(self, labels_yx: Array) -> npt.NDArray[np.bool_]:
        """Pixels of the chosen objects."""
        if self._ids is None:
            return labels_yx > 0
        return np.isin(labels_yx, self._ids)
