"""What a video says of itself: rates, times, the shape of its pixels, and where its frames begin."""

from __future__ import annotations

import contextlib
import random
import re
import subprocess
from typing import TYPE_CHECKING

import imageio_ffmpeg
import numpy as np
import pytest

from napari_sam2_video.errors import FrameError, RecordingError
from napari_sam2_video.frames.open import open_recording
from napari_sam2_video.frames.video_probe import bare_demuxer
from tests.frames import videos

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

X264 = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "12"]
RAW = {
    "h264": [*X264, "-bf", "0"],
    "reordered.h264": [*X264, "-bf", "3", "-preset", "veryfast"],
    "hevc": [
        "-c:v",
        "libx265",
        "-preset",
        "ultrafast",
        "-pix_fmt",
        "yuv420p",
        "-x265-params",
        "log-level=none:pools=1",
    ],
    "m4v": ["-c:v", "mpeg4", "-q:v", "3", "-f", "m4v"],
    "m2v": ["-c:v", "mpeg2video", "-q:v", "3", "-bf", "2"],
}
RATES = ["24", "25", "30000/1001", "30", "50", "60", "60000/1001", "120"]
OPEN_264 = "open-gop=1:scenecut=0:keyint=12:min-keyint=12:bframes=3:b-adapt=0"
OPEN_265 = "open-gop=1:keyint=12:bframes=4:scenecut=0:log-level=none:pools=1"
OPEN = {
    "h264": ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-x264-params", OPEN_264],
    "hevc": ["-c:v", "libx265", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-x265-params", OPEN_265],
    "mpeg2video": ["-c:v", "mpeg2video", "-q:v", "2", "-g", "12", "-bf", "2"],
    "mpeg4": ["-c:v", "mpeg4", "-q:v", "2", "-g", "12", "-bf", "2"],
}


def decoded(path: Path) -> list[int]:
    """Numbers on the frames that ffmpeg gives when it decodes a file from its beginning."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "fatal", "-i", str(path), "-fps_mode", "passthrough"]
    raw = subprocess.run([*command, "-f", "rawvideo", "-pix_fmt", "gray", "-"], capture_output=True, check=True).stdout
    frames = np.frombuffer(raw, np.uint8).reshape(-1, videos.HEIGHT, videos.WIDTH)
    return [videos.index_of(frame) for frame in frames]


def read(path: Path) -> tuple[list[int], tuple[str, ...]]:
    """Numbers on the frames as they are read in a random order, and the notes."""
    with open_recording(path) as recording:
        count = recording.shape[0]
        found = {n: videos.index_of(recording.read({"T": n})) for n in random.Random(1).sample(range(count), count)}
        return [found[n] for n in range(count)], recording.notes


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("name", RAW)
def test_bare_packets_are_read_and_timed_at_every_rate(name: str, rate: str, tmp_path: Path) -> None:
    if (name, rate) == ("m2v", "120"):
        pytest.skip("MPEG-2 has no such rate")
    path = tmp_path / f"a.{name}"
    source = ["-f", "rawvideo", "-pix_fmt", "gray", "-s", f"{videos.WIDTH}x{videos.HEIGHT}", "-r", rate, "-i", "-"]
    videos.ffmpeg(*source, *RAW[name], path, data=videos.raw(count=40))
    assert read(path)[0] == list(range(40))
    numerator, _, denominator = rate.partition("/")
    with open_recording(path) as recording:
        assert recording.scale["T"] == pytest.approx(int(denominator or 1) / int(numerator), rel=1e-5)
        assert (recording.units["T"], recording.times) == ("s", None)


@pytest.mark.parametrize("name", ["raw_h264_without_rate", "raw_av1", "raw_mjpeg", "pgm_stack"])
def test_a_rate_that_nobody_states_is_unknown(name: str, corpus: Callable[[str], Path]) -> None:
    with open_recording(corpus(name)) as recording:
        assert (recording.scale["T"], recording.units["T"], recording.times) == (None, None, None)
        assert any("states no frame rate" in note for note in recording.notes)


@pytest.mark.parametrize("name", ["mpeg4_avi", "packed_mpeg4_avi", "h264_avi", "mjpeg_avi", "palette_avi"])
def test_the_rate_that_an_avi_file_states_is_kept(name: str, corpus: Callable[[str], Path]) -> None:
    with open_recording(corpus(name)) as recording:
        assert (recording.scale["T"], recording.times) == (pytest.approx(0.04, rel=1e-6), None)


@pytest.mark.parametrize("container", ["mkv", "mp4", "ts", "raw"])
@pytest.mark.parametrize("codec", OPEN)
def test_a_video_that_begins_in_the_middle_has_every_frame_that_can_be_decoded(
    codec: str, container: str, tmp_path: Path
) -> None:
    whole, cut = tmp_path / "whole.ts", tmp_path / "cut.ts"
    videos.encode(whole, *OPEN[codec], "-f", "mpegts")
    packets = whole.read_bytes()
    cut.write_bytes(packets[: 2 * 188] + packets[len(packets) // 188 // 3 * 188 :])
    if container != "ts":
        raw_format = {"mpeg4": "m4v"}.get(codec, codec)
        target = tmp_path / f"cut.{container}"
        how = ["-f", raw_format] if container == "raw" else ["-copyts", "-avoid_negative_ts", "make_zero"]
        videos.ffmpeg("-v", "fatal", "-i", cut, "-c", "copy", "-copyinkf", *how, target)
        cut = target
    expected = [n for n in decoded(cut) if n >= 0]
    assert expected[-1] == videos.COUNT - 1
    found, notes = read(cut)
    assert found == expected
    with open_recording(cut) as recording:
        assert recording.shape[0] == len(expected)
    assert all("damaged" not in note or container == "ts" for note in notes)


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_what_comes_before_the_first_key_is_left_out_and_reported(codec: str, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole.mp4", tmp_path / "cut.mkv"
    videos.encode(whole, *OPEN[codec])
    videos.ffmpeg("-ss", "1.0", "-i", whole, "-c", "copy", "-avoid_negative_ts", "make_zero", cut)
    found, notes = read(cut)
    assert found == decoded(cut) == list(range(24, videos.COUNT))
    said = "cannot be decoded without earlier frames|such as those ahead of the first key frame, cannot be decoded"
    assert len([note for note in notes if re.search(said, note)]) == 1


@pytest.mark.parametrize(
    ("aspect", "wide"), [("2/1", 2), ("16/15", 16 / 15), ("10/11", 10 / 11), ("1/1", None), ("0/1", None)]
)
@pytest.mark.parametrize("turned", [False, True])
def test_pixels_that_are_not_square_are_measured_as_displayed(
    aspect: str, wide: float | None, turned: bool, tmp_path: Path
) -> None:
    path = videos.encode(tmp_path / "a.mp4", "-vf", f"setsar={aspect}", *X264, count=3)
    if turned:
        videos.ffmpeg("-display_rotation", "90", "-i", path, "-c", "copy", tmp_path / "b.mp4")
        path = tmp_path / "b.mp4"
    with open_recording(path) as recording:
        expected = None if wide is None else (1.0, 1 / wide if turned else wide)
        scale = recording.scale["Y"], recording.scale["X"]
        assert scale == ((None, None) if expected is None else pytest.approx(expected))
        assert (recording.units["Y"], recording.units["X"]) == (None, None)
        assert any("not square" in note for note in recording.notes) == (wide is not None)


@pytest.mark.parametrize(
    ("head", "demuxer"),
    [
        (b"\0\0\0\1\x67\x64", "h264"),
        (b"\0\0\1\x27\x42", "h264"),
        (b"\0\0\0\1\x09\xf0", "h264"),
        (b"\0\0\0\1\x06\x05", "h264"),
        (b"\0\0\0\1\x40\x01", "hevc"),
        (b"\0\0\1\xb0\x01", "m4v"),
        (b"\0\0\1\x00\0", "m4v"),
        (b"\0\0\1\xb3\x04", "mpegvideo"),
        (b"\0\0\1\xba\x44", None),
        (b"RIFF\0\0\0\0", None),
    ],
)
def test_bare_packets_are_recognised_by_their_first_bytes(head: bytes, demuxer: str | None) -> None:
    assert bare_demuxer(head) == demuxer


def test_a_video_of_one_frame_opens(tmp_path: Path) -> None:
    with open_recording(videos.encode(tmp_path / "a.mp4", *X264, count=1)) as recording:
        assert (recording.shape[0], recording.scale["T"], recording.times) == (1, None, None)
        assert videos.index_of(recording.read({"T": 0})) == 0


def test_a_time_lapse_camera_keeps_its_interval(tmp_path: Path) -> None:
    path = videos.encode(tmp_path / "a.mkv", "-vf", "setpts=N*30/TB", "-fps_mode", "passthrough", *X264, count=20)
    with open_recording(path) as recording:
        assert (recording.scale["T"], recording.units["T"]) == (pytest.approx(30), "s")
        assert [videos.index_of(recording.read({"T": n})) for n in (19, 0, 7)] == [19, 0, 7]


@pytest.mark.parametrize("name", ["raw_h264", "raw_mpeg4", "h264_avi", "raw_mjpeg"])
def test_no_sentence_names_a_temporary_file(
    name: str, corpus: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, place = corpus(name), tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    cut = tmp_path / source.name
    data = bytearray(source.read_bytes())
    noise = np.random.default_rng(0).integers(0, 256, 400, np.uint8).tobytes()
    data[len(data) // 2 : len(data) // 2 + 400] = noise
    cut.write_bytes(data[: len(data) * 9 // 10])
    with open_recording(cut) as recording:
        said, readable = list(recording.notes), 0
        for n in range(recording.shape[0]):
            try:
                recording.read({"T": n})
                readable += 1
            except FrameError as error:
                said.append(str(error))
        assert readable > videos.COUNT // 3
        for copy in place.iterdir():
            copy.write_bytes(b"")
        recording._stop()
        recording._cached.clear()
        with pytest.raises(RecordingError) as found:
            recording.read({"T": 40})
        said.append(str(found.value))
    assert not [sentence for sentence in said if str(place) in sentence or "napari-sam2-video-" in sentence]


def test_frames_that_a_camera_dropped_leave_gaps_in_the_times(tmp_path: Path) -> None:
    dropped = (5, 6, 20)
    kept = [n for n in range(30) if n not in dropped]
    packets = [b"" if n in dropped else videos.jpeg(n) for n in range(30)]
    with open_recording(videos.avi(tmp_path / "a.avi", b"MJPG", packets)) as recording:
        assert [videos.index_of(recording.read({"T": n})) for n in range(27)] == kept
        np.testing.assert_allclose(recording.times, np.array(kept) / 25)


def test_one_of_several_videos_in_a_file_can_be_chosen(tmp_path: Path) -> None:
    small = ["-f", "lavfi", "-i", "testsrc=s=32x24:r=10:d=2"]
    path, numbered = tmp_path / "a.mkv", videos.encode(tmp_path / "b.mkv", *X264)
    videos.ffmpeg(*small, "-i", numbered, "-map", "0:v", "-map", "1:v", "-c:v:0", "ffv1", "-c:v:1", "copy", path)
    with open_recording(path) as recording:
        assert recording.shape[:3] == (20, 24, 32)
        assert any("holds 2 videos (0: 32 × 24, 1: 64 × 48) and the first is read" in note for note in recording.notes)
    with open_recording(path, series=1) as recording:
        assert recording.notes == ()
        assert [videos.index_of(recording.read({"T": n})) for n in (71, 0, 30)] == [71, 0, 30]
    with pytest.raises(RecordingError, match=r"a\.mkv has no series 2; it holds 2 \(0: 32 × 24, 1: 64 × 48\)"):
        open_recording(path, series=2)
    with pytest.raises(RecordingError, match="has no series 'left'"):
        open_recording(path, series="left")


def test_a_cover_is_not_a_video(tmp_path: Path) -> None:
    path, numbered = tmp_path / "a.mp4", videos.encode(tmp_path / "b.mp4", *X264)
    cover = tmp_path / "cover.png"
    videos.ffmpeg("-f", "lavfi", "-i", "color=red:s=32x32", "-frames:v", "1", cover)
    streams = ["-map", "0", "-map", "1", "-c:v:0", "png", "-c:v:1", "copy", "-disposition:v:0", "attached_pic"]
    videos.ffmpeg("-i", cover, "-i", numbered, *streams, path)
    found, notes = read(path)
    assert (found, notes) == (list(range(videos.COUNT)), ())


@pytest.mark.parametrize("how", [["-display_hflip"], ["-display_vflip"], ["-display_rotation", "180"]])
def test_a_mirrored_video_is_as_displayed(how: list[str], tmp_path: Path) -> None:
    path, turned = videos.encode(tmp_path / "a.mp4", *X264, count=6), tmp_path / "b.mp4"
    videos.ffmpeg(*how, "-i", path, "-c", "copy", turned)
    with open_recording(path) as upright, open_recording(turned) as recording:
        expected = upright.read({"T": 4})
        expected = expected[:, ::-1] if "hflip" in how[0] else expected[::-1]
        expected = expected[:, ::-1] if how[-1] == "180" else expected
        np.testing.assert_array_equal(recording.read({"T": 4}), expected)


@pytest.mark.parametrize(
    "options",
    [
        ["-movflags", "frag_keyframe+empty_moov+default_base_moof"],
        ["-movflags", "negative_cts_offsets"],
        ["-output_ts_offset", "1.5"],
    ],
    ids=["fragments", "negative offsets", "an empty edit"],
)
def test_every_kind_of_mp4_has_its_frames(options: list[str], corpus: Callable[[str], Path], tmp_path: Path) -> None:
    videos.ffmpeg("-i", corpus("cfr"), "-c", "copy", *options, tmp_path / "a.mp4")
    found, notes = read(tmp_path / "a.mp4")
    assert (found, notes) == (list(range(videos.COUNT)), ())


@pytest.mark.parametrize("name", ["raw_h264", "raw_h264_in_order", "raw_hevc_open_gop", "raw_mpeg4", "raw_mjpeg"])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
def test_one_bad_packet_leaves_the_frames_of_other_groups(
    name: str, part: float, corpus: Callable[[str], Path], tmp_path: Path
) -> None:
    source = corpus(name)
    data = bytearray(source.read_bytes())
    noise = np.random.default_rng(int(10 * part)).integers(0, 256, 60, np.uint8).tobytes()
    data[int(len(data) * part) : int(len(data) * part) + 60] = noise
    path = tmp_path / source.name
    path.write_bytes(data)
    shown = set()
    with open_recording(path) as recording:
        for n in range(recording.shape[0]):
            with contextlib.suppress(FrameError):
                shown.add(videos.index_of(recording.read({"T": n})))
    assert len(shown & set(range(videos.COUNT))) >= videos.COUNT - 26


def test_times_are_in_the_description_of_a_recording_and_survive_its_session(
    corpus: Callable[[str], Path], tmp_path: Path
) -> None:
    from napari_sam2_video import api
    from napari_sam2_video.session import Session

    said = api.info(corpus("vfr"))["times"]
    with open_recording(corpus("vfr")) as recording:
        times = recording.times
    assert said == {"duration": times[-1], "shortest": np.diff(times).min(), "longest": np.diff(times).max()}
    assert api.info(corpus("cfr"))["times"] is None
    with api.create_session(corpus("vfr"), tmp_path / "a.sam2v") as session:
        assert session.provenance()["source"]["times"] == said
    with Session.open(tmp_path / "a.sam2v") as session:
        np.testing.assert_array_equal(session.result().times, times)
    with api.create_session(corpus("vfr"), tmp_path / "b.sam2v", interval=float(np.median(np.diff(times)))) as session:
        assert session.result().times is None
    with Session.open(tmp_path / "b.sam2v") as session:
        assert session.result().times is None


def test_images_that_a_camera_served_over_http_have_no_rate(tmp_path: Path) -> None:
    path = tmp_path / "stream.mjpg"
    parts = [b"--frame\r\nContent-Type: image/jpeg\r\n\r\n" + videos.jpeg(n) + b"\r\n" for n in range(20)]
    path.write_bytes(b"".join(parts))
    found, notes = read(path)
    assert found == list(range(20))
    assert any("states no frame rate" in note for note in notes)
