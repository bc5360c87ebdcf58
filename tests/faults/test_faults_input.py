"""Faults 14 to 31: every bad recording gets one plain sentence that names the file or frame and the remedy."""

from __future__ import annotations

import json
import os
import re
import stat
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from napari_sam2_video.errors import FrameError, RecordingError
from napari_sam2_video.frames import video_decode
from napari_sam2_video.frames.fingerprint import same_source
from napari_sam2_video.frames.open import open_recording
from napari_sam2_video.frames.video import open_video
from napari_sam2_video.frames.view import FrameView, default_view
from napari_sam2_video.types import ContrastWindow, ViewSettings
from tests.frames import videos

if TYPE_CHECKING:
    from pathlib import Path


def readable(path: Path) -> tuple[list[int], list[int], str]:
    """Frames that carry their own index, frames that are errors, and the last error's sentence; no frame is wrong."""
    right, wrong, unreadable, said = [], [], [], ""
    with open_recording(path) as recording:
        for frame in range(recording.shape[0]):
            try:
                found = videos.index_of(recording.read({"T": frame}))
            except FrameError as error:
                unreadable.append(frame)
                said = str(error)
                continue
            (right if found == frame else wrong).append(frame)
    assert wrong == []
    return right, unreadable, said


def test_fault_14_missing_file(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"There is no file or folder .*nothing\.mp4; check the name"):
        open_recording(tmp_path / "nothing.mp4")


def test_fault_14_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(RecordingError, match=r"empty\.mp4 is empty; copy or write it again"):
        open_recording(tmp_path / "empty.mp4")


def test_fault_14_audio_only(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"sound\.mp4 holds sound but no video"):
        open_recording(videos.audio_only(tmp_path))


@pytest.mark.parametrize(
    "content", [b"The quick brown fox\n" * 40, bytes(range(256)) * 20, b"\x89HDX\r\n\x1a\n" + bytes(2000)]
)
def test_fault_14_no_recording_at_all(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=r"notes\.txt (is neither a video|holds no video)"):
        open_recording(path)


@pytest.mark.parametrize(
    ("head", "sentence"),
    [
        (b"ZISRAWFILE", "is a CZI file of Zeiss, which is not read directly; save it as OME-TIFF"),
        (b"\xda\xce\xbe\n", "is an ND2 file of Nikon"),
        (b"\x70\0\0\0\x80\1\0\0*", "is a LIF file of Leica"),
        (bytes(208) + b"MAP ", "is an MRC file"),
        (b"NRRD0004\ntype: short\n", "is an NRRD file, which is not read directly; save it as NIfTI"),
        (b"ObjectType = Image\nNDims = 3\n", "is a MetaImage"),
        (b"\x89HDF\r\n\x1a\n", "is an HDF5 file; .* open it with h5py and pass it"),
        (b"PK\x03\x04", "is a ZIP archive; unpack it"),
    ],
)
def test_fault_14_a_format_that_is_not_read_is_named_with_advice(tmp_path: Path, head: bytes, sentence: str) -> None:
    (tmp_path / "cells").write_bytes(head.ljust(3000, b"\0"))
    with pytest.raises(RecordingError, match=sentence):
        open_recording(tmp_path / "cells")


