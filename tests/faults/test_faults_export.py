"""What an export survives: the target stays what it was, and one sentence says why."""

from __future__ import annotations

import csv
import errno
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import imageio_ffmpeg
import numpy as np
import pytest
import zarr
from PIL import Image

from napari_sam2_video.errors import ExportError, FrameError, RecordingError, TargetExistsError
from napari_sam2_video.export import ffmpeg, registry
from napari_sam2_video.export import output as aside
from napari_sam2_video.export.registry import FORMATS, export
from napari_sam2_video.frames.open import open_recording
from napari_sam2_video.results import TrackingResult
from napari_sam2_video.session import Session
from napari_sam2_video.types import PointPrompt
from napari_sam2_video.types.tracked_object import TrackedObject
from tests.export.made import decode
from tests.fakes import fake_factory
from tests.frames import videos

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_sam2_video.export.format import ExportReport

TARGETS = {
    "ome-tiff": "a.ome.tif",
    "imagej": "a.tif",
    "nifti": "a.nii",
    "coco": "a.json",
    "mp4": "a.mp4",
    "matte-prores": "a.mov",
    "davis": "davis",
    "ome-zarr": "a.zarr",
}


def result_of(labels: np.ndarray, **known: object) -> TrackingResult:
    frames = np.random.default_rng(0).integers(0, 255, (*labels.shape, 3), np.uint8)
    return TrackingResult.from_arrays(labels, frames, **known)


