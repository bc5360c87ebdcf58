"""A check with the model that ships: it takes the embeddings of the run, and sees a track that changes cells."""

import numpy as np
import pytest

from napari_sam2_video.frames.open import open_recording
from napari_sam2_video.session import Session
from napari_sam2_video.types import BoxPrompt, CheckSettings, FrameMasks, ObjectMask
from tests.fakes import blob_movie

N_FRAMES = 8
SWITCH = 5


@pytest.fixture
def session(tmp_path, quick_disk):
    import torch

    torch.set_num_threads(1)
    movie, centres = blob_movie(N_FRAMES, shape=(96, 128))
    with (
        open_recording(movie, axes="TYX", name="blobs") as recording,
        Session.create(tmp_path / "run.sam2v", recording) as made,
    ):
        for index in range(2):
            y, x = centres[0, index]
            made.add_prompt(BoxPrompt(made.add_object(), 0, y - 4, x - 4, y + 4, x + 4))
        list(made.track())
        yield made


def memory_of(session):
    return {path: path.read_bytes() for path in (session.folder / "memory").rglob("*") if path.is_file()}


def test_a_sound_track_agrees_and_no_frame_is_embedded_again(session):
    memory, misses = memory_of(session), session.tracker.features.misses
    list(session.check())
    assert session.tracker.features.misses == misses
    assert memory_of(session) == memory
    for object_id in (1, 2):
        found = session.scores(object_id)["disagreement"]
        assert np.flatnonzero(np.isfinite(found)).tolist() == list(range(1, N_FRAMES - 1))
        assert np.nanmax(found) < 0.5


def test_a_track_that_changes_cells_disagrees_before_the_change(session):
    for frame in range(SWITCH, N_FRAMES):
        other = session.masks.object_levels(frame, 2)
        wrong = ObjectMask(1, other.origin_yx, other.levels, 5.0, 0.9)
        session.masks.write(FrameMasks(frame, session.shape_yx, (wrong,), "forward"))
    list(session.check(CheckSettings(objects=(1,))))
    found = session.scores(1)["disagreement"]
    assert (found[1:SWITCH] > 0.9).all()
    assert (found[SWITCH : N_FRAMES - 1] < 0.5).all()
