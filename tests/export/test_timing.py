"""Exports of a recording whose frame rate varies."""

from __future__ import annotations

import csv
import json
import re
import subprocess
from typing import TYPE_CHECKING

import imageio_ffmpeg
import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_sam2_video.export.registry import FORMATS, export
from tests.export.made import all_labels, decode, make_result

if TYPE_CHECKING:
    from pathlib import Path

    from napari_sam2_video.results import TrackingResult

TIMES = np.array([0, 0.03, 0.1, 0.2, 0.75])
ONE_INTERVAL = "frame rate of the recording varies and this format holds one frame interval"


@pytest.fixture
def uneven() -> TrackingResult:
    return make_result(times=TIMES, step=0.1)


def shown_at(path: Path) -> list[float]:
    """Seconds from the first frame at which each is shown."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", str(path), "-vf", "showinfo", "-fps_mode", "passthrough"]
    said = subprocess.run([*command, "-f", "null", "-"], capture_output=True, check=True).stderr.decode()
    times = [float(found) for found in re.findall(r"pts_time:\s*([\d.]+)", said)]
    return [time - times[0] for time in times]


@pytest.mark.parametrize(
    "name", ["mp4", "mkv", "webm", "gif", "matte-prores", "matte-webm", "cutout-mp4", "removed-mp4", "labels-ffv1"]
)
def test_every_video_keeps_the_times_of_the_frames(name: str, uneven: TrackingResult, tmp_path: Path) -> None:
    report = export(uneven, tmp_path / f"a{FORMATS[name].suffixes[0]}", format=name)
    np.testing.assert_allclose(shown_at(report.path), TIMES, atol=0.0051 if name == "gif" else 0.0011)
    assert any("keeps the recording's own times" in note for note in report.notes)


def test_pixels_of_a_video_with_uneven_times_are_exact(uneven: TrackingResult, tmp_path: Path) -> None:
    decoded, _ = decode(export(uneven, tmp_path / "a.mkv", format="labels-ffv1").path, "gray16le", 1, np.dtype("<u2"))
    assert (decoded == all_labels(uneven)).all()


def test_a_gif_shows_each_frame_until_the_next(uneven: TrackingResult, tmp_path: Path) -> None:
    with Image.open(export(uneven, tmp_path / "a.gif").path) as image:
        durations = []
        for frame in range(image.n_frames - 1):
            image.seek(frame)
            durations.append(image.info["duration"])
    assert durations == [30, 70, 100, 550]


@pytest.mark.parametrize(
    ("times", "fps", "rate", "said"),
    [
        (TIMES, 20, 20, "varies; the video plays 20 frames per second as requested"),
        (TIMES * 600, None, 10, "varies, by 18 to 330 s a frame; the video plays 10 frames per second instead"),
        (np.array([0, 0.0001, 0.1, 0.2, 0.3]), None, 10, "varies, by 0.0001 to 0.1 s a frame"),
    ],
    ids=["asked", "too slow to watch", "two frames closer than Matroska can say"],
)
def test_a_video_at_a_constant_rate_says_so(
    times: np.ndarray, fps: float | None, rate: float, said: str, tmp_path: Path
) -> None:
    report = export(make_result(times=times), tmp_path / "a.mkv", options={"fps": fps})
    np.testing.assert_allclose(shown_at(report.path), np.arange(5) / rate, atol=0.0011)
    assert any(said in note for note in report.notes)


def test_a_video_of_a_recording_whose_interval_is_unknown_says_so(tmp_path: Path) -> None:
    report = export(make_result(step=None, units=(None, "µm", "µm")), tmp_path / "a.mp4")
    assert report.notes == ("The frame interval of the recording is unknown; the video plays 10 frames per second.",)
    assert not export(make_result(step=None, walk_axis="Z"), tmp_path / "b.mp4").notes


@pytest.mark.parametrize("name", ["measurements-csv", "trackmate-csv"])
def test_tables_have_the_time_of_every_frame(name: str, uneven: TrackingResult, tmp_path: Path) -> None:
    with export(uneven, tmp_path / "a.csv", format=name).path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    where, frame = ("position", "frame") if name == "measurements-csv" else ("POSITION_T", "FRAME")
    assert [float(row[where]) for row in rows] == [TIMES[int(row[frame])] for row in rows]
    if where == "position":
        first = [row for row in rows if row["object_id"] == "1"]
        elapsed = np.diff([float(row["position"]) for row in first])
        moved = [float(row["displacement"]) for row in first[1:]]
        np.testing.assert_allclose([float(row["speed"]) for row in first[1:]], moved / elapsed)


def test_ome_tiff_has_the_time_of_every_plane(uneven: TrackingResult, tmp_path: Path) -> None:
    report = export(uneven, tmp_path / "a.ome.tif")
    with tifffile.TiffFile(report.path) as file:
        planes = re.findall(r'<Plane [^>]*TheT="(\d+)"[^>]*DeltaT="([\d.e-]+)" DeltaTUnit="s"', file.ome_metadata)
        assert "TimeIncrement" not in file.ome_metadata
    assert [(int(t), float(seconds)) for t, seconds in planes] == list(enumerate(TIMES.tolist()))
    assert not report.notes


def test_imagej_holds_the_mean_interval_and_says_so(uneven: TrackingResult, tmp_path: Path) -> None:
    report = export(uneven, tmp_path / "a.tif", format="imagej")
    with tifffile.TiffFile(report.path) as file:
        assert file.imagej_metadata["finterval"] == pytest.approx(TIMES[-1] / 4)
    assert ONE_INTERVAL in report.notes[0]


def test_zarr_holds_the_mean_interval_and_says_so(uneven: TrackingResult, tmp_path: Path) -> None:
    report = export(uneven, tmp_path / "a.ome.zarr")
    text = next(report.path.rglob("labels/labels/zarr.json"), None) or next(report.path.rglob("labels/*/.zattrs"))
    scale = json.dumps(json.loads(text.read_text(encoding="utf-8")))
    assert re.search(rf'"scale": \[{TIMES[-1] / 4}, ', scale)
    assert ONE_INTERVAL in report.notes[0]


def test_nifti_holds_the_mean_interval_and_says_so(uneven: TrackingResult, tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    report = export(uneven, tmp_path / "a.nii.gz")
    assert nibabel.load(report.path).header.get_zooms()[3] == pytest.approx(TIMES[-1] / 4)
    assert any(ONE_INTERVAL in note for note in report.notes)


def test_graph_has_the_time_of_every_node(uneven: TrackingResult, tmp_path: Path) -> None:
    geff = pytest.importorskip("geff")
    report = export(uneven, tmp_path / "a.geff")
    memory = geff.read(report.path, backend="networkx")[0]
    assert all(node["time"] == TIMES[int(node["t"])] for _, node in memory.nodes(data=True))
    assert any("property time" in note for note in report.notes)


def test_times_come_back_from_an_ome_tiff_and_from_a_video(uneven: TrackingResult, tmp_path: Path) -> None:
    from napari_sam2_video.frames.open import open_recording

    for name in ("a.ome.tif", "a.mp4", "a.mkv", "a.gif"):
        with open_recording(export(uneven, tmp_path / name).path) as recording:
            np.testing.assert_allclose(recording.times, TIMES, atol=0.0051 if name == "a.gif" else 0.0011)


def test_the_shape_of_pixels_comes_back_from_a_video(tmp_path: Path) -> None:
    from napari_sam2_video.frames.open import open_recording

    for name in ("a.mp4", "a.mkv", "a.mov", "a.webm"):
        with open_recording(
            export(make_result(pixel_size=(1.0, 1.5), units=("s", None, None)), tmp_path / name).path
        ) as recording:
            assert (recording.scale["Y"], recording.scale["X"]) == (1.0, pytest.approx(1.5))
