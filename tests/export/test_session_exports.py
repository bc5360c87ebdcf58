"""A session's own result in every format."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from napari_sam2_video.export.registry import FORMATS, export
from napari_sam2_video.frames.open import open_recording
from napari_sam2_video.session import Session
from napari_sam2_video.types import PointPrompt
from tests.export.made import walked_as
from tests.fakes import blob_movie, fake_factory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_sam2_video.results import TrackingResult

NEEDS_A_SERIES = {"dicom-seg"}


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrackingResult]:
    """Two objects tracked through a recording, and one that was never tracked."""
    movie, centres = blob_movie(6)[:2]
    folder = tmp_path_factory.mktemp("tracked")
    with (
        open_recording(movie, axes="TYX", name="blobs", scale={"T": 0.2, "Y": 0.5, "X": 0.5}) as recording,
        Session.create(folder / "run.sam2v", recording, tracker_factory=fake_factory()) as session,
    ):
        for index in range(2):
            session.add_prompt(PointPrompt(session.add_object(), 2, *centres[2, index]))
        session.add_object(name="never tracked")
        for _ in session.track():
            pass
        yield session.result()


@pytest.mark.parametrize("name", sorted(set(FORMATS) - NEEDS_A_SERIES))
def test_a_session_exports_to_every_format(name: str, tracked: TrackingResult, tmp_path: Path) -> None:
    target = tmp_path / ("result" + (FORMATS[name].suffixes or ("",))[0])
    report = export(replace(tracked, **walked_as(name)), target, format=name)
    written = list(report.path.rglob("*")) if report.path.is_dir() else [report.path]
    assert sum(path.stat().st_size for path in written if path.is_file()) > 80


def test_the_labels_of_a_session_are_those_of_its_store(tracked: TrackingResult, tmp_path: Path) -> None:
    stored = tifffile.imread(export(tracked, tmp_path / "labels.ome.tif").path)
    assert (stored == np.stack([tracked.labels(frame) for frame in range(tracked.n_frames)])).all()
    assert set(np.unique(stored)) == {0, 1, 2}
