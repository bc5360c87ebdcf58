from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_sam2_video.errors import FrameError, RecordingError
from napari_sam2_video.frames.ffmpeg import FfmpegHungError
from napari_sam2_video.frames.open import open_recording
from napari_sam2_video.frames.video import open_video
from napari_sam2_video.frames.view import FrameView, default_view
from tests.frames import videos

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_sam2_video.frames.recording import Recording

EXACT = [name for name in videos.CORPUS if name not in ("rotated", "edit_list")]


def indices(recording: Recording, frames: list[int]) -> list[int]:
    """Index that each frame carries, or -2 where it is an error."""
    found = []
    for frame in frames:
        try:
            found.append(videos.index_of(recording.read({"T": frame})))
        except FrameError:
            found.append(-2)
    return found


@pytest.mark.parametrize("name", EXACT)
def test_every_frame_is_itself_in_random_order_from_four_threads(corpus: Callable[[str], Path], name: str) -> None:
    with open_recording(corpus(name)) as recording:
        count = recording.shape[0]
        assert count == (24 if name == "ffv1_gray16" else videos.COUNT)
        orders = [random.Random(seed).sample(range(count), count // 2) for seed in range(4)]
        with ThreadPoolExecutor(4) as threads:
            read = list(threads.map(lambda order: indices(recording, order), orders))
        assert not any("damaged" in note or "cannot" in note for note in recording.notes)
    assert read == orders


@pytest.mark.parametrize(
    "name",
    [
        "h264_open_gop",
        "hevc_open_gop",
        "vfr",
        "mpeg4_avi",
        "transport_stream",
        "palette_avi",
        "intra_refresh",
        "h264_avi",
    ],
)
def test_frames_are_the_same_without_a_cache_and_backward(corpus: Callable[[str], Path], name: str) -> None:
    with open_video(corpus(name), cache_bytes=1) as recording:
        backward = list(range(videos.COUNT - 1, -1, -7))
        assert indices(recording, backward) == backward


def test_a_frame_is_the_same_pixels_whatever_was_read_before(corpus: Callable[[str], Path]) -> None:
    with open_video(corpus("h264_open_gop")) as forward, open_video(corpus("h264_open_gop"), cache_bytes=1) as jumps:
        every = [forward.read({"T": frame}) for frame in range(videos.COUNT)]
        for frame in (50, 3, 71, 12, 11, 35):
            np.testing.assert_array_equal(jumps.read({"T": frame}), every[frame])


def test_edit_list_hides_frames(corpus: Callable[[str], Path]) -> None:
    with open_recording(corpus("edit_list")) as recording:
        assert recording.shape[0] == videos.COUNT - 18
        frames = list(range(recording.shape[0]))
        random.Random(0).shuffle(frames)
        assert indices(recording, frames) == [frame + 18 for frame in frames]


def test_rotated_video_is_as_displayed(corpus: Callable[[str], Path]) -> None:
    with open_recording(corpus("rotated")) as recording, open_recording(corpus("cfr")) as upright:
        assert recording.shape == (videos.COUNT, videos.WIDTH, videos.HEIGHT, 3)
        for frame in (40, 5):
            turned = np.rot90(recording.read({"T": frame}), -1)
            assert videos.index_of(turned) == frame
            np.testing.assert_allclose(turned.astype(int), upright.read({"T": frame}).astype(int), atol=24)


def test_odd_sizes_keep_every_row_and_column(corpus: Callable[[str], Path]) -> None:
    with open_recording(corpus("odd_size")) as recording:
        assert recording.shape[1:] == (49, 67, 3)


def test_sixteen_bit_grey_keeps_its_values(corpus: Callable[[str], Path]) -> None:
    with open_recording(corpus("ffv1_gray16")) as recording:
        assert (recording.axes, recording.dtype) == ("TYX", np.dtype("u2"))
        expected = videos.frame_yx(19).astype(np.uint16) * 257
        np.testing.assert_array_equal(recording.read({"T": 19}), expected)


def test_ten_bit_colour_keeps_its_depth_and_looks_as_bytes_do(tmp_path: Path) -> None:
    codec = ["-pix_fmt", "yuv420p10le", "-c:v", "ffv1"]
    with open_recording(videos.encode(tmp_path / "deep.mkv", *codec, count=3)) as recording:
        assert (recording.axes, recording.dtype) == ("TYXS", np.dtype("u2"))
        view = FrameView(recording, default_view(recording))
        assert (view.settings.window.low, view.settings.window.high) == (0, 65535)
        np.testing.assert_allclose(view.read(1)[..., 0].astype(int), videos.frame_yx(1).astype(int), atol=3)


def test_variable_rate_counts_frames_and_keeps_their_times(corpus: Callable[[str], Path]) -> None:
    with open_recording(corpus("vfr")) as recording:
        assert any("frame rate varies" in note for note in recording.notes)
        n = np.arange(videos.COUNT)
        expected = (n + n // 3 * 2 + np.where(n % 7 > 3, 0.4, 0)) / 25
        np.testing.assert_allclose(recording.times, expected, atol=0.001)
        assert FrameView(recording, default_view(recording)).times is recording.times


def test_frames_of_a_constant_rate_have_an_interval_and_no_times(corpus: Callable[[str], Path]) -> None:
    with open_recording(corpus("cfr")) as recording:
        assert recording.scale["T"] == pytest.approx(0.04)
        assert (recording.units["T"], recording.times) == ("s", None)
        assert recording.metadata["codec"] == "h264"


def test_packets_without_time_stamps_are_copied_and_the_copy_is_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = videos.mpeg4_avi(tmp_path)
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    with open_recording(source) as recording:
        assert any("no time stamps" in note for note in recording.notes)
        assert len(list(place.iterdir())) == 1
        assert indices(recording, [71, 0, 35]) == [71, 0, 35]
    assert list(place.iterdir()) == []


def test_a_video_that_cannot_be_copied_is_counted_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_sam2_video.frames import video

    monkeypatch.setattr(video, "numbered_copy", lambda *_, **__: None)
    with open_recording(videos.h264_avi(tmp_path)) as recording:
        assert (recording.shape[0], recording.scale["T"]) == (videos.COUNT, pytest.approx(0.04))
        assert recording.metadata["codec"] == "h264"
        assert [note for note in recording.notes if "its frames were counted" in note] == list(recording.notes)
        assert indices(recording, [71, 3, 35]) == [71, 3, 35]


def test_a_palette_is_not_transparency(tmp_path: Path) -> None:
    with open_recording(videos.palette_avi(tmp_path)) as recording:
        assert recording.notes == ()


def test_sequential_reading_uses_one_process(corpus: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_sam2_video.frames import video_frames

    with open_video(corpus("long_gop"), cache_bytes=1) as recording:
        started = []
        original = video_frames.Decoder
        monkeypatch.setattr(video_frames, "Decoder", lambda *a, **k: started.append(a) or original(*a, **k))
        assert indices(recording, list(range(videos.COUNT))) == list(range(videos.COUNT))
        assert len(started) == 1


def test_cache_is_bounded_in_bytes(corpus: Callable[[str], Path]) -> None:
    frame = videos.HEIGHT * videos.WIDTH * 3
    with open_video(corpus("long_gop"), cache_bytes=5 * frame + 1) as recording:
        recording.read({"T": 60})
        assert len(recording._cached) == 5
        assert indices(recording, [59, 58, 2]) == [59, 58, 2]


def test_reading_rows_of_all_frames_walks_along_y(corpus: Callable[[str], Path]) -> None:
    with open_recording(corpus("cfr")) as recording:
        view = FrameView(recording, default_view(recording, axis="Y"))
        assert view.plane_axes == ("T", "X")
        np.testing.assert_array_equal(view.read(9)[30], recording.read({"T": 30, "Y": 9}))


def test_closed_video_says_so(corpus: Callable[[str], Path]) -> None:
    recording = open_recording(corpus("cfr"))
    recording.read({"T": 3})
    recording.close()
    with pytest.raises(RecordingError, match="closed"):
        recording.read({"T": 3})


def test_a_forgotten_video_ends_its_process(corpus: Callable[[str], Path]) -> None:
    recording = open_recording(corpus("cfr"))
    recording.read({"T": 3})
    del recording


def test_source_is_not_touched(corpus: Callable[[str], Path]) -> None:
    path = corpus("cfr")
    before = (path.stat(), path.read_bytes())
    with open_recording(path) as recording:
        recording.read({"T": 3})
        recording.fingerprint()
    assert path.read_bytes() == before[1]
    assert path.stat().st_mtime_ns == before[0].st_mtime_ns


def test_animated_gif_is_a_video(tmp_path: Path) -> None:
    path = videos.encode(tmp_path / "film.gif", count=20)
    with open_recording(path) as recording:
        assert recording.shape == (20, videos.HEIGHT, videos.WIDTH, 3)
        assert indices(recording, [19, 4, 11]) == [19, 4, 11]


def test_name_says_nothing_about_the_content(corpus: Callable[[str], Path], tmp_path: Path) -> None:
    path = tmp_path / "scan.tif"
    path.write_bytes(corpus("cfr").read_bytes())
    with open_recording(path) as recording:
        assert indices(recording, [7]) == [7]


@pytest.mark.parametrize("rate", ["700", "1000"])
def test_a_short_video_of_a_fast_camera_is_not_called_cut_short(rate: str, tmp_path: Path) -> None:
    path = tmp_path / "quick.mp4"
    source = ["-f", "rawvideo", "-pix_fmt", "gray", "-s", "64x48", "-r", rate, "-i", "-"]
    videos.ffmpeg(*source, "-c:v", "libx264", "-pix_fmt", "yuv420p", path, data=videos.raw(count=25))
    with open_recording(path) as recording:
        assert (recording.shape[0], recording.notes) == (25, ())
        assert recording.scale["T"] == pytest.approx(1 / float(rate))


class ClosesFirst:
    """A lock that somebody else gets first, to close the recording."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording

    def __enter__(self) -> None:
        self.recording.close()

    def __exit__(self, *error: object) -> None:
        pass


def test_a_video_that_another_thread_closes_first_starts_no_process(corpus: Callable[[str], Path]) -> None:
    recording = open_video(corpus("cfr"))
    recording._lock = ClosesFirst(recording)
    with pytest.raises(RecordingError, match="is closed; open it again"):
        recording.read({"T": 3})
    assert recording._running == []


def test_a_copy_that_windows_does_not_let_go_of_is_left_to_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pathlib import Path

    def refused(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "The process cannot access the file", str(path))

    source = videos.mpeg4_avi(tmp_path)
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    monkeypatch.setattr(Path, "unlink", refused)
    with open_recording(source) as recording:
        assert indices(recording, [3]) == [3]
    assert len(list(place.iterdir())) == 1


def test_no_copy_is_left_where_ffmpeg_hangs_while_making_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_sam2_video.frames import video_count

    def hung(*arguments: object, **options: object) -> None:
        raise FfmpegHungError("ffmpeg gave no output for 60 seconds and was stopped.")

    source = videos.mpeg4_avi(tmp_path)
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    monkeypatch.setattr(video_count, "run_ffmpeg", hung)
    with pytest.raises(RecordingError, match="was stopped"):
        open_recording(source)
    assert list(place.iterdir()) == []
