from __future__ import annotations

import pytest

from napari_sam2_video.frames.open import open_recording
from napari_sam2_video.session import Session
from napari_sam2_video.types import PointPrompt
from tests.fakes import blob_movie, fake_factory


@pytest.fixture
def movie():
    return blob_movie(12)


@pytest.fixture
def recording(movie):
    with open_recording(movie[0], axes="TYX", name="blobs") as opened:
        yield opened


@pytest.fixture
def factory():
    return fake_factory()


@pytest.fixture
def session(tmp_path, recording, factory, quick_disk):
    """A session with two objects, each clicked on frame 4."""
    with Session.create(tmp_path / "run.sam2v", recording, tracker_factory=factory) as made:
        yield made


@pytest.fixture
def prompted(session, movie):
    centres = movie[1]
    for index in range(2):
        object_id = session.add_object()
        session.add_prompt(PointPrompt(object_id, 4, *centres[4, index]))
    return session
