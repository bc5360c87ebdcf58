"""Every reader is found by the content of a file, and napari offers the names that the readers list."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import yaml

import napari_sam2_video
from napari_sam2_video.errors import RecordingError
from napari_sam2_video.frames.open import open_recording
from napari_sam2_video.frames.registry import READERS, reader_of

MANIFEST = Path(napari_sam2_video.__file__).parent / "napari.yaml"
LEFT_TO_OTHERS = {
    "*.npy", "*.png", "*.jpg", "*.jpeg", "*.bmp", "*.webp", "*.tif", "*.tiff", "*.lsm", "*.stk", "*.companion.ome",
}  # fmt: skip
"""Patterns for which napari has readers of its own, or that a folder's reader takes."""


def offered() -> dict[str, list[str]]:
    contributions: dict[str, Any] = yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))["contributions"]
    return {reader["command"].rpartition(".")[2]: reader["filename_patterns"] for reader in contributions["readers"]}


def test_readers_have_names_of_their_own():
    assert len({reader.name for reader in READERS}) == len(READERS)


def test_napari_offers_every_pattern_of_the_readers():
    listed = {pattern for patterns in offered().values() for pattern in patterns if not pattern.startswith("*.ome.")}
    assert listed - {"*.sam2v"} == {pattern for reader in READERS for pattern in reader.patterns} - LEFT_TO_OTHERS


@pytest.mark.parametrize("name", ["film.mp4", "film.nii", "film.npy", "film.png", "film"])
def test_the_content_decides_and_not_the_name(tmp_path, name):
    path = tmp_path / name
    tifffile.imwrite(path, np.zeros((2, 8, 9), np.uint8), photometric="minisblack")
    assert reader_of(path).name == "TIFF"
    assert not fnmatch(name, "*.tif")


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "film.tif").touch()
    with pytest.raises(RecordingError, match="is empty"):
        open_recording(tmp_path / "film.tif")


def test_a_series_of_a_kind_that_has_none_is_refused(tmp_path):
    np.save(tmp_path / "film.npy", np.zeros((2, 8, 9), np.uint8))
    open_recording(tmp_path / "film.npy", series=0).close()
    with pytest.raises(RecordingError, match="holds one series"):
        open_recording(tmp_path / "film.npy", series=1)
