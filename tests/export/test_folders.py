"""Folders of label images: Cell Tracking Challenge, DAVIS, OME-Zarr."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from napari_sam2_video.errors import ExportError
from napari_sam2_video.export.registry import export
from napari_sam2_video.results import TrackingResult
from napari_sam2_video.types.tracked_object import TrackedObject
from tests.export.made import PROVENANCE, all_labels, make_result

if TYPE_CHECKING:
    from pathlib import Path


def ctc_folder(folder: Path) -> tuple[np.ndarray, list[tuple[int, int, int, int]]]:
    """Read a result folder and hold it against the challenge's rules."""
    files = sorted(folder.glob("mask*.tif"))
    digits = len(files[0].stem) - len("mask")
    assert digits >= 3
    assert [file.name for file in files] == [f"mask{n:0{digits}d}.tif" for n in range(len(files))]
    masks = np.stack([tifffile.imread(file) for file in files])
    assert masks.dtype == np.uint16
    lines = (folder / "res_track.txt").read_text(encoding="ascii").splitlines()
    rows = [tuple(int(part) for part in line.split(" ")) for line in lines]
    assert all(len(row) == 4 for row in rows)
    table = {row[0]: row for row in rows}
    assert len(table) == len(rows)
    assert set(table) == set(np.unique(masks).tolist()) - {0}
    for label, begin, end, parent in rows:
        present = np.flatnonzero((masks == label).any(axis=(1, 2))).tolist()
        assert present == list(range(begin, end + 1)), "a track is on every frame from its first to its last"
        assert parent == 0 or table[parent][2] < begin, "a parent ends before its daughter begins"
    return masks, rows


def origin_of(label: int, rows: list[tuple[int, int, int, int]], known: set[int]) -> int:
    parents = {row[0]: row[3] for row in rows}
    while label not in known:
        label = parents[label]
    return label


def test_ctc_follows_the_rules_and_keeps_every_pixel(any_result: TrackingResult, tmp_path: Path) -> None:
    folder = export(any_result, tmp_path / "01_RES", format="ctc").path
    masks, rows = ctc_folder(folder)
    known = {entry.id for entry in any_result.objects}
    back = np.zeros_like(masks)
    for label in np.unique(masks[masks > 0]).tolist():
        back[masks == label] = origin_of(label, rows, known)
    assert (back == all_labels(any_result)).all()


def test_ctc_splits_a_track_at_its_gaps_and_says_so(tmp_path: Path) -> None:
    report = export(make_result("gap"), tmp_path / "01_RES", format="ctc")
    _, rows = ctc_folder(report.path)
    assert rows == [(1, 0, 6, 0), (2, 0, 1, 0), (3, 0, 6, 0), (4, 4, 4, 2), (5, 6, 6, 4)]
    assert "2 tracks were split" in report.notes[0]


def test_ctc_parent_that_continues_is_split_at_the_division(tmp_path: Path) -> None:
    labels = np.zeros((4, 6, 9), np.uint8)
    labels[:, :2] = 1
    labels[2:, 4:] = 2
    objects = (TrackedObject(1, "mother", (1, 2, 3)), TrackedObject(2, "daughter", (1, 2, 3), parent=1, parent_frame=2))
    report = export(TrackingResult.from_arrays(labels, objects=objects), tmp_path / "RES", format="ctc")
    assert ctc_folder(report.path)[1] == [(1, 0, 1, 0), (2, 2, 3, 1), (3, 2, 3, 1)]


def test_ctc_daughter_after_the_end_of_its_parent_names_it(tmp_path: Path) -> None:
    labels = np.zeros((4, 6, 9), np.uint8)
    labels[:2, :2] = 1
    labels[2:, :2] = 2
    labels[2:, 4:] = 3
    objects = [TrackedObject(i, "", (0, 0, 0), parent=None if i == 1 else 1) for i in (1, 2, 3)]
    report = export(TrackingResult.from_arrays(labels, objects=objects), tmp_path / "RES", format="ctc")
    assert ctc_folder(report.path)[1] == [(1, 0, 1, 0), (2, 2, 3, 1), (3, 2, 3, 1)]
    assert report.notes == ()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    labels=hnp.arrays(np.uint8, st.tuples(st.integers(1, 6), st.just(2), st.just(3)), elements=st.integers(0, 4)),
    parents=st.lists(st.integers(0, 4), min_size=4, max_size=4),
)
def test_ctc_rules_hold_for_any_labels_and_lineage(tmp_path: Path, labels: np.ndarray, parents: list[int]) -> None:
    objects = [
        TrackedObject(i, "", (0, 0, 0), parent=parents[i - 1] if 0 < parents[i - 1] < i else None) for i in range(1, 5)
    ]
    result = TrackingResult.from_arrays(labels, objects=objects)
    masks, _ = ctc_folder(export(result, tmp_path / "RES", format="ctc", overwrite=True).path)
    assert ((masks > 0) == (labels > 0)).all()
    for before, after in zip(masks, labels, strict=True):
        pairs = np.unique(np.stack([before.ravel(), after.ravel()]), axis=1)
        assert len(set(pairs[0])) == len(set(pairs[1])) == pairs.shape[1]


