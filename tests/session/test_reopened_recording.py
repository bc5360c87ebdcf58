"""A session opens its recording again as it was opened: the same series, sizes, and who said them."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
import zarr

from napari_sam2_video.frames.open import open_recording
from napari_sam2_video.frames.view import default_view
from napari_sam2_video.session import Session
from napari_sam2_video.types import ModelSettings

FILM = np.random.default_rng(0).integers(0, 255, (3, 24, 32), np.uint8)


def tiff(folder):
    with tifffile.TiffWriter(folder / "a.tif") as writer:
        writer.write(FILM[:, ::2, ::2], photometric="minisblack")
        writer.write(FILM, photometric="minisblack")
    return folder / "a.tif"


def collection(folder):
    root = zarr.open_group(str(folder / "a.zarr"), mode="w", zarr_format=2)
    root.attrs["bioformats2raw.layout"] = 3
    for name, data in (("0", FILM[:, ::2]), ("1", FILM)):
        image = root.create_group(name)
        image.create_array("0", data=data)
        image.attrs["multiscales"] = [{"version": "0.4", "axes": ["t", "y", "x"], "datasets": [{"path": "0"}]}]
    return folder / "a.zarr"


@pytest.mark.parametrize("make", [tiff, collection])
def test_a_session_opens_the_series_and_sizes_it_was_made_of(tmp_path, make):
    source = make(tmp_path)
    with open_recording(source, series=1, axes="TYX", pixel_size="0.5 um") as recording:
        Session.create(tmp_path / "a.sam2v", recording, default_view(recording), ModelSettings()).close()
    with Session.open(tmp_path / "a.sam2v", read_only=True) as session:
        np.testing.assert_array_equal(session.recording.read({}), FILM)
        assert session.recording.series == 1
        assert session.recording.scale == {"T": None, "Y": 0.5, "X": 0.5}
        assert session.recording.calibration_source == {"T": "unknown", "Y": "person", "X": "person"}
        assert session.provenance()["source"]["calibration_source"]["X"] == "person"


def test_a_session_of_a_single_image_opens_again(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", FILM[0])
    with open_recording(tmp_path / "a.tif") as recording:
        Session.create(tmp_path / "a.sam2v", recording, default_view(recording), ModelSettings()).close()
    with Session.open(tmp_path / "a.sam2v", read_only=True) as session:
        assert (session.recording.axes, session.n_frames) == ("TYX", 1)
        np.testing.assert_array_equal(session.recording.read({"T": 0}), FILM[0])