def test_fault_14_folder_without_images(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(RecordingError, match="holds no images"):
        open_recording(tmp_path)


@pytest.mark.parametrize(("name", "part"), [("cut.mp4", 0.7), ("cut.mkv", 0.6), ("cut.avi", 0.5)])
def test_fault_15_truncated_video(tmp_path: Path, name: str, part: float) -> None:
    path = videos.truncated(tmp_path, name, part)
    right, unreadable, _ = readable(path)
    assert len(right) > 20
    assert len(unreadable) <= 1
    with open_recording(path) as recording:
        assert re.match(rf"{len(right)} of \d\d frames are readable: {name} is truncated", recording.notes[0])


def test_fault_15_video_cut_before_its_table(tmp_path: Path) -> None:
    path = tmp_path / "cut.mp4"
    path.write_bytes(videos.cfr(tmp_path).read_bytes()[:2500])
    with pytest.raises(RecordingError, match=r"cut\.mp4 was truncated before its index was written"):
        open_recording(path)


def test_fault_16_corrupt_middle(tmp_path: Path) -> None:
    right, unreadable, said = readable(videos.corrupt(tmp_path))
    assert unreadable
    assert unreadable == list(range(unreadable[0], unreadable[-1] + 1))
    assert right == [frame for frame in range(videos.COUNT) if frame not in unreadable]
    assert len(right) >= videos.COUNT - 36
    assert f"Frame {unreadable[-1]} of" in said
    assert "damaged" in said


def test_fault_16_lost_packets_leave_the_numbers(tmp_path: Path) -> None:
    source = videos.transport_stream(tmp_path)
    data = source.read_bytes()
    middle = len(data) // 2 // 188 * 188
    path = tmp_path / "holes.ts"
    path.write_bytes(data[:middle] + data[middle + 20 * 188 :])
    right, _, _ = readable(path)
    assert {0, videos.COUNT - 1} < set(right)


def test_fault_17_variable_rate_counts_real_frames(tmp_path: Path) -> None:
    right, unreadable, _ = readable(videos.vfr(tmp_path))
    assert (len(right), unreadable) == (videos.COUNT, [])


def test_fault_18_no_time_stamps(tmp_path: Path) -> None:
    right, unreadable, _ = readable(videos.mpeg4_avi(tmp_path))
    assert (len(right), unreadable) == (videos.COUNT, [])


def test_fault_19_edit_list(tmp_path: Path) -> None:
    with open_recording(videos.edit_list(tmp_path)) as recording:
        assert recording.shape[0] == videos.COUNT - 18
        assert videos.index_of(recording.read({"T": 0})) == 18


def test_fault_20_rotated(tmp_path: Path) -> None:
    with open_recording(videos.rotated(tmp_path)) as recording:
        assert recording.shape[1:3] == (videos.WIDTH, videos.HEIGHT)


def test_fault_21_size_changes(tmp_path: Path) -> None:
    with open_recording(videos.size_change(tmp_path)) as recording:
        for frame in range(12):
            assert videos.index_of(recording.read({"T": frame})) == frame
        sentence = r"changes from 48 × 64 to 48 × 96 pixels at frame 12; cut the video there"
        for frame in (12, 20):
            with pytest.raises(FrameError, match=sentence):
                recording.read({"T": frame})
        assert videos.index_of(recording.read({"T": 3})) == 3


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_fault_22_folder_of_mixed_sizes(tmp_path: Path, suffix: str) -> None:
    for number, width in enumerate((20, 20, 21, 22)):
        tifffile.imwrite(tmp_path / f"a{number}.tif", np.ones((9, width), np.uint8)) if suffix == "tif" else (
            Image.fromarray(np.ones((9, width), np.uint8)).save(tmp_path / f"a{number}.png")
        )
    with pytest.raises(RecordingError, match=rf"a2\.{suffix} is 9 × 21 uint8, but a0\.{suffix} is 9 × 20 uint8"):
        open_recording(tmp_path)


def test_fault_22_folder_of_mixed_types(tmp_path: Path) -> None:
    Image.fromarray(np.ones((9, 20), np.uint8)).save(tmp_path / "a0.png")
    Image.fromarray(np.ones((9, 20), np.uint16)).save(tmp_path / "a1.png")
    with pytest.raises(RecordingError, match=r"a1\.png is 9 × 20 uint16, but a0\.png is 9 × 20 uint8"):
        open_recording(tmp_path)


def test_fault_22_image_that_changes_after_opening(tmp_path: Path) -> None:
    for number in range(3):
        Image.fromarray(np.ones((9, 20), np.uint8)).save(tmp_path / f"a{number}.png")
    with open_recording(tmp_path) as recording:
        Image.fromarray(np.ones((7, 20), np.uint8)).save(tmp_path / "a1.png")
        with pytest.raises(FrameError, match=r"Frame 1 cannot be read: .*a1\.png is 7 × 20"):
            recording.read({"T": 1})


def test_fault_23_gaps_and_unsorted_names(tmp_path: Path) -> None:
    for number in (1, 2, 9, 10, 12):
        Image.fromarray(np.full((9, 20), number, np.uint8)).save(tmp_path / f"frame{number}.png")
    with open_recording(tmp_path) as recording:
        assert [int(recording.read({"T": frame})[0, 0]) for frame in range(5)] == [1, 2, 9, 10, 12]
        notes = " ".join(recording.notes)
    assert "sorted by their numbers" in notes
    assert "gap in the numbers between frame2.png and frame9.png, and 1 more" in notes


@pytest.mark.parametrize("kind", ["plain", "imagej", "pages"])
def test_fault_24_tiff_promising_more(tmp_path: Path, kind: str) -> None:
    stack = np.arange(10 * 20 * 30, dtype=np.uint16).reshape(10, 20, 30)
    path = tmp_path / "whole.tif"
    if kind == "pages":
        with tifffile.TiffWriter(path) as writer:
            for page in stack:
                writer.write(page, contiguous=False, metadata=None)
    else:
        tifffile.imwrite(path, stack, imagej=kind == "imagej")
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.65)])
    with open_recording(path, axes="TYX") as recording:
        count = recording.shape[0]
        assert 4 <= count <= 7
        np.testing.assert_array_equal(recording.read({}), stack[:count])
        assert any("frames are readable" in note and "whole.tif is truncated" in note for note in recording.notes)


