"""Videos and pictures, decoded again and held against what was drawn."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import TYPE_CHECKING

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from napari_sam2_video.errors import ExportError
from napari_sam2_video.export.overlay import ColorTable, contour, picture_of, render
from napari_sam2_video.export.registry import FORMATS, export
from napari_sam2_video.export.timing import frame_rate
from tests.export.made import PROVENANCE, all_labels, decode, make_result

if TYPE_CHECKING:
    from pathlib import Path

    from napari_sam2_video.results import TrackingResult


def drawn_frames(result: TrackingResult) -> np.ndarray:
    colors = ColorTable(result.objects)
    frames = range(result.n_frames)
    return np.stack([render(picture_of(result, frame), result.labels(frame), colors) for frame in frames])


def pictures(result: TrackingResult) -> np.ndarray:
    return np.stack([result.frame(frame) for frame in range(result.n_frames)])


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
@pytest.mark.parametrize("case", ["plain", "odd", "one_frame"])
def test_video_shows_what_was_drawn(case: str, suffix: str, tmp_path: Path) -> None:
    result = make_result(case)
    report = export(result, tmp_path / f"overlay{suffix}", options={"crf": 4})
    decoded, about = decode(report.path, "rgb24", 3)
    height, width = result.shape_yx
    assert decoded.shape == (result.n_frames, height + height % 2, width + width % 2, 3)
    gray = drawn_frames(result).astype(float).mean(axis=3)
    difference = np.abs(decoded[:, :height, :width].astype(float).mean(axis=3) - gray)
    assert difference.mean() < 6
    assert "yuv420p" in about
    assert "20 fps" in about
    assert bool(report.notes) == (case == "odd")


def test_video_says_how_it_was_made_in_a_file_beside_it(result: TrackingResult, tmp_path: Path) -> None:
    report = export(result, tmp_path / "overlay.mp4", options={"fps": "12.5"})
    assert report.provenance_path == tmp_path / "overlay.mp4.provenance.json"
    stated = json.loads(report.provenance_path.read_text(encoding="utf-8"))
    assert (stated["format"], stated["options"]["fps"], stated["sha256"]) == ("mp4", 12.5, PROVENANCE["sha256"])
    assert "12.50 fps" in decode(report.path, "rgb24", 3)[1]


def test_mp4_index_stands_before_the_frames(result: TrackingResult, tmp_path: Path) -> None:
    content = export(result, tmp_path / "overlay.mp4").path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


@pytest.mark.parametrize(
    ("pixel_size", "said"), [((0.25, 0.5), "SAR 2:1"), ((2.5, 1.0), "SAR 2:5"), ((1, 1), "SAR 1:1")]
)
def test_video_says_the_shape_of_its_pixels(pixel_size: tuple[float, float], said: str, tmp_path: Path) -> None:
    assert said in decode(export(make_result(pixel_size=pixel_size), tmp_path / "a.mp4").path, "rgb24", 3)[1]


def test_gif_has_every_frame(result: TrackingResult, tmp_path: Path) -> None:
    with Image.open(export(result, tmp_path / "overlay.gif", options={"fps": 10}).path) as image:
        assert (image.n_frames, image.info["duration"], image.size) == (5, 100, (48, 32))
        image.seek(3)
        shown = np.asarray(image.convert("RGB")).astype(float)
    assert np.abs(shown - drawn_frames(result)[3]).mean() < 3


def test_video_without_images_is_drawn_on_black(tmp_path: Path) -> None:
    report = export(make_result(pictures=False), tmp_path / "overlay.mp4", options={"style": "fill", "alpha": 1})
    assert "drawn on black" in report.notes[0]
    assert decode(report.path, "rgb24", 3)[0][0, 0, 0].max() < 4


def test_label_video_is_exact(any_result: TrackingResult, tmp_path: Path) -> None:
    path = export(any_result, tmp_path / "labels.mkv", format="labels-ffv1").path
    decoded, about = decode(path, "gray16le", 1, np.dtype("<u2"))
    assert "ffv1" in about
    assert (decoded == all_labels(any_result)).all()


@pytest.mark.parametrize("case", ["plain", "odd"])
def test_prores_matte_has_an_exact_alpha(case: str, tmp_path: Path) -> None:
    result = make_result(case)
    decoded, about = decode(export(result, tmp_path / "matte.mov").path, "rgba", 4)
    assert "yuva444p" in about
    assert (decoded[..., 3] == np.where(all_labels(result) > 0, 255, 0)).all()
    assert np.abs(decoded[..., :3].astype(float) - pictures(result)).mean() < 4


@pytest.mark.parametrize("case", ["plain", "odd"])
def test_webm_matte_has_an_alpha(case: str, tmp_path: Path) -> None:
    result = make_result(case)
    path = export(result, tmp_path / "matte.webm", format="matte-webm", options={"crf": 4}).path
    decoded, _ = decode(path, "rgba", 4, decoder="libvpx-vp9")
    height, width = result.shape_yx
    expected = all_labels(result) > 0
    assert ((decoded[:, :height, :width, 3] > 127) == expected).mean() > 0.99
    assert decoded[:, height:, :, 3].max(initial=0) < 8


def test_png_matte_is_exact_and_straight(result: TrackingResult, tmp_path: Path) -> None:
    folder = export(result, tmp_path / "matte", format="matte-png", objects="1,3").path
    for frame in range(result.n_frames):
        rgba = np.asarray(Image.open(folder / f"{frame:05d}.png"))
        assert (rgba[..., 3] == np.where(np.isin(result.labels(frame), [1, 3]), 255, 0)).all()
        assert (rgba[..., :3] == result.frame(frame)).all()


def test_premultiplied_matte_is_black_where_nothing_is(result: TrackingResult, tmp_path: Path) -> None:
    folder = export(result, tmp_path / "matte", format="matte-png", options={"premultiplied": True}).path
    rgba = np.asarray(Image.open(folder / "00002.png"))
    inside = result.labels(2) > 0
    assert rgba[~inside].max() == 0
    assert (rgba[inside, :3] == result.frame(2)[inside]).all()


@pytest.mark.parametrize(("name", "keep"), [("cutout", True), ("removed", False)])
def test_plain_colour_stands_where_it_should(name: str, keep: bool, result: TrackingResult, tmp_path: Path) -> None:
    folder = export(result, tmp_path / name, format=f"{name}-png", objects=[2], options={"color": "#102030"}).path
    for frame in range(result.n_frames):
        shown = np.asarray(Image.open(folder / f"{frame:05d}.png"))
        covered = (result.labels(frame) == 2) ^ keep
        assert (shown[covered] == (16, 32, 48)).all()
        assert (shown[~covered] == result.frame(frame)[~covered]).all()


def test_removed_object_can_be_widened(result: TrackingResult, tmp_path: Path) -> None:
    folder = export(result, tmp_path / "removed", format="removed-png", options={"color": "red", "grow": 2}).path
    shown = np.asarray(Image.open(folder / "00000.png"))
    red = (shown == (255, 0, 0)).all(axis=2)
    inside = result.labels(0) > 0
    assert red[inside].all()
    assert red[2:][inside[:-2]].all()
    assert red[:, 2:][inside[:, :-2]].all()
    assert red.sum() < shown.shape[0] * shown.shape[1]


@pytest.mark.parametrize("name", ["cutout-mp4", "removed-mp4"])
def test_composites_are_videos_too(name: str, tmp_path: Path) -> None:
    result = make_result("odd")
    decoded, _ = decode(export(result, tmp_path / "c.mp4", format=name, options={"color": "0,0,255"}).path, "rgb24", 3)
    assert decoded.shape == (4, 36, 52, 3)


@pytest.mark.parametrize("name", ["matte-prores", "matte-png", "cutout-mp4", "removed-png"])
def test_mattes_need_images_and_say_so(name: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="images are needed"):
        export(make_result(pictures=False), tmp_path / "matte", format=name)
    assert list(tmp_path.iterdir()) == []


def test_unknown_object_is_named(result: TrackingResult, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="no object 9; choose among 1, 2, 3"):
        export(result, tmp_path / "m.mov", objects="1,9")


def test_preview_shows_the_frames(result: TrackingResult, tmp_path: Path) -> None:
    with Image.open(export(result, tmp_path / "preview.png", options={"count": 4, "columns": 2}).path) as image:
        assert image.size == (2 * 324 + 4, 2 * (107 + 4) + 4), "pixels are twice as wide as high"
        assert json.loads(image.info["provenance"]) == PROVENANCE
        sheet = np.asarray(image)
    expected = drawn_frames(result)[0].mean(axis=(0, 1))
    assert np.abs(sheet[30:105, 10:320].mean(axis=(0, 1)) - expected).max() < 25


def test_contour_lies_inside_and_parts_neighbours() -> None:
    labels = np.zeros((6, 9), np.uint8)
    labels[1:5, 1:4] = 1
    labels[1:5, 4:8] = 2
    expected = labels > 0
    expected[2:4, 2] = False
    expected[2:4, 5:7] = False
    assert (contour(labels) == expected).all()
    assert (contour(labels, 2) == (labels > 0)).all()


def test_drawing_changes_only_the_objects_and_not_its_input(result: TrackingResult) -> None:
    labels, picture = result.labels(1), result.frame(1)
    before = picture.copy()
    colors = ColorTable(result.objects)
    drawn = render(picture, labels, colors, "fill", alpha=1.0)
    assert (picture == before).all()
    assert (drawn[labels == 0] == picture[labels == 0]).all()
    for entry in result.objects:
        assert (drawn[labels == entry.id] == entry.color).all()
    rim = contour(labels)
    assert (render(picture, labels, colors, "contour", width=1)[~rim] == picture[~rim]).all()


@pytest.mark.parametrize(
    ("seconds", "asked", "rate"),
    [
        (1001 / 30000, None, Fraction(30000, 1001)),
        (0.04, None, Fraction(25)),
        (0.04, 12.0, Fraction(12)),
        (None, None, Fraction(10)),
        (600.0, None, Fraction(10)),
    ],
)
def test_frame_rate_is_the_recordings_where_it_can_be_watched(
    seconds: float | None, asked: float | None, rate: Fraction
) -> None:
    found, note = frame_rate(seconds, asked)
    assert found == rate
    assert bool(note) == (seconds == 600.0)


def test_frame_rate_of_nothing_is_refused() -> None:
    with pytest.raises(ExportError, match="0 frames per second"):
        frame_rate(None, 0)


@pytest.mark.parametrize("name", ["mp4", "mkv", "webm", "matte-prores", "matte-webm", "cutout-mp4"])
def test_video_says_its_colours_and_the_shape_of_its_pixels(name: str, tmp_path: Path) -> None:
    target = tmp_path / f"a{FORMATS[name].suffixes[0]}"
    about = decode(export(make_result(), target, format=name).path, "rgb24", 3)[1]
    assert "(tv, bt709, progressive)" in about
    assert "SAR 2:1" in about


def test_padding_of_a_transparent_video_is_called_transparent(tmp_path: Path) -> None:
    report = export(make_result("odd"), tmp_path / "a.webm", format="matte-webm")
    assert "with transparent pixels at the right" in report.notes[0]


def test_a_missing_ffmpeg_is_reported(result: TrackingResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> str:
        raise RuntimeError("No ffmpeg exe could be found.")

    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", missing)
    with pytest.raises(ExportError, match=r"was not written: ffmpeg, which .* was not found; reinstall imageio-ffmpeg"):
        export(result, tmp_path / "a.mp4")
    assert list(tmp_path.iterdir()) == []
