"""Between settled frames an object is filled by its shape, marked as such, and a run may take its place."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam2_video.analysis.interpolation import masks_between, moved_alike
from napari_sam2_video.errors import PromptError, SessionError
from napari_sam2_video.frames.open import open_recording
from napari_sam2_video.session import Session
from napari_sam2_video.types import MaskPrompt
from tests.session.made_volume import ellipsoid, section_factory


def disc(centre, radius, shape=(40, 50)):
    return ellipsoid(shape, centre, (radius, radius))


@pytest.fixture
def session(tmp_path, quick_disk):
    voxels = np.zeros((9, 40, 50), np.uint8)
    voxels[2:7] = np.where(disc((20, 25), 8), 40, 0)
    with (
        open_recording(voxels, axes="ZYX") as opened,
        Session.create(tmp_path / "a.sam2v", opened, tracker_factory=section_factory()) as made,
    ):
        made.add_object()
        made.add_prompt(MaskPrompt(1, 1, disc((15, 15), 4)))
        made.add_prompt(MaskPrompt(1, 5, disc((23, 31), 8)))
        yield made


def test_discs_in_between_lie_and_grow_as_a_line_does():
    masks = list(masks_between(disc((15, 15), 4.0), disc((23, 31), 8.0), 3))
    areas = [mask.sum() for mask in masks]
    for step, mask in enumerate(masks, start=1):
        rows, columns = np.nonzero(mask)
        assert rows.mean() == pytest.approx(15 + 2 * step, abs=0.3)
        assert columns.mean() == pytest.approx(15 + 4 * step, abs=0.3)
    assert areas == pytest.approx([np.pi * r**2 for r in (5, 6, 7)], rel=0.08)


def test_shapes_at_the_edge_stay_at_the_edge():
    half = np.zeros((10, 12), bool)
    half[:, :6] = True
    (mask,) = masks_between(half, half, 1)
    assert (mask == half).all()


def test_filling_is_one_marked_step(session):
    assert session.fill_between(1) == [2, 3, 4]
    assert session.filled(1) == {2, 3, 4}
    assert session.mask(1, 3).sum() == pytest.approx(np.pi * 36, rel=0.08)
    (said,) = session.provenance()["objects"]
    assert said["interpolated"] == [[2, 5]]
    assert session.can_undo.startswith("fill object 1")
    session.undo()
    assert session.filled(1) == frozenset()
    assert not session.mask(1, 3).any()
    session.redo()
    assert session.filled(1) == {2, 3, 4}


def test_what_is_settled_stays_and_what_is_tracked_later_counts(session):
    session.fill_between(1)
    session.accept(1, 3, 4)
    kept = session.mask(1, 3)
    list(session.track())
    assert session.filled(1) == {3}
    assert (session.mask(1, 3) == kept).all()
    assert session.fill_between(1, 1, 4) == [2]


def test_filling_needs_two_settled_frames(session):
    with pytest.raises(PromptError, match="settled on 1 of the frames 0 to 4"):
        session.fill_between(1, 0, 5)
    with pytest.raises(SessionError, match="do not fit"):
        session.fill_between(1, 3, 99)
    session.edit_object(1, locked=True)
    with pytest.raises(SessionError, match="locked"):
        session.fill_between(1)


def test_the_outline_of_a_mask_that_fills_the_plane_is_that_of_the_plane():
    full = np.ones((8, 20), bool)
    trimmed, narrower = full.copy(), full.copy()
    trimmed[:, -3:] = False
    narrower[:, -1:] = False
    (between,) = moved_alike((full, narrower, full), trimmed, trimmed, (1.0, 1.0))
    assert between[:, :-4].all()
    assert not between[:, -1].any()
