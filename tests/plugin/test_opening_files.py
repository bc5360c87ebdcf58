"""*Open…* shows what a person chose as the plugin reads it: lazily, with its sizes, and with one sentence otherwise."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest
import tifffile
from PIL import Image
from qtpy.QtWidgets import QFileDialog

from napari_sam2_video.plugin.recording_layers import known_recording
from tests.frames import videos
from tests.plugin.conftest import make_frames


@pytest.fixture
def open_files(bench, monkeypatch):
    """Presses *Open…* and chooses files; returns the bench."""

    def chosen(*files):
        here = bench()
        monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_, **__: ([str(file) for file in files], ""))
        here.press(here.widget.recording.open_button)
        here.idle()
        return here

    return chosen


def test_a_volume_is_shown_with_its_voxel_size_and_chosen(open_files, tmp_path):
    voxels = np.arange(6 * 5 * 4, dtype=np.int16).reshape(6, 5, 4)
    nibabel.save(nibabel.Nifti1Image(voxels, np.diag([0.5, 0.75, 2.0, 1.0])), tmp_path / "scan.nii.gz")
    here = open_files(tmp_path / "scan.nii.gz")
    layer = here.widget.recording.layer
    np.testing.assert_array_equal(np.asarray(layer.data), voxels.T)
    assert (layer.name, layer.scale.tolist(), layer.axis_labels) == ("scan", [2.0, 0.75, 0.5], ("z", "y", "x"))
    assert here.errors() == []


@pytest.mark.parametrize("kind", ["video", "stack"])
def test_frames_are_read_when_they_are_shown(open_files, tmp_path, kind):
    import dask.array

    if kind == "video":
        file, frames = videos.cfr(tmp_path), videos.COUNT
    else:
        file, frames = tmp_path / "spots.tif", 12
        tifffile.imwrite(file, make_frames(12), metadata={"axes": "TYX"})
    here = open_files(file)
    layer = here.widget.recording.layer
    assert isinstance(layer.data, dask.array.Array)
    assert layer.data.shape[0] == frames
    here.viewer.layers.clear()
    known_recording(layer).close()


def test_images_of_one_frame_each_follow_their_numbers(open_files, tmp_path):
    frames = make_frames(12)
    for number in reversed(range(12)):
        Image.fromarray(frames[number]).save(tmp_path / f"spots {number}.png")
    here = open_files(*(tmp_path / f"spots {number}.png" for number in (10, 11, *range(10))))
    np.testing.assert_array_equal(np.asarray(here.widget.recording.layer.data), frames)


@pytest.mark.parametrize("name", ["notes.txt", "scan.docx", "nameless", "broken.tif", "broken.mp4"])
def test_what_is_no_recording_is_refused_in_one_sentence_that_names_it(open_files, tmp_path, name):
    (tmp_path / name).write_bytes(b"nothing to see here")
    here = open_files(tmp_path / name)
    (sentence,) = here.errors()
    assert name in sentence
    assert "report it" not in sentence
    assert len(here.viewer.layers) == 0


def test_nothing_happens_if_no_file_is_chosen(open_files):
    here = open_files()
    assert (len(here.viewer.layers), here.errors()) == (0, [])
