from __future__ import annotations

import struct
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

from napari_sam2_video.errors import FrameError, RecordingError, Sam2VideoError
from napari_sam2_video.frames.open import open_recording
from napari_sam2_video.frames.view import FrameView, default_view

if TYPE_CHECKING:
    from pathlib import Path

STACK = np.random.default_rng(0).integers(0, 4096, (7, 20, 30)).astype(np.uint16)
COLOUR = np.random.default_rng(1).integers(0, 256, (5, 20, 30, 3)).astype(np.uint8)
HYPER = np.random.default_rng(2).integers(0, 4096, (4, 3, 2, 20, 30)).astype(np.uint16)


def same(path: Path, letters: str, expected: np.ndarray, **known: Any) -> Any:
    """Open, compare whole and by parts, and return the scale and units."""
    with open_recording(path, **known) as recording:
        assert (recording.axes, recording.shape, recording.dtype) == (letters, expected.shape, expected.dtype)
        assert recording.dtype.isnative
        np.testing.assert_array_equal(recording.read({}), expected)
        np.testing.assert_array_equal(
            recording.read({letters[0]: 2, "Y": slice(3, 17, 4)}),
            expected[2][..., 3:17:4, :] if letters[-1] != "S" else expected[2][3:17:4],
        )
        np.testing.assert_array_equal(recording.to_dask()[1].compute(), expected[1])
        return recording.scale, recording.units


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"byteorder": ">"},
        {"bigtiff": True},
        {"compression": "zlib"},
        {"compression": "zlib", "predictor": True},
        {"tile": (16, 16)},
        {"rowsperstrip": 3},
        {"compression": "lzw"},
    ],
)
def test_plain_stacks(tmp_path: Path, options: dict[str, Any]) -> None:
    if options.get("compression") == "lzw":
        pytest.importorskip("imagecodecs")
    tifffile.imwrite(tmp_path / "a.tif", STACK, **options)
    same(tmp_path / "a.tif", "TYX", STACK)


def test_pages_written_one_by_one(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for page in STACK:
            writer.write(page, contiguous=False, metadata=None)
    same(tmp_path / "a.tif", "TYX", STACK)


def test_axes_that_the_caller_knows_better(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", STACK)
    scale, _ = same(tmp_path / "a.tif", "ZYX", STACK, axes="zyx", pixel_size="2.5,1,1 um")
    assert scale["Z"] == 2.5


@pytest.mark.parametrize(
    ("axes", "sentence"),
    [("YX", "names 2"), ("TZYX", "names 4"), ("TYY", "each used once"), ("TZC", "Y and X")],
)
def test_axes_that_do_not_fit_are_refused(tmp_path: Path, axes: str, sentence: str) -> None:
    tifffile.imwrite(tmp_path / "a.tif", STACK)
    with pytest.raises(Sam2VideoError, match=sentence):
        open_recording(tmp_path / "a.tif", axes=axes)


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"planarconfig": "separate"}])
def test_colour(tmp_path: Path, options: dict[str, Any]) -> None:
    data = np.moveaxis(COLOUR, -1, 1) if options.get("planarconfig") else COLOUR
    tifffile.imwrite(tmp_path / "a.tif", data, photometric="rgb", **options)
    same(tmp_path / "a.tif", "TYXS", COLOUR)


def test_imagej_hyperstack_keeps_axes_and_calibration(tmp_path: Path) -> None:
    about = {"axes": "TZCYX", "spacing": 3.0, "unit": "um", "finterval": 0.5}
    tifffile.imwrite(tmp_path / "a.tif", HYPER, imagej=True, resolution=(4, 2), metadata=about)
    scale, units = same(tmp_path / "a.tif", "TZCYX", HYPER)
    assert scale == {"T": 0.5, "Z": 3.0, "C": None, "Y": 0.5, "X": 0.25}
    assert units == {"T": "s", "Z": "µm", "C": None, "Y": "µm", "X": "µm"}


def test_imagej_units_of_each_axis(tmp_path: Path) -> None:
    about = {"axes": "ZYX", "unit": "micron", "yunit": "mm", "zunit": "nm", "spacing": 300}
    tifffile.imwrite(tmp_path / "a.tif", STACK, imagej=True, resolution=(4, 2), metadata=about)
    scale, units = same(tmp_path / "a.tif", "ZYX", STACK)
    assert (scale, units) == ({"Z": 300.0, "Y": 0.5, "X": 0.25}, {"Z": "nm", "Y": "mm", "X": "µm"})


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"bigtiff": True}])
def test_ome_tiff_keeps_axes_and_calibration(tmp_path: Path, options: dict[str, Any]) -> None:
    about = {
        "axes": "TZCYX",
        "PhysicalSizeX": 0.2,
        "PhysicalSizeXUnit": "nm",
        "PhysicalSizeY": 0.3,
        "PhysicalSizeZ": 1.5,
        "TimeIncrement": 2.0,
        "TimeIncrementUnit": "min",
    }
    tifffile.imwrite(tmp_path / "a.ome.tif", HYPER, metadata=about, **options)
    scale, units = same(tmp_path / "a.ome.tif", "TZCYX", HYPER)
    assert scale == {"T": 2.0, "Z": 1.5, "C": None, "Y": 0.3, "X": 0.2}
    assert (units["T"], units["Y"], units["X"]) == ("min", "µm", "nm")


