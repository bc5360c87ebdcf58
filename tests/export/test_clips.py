"""Clips follow their objects, and what they hold is what the recording has there."""

from __future__ import annotations

import csv
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from napari_sam2_video.errors import ExportError
from napari_sam2_video.export.registry import export
from napari_sam2_video.results import TrackingResult
from tests.export.made import decode, make_result
from tests.export.test_matrix import overlapping

if TYPE_CHECKING:
    from pathlib import Path


def walking(**known: object) -> TrackingResult:
    """A square of 10 x 8 that moves by (2, 3) a frame and is away on frame 2, on raw values that are all different."""
    labels = np.zeros((6, 60, 80), np.uint16)
    for frame in (0, 1, 3, 4):
        labels[frame, 20 + 2 * frame : 30 + 2 * frame, 30 + 3 * frame : 38 + 3 * frame] = 7
    raw = np.arange(labels.size, dtype=np.uint16).reshape(labels.shape)
    known = {"pixel_size": (0.25, 0.5), "units": ("s", "µm", "µm"), "step": 2.0, **known}
    return TrackingResult.from_arrays(labels, (raw >> 8).astype(np.uint8), raw=raw, **known)


def positions(folder: Path) -> list[list[int]]:
    with (folder / "positions.csv").open(encoding="utf-8") as stream:
        rows = list(csv.reader(stream))
    assert rows[0] == ["object_id", "frame", "clip_frame", "y0", "x0"]
    return [[int(value) for value in row] for row in rows[1:]]


def test_clips_keep_raw_values_at_the_places_that_the_table_says(tmp_path: Path) -> None:
    result = walking()
    folder = export(result, tmp_path / "clips", format="clips-tiff", options={"margin": 3}).path
    pages = tifffile.imread(folder / "007_object_7.ome.tif")
    assert pages.dtype == np.uint16
    rows = positions(folder)
    assert [row[1] for row in rows] == [0, 1, 2, 3, 4]
    for page, (_, frame, _, y0, x0) in zip(pages, rows, strict=True):
        assert np.array_equal(page, result.raw(frame)[y0 : y0 + page.shape[0], x0 : x0 + page.shape[1]])
    steps = np.diff([row[3:] for row in rows], axis=0)
    assert np.array_equal(steps, [[2, 3]] * 4)  # through the gap as well


def test_the_object_stays_in_the_middle_and_is_whole(tmp_path: Path) -> None:
    options = {"margin": 0, "masks": True}
    folder = export(walking(), tmp_path / "clips", format="clips-tiff", options=options).path
    masks = tifffile.imread(folder / "007_object_7_mask.ome.tif")
    for mask in masks[[0, 1, 3, 4]]:
        assert int((mask == 7).sum()) == 80
        middle = [(side.min() + side.max() + 1) / 2 for side in np.nonzero(mask)]
        assert np.abs(np.subtract(middle, np.array(mask.shape) / 2)).max() <= 0.5


def test_without_background_only_the_object_is_left_also_where_another_covers_it(tmp_path: Path) -> None:
    folder = export(overlapping(), tmp_path / "clips", format="clips-tiff", options={"background": False}).path
    colors = tifffile.imread(folder / "001_cell_1.ome.tif")
    # the picture shows 40 where object 1 is and 80 where object 2 lies over it
    assert [np.unique(frame).tolist() for frame in colors] == [[0, 40], [0, 40, 80], [0, 40, 80]]
    assert [int((frame[..., 0] > 0).sum()) for frame in colors] == [900, 900, 900]


def test_clips_show_the_object_on_the_colour_that_was_asked_for(tmp_path: Path) -> None:
    result = replace(make_result(), tracked=range(1, 4))
    options = {"background": False, "color": "#0000ff", "size": 31, "crf": 0}
    report = export(result, tmp_path / "clips", format="clips-mp4", options=options)
    assert {path.suffix for path in report.path.iterdir()} == {".mp4", ".csv", ".json"}
    film, about = decode(report.path / "001_cell_é_1.mp4", "rgb24", 3)
    assert film.shape == (3, 32, 32, 3)
    assert "20 fps" in about
    assert film[0, 0, 0, 2] > 200 > 60 > film[0, 0, 0, 0]
    picture = result.frame(1)[result.labels(1) == 1].mean(axis=0)
    assert np.abs(film[0, 14:18, 14:18].mean(axis=(0, 1)) - picture).max() < 15


def test_sizes_times_and_places_are_in_the_metadata(tmp_path: Path) -> None:
    times = np.array([0, 0.5, 0.75, 2.0, 4.0, 5.0])
    folder = export(walking(times=times), tmp_path / "clips", format="clips-tiff", options={"margin": 3}).path
    with tifffile.TiffFile(folder / "007_object_7.ome.tif") as file:
        pixels = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Pixels"]
    assert (pixels["PhysicalSizeY"], pixels["PhysicalSizeX"], pixels["PhysicalSizeXUnit"]) == (0.25, 0.5, "µm")
    planes = pixels["Plane"]
    assert [plane["DeltaT"] for plane in planes] == pytest.approx(times[:5])
    corners = [(plane["PositionY"] / 0.25, plane["PositionX"] / 0.5) for plane in planes]
    assert corners == [tuple(row[3:]) for row in positions(folder)]


def test_a_smoothed_path_is_steadier(tmp_path: Path) -> None:
    labels = np.zeros((30, 60, 90), np.uint8)
    for frame, shake in enumerate(np.random.default_rng(0).integers(-4, 5, (30, 2))):
        y, x = 25 + shake[0], 20 + frame + shake[1]
        labels[frame, y : y + 8, x : x + 8] = 1
    result = TrackingResult.from_arrays(labels, labels)
    shaking = {}
    for smooth in (0, 4):
        folder = export(result, tmp_path / str(smooth), format="clips-tiff", options={"smooth": smooth}).path
        shaking[smooth] = np.diff([row[3:] for row in positions(folder)], n=2, axis=0).std()
    assert shaking[4] < shaking[0] / 4


def test_beyond_the_edge_a_clip_is_black_and_says_so(tmp_path: Path) -> None:
    labels = np.zeros((2, 40, 40), np.uint8)
    labels[:, :6, :6] = 1
    result = TrackingResult.from_arrays(labels, np.full((*labels.shape, 3), 9, np.uint8))
    report = export(result, tmp_path / "clips", format="clips-tiff", options={"size": 20})
    page = tifffile.imread(report.path / "001_object_1.ome.tif")[0]
    assert (int((page == 0).any(-1).sum()), int((page == 9).any(-1).sum())) == (400 - 13 * 13, 13 * 13)
    assert report.notes == ("1 clips extend beyond the edge of the recording, where they are black (0).",)


@pytest.mark.parametrize("name", ["clips-mp4", "clips-tiff"])
@pytest.mark.parametrize(
    ("known", "said"), [({"pictures": False}, "images are needed"), ({"case": "nothing"}, "No object has a pixel")]
)
def test_what_a_clip_cannot_be_made_of_is_refused(name: str, known: dict, said: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=said):
        export(make_result(**known), tmp_path / "clips", format=name)
    assert list(tmp_path.iterdir()) == []
