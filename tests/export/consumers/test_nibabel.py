"""NIfTI exports opened by nibabel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_sam2_video.export.registry import export
from tests.export.made import make_result

if TYPE_CHECKING:
    from pathlib import Path


def test_nibabel_finds_the_slices_that_were_asked_for_where_they_were(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    affine = np.diag([0.5, 0.25, 3.0, 1.0])
    known = {"walk_axis": "Z", "step": 3.0, "pixel_size": (0.25, 0.5), "units": ("mm",) * 3, "affine": affine}
    result = make_result(**known)
    whole = nibabel.load(export(result, tmp_path / "a.nii").path)
    assert whole.shape == (48, 32, 5)
    part = nibabel.load(export(result, tmp_path / "b.nii", frames=(2, 4)).path)
    assert part.shape == (48, 32, 2)
    assert np.array_equal(np.asarray(part.dataobj), np.asarray(whole.dataobj)[..., 2:4])
    np.testing.assert_allclose(part.affine @ [0, 0, 0, 1], whole.affine @ [0, 0, 2, 1])
