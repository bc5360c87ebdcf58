"""Every format of the registry, with every kind of result that exports tend to get wrong.

A format either writes the result, with a note of what it cannot hold, or refuses it in one sentence and leaves nothing.
A new format gets these tests by being in the registry.
"""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

from napari_sam2_video.errors import ExportError
from napari_sam2_video.export.registry import FORMATS, export
from napari_sam2_video.results import TrackingResult
from napari_sam2_video.types.tracked_object import TrackedObject
from tests.export.made import make_result, walked_as
from tests.export.test_registry import MAKEABLE, target_of

if TYPE_CHECKING:
    from pathlib import Path

HOLDS_ORIENTATION = {"nifti", "dicom-seg", "surfaces", "rtstruct", "surface-stl", "surface-ply", "surface-obj"}
WITH_PLACES = ("Masks for other programs", "Tables and plots", "Tracks and lineages", "Training data")


def overlapping(**known: Any) -> TrackingResult:
    """Two squares of 900 pixels that overlap in 100 on the last two of three frames; the second lies over the first."""
    masks = np.zeros((2, 3, 64, 80), bool)
    masks[0, :, 4:34, 4:34] = True
    masks[1, 0, 4:34, 44:74] = True
    masks[1, 1:, 24:54, 24:54] = True
    labels = np.where(masks[1], 2, np.where(masks[0], 1, 0)).astype(np.uint8)
    frames = np.arange(3)
    result = TrackingResult.from_arrays(
        labels,
        np.repeat(labels[..., None] * 40, 3, axis=-1),
        objects=[TrackedObject(1, "cell 1", (255, 0, 0)), TrackedObject(2, "cell 2", (0, 255, 0))],
        pixel_size=(0.5, 0.5),
        step=2.0,
        units=("s", "µm", "µm"),
        **known,
    )
    return replace(
        result,
        read_masks=lambda frame, ids: [masks[i - 1, frame] for i in ids],
        read_scores=lambda i: {"frame": frames, "area": masks[i - 1].sum(axis=(1, 2))},
    )


def high_ids() -> TrackingResult:
    """Ids on both sides of what 8 and 16 bits hold."""
    labels = np.zeros((2, 20, 40), np.uint32)
    for place, object_id in enumerate((1, 255, 256, 65_535, 65_536, 70_000)):
        labels[:, 2:8, 6 * place : 6 * place + 4] = object_id
    pictures = np.zeros((*labels.shape, 3), np.uint8)
    return TrackingResult.from_arrays(labels, pictures, pixel_size=(1.0, 1.0), step=1.0, units=("s", "µm", "µm"))


