"""TIFF exports opened by tifffile."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import tifffile

from napari_sam2_video.export.registry import export
from tests.export.made import make_result

if TYPE_CHECKING:
    from pathlib import Path


def test_tifffile_reads_only_the_tracked_frames_with_their_times(tmp_path: Path) -> None:

    times = np.array([0, 0.03, 0.1, 0.2, 0.75])
    path = export(make_result(times=times), tmp_path / "a.ome.tif", frames=(1, 4)).path
    with tifffile.TiffFile(path) as file:
        assert file.series[0].shape == (3, 32, 48)
        found = [float(one) for one in re.findall(r'DeltaT="([\d.e-]+)"', file.ome_metadata)]
    np.testing.assert_allclose(found, times[1:4] - times[1])
