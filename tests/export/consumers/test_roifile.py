"""ImageJ regions opened by roifile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_sam2_video.export.registry import export
from tests.export.test_matrix import overlapping

if TYPE_CHECKING:
    from pathlib import Path


def test_roifile_gives_overlapping_objects_whole_and_their_place_in_the_hyperstack(tmp_path: Path) -> None:
    roifile = pytest.importorskip("roifile")
    rois = roifile.roiread(export(overlapping(at={"Z": 4}), tmp_path / "a.zip").path)
    first = [roi for roi in rois if roi.properties["object"] == "1"]
    for frame, roi in enumerate(first):
        assert (roi.c_position, roi.z_position, roi.t_position, roi.position) == (0, 5, frame + 1, frame + 1)
        assert (roi.left, roi.top, roi.right, roi.bottom) == (4, 4, 34, 34)
