from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_sam2_video.errors import FrameError, RecordingError
from napari_sam2_video.frames.folder import natural_key
from napari_sam2_video.frames.open import open_recording

if TYPE_CHECKING:
    from pathlib import Path

DEEP = np.random.default_rng(0).integers(0, 65536, (12, 9, 14)).astype(np.uint16)
COLOUR = np.random.default_rng(1).integers(0, 256, (12, 9, 14, 3)).astype(np.uint8)


def test_natural_order() -> None:
    names = ["b1", "a10", "a2", "a2b", "A1", "a02"]
    assert sorted(names, key=natural_key) == ["A1", "a02", "a2", "a2b", "a10", "b1"]


def test_sixteen_bit_png_keeps_its_bits(tmp_path: Path) -> None:
    for number, image in enumerate(DEEP):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    with open_recording(tmp_path) as recording:
        assert (recording.axes, recording.dtype) == ("TYX", np.uint16)
        np.testing.assert_array_equal(recording.read({}), DEEP)


def test_sixteen_bit_colour_png_keeps_its_bits(tmp_path: Path) -> None:
    imagecodecs = pytest.importorskip("imagecodecs")
    deep = np.stack([DEEP, DEEP[::-1], DEEP // 2], -1)
    for number, image in enumerate(deep):
        (tmp_path / f"{number}.png").write_bytes(imagecodecs.png_encode(image))
    with open_recording(tmp_path) as recording:
        assert recording.axes == "TYXS"
        np.testing.assert_array_equal(recording.read({}), deep)


def test_palette_png_becomes_its_colours(tmp_path: Path) -> None:
    for number in range(3):
        image = Image.fromarray(np.full((9, 14), number, np.uint8))
        image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255] + [0] * 759)
        image.save(tmp_path / f"{number}.png")
    with open_recording(tmp_path) as recording:
        assert recording.read({"Y": 0, "X": 0}).tolist() == [[255, 0, 0], [0, 255, 0], [0, 0, 255]]


@pytest.mark.parametrize(("suffix", "options"), [("jpg", {"quality": 95}), ("bmp", {}), ("webp", {"lossless": True})])
def test_photographs(tmp_path: Path, suffix: str, options: dict[str, object]) -> None:
    smooth = (np.ones((3, 16, 20, 3)) * [[[[40, 120, 200]]]]).astype(np.uint8)
    for number, image in enumerate(smooth):
        Image.fromarray(image).save(tmp_path / f"f{number}.{suffix}", **options)
    with open_recording(tmp_path) as recording:
        assert recording.shape == smooth.shape
        np.testing.assert_allclose(recording.read({}).astype(int), smooth.astype(int), atol=3)


def test_tiff_files_of_one_plane_keep_their_pixel_size(tmp_path: Path) -> None:
    for number, image in enumerate(DEEP):
        tifffile.imwrite(tmp_path / f"t{number}.tif", image, imagej=True, resolution=(2, 2), metadata={"unit": "um"})
    with open_recording(tmp_path) as recording:
        np.testing.assert_array_equal(recording.read({}), DEEP)
        assert (recording.axes, recording.scale["X"], recording.units["X"]) == ("TYX", 0.5, "µm")


def test_tiff_files_of_one_stack_each(tmp_path: Path) -> None:
    stacks = DEEP.reshape(4, 3, 9, 14)
    for number, stack in enumerate(stacks):
        tifffile.imwrite(tmp_path / f"t{number}.tif", stack, imagej=True, metadata={"axes": "ZYX"})
    with open_recording(tmp_path) as recording:
        assert recording.axes == "TZYX"
        np.testing.assert_array_equal(recording.read({}), stacks)
        np.testing.assert_array_equal(recording.read({"T": 2, "Z": 1}), stacks[2, 1])


