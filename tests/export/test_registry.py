"""What holds for every format."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile

from napari_sam2_video.errors import ExportError, TargetExistsError
from napari_sam2_video.export.format import ExportOption, parse_color, parse_ids
from napari_sam2_video.export.registry import FORMATS, export, find_format
from napari_sam2_video.results import TrackingResult
from napari_sam2_video.types.tracked_object import TrackedObject, default_color
from tests.export.made import make_result, walked_as

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NEEDS_A_SERIES = {"dicom-seg", "rtstruct"}
MAKEABLE = sorted(set(FORMATS) - NEEDS_A_SERIES)


def target_of(name: str, folder: Path) -> Path:
    return folder / ("result" + (FORMATS[name].suffixes or ("",))[0])


@pytest.mark.parametrize("name", MAKEABLE)
def test_every_format_tells_progress_and_provenance_and_leaves_only_the_target(name: str, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    result = make_result(**walked_as(name))
    report = export(result, target_of(name, tmp_path), format=name, progress=lambda *step: told.append(step))
    assert [done for done, _ in told] == list(range(1, told[-1][1] + 1))
    made = {path for path in (report.path, report.provenance_path) if path}
    assert set(tmp_path.iterdir()) == made
    assert report.path.is_dir() == (FORMATS[name].kind == "folder")
    assert os.fspath(report) == str(report.path)
    stated = report.provenance_path or (report.path / "provenance.json" if report.path.is_dir() else None)
    assert "0" * 64 in stated.read_text(encoding="utf-8") if stated else FORMATS[name].embeds_provenance


@pytest.mark.parametrize("name", MAKEABLE)
def test_an_export_that_is_stopped_leaves_nothing(name: str, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(make_result(**walked_as(name)), target_of(name, tmp_path), format=name, progress=stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "format_name"),
    [
        ("a.tif", "ome-tiff"),
        ("a.ome.TIFF", "ome-tiff"),
        ("a.mp4", "mp4"),
        ("a.mkv", "mkv"),
        ("a.webm", "webm"),
        ("a.mov", "matte-prores"),
        ("a.nii.gz", "nifti"),
        ("a.zip", "roi-zip"),
        ("a.csv", "measurements-csv"),
        ("a.ome.zarr", "ome-zarr"),
        ("a.json", "coco"),
        ("a.geff", "geff"),
        ("a.dcm", "dicom-seg"),
        ("a.png", "preview"),
    ],
)
def test_suffix_tells_the_format(name: str, format_name: str, tmp_path: Path) -> None:
    assert find_format(tmp_path / name).name == format_name


def test_names_titles_and_sentences_are_there_once() -> None:
    titles = [entry.title for entry in FORMATS.values()]
    assert len(set(titles)) == len(titles)
    assert all(name == entry.name and entry.about.endswith((".", "`")) for name, entry in FORMATS.items())
    guesses = [suffix for entry in FORMATS.values() if entry.guess for suffix in entry.suffixes]
    assert len(set(guesses)) == len(guesses)


@pytest.mark.parametrize("name", ["unknown", ""])
def test_unknown_format_is_refused_with_the_choices(name: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="choose one of ome-tiff, imagej"):
        export(make_result(), tmp_path / "a.tif", format=name)
    with pytest.raises(ExportError, match="has no suffix of an export format"):
        export(make_result(), tmp_path / "a.xyz")


def test_suffix_is_added_or_the_wrong_one_refused(tmp_path: Path) -> None:
    assert export(make_result(), tmp_path / "cells", format="imagej").path == tmp_path / "cells.tif"
    with pytest.raises(ExportError, match=r"end in \.mp4, not in \.avi"):
        export(make_result(), tmp_path / "cells.avi", format="mp4")


def test_unknown_and_unfit_options_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="has no option quality; it has fps, crf"):
        export(make_result(), tmp_path / "a.mp4", options={"quality": 3})
    with pytest.raises(ExportError, match="option crf cannot be 'good'"):
        export(make_result(), tmp_path / "a.mp4", options={"crf": "good"})
    with pytest.raises(ExportError, match="choose contour, fill, both"):
        export(make_result(), tmp_path / "a.mp4", options={"style": "dots"})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("bool", "no", False),
        ("bool", "True", True),
        ("int", "7", 7),
        ("float", "2.5", 2.5),
        ("ids", "1,4-6", (1, 4, 5, 6)),
        ("color", "#ff8000", (255, 128, 0)),
        ("color", "255, 128, 0", (255, 128, 0)),
        ("color", "white", (255, 255, 255)),
    ],
)
def test_options_are_read_from_text(kind: str, text: str, value: object) -> None:
    assert ExportOption("x", kind, None, "help").convert(text) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("bool", "perhaps"),
        ("color", "300,0,0"),
        ("color", "1,2"),
        ("ids", "a"),
        ("ids", "5-1"),
        ("ids", "1-"),
        ("ids", "1-99999999999"),
    ],
)
def test_options_that_cannot_be_read_are_named(kind: str, text: str) -> None:
    with pytest.raises(ExportError, match="The option x cannot be"):
        ExportOption("x", kind, None, "help").convert(text)


LIMITED = [(entry.name, option) for entry in FORMATS.values() for option in entry.options if option.limits]


@pytest.mark.parametrize(("name", "option"), LIMITED, ids=[f"{name}-{option.name}" for name, option in LIMITED])
def test_options_outside_their_limits_are_refused(name: str, option: ExportOption, tmp_path: Path) -> None:
    low, high = option.limits or (0, 0)
    for value in (low - 1, high + 1, *(["nan"] if option.kind == "float" else [])):
        with pytest.raises(
            ExportError, match=f"option {option.name} cannot be .* it must be between {low:g} and {high:g}"
        ):
            export(make_result(), target_of(name, tmp_path), format=name, options={option.name: value})
    assert list(tmp_path.iterdir()) == []
    assert option.convert(low) == low


def test_every_number_of_an_option_has_limits_or_is_a_frame_rate() -> None:
    numbers = {option.name for entry in FORMATS.values() for option in entry.options if option.kind in ("int", "float")}
    assert numbers == {"fps", *(option.name for _, option in LIMITED)}


@pytest.mark.parametrize("name", ["/", "a\0b", "x" * 300])
@pytest.mark.parametrize("format_name", ["ome-tiff", "mp4", "davis"])
def test_names_that_no_file_can_have_are_refused(name: str, format_name: str, tmp_path: Path) -> None:
    target = name if name == "/" else str(tmp_path / name)
    with pytest.raises(
        ExportError, match=r"cannot be the name of an export|cannot be written \(File name too long\)|holds"
    ):
        export(make_result(), target, format=format_name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", MAKEABLE)
def test_any_name_of_an_object_and_any_path_of_the_recording_go_into_every_format(name: str, tmp_path: Path) -> None:
    """Bytes of a path that are no letters are halves of letters in Python."""
    objects = [TrackedObject(i, f"{i} \x1b\ud800\n<&>é漢", default_color(i)) for i in (1, 2, 3)]
    about = {"objects": objects, "provenance": {"source": {"path": "/data/caf\udce9\x7f.tif"}}}
    result = make_result(**about, **walked_as(name))
    report = export(result, target_of(name, tmp_path), format=name)
    assert report.path.exists()
    if report.provenance_path is not None:
        assert json.loads(report.provenance_path.read_text(encoding="utf-8"))["source"] == result.provenance["source"]
    if name == "ome-tiff":
        with tifffile.TiffFile(report.path) as file:
            assert "1 \ufffd\ufffd <&>é漢" in " ".join(ElementTree.fromstring(file.ome_metadata).itertext())


@contextmanager
def never_replaced(sentence: str) -> Iterator[None]:
    """Expect a refusal that no "replace it" helps against: a window would ask for ever."""
    with pytest.raises(ExportError, match=sentence) as found:
        yield
    assert not isinstance(found.value, TargetExistsError)


def test_the_recording_is_never_replaced(tmp_path: Path) -> None:
    recording = tmp_path / "cells.tif"
    recording.write_bytes(b"years of work")
    (tmp_path / "link.tif").symlink_to(recording)
    for target in (recording, tmp_path / "link.tif"):
        with never_replaced("is the recording itself"):
            export(make_result(source_path=recording), target, overwrite=True)
    assert recording.read_bytes() == b"years of work"


@pytest.mark.parametrize("source", ["frames", "frames/deep/cells.tif"])
def test_a_folder_that_is_or_holds_the_recording_is_never_replaced(source: str, tmp_path: Path) -> None:
    folder = export(make_result(), tmp_path / "frames", format="davis").path
    (folder / "deep").mkdir()
    (folder / "deep" / "cells.tif").write_bytes(b"years of work")
    with never_replaced("is the recording itself"):
        export(make_result(source_path=tmp_path / source), folder, format="davis", overwrite=True)
    assert (folder / "deep" / "cells.tif").read_bytes() == b"years of work"


def test_nothing_is_added_to_a_folder_of_images_that_would_count_as_one(tmp_path: Path) -> None:
    frames = tmp_path / "frames"
    frames.mkdir()
    (frames / "a.json").write_text("mine")
    result = make_result(source_path=frames)
    for name in ("sheet.png", "labels.TIF", "a.json"):
        with never_replaced("is in the folder of the recording"):
            export(result, frames / name, overwrite=True)
    assert export(result, frames / "overlay.mp4").path.is_file()
    assert export(result, tmp_path / "sheet.png").path.is_file()


def test_colours_and_ids_also_come_as_values() -> None:
    assert parse_color(np.array([1, 2, 3])) == (1, 2, 3)
    assert parse_ids([3, 1]) == (3, 1)


def test_foreign_folder_is_never_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    with never_replaced("files that no export wrote"):
        export(make_result(), folder, format="ctc", overwrite=True)
    assert (folder / "thesis.txt").read_text() == "years of work"
    with never_replaced("is a folder"):
        export(make_result(), folder.rename(tmp_path / "mine.tif"), overwrite=True)


@pytest.mark.parametrize("name", ["davis", "ctc", "ome-zarr", "cutout-png", "geff", "tiff-folder"])
@pytest.mark.parametrize("mine", ["mine.txt", "00099.png", "labels/mine/0.0", "deep/provenance.json", "link"])
def test_fault_48_what_was_put_into_an_export_since_is_never_deleted(name: str, mine: str, tmp_path: Path) -> None:
    folder = export(make_result(), target_of(name, tmp_path), format=name).path
    (folder / mine).parent.mkdir(parents=True, exist_ok=True)
    if mine == "link":
        (tmp_path / "elsewhere").mkdir()
        (folder / mine).symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    else:
        (folder / mine).write_text("an afternoon of work")
    told: list[int] = []
    for overwrite in (True, False):
        with never_replaced(f"holds {mine}, which no export wrote, so it is not replaced; move that file"):
            export(
                make_result(), folder, format=name, overwrite=overwrite, progress=lambda done, total: told.append(done)
            )
    assert told == [], "it is refused before any work"
    assert (folder / mine).is_symlink() or (folder / mine).read_text() == "an afternoon of work"
    (folder / mine).unlink()
    export(make_result(), folder, format=name, overwrite=True)


@pytest.mark.parametrize("name", [".DS_Store", "Thumbs.db", "desktop.ini", "._00000.png"])
def test_what_an_operating_system_leaves_in_a_folder_is_not_counted_as_work(name: str, tmp_path: Path) -> None:
    folder = export(make_result(), tmp_path / "out", format="davis").path
    (folder / name).write_bytes(b"windows and icons")
    export(make_result("one_frame"), folder, format="davis", overwrite=True)
    assert sorted(path.name for path in folder.iterdir()) == ["00000.png", "provenance.json"]


@pytest.mark.parametrize(
    "said", [b"older", b"[]", b'{"format": "davis"}', b'{"files": 3}', b"\xff\xfe", b"[" * 100_000]
)
def test_a_folder_that_does_not_say_what_an_export_made_is_never_replaced(said: bytes, tmp_path: Path) -> None:
    folder = export(make_result(), tmp_path / "out", format="davis").path
    (folder / "provenance.json").write_bytes(said)
    with never_replaced("does not record which of its files were exported"):
        export(make_result(), folder, format="davis", overwrite=True)
    assert (folder / "provenance.json").read_bytes() == said


def test_a_file_that_appears_in_the_folder_meanwhile_is_kept(tmp_path: Path) -> None:
    folder = export(make_result(), tmp_path / "out", format="davis").path
    with never_replaced("holds mine.txt, which no export wrote"):
        export(
            make_result(),
            folder,
            format="davis",
            overwrite=True,
            progress=lambda done, total: (folder / "mine.txt").write_text("mine"),
        )
    assert (folder / "mine.txt").read_text() == "mine"
    assert list(tmp_path.iterdir()) == [folder]


def test_empty_folder_and_earlier_export_are_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    export(make_result(), folder, format="davis")
    export(make_result("one_frame"), folder, format="davis", overwrite=True)
    assert sorted(path.name for path in folder.iterdir()) == ["00000.png", "provenance.json"]
    assert list(tmp_path.iterdir()) == [folder]


def test_partial_of_a_killed_export_is_named(tmp_path: Path) -> None:
    (tmp_path / ".a.tif.part-77-1.tif").write_bytes(b"half")
    report = export(make_result(), tmp_path / "a.tif")
    assert report.notes == (
        ".a.tif.part-77-1.tif is left over from an export that was killed; delete it if no other export is running.",
    )


def test_a_folder_that_stood_aside_when_an_export_was_killed_is_named(tmp_path: Path) -> None:
    export(make_result(), tmp_path / "out", format="davis").path.rename(tmp_path / ".out.older-99")
    report = export(make_result(), tmp_path / "out", format="davis")
    assert ".out.older-99 is the previous file from an export that was killed" in report.notes[0]
    assert (tmp_path / ".out.older-99" / "00000.png").is_file()


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="nowhere does not exist"):
        export(make_result(), tmp_path / "nowhere" / "a.tif")


def test_result_without_frames_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="no frames"):
        export(replace(make_result(), n_frames=0), tmp_path / "a.tif")


@pytest.mark.parametrize("name", ["geff", "coco", "roi-zip", "dicom-seg", "nifti"])
def test_missing_library_is_named_with_the_remedy(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("geff", "geff.core_io._base_write", "pycocotools.mask", "roifile", "highdicom", "nibabel"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ExportError, match=r'pip install "napari-sam2-video\[export\]"'):
        export(make_result(), target_of(name, tmp_path), format=name)
    assert list(tmp_path.iterdir()) == []


def test_names_with_spaces_percent_and_umlauts_work(tmp_path: Path) -> None:
    for name in ("50% ü b.mp4", "-a b.ome.tif", "a%05d.mkv", "it's.gif"):
        assert export(make_result(), tmp_path / name).path.name == name
        assert (tmp_path / name).stat().st_size > 0


def test_reading_a_result_checks_its_frames() -> None:
    result = TrackingResult(2, (4, 5), lambda frame: np.ones((4, 4), np.uint8), (TrackedObject(1, "", (0, 0, 0)),))
    with pytest.raises(ExportError, match=r"Frame 1 has the shape \(4, 4\)"):
        result.labels(1)


@pytest.mark.parametrize("name", ["coco", "roi-zip", "trackmate-csv"])
def test_an_id_that_is_not_in_the_table_is_named(name: str, tmp_path: Path) -> None:
    labels = np.full((1, 3, 4), 2, np.uint8)
    objects = [TrackedObject(i, "", (0, 0, 0)) for i in (1, 5)]
    with pytest.raises(ExportError, match="hold the id 2, which is not in the table"):
        export(TrackingResult.from_arrays(labels, objects=objects), target_of(name, tmp_path), format=name)


def test_colours_of_neighbouring_ids_differ() -> None:
    colors = np.array([default_color(i) for i in range(1, 60)], int)
    assert np.abs(np.diff(colors, axis=0)).max(axis=1).min() > 80


def test_registry_imports_no_heavy_library() -> None:
    heavy = ["torch", "napari", "qtpy", "tifffile", "zarr", "skimage", "pandas", "matplotlib", "imageio_ffmpeg", "dask"]
    code = f"import sys, napari_sam2_video.export.registry; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
