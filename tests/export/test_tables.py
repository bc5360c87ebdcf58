"""Tables, regions, annotations and graphs, read back by the libraries that users read them with."""

from __future__ import annotations

import contextlib
import csv
import json
import zipfile
from functools import partial
from typing import TYPE_CHECKING

import geff
import networkx
import numpy as np
import pandas
import pytest
import roifile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from scipy import ndimage
from skimage.measure import points_in_poly

from napari_sam2_video.analysis.measure import measure
from napari_sam2_video.analysis.motion import mean_squared_displacement
from napari_sam2_video.analysis.volume import measure_volumes
from napari_sam2_video.errors import ExportError
from napari_sam2_video.export.coco import run_lengths
from napari_sam2_video.export.outline import outlines
from napari_sam2_video.export.registry import export
from napari_sam2_video.results import TrackingResult
from napari_sam2_video.types.tracked_object import TrackedObject
from tests.export.made import PROVENANCE, all_labels, make_result

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MASKS = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9))


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def centroids(result: TrackingResult) -> dict[tuple[int, int], tuple[float, float]]:
    """Centroids by frame and id, from scipy."""
    found = {}
    for frame in range(result.n_frames):
        labels = result.labels(frame)
        ids = [i for i in np.unique(labels).tolist() if i]
        for i, place in zip(ids, ndimage.center_of_mass(labels > 0, labels, ids), strict=True):
            found[frame, i] = place
    return found


def fill(loops: Iterable[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Pixels whose centres the outlines enclose by the even-odd rule."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    centres = np.stack([x.ravel() + 0.5, y.ravel() + 0.5], axis=1)
    inside = np.zeros(shape[0] * shape[1], bool)
    for loop in loops:
        inside ^= points_in_poly(centres, np.asarray(loop, float))
    return inside.reshape(shape)


@settings(max_examples=200, deadline=None)
@given(MASKS)
def test_outlines_fill_back_to_the_mask(mask: np.ndarray) -> None:
    loops = outlines(mask)
    assert (fill(loops, mask.shape) == mask).all()
    for loop in loops:
        turns = np.diff(np.vstack([loop, loop[:1]]), axis=0)
        assert ((turns == 0).sum(axis=1) == 1).all()
        assert (turns[:, 0] != 0).tolist() == [(n % 2 == 0) == (turns[0, 0] != 0) for n in range(len(turns))]


@settings(max_examples=200, deadline=None)
@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=8), elements=st.integers(0, 3)))
def test_run_lengths_are_those_of_pycocotools(labels: np.ndarray) -> None:
    found = dict(run_lengths(labels))
    assert set(found) == set(np.unique(labels).tolist()) - {0}
    for object_id, counts in found.items():
        ours = coco_mask.frPyObjects({"size": list(labels.shape), "counts": counts}, *labels.shape)
        assert ours == coco_mask.encode(np.asfortranarray(labels == object_id, np.uint8))


def test_trackmate_positions_have_one_unit(tmp_path: Path) -> None:
    known = {"walk_axis": "Z", "step": 500.0, "pixel_size": (0.002, 0.5), "units": ("nm", "mm", "µm")}
    mixed, plain = (
        make_result(**known),
        make_result(**{**known, "step": 0.0005, "pixel_size": (0.002, 0.0005), "units": ("mm",) * 3}),
    )
    rows = []
    for name, result in (("mixed", mixed), ("plain", plain)):
        path = export(result, tmp_path / f"{name}.csv", format="trackmate-csv").path
        with path.open(encoding="utf-8", newline="") as stream:
            columns = ("POSITION_X", "POSITION_Y", "POSITION_Z", "AREA")
            rows.append([[float(row[column]) for column in columns] for row in csv.DictReader(stream)])
    assert len(rows[0]) > 5
    np.testing.assert_allclose(rows[0], rows[1])


def test_roi_zip_gives_every_pixel_back(any_result: TrackingResult, tmp_path: Path) -> None:
    path = export(any_result, tmp_path / "rois.zip").path
    back = np.zeros((any_result.n_frames, *any_result.shape_yx), np.int64)
    count = len(zipfile.ZipFile(path).namelist())
    for roi in roifile.roiread(path) if count else []:
        frame, object_id = (int(part) for part in roi.name.split("-")[:2])
        assert roi.position == frame
        inside = fill(roi.coordinates(multi=True), any_result.shape_yx)
        assert not back[frame - 1][inside].any()
        back[frame - 1][inside] = object_id
    assert (back == all_labels(any_result)).all()