def test_other_files_are_left_out_and_reported(tmp_path: Path) -> None:
    for number, image in enumerate(COLOUR):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    Image.fromarray(COLOUR[0]).save(tmp_path / "thumbnail.jpg")
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / ".hidden.png").write_bytes(b"")
    with open_recording(tmp_path) as recording:
        np.testing.assert_array_equal(recording.read({}), COLOUR)
        assert any("left out: 1 JPEG" in note for note in recording.notes)


def test_damaged_image_is_an_error_of_that_frame_only(tmp_path: Path) -> None:
    for number, image in enumerate(COLOUR):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    data = (tmp_path / "5.png").read_bytes()
    (tmp_path / "5.png").write_bytes(data[: len(data) // 2])
    with open_recording(tmp_path) as recording:
        with pytest.raises(FrameError, match=r"Frame 5 cannot be read: .*5\.png is damaged"):
            recording.read({"T": 5})
        np.testing.assert_array_equal(recording.read({"T": 6}), COLOUR[6])


def test_read_only_folder(tmp_path: Path) -> None:
    for number, image in enumerate(COLOUR):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    tmp_path.chmod(0o555)
    try:
        with open_recording(tmp_path) as recording:
            np.testing.assert_array_equal(recording.read({"T": 1}), COLOUR[1])
    finally:
        tmp_path.chmod(0o755)


def test_folder_fingerprint_changes_with_a_pixel(tmp_path: Path) -> None:
    for number, image in enumerate(COLOUR):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    with open_recording(tmp_path) as recording:
        before = recording.fingerprint()["sample"]
    changed = COLOUR[4].copy()
    changed[3, 3] ^= 255
    Image.fromarray(changed).save(tmp_path / "4.png")
    with open_recording(tmp_path) as recording:
        assert recording.fingerprint()["sample"] != before


def test_an_odd_file_far_inside_a_large_folder_is_named_when_its_turn_comes(tmp_path: Path) -> None:
    from PIL import Image

    for number in range(600):
        side = 9 if number == 302 else 8
        Image.fromarray(np.full((side, 8), number % 256, np.uint8)).save(tmp_path / f"{number:04d}.png")
    with open_recording(tmp_path) as recording:
        assert recording.read({"T": 301})[0, 0] == 301 % 256
        with pytest.raises(
            FrameError, match=r"Frame 302 .*0302\.png is 9 × 8 uint8, but other images in the folder are 8 × 8"
        ):
            recording.read({"T": 302})
        assert recording.read({"T": 303})[0, 0] == 303 % 256


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("bad", [0, 2])
@pytest.mark.parametrize("content", [b"", b"no image", None])
def test_a_file_that_is_not_an_image_is_an_error_of_its_frame_only(tmp_path, suffix, bad, content):
    frames = np.random.default_rng(1).integers(0, 255, (4, 20, 30), np.uint8)
    for number, frame in enumerate(frames):
        if suffix == "tif":
            tifffile.imwrite(tmp_path / f"f{number}.tif", frame)
        else:
            Image.fromarray(frame).save(tmp_path / f"f{number}.png")
    path = tmp_path / f"f{bad}.{suffix}"
    path.write_bytes(path.read_bytes()[:12] if content is None else content)
    with open_recording(tmp_path) as recording:
        assert recording.shape == frames.shape
        assert any(f"f{bad}.{suffix} cannot be read" in note for note in recording.notes)
        for number in set(range(4)) - {bad}:
            np.testing.assert_array_equal(recording.read({"T": number}), frames[number])
        with pytest.raises(FrameError, match=f"Frame {bad} cannot be read"):
            recording.read({"T": bad})


def test_a_folder_of_folders_names_those_with_images(tmp_path):
    for position in ("Pos2", "Pos10", "notes"):
        (tmp_path / position).mkdir()
    for position in ("Pos2", "Pos10"):
        tifffile.imwrite(tmp_path / position / "img_000.tif", np.zeros((8, 9), np.uint8))
    with pytest.raises(RecordingError, match=r"open one of the folders in it, such as Pos2, Pos10\."):
        open_recording(tmp_path)