@pytest.fixture
def result() -> TrackingResult:
    labels = np.zeros((8, 40, 60), np.uint8)
    labels[:, 5:20, 10:30] = 3
    return result_of(labels)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def fake_ffmpeg(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = folder / "ffmpeg"
    program.write_text(f"#!{sys.executable}\n{script}")
    program.chmod(0o755)
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", lambda: str(program))


@pytest.mark.skipif(os.name == "nt", reason="uses a script as ffmpeg")
def test_fault_46_ffmpeg_hangs(result: TrackingResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_ffmpeg(tmp_path, monkeypatch, "import time\ntime.sleep(600)")
    monkeypatch.setattr(ffmpeg.FrameEncoder.__init__, "__kwdefaults__", {"frame_timeout": 0.3, "finish_timeout": 0.3})
    with pytest.raises(ExportError, match=r"ffmpeg stopped answering, so a\.mp4 was not written"):
        export(result, tmp_path / "a.mp4")
    assert {path.name for path in tmp_path.iterdir()} == {"ffmpeg"}


@pytest.mark.skipif(os.name == "nt", reason="uses a script as ffmpeg")
def test_fault_46_ffmpeg_is_killed(result: TrackingResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_ffmpeg(tmp_path, monkeypatch, "import os, sys\nsys.stdin.buffer.read(9000)\nos.kill(os.getpid(), 9)")
    with pytest.raises(ExportError, match=r"ffmpeg could not write a\.mp4 \(it exited with code -9\)"):
        export(result, tmp_path / "a.mp4")


@pytest.mark.skipif(os.name == "nt", reason="uses a script as ffmpeg")
def test_fault_46_ffmpeg_fails_at_the_end(
    result: TrackingResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_ffmpeg(tmp_path, monkeypatch, "import sys\nsys.stdin.buffer.read()\nsys.exit('muxer went wrong')")
    (tmp_path / "a.mp4").write_bytes(b"older")
    with pytest.raises(ExportError, match=r"could not write a\.mp4 \(muxer went wrong\)"):
        export(result, tmp_path / "a.mp4", overwrite=True)
    assert (tmp_path / "a.mp4").read_bytes() == b"older"


def test_fault_46_ffmpeg_is_missing(result: TrackingResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", lambda: str(tmp_path / "gone"))
    with pytest.raises(ExportError, match="ffmpeg could not be started"):
        export(result, tmp_path / "a.mp4")


LIMITED = """
import resource, sys
from pathlib import Path
import numpy as np
from napari_sam2_video.errors import ExportError
from napari_sam2_video.export.registry import export
from napari_sam2_video.results import TrackingResult
rng = np.random.default_rng(0)
labels = rng.integers(0, 200, (6, 200, 200), np.uint8)
result = TrackingResult.from_arrays(labels, rng.integers(0, 255, (6, 200, 200, 3), np.uint8))
resource.setrlimit(resource.RLIMIT_FSIZE, (12_000, 12_000))
for name, target in {targets!r}.items():
    try:
        export(result, Path(sys.argv[1]) / target, format=name, overwrite=True)
    except ExportError as error:
        print(name, error)
    else:
        print(name, "was written")
"""


@pytest.mark.skipif(os.name == "nt", reason="needs a limit on the size of files")
def test_fault_47_disk_full_leaves_the_target_untouched(tmp_path: Path) -> None:
    for name, target in TARGETS.items():
        if FORMATS[name].kind == "folder":
            (tmp_path / target).mkdir()
            (tmp_path / target / aside.PROVENANCE_NAME).write_bytes(b'{"files": []}')
        else:
            (tmp_path / target).write_bytes(b"older")
    before = contents(tmp_path)
    code = LIMITED.format(targets=TARGETS)
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    lines = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert set(lines) == set(TARGETS)
    for name, sentence in lines.items():
        assert sentence.startswith(f"The disk is full, so {TARGETS[name]} was not written"), sentence
    assert contents(tmp_path) == before


def test_fault_47_disk_full_at_the_last_moment_leaves_the_target_untouched(
    result: TrackingResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    (tmp_path / "a.mp4").write_bytes(b"older")
    before = contents(tmp_path)
    monkeypatch.setattr(registry, "write_json", full)
    with pytest.raises(ExportError, match=r"The disk is full, so a\.mp4 was not written"):
        export(result, tmp_path / "a.mp4", overwrite=True)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("name", TARGETS)
def test_fault_48_target_exists(name: str, result: TrackingResult, tmp_path: Path) -> None:
    target = tmp_path / TARGETS[name]
    export(result, target, format=name)
    before = contents(tmp_path)
    with pytest.raises(TargetExistsError, match="already exists; choose another name or allow it to be replaced"):
        export(result, target, format=name)
    assert contents(tmp_path) == before
    export(replace(result, n_frames=2), target, format=name, overwrite=True)
    assert contents(tmp_path) != before


def test_fault_48_target_that_appears_meanwhile_is_kept(result: TrackingResult, tmp_path: Path) -> None:
    target = tmp_path / "a.tif"
    with pytest.raises(TargetExistsError):
        export(result, target, progress=lambda done, total: target.write_bytes(b"someone else's"))
    assert contents(tmp_path) == {"a.tif": b"someone else's"}


@pytest.mark.parametrize(
    ("name", "highest"),
    [("imagej", 65536), ("ctc", 65536), ("labels-ffv1", 65536), ("davis", 256)],
)
def test_fault_49_ids_exceed_the_format(name: str, highest: int, tmp_path: Path) -> None:
    labels = np.zeros((2, 4, 5), np.uint32)
    for top in (highest, highest - 1):
        labels[1, 2, 3] = top
        result = TrackingResult.from_arrays(labels)
        target = tmp_path / f"{top}{(FORMATS[name].suffixes or ('',))[0]}"
        if top == highest:
            with pytest.raises(ExportError, match=f"ids up to {highest - 1}, but this result has id {highest}"):
                export(result, target, format=name)
            assert list(tmp_path.iterdir()) == []
        else:
            export(result, target, format=name)


def test_fault_49_splitting_needs_more_labels_than_there_are(tmp_path: Path) -> None:
    labels = np.zeros((3, 4, 5), np.uint16)
    labels[[0, 2], 2, 3] = 65535
    with pytest.raises(ExportError, match="needs more; choose ome-tiff"):
        export(TrackingResult.from_arrays(labels), tmp_path / "RES", format="ctc")
    assert list(tmp_path.iterdir()) == []


def test_fault_50_imagej_over_4_gb(tmp_path: Path) -> None:
    entry = TrackedObject(1, "", (1, 2, 3))
    result = TrackingResult(5000, (1024, 1024), lambda frame: np.zeros((1024, 1024), np.uint8), (entry,))
    with pytest.raises(ExportError, match=r"at most 4 GB and this one needs 5\.2 GB; choose ome-tiff"):
        export(result, tmp_path / "a.tif", format="imagej")
    assert list(tmp_path.iterdir()) == []


def test_fault_51_odd_sized_video_is_padded_and_reported(tmp_path: Path) -> None:
    labels = np.zeros((3, 77, 101), np.uint8)
    labels[:, 20:40, 30:60] = 1
    report = export(result_of(labels), tmp_path / "a.mp4")
    assert "101 x 77 pixels and this video needs even sides, so it is 102 x 78" in report.notes[0]
    frames = imageio_ffmpeg.read_frames(str(report.path))
    assert next(frames)["size"] == (102, 78)
    frames.close()


def test_fault_52_oblique_affine_to_tiff_warns(result: TrackingResult, tmp_path: Path) -> None:
    angle = 0.2
    oblique = np.eye(4)
    oblique[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    turned = np.diag([-0.7, 0.9, 2.5, 1.0])[[1, 0, 2, 3]]
    for affine, warned in ((oblique, True), (turned, False), (None, False)):
        report = export(replace(result, affine=affine), tmp_path / "a.tif", overwrite=True)
        assert any("oblique" in note and "export nifti" in note for note in report.notes) == warned


SLOW = """
import sys, time
from pathlib import Path
import numpy as np
from napari_sam2_video.export.registry import export
from napari_sam2_video.results import TrackingResult
labels = np.random.default_rng(0).integers(0, 200, (500, 64, 64), np.uint8)
result = TrackingResult.from_arrays(labels, labels)
def slowly(done, total):
    print(done, flush=True)
    time.sleep(0.02)
export(result, Path(sys.argv[2]), format=sys.argv[1], overwrite=True, progress=slowly)
"""


@pytest.mark.skipif(os.name == "nt", reason="uses SIGKILL")
@pytest.mark.parametrize("name", ["ome-tiff", "mp4", "davis"])
def test_killed_export_leaves_the_target_and_a_partial_that_says_its_name(name: str, tmp_path: Path) -> None:
    target = tmp_path / TARGETS[name]
    if FORMATS[name].kind == "folder":
        target.mkdir()
        (target / aside.PROVENANCE_NAME).write_bytes(b'{"files": []}')
    else:
        target.write_bytes(b"older")
    before = contents(tmp_path)
    process = subprocess.Popen([sys.executable, "-c", SLOW, name, str(target)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for _ in range(5):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and not all(contents(tmp_path).get(key) == before[key] for key in before):
        time.sleep(0.05)
    assert {key: contents(tmp_path)[key] for key in before} == before
    others = {path.name for path in tmp_path.iterdir()} - {target.name}
    assert all(other.startswith(f".{target.name}.part-{process.pid}") for other in others)
    assert others


def lost_on(result: TrackingResult, *lost: int, said: str = "Frame 2 is damaged; leave it out.") -> TrackingResult:
    """The result, its recording unreadable on these frames."""

    def reader(read: Callable[[int], np.ndarray | None] | None) -> Callable[[int], np.ndarray | None]:
        def values(frame: int) -> np.ndarray | None:
            if frame in lost:
                raise FrameError(said)
            assert read is not None
            return read(frame)

        return values

    return replace(result, read_frame=reader(result.read_frame), read_raw=reader(result.read_raw))


def stated_in(report: ExportReport) -> dict[str, Any]:
    """Provenance of an export, wherever the format has it."""
    if report.path.suffix == ".png":
        with Image.open(report.path) as image:
            return json.loads(image.text["provenance"])
    path = report.provenance_path or (report.path / aside.PROVENANCE_NAME if report.path.is_dir() else None)
    assert path is not None
    return json.loads(path.read_text(encoding="utf-8"))


def test_fault_16_a_damaged_video_has_an_overlay_in_which_the_other_frames_keep_their_numbers(tmp_path: Path) -> None:
    with (
        open_recording(videos.corrupt(tmp_path)) as recording,
        Session.create(tmp_path / "run.sam2v", recording, tracker_factory=fake_factory()) as session,
    ):
        session.add_prompt(PointPrompt(session.add_object(), 2, 20.0, 20.0))
        with pytest.raises(FrameError):
            list(session.track())
        report = export(
            session.result(), tmp_path / "a.mp4", frames="all", options={"style": "contour", "width": 1, "crf": 1}
        )
        lost = stated_in(report)["unreadable_frames"]
        labels = [session.result().labels(frame) for frame in range(videos.COUNT)]
    film = decode(report.path, "rgb24", 3)[0]
    tracked = [frame for frame in range(videos.COUNT) if labels[frame].any()]
    assert len(film) == videos.COUNT
    assert tracked == list(range(2, lost[0]))
    for frame in range(lost[0], videos.COUNT):
        if frame in lost:
            assert film[frame].max() <= 2
        else:
            assert videos.index_of(film[frame]) == frame
    assert videos.COUNT - 1 not in lost
    assert report.notes == (
        f"{len(lost)} of the recording's 72 frames cannot be read ({lost[0]}, {lost[1]}, {lost[2]} and "
        f"{len(lost) - 3} more); each keeps its place in a.mp4, black or without intensities.",
    )


DRAWN = ["mp4", "gif", "matte-png", "cutout-png", "removed-png", "preview", "ome-zarr", "measurements-csv"]


@pytest.mark.parametrize("name", DRAWN)
def test_fault_16_a_damaged_frame_is_named_in_the_note_and_the_provenance(
    name: str, result: TrackingResult, tmp_path: Path
) -> None:
    options = {"preview": {"count": 8}, "ome-zarr": {"image": True}}.get(name, {})
    target = tmp_path / ("a" + (FORMATS[name].suffixes or ("",))[0])
    report = export(lost_on(result, 0, 2), target, format=name, options=options)
    said = f"2 of the recording's 8 frames cannot be read (0, 2); each keeps its place in {target.name}"
    assert any(note.startswith(said) for note in report.notes)
    assert stated_in(report)["unreadable_frames"] == [0, 2]
    assert "unreadable_frames" not in stated_in(export(result, target, format=name, overwrite=True, options=options))


def test_fault_16_a_damaged_frame_is_black_below_the_masks(result: TrackingResult, tmp_path: Path) -> None:
    lost = lost_on(result, 2)
    inside = result.labels(2) > 0
    for name, colour in (("cutout-png", (9, 8, 7)), ("removed-png", (9, 8, 7)), ("matte-png", None)):
        options = {} if colour is None else {"color": colour}
        report = export(lost, tmp_path / name, format=name, options=options)
        with Image.open(report.path / "00002.png") as image:
            drawn = np.asarray(image)
        if colour is None:
            assert (drawn[..., :3] == 0).all()
            assert ((drawn[..., 3] == 255) == inside).all()
        else:
            plain = ~inside if name == "cutout-png" else inside
            assert (drawn[plain] == colour).all()
            assert (drawn[~plain] == 0).all()
        whole = export(result, tmp_path / f"{name}-whole", format=name, options=options)
        for other in (1, 3):
            kept, same = ((path / f"{other:05d}.png").read_bytes() for path in (report.path, whole.path))
            assert kept == same


@pytest.mark.parametrize("colour", [True, False])
def test_fault_16_a_damaged_frame_has_no_intensities_and_all_else(
    colour: bool, result: TrackingResult, tmp_path: Path
) -> None:
    if not colour:
        result = TrackingResult.from_arrays(np.stack([result.labels(frame) for frame in range(8)]), result_of_greys())

    def table(of: TrackingResult, name: str) -> list[dict[str, str]]:
        with export(of, tmp_path / name).path.open(newline="", encoding="utf-8") as stream:
            return list(csv.DictReader(stream))

    whole, damaged = table(result, "whole.csv"), table(lost_on(result, 0, 5), "damaged.csv")
    assert list(whole[0]) == list(damaged[0])
    for frame, (expected, found) in enumerate(zip(whole, damaged, strict=True)):
        for column in expected:
            empty = frame in (0, 5) and column.startswith("intensity_")
            assert found[column] == ("" if empty else expected[column])


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_fault_16_a_damaged_frame_is_an_empty_one_of_the_zarr_image(
    version: str, result: TrackingResult, tmp_path: Path
) -> None:
    report = export(lost_on(result, 0, 5), tmp_path / "a.zarr", options={"image": True, "version": version})
    root = zarr.open_group(report.path, mode="r")
    expected = np.stack([result.raw(frame) for frame in range(8)])
    expected[[0, 5]] = 0
    assert (root["0"][:] == np.moveaxis(expected, -1, 1)).all()
    assert root["labels/objects"].attrs["provenance"]["unreadable_frames"] == [0, 5]


@pytest.mark.parametrize("name", DRAWN)
def test_a_recording_of_which_no_frame_can_be_read_makes_no_black_video(
    name: str, result: TrackingResult, tmp_path: Path
) -> None:
    target = tmp_path / ("a" + (FORMATS[name].suffixes or ("",))[0])
    options = {"ome-zarr": {"image": True}}.get(name, {})
    with pytest.raises(
        ExportError, match=r"was not written, because none of the frames that it needs can be read: Frame 2"
    ):
        export(lost_on(result, *range(8)), target, format=name, options=options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("folder", [False, True])
@pytest.mark.parametrize("name", ["mp4", "measurements-csv", "cutout-png"])
def test_a_drive_that_vanishes_during_an_export_ends_it(
    name: str, folder: bool, result: TrackingResult, tmp_path: Path
) -> None:
    drive = tmp_path / "drive"
    source = drive / "frames" if folder else drive / "film.avi"
    (source if folder else drive).mkdir(parents=True)
    (source / "0.png" if folder else source).write_bytes(b"pictures")
    asked: list[int] = []

    def vanishing(frame: int) -> np.ndarray:
        asked.append(frame)
        if frame == 3 and drive.exists():
            drive.rename(tmp_path / "unplugged")
        if frame >= 3:
            raise FrameError("Frame 3 cannot be read: check the disk.")
        return np.zeros((40, 60, 3), np.uint8)

    gone = replace(result, source_path=source, read_frame=vanishing, read_raw=vanishing)
    target = tmp_path / ("a" + (FORMATS[name].suffixes or ("",))[0])
    with pytest.raises(ExportError, match=r"The recording .* is missing or unreadable; put it back"):
        export(gone, target, format=name)
    assert asked == [0, 1, 2, 3]
    assert {path.name for path in tmp_path.iterdir()} == {"unplugged"}


def test_what_is_not_the_fault_of_a_frame_still_ends_an_export(result: TrackingResult, tmp_path: Path) -> None:
    def closed(frame: int) -> np.ndarray:
        if frame == 3:
            raise RecordingError("film is closed; open it again to read it.")
        return np.zeros((40, 60, 3), np.uint8)

    with pytest.raises(RecordingError, match="film is closed"):
        export(replace(result, read_frame=closed), tmp_path / "a.mp4")
    assert list(tmp_path.iterdir()) == []


def result_of_greys() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 60000, (8, 40, 60), np.uint16)
