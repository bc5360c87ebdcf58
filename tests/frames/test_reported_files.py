"""Circumstances of public reports of other tools: files that people have, and what they mean."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
import tifffile

from napari_sam2_video.frames.open import open_recording

FILM = np.random.default_rng(4).integers(0, 900, (6, 24, 32), np.uint16)


def write_ndtiff(folder, frames, axes):
    """Micro-Manager's NDTiff: two files, and an index that says which plane is where."""
    folder.mkdir()
    index = b""
    for number in (0, 1):
        name = "NDTiffStack.tif" if number == 0 else "NDTiffStack_1.tif"
        summary = json.dumps({"PixelSize_um": 0.325}).encode()
        data = bytearray(struct.pack("<2sHI4I", b"II", 42, 0, 483729, 3, 0, 2355492))
        data += struct.pack("<I", len(summary)) + summary + bytes(-len(summary) % 2)
        link = 4
        for frame, place in list(zip(frames, axes, strict=True))[3 * number : 3 * number + 3]:
            at = len(data)
            data += frame.astype("<u2").tobytes()
            said_at = len(data)
            data += b'{"a": 1}'
            data[link : link + 4] = struct.pack("<I", len(data))
            height, width = frame.shape
            tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 16), (259, 3, 1, 1), (262, 3, 1, 1)]
            tags += [(273, 4, 1, at), (277, 3, 1, 1), (278, 4, 1, height), (279, 4, 1, 2 * width * height)]
            tags += [(51123, 2, 8, said_at)]
            data += struct.pack("<H", len(tags))
            for tag in tags:
                data += struct.pack("<HHII", *tag)
            link = len(data)
            data += bytes(4)
            said = json.dumps(place).encode()
            index += struct.pack("<I", len(said)) + said + struct.pack("<I", len(name)) + name.encode()
            index += struct.pack("<IiiiiIii", at, width, height, 1, 0, 0, 0, 0)
        (folder / name).write_bytes(bytes(data))
    (folder / "NDTiff.index").write_bytes(index)


def test_a_data_set_of_micro_manager_opens_by_its_index(tmp_path):
    """cgohlke/tifffile#23: its files are of different lengths, and only the index knows the axes."""
    places = [{"time": t, "channel": c} for t in range(3) for c in ("DAPI", "FITC")]
    write_ndtiff(tmp_path / "acquired", FILM, places)
    for source in (tmp_path / "acquired", tmp_path / "acquired" / "NDTiffStack.tif"):
        with open_recording(source) as recording:
            assert (recording.axes, recording.shape) == ("TCYX", (3, 2, 24, 32))
            np.testing.assert_array_equal(recording.read({}), FILM.reshape(3, 2, 24, 32))
            assert recording.scale["X"] == 0.325


def test_four_frames_that_a_script_saved_are_not_an_image_with_transparency(tmp_path):
    """cgohlke/tifffile#196: a stack of four is written as planes of one picture."""
    tifffile.imwrite(tmp_path / "a.tif", FILM[:4].astype(np.uint8), photometric="rgb", planarconfig="separate")
    with open_recording(tmp_path / "a.tif", axes="ZYX") as recording:
        np.testing.assert_array_equal(recording.read({}), FILM[:4].astype(np.uint8))
    with open_recording(tmp_path / "a.tif") as recording:
        assert recording.axes == "TCYX"


def test_frames_that_were_saved_as_channels_are_noted_and_can_be_named(tmp_path):
    """cgohlke/tifffile#50: 57 slices that ImageJ takes for channels."""
    tifffile.imwrite(tmp_path / "a.tif", FILM, imagej=True)
    with open_recording(tmp_path / "a.tif") as recording:
        assert recording.axes == "TCYX"
        assert "6 channels; if they are frames, name the axes" in recording.notes[0]
    with open_recording(tmp_path / "a.tif", axes="ZYX") as recording:
        np.testing.assert_array_equal(recording.read({}), FILM)


def test_centimetres_of_imagej_are_centimetres(tmp_path):
    """ome/bioformats#3676: 2 cm that became 20000 cm."""
    about = {"axes": "TYX", "unit": "cm"}
    tifffile.imwrite(
        tmp_path / "a.tif", FILM, imagej=True, metadata=about, resolution=(0.5, 0.5), resolutionunit="CENTIMETER"
    )
    with open_recording(tmp_path / "a.tif") as recording:
        assert (recording.scale["X"], recording.units["X"]) == (2.0, "cm")


def test_channels_before_numbers_are_channels(tmp_path):
    """napari/napari#5460: ch0_01.tif ... ch1_03.tif are two channels of three frames."""
    for channel in (0, 1):
        for number in range(3):
            tifffile.imwrite(tmp_path / f"ch{channel}_{number + 1:02}.tif", FILM[3 * channel + number])
    with open_recording(tmp_path) as recording:
        assert recording.axes == "TCYX"
        np.testing.assert_array_equal(recording.read({"C": 1}), FILM[3:])


@pytest.mark.parametrize("unit", ["nm", "nanometer"])
def test_nanometres_and_milliseconds_of_ome_are_kept(tmp_path, unit):
    """scifio/scifio#318: sizes in nm and a time increment that another reader drops."""
    about = {"axes": "TYX", "PhysicalSizeX": 108.333, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 108.333}
    about |= {"PhysicalSizeYUnit": "nm", "TimeIncrement": 9.997, "TimeIncrementUnit": "ms"}
    tifffile.imwrite(tmp_path / "a.ome.tif", FILM, ome=True, metadata=about)
    with open_recording(tmp_path / "a.ome.tif") as recording:
        assert (recording.scale["X"], recording.units["X"]) == (108.333, "nm")
        assert (recording.scale["T"], recording.units["T"]) == (9.997, "ms")