@pytest.mark.parametrize("case", ["plain", "odd", "gap", "empty_object", "one_frame", "nothing"])
def test_davis_index_is_the_id_and_the_palette_its_colour(case: str, tmp_path: Path) -> None:
    result = make_result(case)
    folder = export(result, tmp_path / "davis", format="davis").path
    for frame in range(result.n_frames):
        with Image.open(folder / f"{frame:05d}.png") as image:
            assert image.mode == "P"
            assert (np.asarray(image) == result.labels(frame)).all()
            palette = np.array(image.getpalette()).reshape(-1, 3)
    for entry in result.objects:
        assert tuple(palette[entry.id]) == entry.color


def test_ctc_refuses_an_object_that_is_not_in_the_table(tmp_path: Path) -> None:
    labels = np.zeros((2, 8, 8), np.uint8)
    labels[:, 2:5, 2:5] = 2
    result = TrackingResult.from_arrays(labels, objects=[TrackedObject(3, "other", (1, 2, 3))])
    with pytest.raises(ExportError, match="hold the id 2, which is not in the table"):
        export(result, tmp_path / "ctc", format="ctc")


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr_gives_every_pixel_back(any_result: TrackingResult, tmp_path: Path, version: str) -> None:
    path = export(any_result, tmp_path / "labels.ome.zarr", options={"version": version}).path
    stored = zarr.open_array(path / "labels" / "objects" / "0", mode="r")
    assert stored.dtype == any_result.dtype
    assert stored.chunks[0] == 1
    assert (stored[:] == all_labels(any_result)).all()


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr_metadata_follows_the_specification(result: TrackingResult, tmp_path: Path, version: str) -> None:
    path = export(result, tmp_path / "labels.ome.zarr", options={"version": version, "image": True}).path
    root = zarr.open_group(path, mode="r")
    assert root.metadata.zarr_format == (2 if version == "0.4" else 3)

    def described(place: str) -> dict:
        attributes = dict((root[place] if place else root).attrs)
        return attributes if version == "0.4" else attributes["ome"]

    assert described("labels")["labels"] == ["objects"]
    for place, axes in (("labels/objects", "tyx"), ("", "tcyx")):
        multiscale = described(place)["multiscales"][0]
        assert "".join(axis["name"] for axis in multiscale["axes"]) == axes
        units = {axis["name"]: axis.get("unit") for axis in multiscale["axes"]}
        assert (units["t"], units["y"], units["x"]) == ("second", "micrometer", "micrometer")
        for dataset in multiscale["datasets"]:
            array = root[f"{place}/{dataset['path']}".strip("/")]
            (scale,) = dataset["coordinateTransformations"]
            assert array.ndim == len(scale["scale"]) == len(axes)
            if version == "0.5":
                assert array.metadata.dimension_names == tuple(axes)
            assert (scale["scale"][0], *scale["scale"][-2:]) == (0.05, 0.25, 0.5)
    label = described("labels/objects")["image-label"]
    assert [row["label-value"] for row in label["colors"]] == [1, 2, 3]
    assert label["colors"][0]["rgba"] == [*result.objects[0].color, 255]
    assert label["properties"][1] == {"label-value": 2, "name": "cell é 2"}
    assert label["source"] == {"image": "../../"}
    assert root["labels/objects"].attrs["provenance"] == PROVENANCE
    raw = np.stack([result.raw(frame) for frame in range(result.n_frames)])
    assert (root["0"][:] == np.moveaxis(raw, -1, 1)).all()


def test_ome_zarr_pyramid_takes_every_second_pixel(tmp_path: Path) -> None:
    labels = np.zeros((1, 1500, 40), np.uint16)
    labels[0] = np.arange(1500)[:, None] // 100
    path = export(TrackingResult.from_arrays(labels), tmp_path / "labels.zarr").path
    group = zarr.open_group(path / "labels" / "objects", mode="r")
    assert (group["1"][:] == labels[:, ::2, ::2]).all()
    scales = [row["coordinateTransformations"][0]["scale"] for row in group.attrs["multiscales"][0]["datasets"]]
    assert scales == [[1, 1, 1], [1, 2, 2]]


def test_a_folder_says_how_it_was_made(result: TrackingResult, tmp_path: Path) -> None:
    folder = export(result, tmp_path / "davis", format="davis").path
    stated = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    assert stated["format"] == "davis"
    assert {name: stated[name] for name in PROVENANCE} == PROVENANCE


def test_ctc_takes_more_than_a_thousand_frames(tmp_path: Path) -> None:
    result = replace(make_result("one_frame"), n_frames=1001, read_labels=lambda _: np.ones((32, 48), np.uint8))
    folder = export(result, tmp_path / "RES", format="ctc").path
    assert (folder / "mask0000.tif").is_file()
    assert (folder / "res_track.txt").read_text() == "1 0 1000 0\n"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc", "a\\b", "a\0b", ".zattrs", "__x", "zarr.json"])
def test_ome_zarr_refuses_names_that_are_not_groups(name: str, result: TrackingResult, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="The option name cannot be"):
        export(result, tmp_path / "labels.zarr", options={"name": name})
    assert list(tmp_path.iterdir()) == []