def test_roi_with_parts_and_holes_is_a_composite(tmp_path: Path) -> None:
    labels = np.zeros((1, 12, 14), np.uint8)
    labels[0, 1:8, 1:8] = 1
    labels[0, 3:5, 3:5] = 0
    labels[0, 9:11, 10:13] = 1
    path = export(TrackingResult.from_arrays(labels), tmp_path / "rois.zip").path
    (roi,) = [
        roifile.ImagejRoi.frombytes(zipfile.ZipFile(path).read(name)) for name in zipfile.ZipFile(path).namelist()
    ]
    assert roi.composite
    assert (roi.left, roi.top, roi.right, roi.bottom) == (1, 1, 13, 11)
    assert (fill(roi.coordinates(multi=True), (12, 14)) == (labels[0] == 1)).all()


def test_roi_has_the_colour_and_the_name_of_its_object(result: TrackingResult, tmp_path: Path) -> None:
    rois = roifile.roiread(export(result, tmp_path / "rois.zip").path)
    for roi in rois:
        entry = next(entry for entry in result.objects if entry.id == int(roi.name.split("-")[1]))
        assert roi.stroke_color == bytes((255, *entry.color))
        assert roi.properties["label"] == entry.name


def test_coco_gives_every_pixel_back(any_result: TrackingResult, tmp_path: Path) -> None:
    path = export(any_result, tmp_path / "labels.json").path
    with contextlib.redirect_stdout(None):
        coco = COCO(path)
    assert len(coco.getImgIds()) == any_result.n_frames
    back = np.zeros((any_result.n_frames, *any_result.shape_yx), np.int64)
    for row in coco.loadAnns(coco.getAnnIds()):
        mask = coco.annToMask(row).astype(bool)
        assert row["area"] == mask.sum()
        rows, columns = np.nonzero(mask)
        assert row["bbox"] == [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
        back[coco.loadImgs(row["image_id"])[0]["frame_index"]][mask] = row["track_id"]
    assert (back == all_labels(any_result)).all()
    assert json.loads(path.read_text(encoding="utf-8"))["info"]["provenance"] == PROVENANCE


def test_coco_takes_70000_ids(tmp_path: Path) -> None:
    result = make_result("ids_70000", pictures=False)
    rows = json.loads(export(result, tmp_path / "labels.json").path.read_text(encoding="utf-8"))["annotations"]
    assert {row["track_id"] for row in rows} == {entry.id for entry in result.objects}


def test_napari_tracks_are_the_centroids(any_result: TrackingResult, tmp_path: Path) -> None:
    rows = rows_of(export(any_result, tmp_path / "tracks.csv", format="tracks-csv").path)
    assert all(list(row) == ["ID", "T", "Y", "X"] for row in rows)
    stored = {(int(row["T"]), int(row["ID"])): (float(row["Y"]), float(row["X"])) for row in rows}
    expected = centroids(any_result)
    assert set(stored) == set(expected)
    assert all(stored[key] == pytest.approx(expected[key]) for key in stored)
    order = [(int(row["ID"]), int(row["T"])) for row in rows]
    assert order == sorted(order)


def test_napari_tracks_of_one_slice_of_many_say_the_slice(tmp_path: Path) -> None:
    rows = rows_of(export(make_result(at={"Z": 7}), tmp_path / "tracks.csv", format="tracks-csv").path)
    assert list(rows[0]) == ["ID", "T", "Z", "Y", "X"]
    assert {row["Z"] for row in rows} == {"7"}


def test_trackmate_has_positions_in_the_units_of_the_recording(any_result: TrackingResult, tmp_path: Path) -> None:
    rows = rows_of(export(any_result, tmp_path / "spots.csv", format="trackmate-csv").path)
    expected = centroids(any_result)
    assert len(rows) == len(expected)
    for row in rows:
        frame, object_id = int(row["FRAME"]), int(row["TRACK_ID"])
        y, x = expected[frame, object_id]
        stored = [float(row[f"POSITION_{letter}"]) for letter in "YXZT"]
        assert stored == pytest.approx([y * 0.25, x * 0.5, 0.0, frame * 0.05])
        assert float(row["AREA"]) == pytest.approx((any_result.labels(frame) == object_id).sum() * 0.125)


def test_trackmate_of_a_volume_has_the_slice_as_z(tmp_path: Path) -> None:
    result = make_result(walk_axis="Z", step=2.5, units=("mm", "mm", "mm"))
    report = export(result, tmp_path / "spots.csv", format="trackmate-csv")
    assert {float(row["POSITION_Z"]) for row in rows_of(report.path)} == {0.0, 2.5, 5.0, 7.5, 10.0}
    assert "axis Z" in report.notes[0]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_measurements_are_read_by_pandas(result: TrackingResult, tmp_path: Path, suffix: str) -> None:
    path = export(result, tmp_path / f"cells{suffix}").path
    table = pandas.read_csv(path) if suffix == ".csv" else pandas.read_parquet(path)
    for row in table.itertuples():
        assert row.area_px == (result.labels(row.frame) == row.object_id).sum()
    assert len(table) == len(centroids(result))


def read_graph(path: Path) -> networkx.DiGraph:
    geff.validate_structure(path)
    graph, _ = geff.read(path, backend="networkx")
    return graph


def test_geff_is_valid_and_holds_every_spot(any_result: TrackingResult, tmp_path: Path) -> None:
    graph = read_graph(export(any_result, tmp_path / "tracks.geff").path)
    expected = centroids(any_result)
    stored = {(int(n["t"]), int(n["track_id"])): (n["y"], n["x"]) for _, n in graph.nodes(data=True)}
    assert set(stored) == set(expected)
    assert all(stored[key] == pytest.approx(expected[key]) for key in stored)
    for a, b in graph.edges:
        assert graph.nodes[a]["track_id"] == graph.nodes[b]["track_id"]
        assert graph.nodes[a]["t"] < graph.nodes[b]["t"]
    assert networkx.number_weakly_connected_components(graph) == len({i for _, i in expected})


def test_geff_links_a_daughter_to_its_parent(tmp_path: Path) -> None:
    labels = np.zeros((4, 6, 9), np.uint8)
    labels[:2, :2] = 1
    labels[2:, :2] = 2
    labels[2:, 4:] = 3
    objects = [TrackedObject(i, "", (0, 0, 0), parent=None if i == 1 else 1) for i in (1, 2, 3)]
    graph = read_graph(export(TrackingResult.from_arrays(labels, objects=objects), tmp_path / "t.geff").path)
    (division,) = [node for node in graph if graph.out_degree(node) == 2]
    assert (graph.nodes[division]["t"], graph.nodes[division]["track_id"]) == (1, 1)


def test_geff_axes_have_the_scale_and_the_units(result: TrackingResult, tmp_path: Path) -> None:
    path = export(result, tmp_path / "tracks.geff").path
    axes = {axis.name: axis for axis in geff.GeffMetadata.read(path).axes}
    assert [(axes[n].scale, axes[n].scaled_unit) for n in "tyx"] == [
        (0.05, "second"),
        (0.25, "micrometer"),
        (0.5, "micrometer"),
    ]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_displacements_and_volumes_are_the_tables_of_the_analysis(tmp_path, suffix):
    read = partial(pandas.read_csv, float_precision="round_trip") if suffix == ".csv" else pandas.read_parquet
    moving, solid = make_result(), make_result(walk_axis="Z", step=2.0, units=("µm", "µm", "µm"))
    for result, name, expected in (
        (moving, "msd-csv", mean_squared_displacement(measure(moving))),
        (solid, "volumes-csv", measure_volumes(solid)),
    ):
        written = read(export(result, tmp_path / f"{name}{suffix}", format=name).path)
        assert tuple(written.columns) == expected.names
        assert len(written)
        for column in expected.names:
            np.testing.assert_array_equal(written[column].to_numpy(), expected[column], err_msg=column)


def test_lags_of_displacements_can_be_limited(tmp_path):
    rows = rows_of(export(make_result(), tmp_path / "a.csv", format="msd-csv", options={"max_lag": 2}).path)
    assert {row["lag"] for row in rows} == {"1", "2"}


def test_volumes_of_a_time_series_are_refused(tmp_path):
    with pytest.raises(ExportError, match="Volumes need a recording that was tracked along Z, Y or X, not T"):
        export(make_result(), tmp_path / "a.csv", format="volumes-csv")
    assert list(tmp_path.iterdir()) == []
