"""A session's own result in every format."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_sam2_video.analysis.measure import measure
from napari_sam2_video.export.registry import FORMATS, export
from napari_sam2_video.frames.open import open_recording
from napari_sam2_video.session import Session
from napari_sam2_video.types import FrameMasks, ObjectMask, PointPrompt
from tests.export.made import walked_as
from tests.fakes import blob_movie, fake_factory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_sam2_video.results import TrackingResult

NEEDS_A_SERIES = {"dicom-seg", "rtstruct"}


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrackingResult]:
    """Two objects tracked through a recording, and one that was never tracked."""
    movie, centres = blob_movie(6)[:2]
    folder = tmp_path_factory.mktemp("tracked")
    with (
        open_recording(movie, axes="TYX", name="blobs", pixel_size="0.5 um", interval="0.2 s") as recording,
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


def test_a_soft_edge_of_a_session_follows_its_logits(tracked: TrackingResult, tmp_path: Path) -> None:
    report = export(tracked, tmp_path / "matte", format="matte-png", options={"feather": 3})
    assert not [note for note in report.notes if "logits" in note]
    for frame in range(tracked.n_frames):
        alpha = np.asarray(Image.open(report.path / f"{frame:05d}.png"))[..., 3]
        inside = tracked.labels(frame) > 0
        assert alpha[inside].min() >= 128 >= alpha[~inside].max()
        assert len(np.unique(alpha)) > 3


def test_the_labels_of_a_session_are_those_of_its_store(tracked: TrackingResult, tmp_path: Path) -> None:
    stored = tifffile.imread(export(tracked, tmp_path / "labels.ome.tif").path)
    assert (stored == np.stack([tracked.labels(frame) for frame in range(tracked.n_frames)])).all()
    assert set(np.unique(stored)) == {0, 1, 2}


def test_overlapping_objects_of_a_session_leave_it_whole(tmp_path: Path) -> None:
    mask_api = pytest.importorskip("pycocotools.mask")
    with (
        open_recording(np.zeros((6, 48, 64), np.uint8), axes="TYX") as recording,
        Session.create(tmp_path / "run.sam2v", recording, tracker_factory=fake_factory()) as session,
    ):
        for object_id in (1, 2):
            session.add_object(object_id=object_id)
        for frame in (2, 3, 4):
            shape_yx = session.shape_yx
            masks = tuple(
                ObjectMask(i, (4 * i, 6 * i), np.full((20, 24), level, np.uint8)) for i, level in ((1, 9), (2, 30))
            )
            session.masks.write(FrameMasks(frame, shape_yx, masks))
        session.paint(4, (0, 0), np.full((10, 64), 1))
        result = session.result()
        rows = json.loads(export(result, tmp_path / "a.json").path.read_text(encoding="utf-8"))["annotations"]
        assert sorted({row["image_id"] - 1 for row in rows}) == [2, 3, 4]
        for row in rows:
            frame, object_id = row["image_id"] - 1, row["track_id"]
            own = session.masks.object_mask(frame, object_id)
            assert np.array_equal(mask_api.decode(row["segmentation"]).astype(bool), own)
            assert row["area"] == session.scores(object_id)["area"][frame - 2]
        table = measure(result)
        for object_id in (1, 2):
            areas = table["area_px"][table.rows_of(object_id)].tolist()
            assert areas == session.scores(object_id)["area"].tolist()
        report = export(result, tmp_path / "a.ome.tif")
        assert any(note.startswith("Objects overlap on 3 frames, first on frame 2") for note in report.notes)
        alone = tifffile.imread(export(result, tmp_path / "one.ome.tif", objects=[1]).path)
        for page, frame in zip(alone, (2, 3, 4), strict=True):
            assert np.array_equal(page == 1, session.masks.object_mask(frame, 1))