@pytest.mark.parametrize("value", [np.nan, np.inf, 7.5])
def test_fault_25_nothing_but_one_value(value: float) -> None:
    data = np.full((3, 8, 9), value, np.float32)
    with open_recording(data) as recording:
        frame = FrameView(recording, default_view(recording)).read(1)
    assert (frame == frame[0, 0]).all()


def test_fault_25_nan_and_infinity_among_numbers() -> None:
    data = np.tile(np.linspace(-5, 5, 72, dtype=np.float32).reshape(8, 9), (3, 1, 1))
    data[:, 0, :3] = np.nan, np.inf, -np.inf
    with open_recording(data) as recording:
        view = FrameView(recording, default_view(recording))
        frame = view.read(0)[..., 0]
    assert frame[0, :3].tolist() == [0, 255, 0]
    assert (np.diff(frame.ravel()[3:].astype(int)) >= 0).all()
    assert -5 < view.settings.window.low < view.settings.window.high <= 5


def test_fault_26_ct_needs_a_declared_window() -> None:
    rng = np.random.default_rng(0)
    data = rng.integers(-1024, 3000, (4, 16, 16)).astype(np.int16)
    with open_recording(data, axes="ZYX") as recording:
        settings = default_view(recording)
        assert settings.window.source == "percentile"
        first = FrameView(recording, settings).read(0)
    with open_recording(np.concatenate([data[:1], data[1:] // 10]), axes="ZYX") as other:
        np.testing.assert_array_equal(FrameView(other, settings).read(0), first)


@pytest.mark.parametrize("kind", ["png", "tif", "array"])
def test_fault_27_transparent_images_open_on_white(tmp_path: Path, kind: str) -> None:
    data = np.full((3, 16, 20, 4), 200, np.uint8)
    data[:, 4:, :, 3] = 0
    data[:, 8:, :, 3] = 255
    if kind == "png":
        for number, image in enumerate(data):
            Image.fromarray(image).save(tmp_path / f"a{number}.png")
        source: Path | np.ndarray = tmp_path
    elif kind == "tif":
        source = tmp_path / "a.tif"
        tifffile.imwrite(source, data, photometric="rgb", extrasamples=["unassalpha"])
    else:
        source = data
    with open_recording(source) as recording:
        assert (recording.axes, recording.shape) == ("TYXS", (3, 16, 20, 3))
        rows = recording.read({"T": 1, "X": 3, "S": 0})
        assert rows.tolist() == [rows[0]] * 4 + [255] * 4 + [200] * 8
        assert abs(int(rows[0]) - (200 * 200 + 255 * 55) / 255) <= 1
        assert "Transparent pixels are shown on white." in recording.notes


def test_fault_27_five_samples_are_channels(tmp_path: Path) -> None:
    data = np.random.default_rng(0).integers(0, 255, (3, 16, 20, 5), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", data, photometric="minisblack", planarconfig="contig", compression="zlib")
    with open_recording(tmp_path / "a.tif") as recording:
        assert (recording.axes, recording.shape) == ("TCYX", (3, 5, 16, 20))
        view = FrameView(recording, default_view(recording, channel=4))
        np.testing.assert_array_equal(view.raw(2), data[2, ..., 4])


@pytest.mark.parametrize(
    ("shape", "sentence"),
    [
        ((5, 1, 1), "1 × 1 pixels"),
        ((5, 0, 9), "Axis Y of array is empty"),
        ((0, 8, 9), "Axis T of array is empty"),
    ],
)
def test_fault_28_too_small(shape: tuple[int, ...], sentence: str) -> None:
    with pytest.raises(RecordingError, match=sentence):
        default_view(open_recording(np.zeros(shape, np.uint16)))


@pytest.mark.parametrize("shape", [(8, 9), (1, 8, 9), (8, 9, 3)])
def test_fault_28_a_single_image_is_a_recording_of_one_frame(shape: tuple[int, ...]) -> None:
    image = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    with open_recording(image) as recording:
        assert (recording.axes, recording.length("T")) == ("TYX" + "S" * (shape[-1] == 3), 1)
        view = FrameView(recording, default_view(recording))
        assert view.n_frames == 1
        np.testing.assert_array_equal(view.raw(0), image.reshape(view.raw(0).shape))
        np.testing.assert_array_equal(np.asarray(recording.to_dask()), recording.read({}))
        with pytest.raises(FrameError, match="position 1 along axis T"):
            recording.read({"T": 1})


def test_fault_28_one_frame_along_the_axis_asked_for() -> None:
    with open_recording(np.zeros((1, 6, 8, 9), np.uint8), axes="TZYX") as recording:
        assert default_view(recording).axis == "Z"
        assert FrameView(recording, ViewSettings("T", ContrastWindow(0, 255), {"Z": 0})).n_frames == 1


def test_fault_29_multiscale_uses_level_0(tmp_path: Path) -> None:
    levels = [np.arange(3 * 16 * 16, dtype=np.uint16).reshape(3, 16, 16)]
    levels.append(levels[0][:, ::2, ::2])
    with open_recording(levels) as recording:
        assert recording.shape == (3, 16, 16)
        assert any("level 0" in note for note in recording.notes)
    group = zarr.open_group(str(tmp_path / "a.ome.zarr"), mode="w", zarr_format=2)
    for number, level in enumerate(levels):
        group.create_array(str(number), data=level, chunks=(1, 8, 8))
    datasets = [{"path": str(number)} for number in range(2)]
    axes = [{"name": name} for name in "tyx"]
    (tmp_path / "a.ome.zarr" / ".zattrs").write_text(
        json.dumps({"multiscales": [{"version": "0.4", "axes": axes, "datasets": datasets}]})
    )
    with open_recording(tmp_path / "a.ome.zarr") as recording:
        np.testing.assert_array_equal(recording.read({}), levels[0])
        assert any("multiscale with 2 levels: level 0" in note for note in recording.notes)


def test_fault_30_changed_source_has_another_fingerprint(tmp_path: Path) -> None:
    data = np.zeros((20, 64, 64), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", data)
    with open_recording(tmp_path / "a.tif") as recording:
        before, key = recording.fingerprint(), FrameView(recording, default_view(recording)).key
    os.replace(tmp_path / "a.tif", tmp_path / "moved.tif")
    with open_recording(tmp_path / "moved.tif") as recording:
        assert same_source(before, recording.fingerprint())
        assert FrameView(recording, default_view(recording)).key == key
    data[3, 4, 5] = 1
    tifffile.imwrite(tmp_path / "moved.tif", data)
    with open_recording(tmp_path / "moved.tif") as recording:
        assert not same_source(before, recording.fingerprint())
        assert FrameView(recording, default_view(recording)).key != key


def test_fault_30_source_that_is_gone(tmp_path: Path) -> None:
    path = videos.cfr(tmp_path)
    with open_recording(path) as recording:
        path.unlink()
        with pytest.raises(RecordingError, match=r"cfr\.mp4 is missing or unreadable"):
            recording.fingerprint()
        with pytest.raises(FrameError, match=r"Frame 3 of .*cfr\.mp4 was not decoded: .*No such file"):
            recording.read({"T": 3})


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="permissions do not bind this user")
def test_fault_14_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "secret.tif"
    path.write_bytes(b"II*\0")
    path.chmod(0)
    with pytest.raises(RecordingError, match=r"secret\.tif cannot be read \(Permission denied\)"):
        open_recording(path)


@pytest.mark.parametrize("name", ["-leading.mp4", "50% %03d.mp4", "mäuse in 显微镜.mp4", "a:b;c'd.mp4"])
def test_fault_31_any_characters_in_a_path(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "-ü %d folder"
    folder.mkdir()
    try:
        path = videos.cfr(tmp_path).rename(folder / name)
    except OSError:
        pytest.skip("this file system does not take such a name")
    monkeypatch.chdir(folder)
    for source in (path, name):
        with open_recording(source) as recording:
            assert videos.index_of(recording.read({"T": 40})) == 40


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for ffmpeg is a shell script")
def test_fault_46_hung_ffmpeg_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = videos.cfr(tmp_path)
    with open_video(path) as recording:
        fake = tmp_path / "ffmpeg"
        fake.write_text("#!/bin/sh\nexec sleep 100\n")
        fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
        with monkeypatch.context() as patched:
            patched.setenv("IMAGEIO_FFMPEG_EXE", str(fake))
            patched.setattr(recording, "_timeout", 0.5)
            sentence = r"Frame 5 .* could not be read in time: ffmpeg gave no output for 0\.5"
            with pytest.raises(RecordingError, match=sentence) as found:
                recording.read({"T": 5})
        assert not isinstance(found.value, FrameError), "the frame is not to blame"
        assert videos.index_of(recording.read({"T": 5})) == 5


@pytest.mark.skipif(sys.platform == "win32", reason="the process is ended by a signal")
def test_fault_46_killed_ffmpeg_is_started_again(tmp_path: Path) -> None:
    with open_video(videos.long_gop(tmp_path), cache_bytes=1) as recording:
        assert videos.index_of(recording.read({"T": 3})) == 3
        recording._running[0]._running._process.kill()
        assert videos.index_of(recording.read({"T": 60})) == 60


def test_fault_16_a_full_temporary_folder_is_not_taken_for_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = "av_interleaved_write_frame(): No space left on device"
    with open_recording(videos.corrupt(tmp_path)) as recording:
        with monkeypatch.context() as patched:
            patched.setattr(video_decode, "run_ffmpeg", lambda *_, **__: (1, [full]))
            with pytest.raises(RecordingError, match=r"not enough space in .*; free some space") as found:
                recording.read({"T": 30})
            assert not isinstance(found.value, FrameError)
        with pytest.raises(FrameError, match="is damaged and cannot be decoded"):
            recording.read({"T": 30})
        assert videos.index_of(recording.read({"T": 60})) == 60


@pytest.mark.parametrize("alpha", [255, 90])
def test_fault_27_transparent_video_is_shown_on_white(tmp_path: Path, alpha: int) -> None:
    path = tmp_path / "film.mov"
    data = np.full((4, 48, 64, 4), 200, np.uint8)
    data[..., 3] = alpha
    source = ["-f", "rawvideo", "-pix_fmt", "rgba", "-s", "64x48", "-r", "25", "-i", "-"]
    videos.ffmpeg(*source, "-c:v", "png", path, data=data.tobytes())
    with open_recording(path) as recording:
        expected = round((200 * alpha + 255 * (255 - alpha)) / 255)
        assert (recording.read({"T": 2}) == expected).all()
        assert "Transparent pixels are shown on white." in recording.notes
