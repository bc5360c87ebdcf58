"""Exports opened by the readers of this package."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_video.export.registry import export
from napari_sam2_video.frames.open import open_recording
from tests.export.consumers.zarrs import IMAGE, VERSIONS, zarr_of
from tests.export.made import all_labels

if TYPE_CHECKING:
    from pathlib import Path


@VERSIONS
@IMAGE
def test_our_own_reader_opens_an_exported_zarr(version: str, image: bool, tmp_path: Path) -> None:
    result, path = zarr_of(tmp_path, version, image=image)
    with open_recording(path) as recording:
        assert recording.axes == ("TCYX" if image else "TYX")
        assert [recording.scale[letter] for letter in "TYX"] == [0.05, 0.25, 0.5]
        assert [recording.units[letter] for letter in "TYX"] == ["s", "µm", "µm"]
        if not image:
            stored = np.stack([recording.read({"T": t}) for t in range(5)])
            assert np.array_equal(stored, all_labels(result))


def test_coco_names_join_with_the_files_of_a_folder(tmp_path: Path) -> None:
    from PIL import Image

    from napari_sam2_video.session import Session
    from tests.fakes import fake_factory

    folder = tmp_path / "images"
    folder.mkdir()
    for number in (3, 11, 20):
        Image.fromarray(np.full((20, 30), number, np.uint8)).save(folder / f"cell_{number}.png")
    with (
        open_recording(folder) as recording,
        Session.create(tmp_path / "run.sam2v", recording, tracker_factory=fake_factory()) as session,
    ):
        session.paint(1, (2, 2), np.full((5, 5), 1))
        report = export(session.result(), tmp_path / "a.json", frames="all")
    images = json.loads(report.path.read_text(encoding="utf-8"))["images"]
    assert [image["file_name"] for image in images] == ["cell_3.png", "cell_11.png", "cell_20.png"]
