"""Colours, transparency and orientation of TIFF files and pictures are shown as they are meant."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_sam2_video.errors import RecordingError
from napari_sam2_video.frames.open import open_recording
from napari_sam2_video.frames.orientation import upright

RGB = np.random.default_rng(2).integers(0, 255, (3, 24, 32, 3), np.uint8)
GREY = RGB[..., 0]


def stored(image, orientation):
    """The image as a camera held in that way keeps it."""
    found = next(
        candidate
        for turns in range(4)
        for candidate in (np.rot90(image, turns), np.rot90(image, turns)[::-1])
        if np.array_equal(upright(candidate, orientation), image)
    )
    return np.ascontiguousarray(found)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["jpg", "png", "tif", "compressed tif"])
def test_every_image_stands_upright(tmp_path, kind, orientation):
    suffix = kind.rpartition(" ")[2]
    smooth = np.add.outer(np.arange(24) * 4, np.arange(32) * 3).astype(np.uint8)
    for number in range(3):
        turned = orientation if number else 1
        path = tmp_path / f"f{number}.{suffix}"
        if suffix == "tif":
            options = {"compression": "zlib"} if kind != suffix else {}
            tifffile.imwrite(path, stored(smooth, turned), extratags=[(274, "H", 1, turned, True)], **options)
        else:
            image = Image.fromarray(stored(smooth, turned))
            exif = image.getexif()
            exif[274] = turned
            image.save(path, exif=exif, quality=98)
    with open_recording(tmp_path) as recording:
        assert recording.shape == (3, 24, 32)
        assert np.abs(recording.read({}).astype(int) - smooth).max() <= 6
        np.testing.assert_array_equal(recording.read({"T": 1, "Y": slice(3, 20, 5)}), recording.read({"T": 1})[3:20:5])
        assert any("rotated upright" in note for note in recording.notes) == (orientation > 1)


def test_cmyk_is_shown_as_pillow_shows_it(tmp_path):
    pictures = [Image.fromarray(image).convert("CMYK") for image in RGB]
    pictures[0].save(tmp_path / "a.tif", save_all=True, append_images=pictures[1:])
    with open_recording(tmp_path / "a.tif") as recording:
        assert recording.axes.endswith("S")
        np.testing.assert_array_equal(recording.read({})[0], np.asarray(pictures[0].convert("RGB")))
        assert any("stored as CMYK" in note for note in recording.notes)


def test_lab_is_shown_as_rgb(tmp_path):
    from skimage.color import rgb2lab

    lab = rgb2lab(RGB)
    kept = np.dstack([np.rint(lab[0, ..., :1] * 2.55), np.rint(lab[0, ..., 1:])]).astype(np.int16).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", kept, photometric="cielab", metadata=None)
    with open_recording(tmp_path / "a.tif") as recording:
        assert np.abs(recording.read({"T": 0}).astype(int) - RGB[0]).mean() < 3


@pytest.mark.parametrize("compression", ["jpeg", None])
def test_ycbcr_is_shown_as_rgb(tmp_path, compression):
    smooth = np.dstack([np.add.outer(np.arange(24) * 4, np.arange(32) * 3).astype(np.uint8)] * 3)
    smooth[..., 2] = 90
    if compression:
        tifffile.imwrite(tmp_path / "a.tif", smooth, photometric="rgb", compression="jpeg", metadata=None)
        with tifffile.TiffFile(tmp_path / "a.tif") as file:
            assert file.pages.first.photometric == tifffile.PHOTOMETRIC.YCBCR
    else:
        kept = np.asarray(Image.fromarray(smooth).convert("YCbCr"))
        tifffile.imwrite(tmp_path / "a.tif", kept, photometric="ycbcr", metadata=None, subsampling=(1, 1))
    with open_recording(tmp_path / "a.tif") as recording:
        assert np.abs(recording.read({"T": 0}).astype(int) - smooth).mean() < 4


def test_palettes_are_colours_in_images_and_values_in_micrographs(tmp_path):
    colours = np.random.default_rng(0).integers(0, 65535, (3, 256), np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", GREY[0], photometric="palette", colormap=colours, metadata=None)
    with open_recording(tmp_path / "a.tif") as recording:
        np.testing.assert_array_equal(recording.read({"T": 0}), (colours >> 8).T[GREY[0]])
    ramp = np.zeros((3, 256), np.uint16)
    ramp[1] = np.arange(256) * 256
    tifffile.imwrite(tmp_path / "b.tif", GREY[0], photometric="palette", colormap=ramp, metadata=None)
    with open_recording(tmp_path / "b.tif") as recording:
        np.testing.assert_array_equal(recording.read({"T": 0}), GREY[0])


def test_high_values_of_inverted_files_are_noted(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", GREY, photometric="miniswhite", metadata=None)
    with open_recording(tmp_path / "a.tif") as recording:
        np.testing.assert_array_equal(recording.read({}), GREY)
        assert "White is stored as zero: high values are dark." in recording.notes


@pytest.mark.parametrize("mode", ["LA", "RGBA", "P"])
def test_transparent_images_are_shown_on_white(tmp_path, mode):
    alpha = np.zeros((24, 32), np.uint8)
    alpha[:, 16:] = 255
    image = Image.fromarray(np.dstack([RGB[0], alpha]))
    expected = np.where(alpha[..., None] > 0, RGB[0], 255)
    if mode == "LA":
        image, expected = Image.fromarray(np.dstack([GREY[0], alpha]), "LA"), np.where(alpha > 0, GREY[0], 255)
    if mode == "P":
        index = (alpha > 0).astype(np.uint8)
        image, expected = Image.fromarray(index), np.where(alpha[..., None] > 0, [10, 20, 30], 255)
        image.putpalette([0, 0, 0, 10, 20, 30])
        image.info["transparency"] = 0
    image.save(tmp_path / "a.png")
    with open_recording(tmp_path / "a.png") as recording:
        np.testing.assert_array_equal(recording.read({"T": 0}), expected)
        assert "Transparent pixels are shown on white." in recording.notes


def test_colours_that_cannot_be_read_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", RGB[0].astype(np.uint16), photometric="cielab", metadata=None)
    with pytest.raises(RecordingError, match="save it as RGB"):
        open_recording(tmp_path / "a.tif")
