"""Planes for outlines: less noise within them, and across them where they are close together."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from napari_sam2_video.session.planes.grey import GreyPlanes

VOXELS = np.random.default_rng(2).integers(0, 256, (7, 24, 30)).astype(np.uint8)


def planes_of(spacing):
    reads = []

    def read(plane):
        reads.append(plane)
        return np.repeat(VOXELS[plane][..., None], 3, 2)

    return GreyPlanes(SimpleNamespace(n_frames=7, read=read), spacing), reads


@pytest.mark.parametrize(("between", "less"), [(1.0, 0.33), (5.0, 0.5)])
def test_noise_is_smoothed_and_every_plane_is_read_once(between, less):
    planes, reads = planes_of((between, 1.0, 1.0))
    found = [planes.on(plane) for plane in range(7)]
    assert reads == list(range(7))
    for plane, (grey, smooth) in enumerate(found):
        assert (grey == VOXELS[plane]).all()
        assert smooth.mean() == pytest.approx(grey.mean(), rel=0.05)
        assert smooth.std() < (less + 0.06 * (plane in (0, 6))) * grey.std()


def test_thick_slices_do_not_mix_and_thick_pixels_are_smoothed_less():
    assert (planes_of((5.0, 1.0, 1.0))[0].on(3) == planes_of((50.0, 1.0, 1.0))[0].on(3)).all()
    _, fine = planes_of((5.0, 1.0, 1.0))[0].on(3)
    _, coarse = planes_of((5.0, 5.0, 1.0))[0].on(3)
    assert coarse.std() > 1.2 * fine.std()