def oblique() -> TrackingResult:
    """A volume whose axes lie between those of the world."""
    turn = np.deg2rad(30)
    affine = np.eye(4)
    affine[:2, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    known = {"walk_axis": "Z", "step": 1.0, "pixel_size": (1.0, 1.0), "units": ("mm",) * 3, "affine": affine}
    return make_result(**known)


KINDS = {
    "overlap": overlapping,
    "gap": lambda: make_result("gap"),
    "ids_70000": high_ids,
    "one_frame": lambda: make_result("one_frame"),
    "odd": lambda: make_result("odd"),
    "uneven": lambda: make_result(times=np.array([0, 0.03, 0.1, 0.2, 0.75])),
    "oblique": oblique,
    "unknown_sizes": lambda: make_result(pixel_size=(None, None), step=None, units=(None, None, None)),
    "some_frames": lambda: replace(make_result(), tracked=range(1, 4)),
}


@pytest.mark.parametrize("name", MAKEABLE)
@pytest.mark.parametrize("kind", KINDS)
def test_every_format_writes_every_kind_of_result_or_refuses_it_plainly(kind: str, name: str, tmp_path: Path) -> None:
    entry, result = FORMATS[name], KINDS[kind]()
    try:
        report = export(result, target_of(name, tmp_path), format=name)
    except ExportError as error:
        text = str(error)
        assert "\n" not in text
        assert text.endswith(".")
        assert list(tmp_path.iterdir()) == []
        assert kind != "ids_70000" or entry.max_id is None or str(entry.max_id) in text
        return
    assert report.path.exists()
    said = " ".join(report.notes)
    assert ("Objects overlap on 2 frames, first on frame 1" in said) == (kind == "overlap" and not entry.overlaps)
    if kind == "oblique" and entry.group in WITH_PLACES and not name.startswith("plot"):
        assert ("oblique" in said) == (name not in HOLDS_ORIENTATION)


@pytest.mark.parametrize("name", ["ome-tiff", "imagej", "tiff-folder", "davis", "ctc"])
def test_tracked_frames_are_written_unless_others_are_asked_for(name: str, tmp_path: Path) -> None:
    result = replace(make_result(), tracked=range(1, 4))

    def count(path: Path) -> int:
        if path.is_dir():
            return len([*path.glob("*.tif"), *path.glob("*.png")])
        with tifffile.TiffFile(path) as file:
            return len(file.pages)

    wanted = {
        "default": (None, 3),
        "all": ("all", 5),
        "text": ("2:5", 3),
        "pair": ((0, 2), 2),
        "range": (range(4, 5), 1),
    }
    for title, (frames, expected) in wanted.items():
        folder = tmp_path / title
        folder.mkdir()
        assert count(export(result, target_of(name, folder), format=name, frames=frames).path) == expected


@pytest.mark.parametrize("frames", ["5:7", "3:1", "2-4", "", (0, 9), (2, 2), range(0, 5, 2), (1.5, 3), range(-2, 2)])
def test_frames_that_are_not_there_are_refused(frames: Any, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="frames"):
        export(make_result(), tmp_path / "a.tif", frames=frames)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("objects", "said"), [("1,9", "no object 9"), ([], "No object is named"), ("one", "not ids")])
def test_objects_that_are_not_there_are_refused(objects: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=said):
        export(make_result(), tmp_path / "a.tif", objects=objects)


@pytest.mark.parametrize("name", MAKEABLE)
def test_every_format_writes_some_objects_on_some_frames(name: str, tmp_path: Path) -> None:
    result = make_result(**walked_as(name))
    report = export(result, target_of(name, tmp_path), format=name, objects=[2], frames=(1, 3))
    beside = report.provenance_path or report.path / "provenance.json"
    if beside.exists():
        written = json.loads(beside.read_text(encoding="utf-8"))["written"]
        assert written == {"objects": [2], "frames": [1, 3]}


def test_one_object_is_whole_where_another_lies_over_it(tmp_path: Path) -> None:
    path = export(overlapping(), tmp_path / "a.tif", format="ome-tiff", objects=[1]).path
    labels = tifffile.imread(path)
    assert [int((frame == 1).sum()) for frame in labels] == [900, 900, 900]
    assert not (labels == 2).any()


def test_frame_numbers_are_those_of_the_recording(tmp_path: Path) -> None:
    result = replace(make_result(), tracked=range(2, 4))
    with export(result, tmp_path / "a.csv", format="measurements-csv").path.open(encoding="utf-8") as stream:
        assert {int(row["frame"]) for row in csv.DictReader(stream)} == {2, 3}
    folder = export(result, tmp_path / "davis", format="davis").path
    assert sorted(path.name for path in folder.glob("*.png")) == ["00002.png", "00003.png"]


def test_areas_of_scores_and_measurements_agree_where_objects_overlap(tmp_path: Path) -> None:
    result = overlapping()
    with export(result, tmp_path / "a.csv", format="measurements-csv").path.open(encoding="utf-8") as stream:
        rows = [(int(row["object_id"]), int(row["frame"]), int(row["area_px"])) for row in csv.DictReader(stream)]
    assert rows == [(i, frame, int(result.scores(i)["area"][frame])) for i in (1, 2) for frame in range(3)]