def test_resolution_in_centimetres_is_pixel_size(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", STACK, resolution=(20000, 10000), resolutionunit="CENTIMETER")
    scale, units = same(tmp_path / "a.tif", "TYX", STACK)
    assert (scale["X"], scale["Y"], units["X"]) == (0.5, 1.0, "µm")


def test_content_decides_not_the_name(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", STACK)
    (tmp_path / "a.tif").rename(tmp_path / "a.mp4")
    same(tmp_path / "a.mp4", "TYX", STACK)


def test_four_threads_read_compressed_pages(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", STACK, compression="zlib")
    with open_recording(tmp_path / "a.tif") as recording, ThreadPoolExecutor(4) as threads:
        wanted = [n % 7 for n in range(60)]
        for frame, read in zip(wanted, threads.map(lambda n: recording.read({"T": n}), wanted), strict=True):
            np.testing.assert_array_equal(read, STACK[frame])


def test_imagej_stack_beyond_4_gb_opens_at_once(tmp_path: Path) -> None:
    """A sparse file: one directory, and the pixels of 5,000 planes after it, as ImageJ writes them."""
    count, side = 5000, 1024
    description = f"ImageJ=1.54f\nimages={count}\nslices={count}\nloop=false\n".encode() + b"\0"
    tags = [
        (256, 4, 1, side),
        (257, 4, 1, side),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (270, 2, len(description), 1000),
        (273, 4, 1, 2000),
        (277, 3, 1, 1),
        (278, 4, 1, side),
        (279, 4, 1, side * side),
    ]
    directory = (
        struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + struct.pack("<I", 0)
    )
    with (tmp_path / "big.tif").open("wb") as file:
        file.write(struct.pack("<2sHI", b"II", 42, 8) + directory)
        file.seek(1000)
        file.write(description)
        file.seek(2000 + (count - 1) * side * side + 5)
        file.write(b"\x07")
        file.truncate(2000 + count * side * side)
    tracemalloc.start()
    with open_recording(tmp_path / "big.tif") as recording:
        assert (recording.axes, recording.shape) == ("ZYX", (count, side, side))
        row = recording.read({"Z": count - 1, "Y": 0})
        recording.fingerprint()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert row[5] == 7
    assert peak < 20e6


def test_bigtiff_beyond_4_gb_opens_at_once(tmp_path: Path) -> None:
    path = tmp_path / "big.tif"
    tifffile.imwrite(path, shape=(3000, 1200, 1200), dtype=np.uint16, bigtiff=True, metadata={"axes": "TYX"})
    tracemalloc.start()
    with open_recording(path) as recording:
        assert recording.shape == (3000, 1200, 1200)
        view = FrameView(recording, default_view(recording, window=(0, 100)))
        assert view.read(2999).max() == 0
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60e6


def test_damaged_page_is_an_error_of_that_frame_only(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK, compression="zlib")
    with tifffile.TiffFile(path) as file:
        page = file.pages[3]
        start, count = page.dataoffsets[0], page.databytecounts[0]
    data = bytearray(path.read_bytes())
    data[start : start + count] = bytes(count)
    path.write_bytes(data)
    with open_recording(path) as recording:
        with pytest.raises(FrameError, match=r"Plane 3 of .*a\.tif cannot be read"):
            recording.read({"T": 3})
        np.testing.assert_array_equal(recording.read({"T": 4}), STACK[4])


def test_file_cut_while_it_is_open_is_an_error_of_that_frame(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK)
    with open_recording(path) as recording:
        with path.open("r+b") as file:
            file.truncate(path.stat().st_size - 1500)
        with pytest.raises(FrameError, match="Plane 6 of"):
            recording.read({"T": 6})
        np.testing.assert_array_equal(recording.read({"T": 5}), STACK[5])


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_series_are_named_and_one_can_be_chosen(tmp_path: Path, compression: str | None) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(STACK, compression=compression, photometric="minisblack")
        writer.write(STACK[:2, ::2, ::2], photometric="minisblack")
    with pytest.raises(RecordingError, match=r"2 image series \(0: QYX .*; 1: QYX .*--series 0"):
        open_recording(tmp_path / "a.tif")
    for series, expected in enumerate((STACK, STACK[:2, ::2, ::2])):
        with open_recording(tmp_path / "a.tif", series=series) as recording:
            np.testing.assert_array_equal(recording.read({}), expected)
            assert recording.notes == ()
    with pytest.raises(RecordingError, match="no series 2"):
        open_recording(tmp_path / "a.tif", series=2)


def test_pyramid_is_read_at_full_resolution(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as writer:
        writer.write(STACK, subifds=1, tile=(16, 16), photometric="minisblack", metadata={"axes": "TYX"})
        writer.write(STACK[:, ::2, ::2], subfiletype=1, tile=(16, 16), photometric="minisblack")
    with open_recording(tmp_path / "a.ome.tif") as recording:
        np.testing.assert_array_equal(recording.read({}), STACK)
        assert recording.notes == ("a.ome.tif is multiscale: level 0, the full resolution, is used.",)


def test_damage_is_not_logged_to_the_screen(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tifffile.imwrite(tmp_path / "a.tif", STACK, compression="zlib")
    (tmp_path / "a.tif").write_bytes((tmp_path / "a.tif").read_bytes()[:3000])
    open_recording(tmp_path / "a.tif").close()
    assert capfd.readouterr().err == ""
