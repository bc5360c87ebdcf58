"""Animated pictures and streams of pictures, against frames that are known."""

from __future__ import annotations

import io
import random
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from napari_sam2_video.errors import FrameError, RecordingError
from napari_sam2_video.frames.alpha import NOTE, on_white
from napari_sam2_video.frames.animation import AnimationRecording
from napari_sam2_video.frames.image import is_image
from napari_sam2_video.frames.open import open_recording
from tests.frames import videos

if TYPE_CHECKING:
    from pathlib import Path

    from napari_sam2_video.frames.recording import Recording

FORMATS = {"gif": {}, "png": {}, "webp": {"lossless": True, "exact": True}}
SHUFFLED = random.Random(3).sample(range(12), 12)


def clips(transparent: bool) -> list[np.ndarray]:
    """RGBA frames with a moving square, which leaves clear pixels behind where it may be seen through."""
    frames = []
    for n in range(12):
        frame = np.zeros((24, 40, 4), np.uint8)
        frame[..., :3] = (0, 90, 200)
        frame[..., 3] = 0 if transparent else 255
        frame[4:14, 2 + 2 * n : 12 + 2 * n] = (250, 20 * n, 0, 255)
        frames.append(frame)
    return frames


def save(path: Path, frames: list[np.ndarray], **known: object) -> Path:
    first, *rest = [Image.fromarray(frame) for frame in frames]
    first.save(path, save_all=True, append_images=rest, loop=0, **known)
    return path


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("transparent", [False, True])
@pytest.mark.parametrize("disposal", [0, 1, 2])
def test_every_frame_is_as_it_is_displayed(kind: str, transparent: bool, disposal: int, tmp_path: Path) -> None:
    if transparent and disposal < 2 and kind != "webp":
        pytest.skip("the squares before stay visible")
    if not transparent and disposal == 2 and kind == "png":
        pytest.skip("Pillow writes other frames")
    frames = clips(transparent)
    known = dict(FORMATS[kind]) if kind == "webp" else {"disposal": disposal}
    path = save(tmp_path / f"a.{kind}", frames, duration=40, **known)
    with open_recording(path) as recording:
        assert recording.shape == (12, 24, 40, 3)
        for n in SHUFFLED:
            np.testing.assert_allclose(recording.read({"T": n}).astype(int), on_white(frames[n]).astype(int), atol=4)
        assert (NOTE in recording.notes) == transparent
        assert (recording.scale["T"], recording.units["T"], recording.times) == (pytest.approx(0.04), "s", None)


@pytest.mark.parametrize("kind", FORMATS)
def test_frames_are_the_same_without_a_cache(kind: str, tmp_path: Path) -> None:
    frames = clips(False)
    with AnimationRecording(save(tmp_path / f"a.{kind}", frames, duration=40, **FORMATS[kind]), cache_bytes=1) as one:
        for n in (11, 10, 3, 4, 0, 7):
            np.testing.assert_allclose(one.read({"T": n}).astype(int), frames[n][..., :3].astype(int), atol=4)


@pytest.mark.parametrize("kind", [*FORMATS, "avif"])
def test_frames_that_are_shown_for_different_times_keep_these(kind: str, tmp_path: Path) -> None:
    durations = [30, 100, 30, 500, 60, 100, 30, 100, 30, 500, 60, 90]
    path = save(tmp_path / f"a.{kind}", clips(False), duration=durations, **FORMATS.get(kind, {}))
    with open_recording(path) as recording:
        np.testing.assert_allclose(recording.times, np.cumsum([0, *durations[:-1]]) / 1000)
        assert any("frame rate varies" in note for note in recording.notes)


@pytest.mark.parametrize("durations", [0, [40, 0] * 6])
def test_times_that_a_file_leaves_to_the_viewer_are_unknown(durations: int | list[int], tmp_path: Path) -> None:
    with open_recording(save(tmp_path / "a.gif", clips(False), duration=durations)) as recording:
        assert (recording.scale["T"], recording.times) == (None, None)
        assert any("the time between them is unknown" in note for note in recording.notes)


def test_the_fallback_image_of_an_animation_is_not_a_frame(tmp_path: Path) -> None:
    frames = clips(False)
    save(tmp_path / "a.png", frames, duration=40, default_image=True)
    with open_recording(tmp_path / "a.png") as recording:
        assert recording.shape[0] == 11
        assert recording.scale["T"] == pytest.approx(0.04)
        for n in (10, 0, 5):
            np.testing.assert_array_equal(recording.read({"T": n}), frames[n + 1][..., :3])


@pytest.mark.parametrize("mode", ["L", "LA", "1"])
def test_grey_animation_stays_grey(mode: str, tmp_path: Path) -> None:
    frames = [Image.fromarray(np.full((8, 9), 20 * n + 5, np.uint8)).convert(mode) for n in range(6)]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:], duration=40)
    with open_recording(tmp_path / "a.png") as recording:
        assert (recording.axes, recording.shape[1:]) == ("TYX", (8, 9))
        last = recording.read({"T": recording.shape[0] - 1})
        np.testing.assert_array_equal(last, np.asarray(frames[5].convert("L")))


