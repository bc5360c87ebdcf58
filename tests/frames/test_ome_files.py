"""TIFF files that describe one another are one recording, from any of them, and with a file missing."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from napari_sam2_video.errors import FrameError, RecordingError
from napari_sam2_video.frames.open import open_recording
from napari_sam2_video.frames.view import default_view

if TYPE_CHECKING:
    from pathlib import Path

FILM = np.random.default_rng(3).integers(0, 4000, (6, 20, 30), np.uint16)
HEAD = '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"'


def described(names: list[str], ids: list[uuid.UUID], each: int, image: str = "Image:0") -> str:
    planes = "".join(
        f'<TiffData FirstT="{t}" FirstC="0" FirstZ="0" IFD="{t % each}" PlaneCount="1"><UUID '
        f'FileName="{names[t // each]}">urn:uuid:{ids[t // each]}</UUID></TiffData>'
        for t in range(6)
    )
    return (
        f'<Image ID="{image}"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="30" SizeY="20" '
        'SizeZ="1" SizeC="1" SizeT="6" PhysicalSizeX="0.2" PhysicalSizeY="0.3" TimeIncrement="2">'
        f'<Channel ID="Channel:0:0" SamplesPerPixel="1"/>{planes}</Pixels></Image>'
    )


def write_parts(folder: Path, prefix: str = "f") -> list[Path]:
    """Three files of two frames, each of which describes all of them."""
    folder.mkdir(exist_ok=True)
    names, ids = [f"{prefix}{n}.ome.tif" for n in range(3)], [uuid.uuid4() for _ in range(3)]
    for n, name in enumerate(names):
        xml = f'{HEAD} UUID="urn:uuid:{ids[n]}">{described(names, ids, 2)}</OME>'
        with tifffile.TiffWriter(folder / name) as writer:
            writer.write(FILM[2 * n], metadata=None, description=xml, photometric="minisblack")
            writer.write(FILM[2 * n + 1], metadata=None, photometric="minisblack")
    return [folder / name for name in names]


def write_prairie(folder: Path) -> list[Path]:
    """Six files of one frame; the first describes all, and the others only refer to it."""
    folder.mkdir()
    names, ids = [f"TSeries_Cycle00001_Ch1_{n + 1:06}.ome.tif" for n in range(6)], [uuid.uuid4() for _ in range(6)]
    for n, name in enumerate(names):
        refers = f'<BinaryOnly MetadataFile="{names[0]}" UUID="urn:uuid:{ids[0]}"/>'
        xml = f'{HEAD} UUID="urn:uuid:{ids[n]}">{refers if n else described(names, ids, 1)}</OME>'
        tifffile.imwrite(folder / name, FILM[n], metadata=None, description=xml, photometric="minisblack")
    return [folder / name for name in names]


@pytest.mark.parametrize("write", [write_parts, write_prairie])
@pytest.mark.parametrize("which", ["folder", 0, 1, -1])
def test_the_whole_recording_opens_from_the_folder_and_from_every_file(tmp_path, write, which):
    files = write(tmp_path / "acquired")
    with open_recording(tmp_path / "acquired" if which == "folder" else files[which]) as recording:
        assert recording.axes == "TYX"
        np.testing.assert_array_equal(recording.read({}), FILM)
        assert recording.scale == {"T": 2.0, "Y": 0.3, "X": 0.2}


@pytest.mark.parametrize(("gone", "lost"), [(0, [0, 1]), (1, [2, 3]), (2, [4, 5])])
@pytest.mark.parametrize("folder", [True, False])
def test_frames_keep_their_numbers_where_a_file_is_missing(tmp_path, gone, lost, folder):
    files = write_parts(tmp_path / "acquired")
    files.pop(gone).unlink()
    with open_recording(tmp_path / "acquired" if folder else files[0]) as recording:
        assert recording.shape == (6, 20, 30)
        assert f"f{gone}.ome.tif of the recording" in " ".join(recording.notes)
        default_view(recording)
        for frame in set(range(6)) - set(lost):
            np.testing.assert_array_equal(recording.read({"T": frame}), FILM[frame])
        for frame in lost:
            with pytest.raises(FrameError, match=f"put back f{gone}.ome.tif"):
                recording.read({"T": frame})


def test_a_file_whose_description_is_missing_opens_on_its_own(tmp_path):
    files = write_prairie(tmp_path / "acquired")
    files[0].unlink()
    with open_recording(files[2]) as recording:
        np.testing.assert_array_equal(recording.read({"T": 0}), FILM[2])
        assert f"{files[0].name}, which describes {files[2].name}" in recording.notes[0]
    with open_recording(tmp_path / "acquired") as recording:
        np.testing.assert_array_equal(recording.read({}), FILM[1:])


def test_a_companion_file_opens_what_it_describes(tmp_path):
    files = write_parts(tmp_path / "acquired")
    ids = [uuid.uuid4() for _ in files]
    companion = tmp_path / "acquired" / "all.companion.ome"
    companion.write_text(f'{HEAD} UUID="urn:uuid:{uuid.uuid4()}">{described([f.name for f in files], ids, 2)}</OME>')
    with open_recording(companion) as recording:
        np.testing.assert_array_equal(recording.read({}), FILM)


def test_several_recordings_of_a_folder_are_named_and_one_can_be_chosen(tmp_path):
    write_parts(tmp_path / "acquired", "a")
    write_parts(tmp_path / "acquired", "b")
    with pytest.raises(RecordingError, match=r"holds 2 recordings \(0: a0.ome.tif, 3 files; 1: b0.ome.tif, 3 files\)"):
        open_recording(tmp_path / "acquired")
    for series in (1, "b0.ome.tif"):
        with open_recording(tmp_path / "acquired", series=series) as recording:
            assert recording.path is not None
            assert recording.path.name == "b0.ome.tif"
    with pytest.raises(RecordingError, match="no series 2"):
        open_recording(tmp_path / "acquired", series=2)


def test_the_fingerprint_covers_every_file(tmp_path):
    files = write_parts(tmp_path / "acquired")
    with open_recording(files[0]) as recording:
        before = recording.fingerprint()
    changed = bytearray(files[2].read_bytes())
    changed[-100:] = bytes(100)
    files[2].write_bytes(changed)
    with open_recording(files[0]) as recording:
        assert recording.fingerprint()["sample"] != before["sample"]


@pytest.mark.parametrize("rows", [2, 3])
def test_images_of_an_ome_file_are_positions_to_choose_from(tmp_path, rows):
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as writer:
        for name in ("left", "right"):
            data = FILM[:3] if rows == 3 else FILM[0]
            writer.write(data, metadata={"Name": name, "axes": "TYX" if rows == 3 else "YX"}, photometric="minisblack")
    with pytest.raises(RecordingError, match=r"0 'left': .*1 'right'"):
        open_recording(tmp_path / "a.ome.tif")
    with open_recording(tmp_path / "a.ome.tif", series="right") as recording:
        assert recording.length("T") == (3 if rows == 3 else 1)


def test_single_images_that_a_script_wrote_one_by_one_are_frames(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for frame in FILM:
            writer.write(frame, photometric="minisblack", contiguous=False)
    with open_recording(tmp_path / "a.tif") as recording:
        np.testing.assert_array_equal(recording.read({}), FILM)


def test_a_thumbnail_is_not_a_recording(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(FILM[0, ::4, ::4], metadata=None)
        for frame in FILM:
            writer.write(frame, metadata=None)
    with open_recording(tmp_path / "a.tif") as recording:
        np.testing.assert_array_equal(recording.read({}), FILM)
        assert "series 1, the only one with several frames, is used" in recording.notes[0]
    with open_recording(tmp_path / "a.tif", series=0) as recording:
        np.testing.assert_array_equal(recording.read({"T": 0}), FILM[0, ::4, ::4])
