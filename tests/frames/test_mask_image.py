"""Masks and label images mean the same in whatever encoding a person keeps them."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_sam2_video.errors import RecordingError
from napari_sam2_video.frames.mask_image import read_labels, read_mask, whole_numbers

DISC = np.hypot(*(np.mgrid[:40, :60] - np.array([[[20]], [[30]]]))) < 9
LABELS = np.where(DISC, 7, 0).astype(np.uint8)
LABELS[2:6, 2:9] = 3
COLOURS = np.random.default_rng(0).integers(0, 65535, (3, 256), np.uint16)


def picture(values, mode=None):
    return Image.fromarray(values) if mode is None else Image.fromarray(values).convert(mode)


def palette():
    image = Image.fromarray(DISC.astype(np.uint8))
    image.putpalette([255, 255, 255, 0, 0, 0])
    return image


def transparent(colour):
    rgba = np.zeros((*DISC.shape, 4), np.uint8)
    rgba[DISC] = (*colour, 255)
    return picture(rgba)


def opaque():
    return picture(np.dstack([*[np.where(DISC, 200, 0).astype(np.uint8)] * 3, np.full(DISC.shape, 255, np.uint8)]))


PICTURES = {
    "1 bit": lambda: picture(DISC.astype(np.uint8) * 255, "1"),
    "0 and 1": lambda: picture(DISC.astype(np.uint8)),
    "0 and 255": lambda: picture(DISC.astype(np.uint8) * 255),
    "16 bit": lambda: picture(DISC.astype(np.uint16) * 40000),
    "palette": palette,
    "grey as RGB": lambda: picture(DISC.astype(np.uint8) * 255, "RGB"),
    "red": lambda: picture(np.dstack([DISC.astype(np.uint8) * 255, *[np.zeros(DISC.shape, np.uint8)] * 2])),
    "white on transparent": lambda: transparent((255, 255, 255)),
    "black on transparent": lambda: transparent((0, 0, 0)),
    "opaque": opaque,
}


@pytest.mark.parametrize("encoding", PICTURES)
def test_mask_of_an_image(tmp_path, encoding):
    PICTURES[encoding]().save(tmp_path / "mask.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), DISC)


def test_mask_of_a_jpeg_is_not_wider_than_what_was_drawn(tmp_path):
    picture(DISC.astype(np.uint8) * 255).save(tmp_path / "mask.jpg", quality=60)
    assert abs(int(read_mask(tmp_path / "mask.jpg").sum()) - int(DISC.sum())) < 0.05 * DISC.sum()


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_nan_is_background(tmp_path, dtype):
    tifffile.imwrite(tmp_path / "mask.tif", np.where(DISC, 1, np.nan).astype(dtype))
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.tif"), DISC)


@pytest.mark.parametrize(
    "options",
    [{}, {"compression": "zlib"}, {"photometric": "palette", "colormap": COLOURS}],
)
def test_mask_of_a_tiff(tmp_path, options):
    tifffile.imwrite(tmp_path / "mask.tif", DISC.astype(np.uint8), **options)
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.tif"), DISC)


def test_mask_of_a_tiff_with_transparency(tmp_path):
    rgba = np.full((*DISC.shape, 4), 255, np.uint8)
    rgba[..., 3] = np.where(DISC, 255, 0)
    tifffile.imwrite(tmp_path / "mask.tif", rgba, photometric="rgb", extrasamples=["unassalpha"])
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.tif"), DISC)


def test_signed_zero_of_imagej_is_the_background(tmp_path):
    about = "ImageJ=1.54f\ncf=0\nc0=-32768.0\nc1=1.0\nvunit=Gray Value\n"
    stored = (DISC.astype(np.int32) + 32768).astype(np.uint16)
    tifffile.imwrite(tmp_path / "mask.tif", stored, description=about, metadata=None)
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.tif"), DISC)


def test_a_mask_of_everything_is_refused(tmp_path):
    picture(np.full((20, 30), 255, np.uint8)).save(tmp_path / "mask.png")
    with pytest.raises(RecordingError, match="covers every pixel"):
        read_mask(tmp_path / "mask.png")


@pytest.mark.parametrize("dtype", ["u1", "u2", "i4", "f4", "f8"])
def test_labels_of_every_type_of_number(tmp_path, dtype):
    values = LABELS.astype(dtype)
    if dtype[0] == "f":
        values[values == 0] = np.nan
    tifffile.imwrite(tmp_path / "labels.tif", values)
    found = read_labels(tmp_path / "labels.tif")
    assert found.dtype.kind in "ui"
    np.testing.assert_array_equal(found, LABELS)


def test_labels_of_grey_and_of_coloured_images(tmp_path):
    picture(LABELS, "RGB").save(tmp_path / "grey.png")
    np.testing.assert_array_equal(read_labels(tmp_path / "grey.png"), LABELS)
    colours = np.zeros((*LABELS.shape, 4), np.uint8)
    colours[LABELS == 7] = (0, 200, 40, 255)
    colours[LABELS == 3] = (90, 0, 0, 255)
    picture(colours).save(tmp_path / "colours.png")
    np.testing.assert_array_equal(
        read_labels(tmp_path / "colours.png"), np.select([LABELS == 7, LABELS == 3], [1, 2], 0)
    )


def test_labels_of_several_planes_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "labels.tif", np.stack([LABELS] * 5), photometric="minisblack")
    with pytest.raises(RecordingError, match="one plane was expected"):
        read_labels(tmp_path / "labels.tif")


def test_labels_of_a_jpeg_are_refused(tmp_path):
    picture(LABELS).save(tmp_path / "labels.jpg")
    with pytest.raises(RecordingError, match="save the labels as PNG"):
        read_labels(tmp_path / "labels.jpg")


def test_numbers_that_are_not_whole_are_named():
    assert whole_numbers(np.array([[0, 2.0, np.nan]]), "it").tolist() == [[0, 2, 0]]
    for odd in (1.5, np.inf):
        with pytest.raises(RecordingError, match="labels must be whole numbers"):
            whole_numbers(np.array([[0, odd]]), "it")