def test_durations_add_up_exactly(tmp_path: Path) -> None:
    with open_recording(save(tmp_path / "a.gif", clips(False) * 30, duration=50)) as recording:
        assert (recording.shape[0], recording.scale["T"]) == (360, 0.05)


def test_deep_animated_png_keeps_its_depth(tmp_path: Path) -> None:
    path = videos.encode(tmp_path / "a.png", "-pix_fmt", "rgb48be", "-f", "apng", count=20)
    with open_recording(path) as recording:
        assert (recording.shape[0], recording.dtype) == (20, np.dtype("u2"))
        assert [videos.index_of(recording.read({"T": n})) for n in (19, 3, 11)] == [19, 3, 11]


@pytest.mark.parametrize("depth", ["", "10le"])
def test_deep_avif_says_that_it_is_read_with_eight_bits(depth: str, tmp_path: Path) -> None:
    codec = ["-c:v", "libaom-av1", "-cpu-used", "8", "-pix_fmt", f"yuv420p{depth}"]
    with open_recording(videos.encode(tmp_path / "a.avif", *codec, count=6)) as recording:
        assert [videos.index_of(recording.read({"T": n})) for n in (5, 0, 3)] == [5, 0, 3]
        assert any("more than 8 bits" in note for note in recording.notes) == bool(depth)


@pytest.mark.parametrize("kind", ["png", "webp"])
def test_a_still_image_is_not_an_animation(kind: str, tmp_path: Path) -> None:
    Image.fromarray(clips(False)[0]).save(tmp_path / f"a.{kind}")
    with open_recording(tmp_path / f"a.{kind}") as recording:
        assert recording.length("T") == 1


def test_a_gif_of_one_frame_opens(tmp_path: Path) -> None:
    Image.fromarray(clips(False)[0]).save(tmp_path / "a.gif")
    with open_recording(tmp_path / "a.gif") as recording:
        assert recording.shape[0] == 1
        assert recording.scale["T"] is None


@pytest.mark.parametrize("kind", FORMATS)
def test_an_animation_that_is_cut_short_keeps_its_whole_frames(kind: str, tmp_path: Path) -> None:
    frames = [np.random.default_rng(n).integers(0, 255, (24, 40, 4), np.uint8) | [0, 0, 0, 255] for n in range(12)]
    path = save(tmp_path / f"a.{kind}", [frame.astype(np.uint8) for frame in frames], duration=40, **FORMATS[kind])
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    if kind == "webp":
        with pytest.raises(RecordingError, match="copy it again if it is truncated"):
            open_recording(path)
        return
    with open_recording(path) as recording:
        read = [outcome(recording, n) for n in range(recording.shape[0])]
    assert sum(outcome == "read" for outcome in read) >= 5
    assert all(outcome == "read" or f"Frame {n} of {path}" in outcome for n, outcome in enumerate(read))


def outcome(recording: Recording, n: int) -> str:
    try:
        recording.read({"T": n})
    except FrameError as error:
        return str(error)
    return "read"


def jpeg(n: int, shape: tuple[int, int] = (48, 64), **known: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(videos.frame_yx(n, *shape)).save(file, "JPEG", quality=95, **known)
    return file.getvalue()


def stereo_pair() -> bytes:
    file = io.BytesIO()
    left, right = (Image.fromarray(videos.frame_yx(n)) for n in (1, 2))
    left.save(file, "MPO", save_all=True, append_images=[right])
    return file.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "progressive JPEG", "PNG"])
@pytest.mark.parametrize("name", ["a.mjpeg", "a.jpg", "a"])
def test_images_one_after_the_other_are_a_recording(kind: str, name: str, tmp_path: Path) -> None:
    pictures = []
    for n in range(20):
        file = io.BytesIO()
        known = {"progressive": True} if kind[0] == "p" else {}
        Image.fromarray(videos.frame_yx(n)).save(file, kind.split()[-1], **known)
        pictures.append(file.getvalue())
    (tmp_path / name).write_bytes(b"".join(pictures))
    with open_recording(tmp_path / name) as recording:
        assert recording.shape[0] == 20
        for n in (7, 19, 0, 3, 18):
            assert videos.index_of(recording.read({"T": n})) == n
        assert recording.scale["T"] is None
        assert any("no frame rate" in note for note in recording.notes)


@pytest.mark.parametrize(
    "data",
    [
        jpeg(1),
        jpeg(1) + b"\0" * 100,
        jpeg(1) + jpeg(2, (24, 32)),
        jpeg(1, exif=b"Exif\0\0" + jpeg(2)),
        stereo_pair(),
        jpeg(1)[:-2],
        jpeg(1)[:-2] + b"\xff",
    ],
    ids=["alone", "padded", "a smaller one follows", "a preview inside", "several views", "no end", "half an end"],
)
def test_a_jpeg_with_other_data_is_one_image(data: bytes, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    (tmp_path / "a.jpg").write_bytes(data)
    assert is_image(data)
    if "no end" in request.node.callspec.id or "half" in request.node.callspec.id:
        with pytest.raises(RecordingError, match="is damaged"):
            open_recording(tmp_path / "a.jpg")
        return
    with open_recording(tmp_path / "a.jpg") as recording:
        assert recording.length("T") == 1
