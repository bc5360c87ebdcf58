"""Exports opened by the programs and libraries of others, and compared with the result.

Those that are not installed are skipped: `make test-consumers` installs them into an environment of its own.
"""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_sam2_video.errors import TargetExistsError
from napari_sam2_video.export.registry import export
from napari_sam2_video.frames.open import open_recording
from napari_sam2_video.results import TrackedObject, TrackingResult
from tests.export.made import all_labels, make_result
from tests.export.test_matrix import overlapping

if TYPE_CHECKING:
    from pathlib import Path

VERSIONS = pytest.mark.parametrize("version", ["0.4", "0.5"])
IMAGE = pytest.mark.parametrize("image", [False, True])


def family() -> TrackingResult:
    """A mother on frames 0 to 4 and two daughters on frames 5 to 9, one of them away on frame 7."""
    labels = np.zeros((10, 60, 80), np.uint8)
    for t in range(5):
        labels[t, 20:30, 5 * t : 5 * t + 12] = 1
    for t in range(5, 10):
        labels[t, 10:18, 5 * t : 5 * t + 8] = 2 if t != 7 else 0
        labels[t, 30:38, 5 * t : 5 * t + 8] = 3
    objects = [
        TrackedObject(1, "mother <&>", (255, 0, 0)),
        TrackedObject(2, "one", (0, 255, 0), 1, 5),
        TrackedObject(3, "two", (0, 0, 255), 1, 5),
    ]
    known = {"pixel_size": (0.25, 0.5), "step": 2.0, "units": ("s", "µm", "µm")}
    return TrackingResult.from_arrays(labels, objects=objects, **known)


def zarr_of(folder: Path, version: str, *, image: bool) -> tuple[TrackingResult, Path]:
    result = make_result()
    options = {"version": version, "image": image}
    return result, export(result, folder / "labels.ome.zarr", options=options).path


@VERSIONS
@IMAGE
def test_our_own_reader_opens_an_exported_zarr(version: str, image: bool, tmp_path: Path) -> None:
    result, path = zarr_of(tmp_path, version, image=image)
    with open_recording(path) as recording:
        assert recording.axes == ("TCYX" if image else "TYX")
        assert [recording.scale[letter] for letter in "TYX"] == [0.05, 0.25, 0.5]
        assert [recording.units[letter] for letter in "TYX"] == ["s", "µm", "µm"]
        if not image:
            stored = np.stack([recording.read({"T": t}) for t in range(5)])
            assert np.array_equal(stored, all_labels(result))


@VERSIONS
def test_nothing_in_an_exported_zarr_trips_whoever_lists_it(version: str, tmp_path: Path) -> None:
    import zarr

    _, path = zarr_of(tmp_path, version, image=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        root = zarr.open_group(path, mode="r")
        assert sorted(name for name, _ in root.members(max_depth=None)) == [
            "0",
            "labels",
            "labels/objects",
            "labels/objects/0",
        ]


@VERSIONS
@IMAGE
def test_ome_zarr_py_finds_the_labels(version: str, image: bool, tmp_path: Path) -> None:
    io, reader = pytest.importorskip("ome_zarr.io"), pytest.importorskip("ome_zarr.reader")
    result, path = zarr_of(tmp_path, version, image=image)
    nodes = [node for node in reader.Reader(io.parse_url(str(path)))() if node.data]
    assert len(nodes) == 2
    labels = nodes[1]
    assert np.array_equal(np.asarray(labels.data[0]), all_labels(result))
    assert labels.metadata["color"].keys() >= {1, 2, 3}
    assert labels.metadata["properties"][2]["name"] == "cell é 2"


@VERSIONS
@IMAGE
def test_ngff_zarr_opens_and_validates(version: str, image: bool, tmp_path: Path) -> None:
    ngff_zarr = pytest.importorskip("ngff_zarr")
    _, path = zarr_of(tmp_path, version, image=image)
    first = ngff_zarr.from_ngff_zarr(str(path), validate=True).images[0]
    assert {axis: first.scale[axis] for axis in "tyx"} == {"t": 0.05, "y": 0.25, "x": 0.5}
    assert first.axes_units["t"] == "second"
    assert first.axes_units["x"] == "micrometer"


@VERSIONS
@IMAGE
def test_napari_ome_zarr_gives_layers(version: str, image: bool, tmp_path: Path) -> None:
    plugin = pytest.importorskip("napari_ome_zarr")
    result, path = zarr_of(tmp_path, version, image=image)
    layers = plugin.napari_get_reader(str(path))(str(path))
    labels = [layer for layer in layers if layer[2] == "labels"]
    assert len(labels) == 1
    data = labels[0][0]
    assert np.array_equal(np.asarray(data[0] if isinstance(data, list) else data), all_labels(result))


@VERSIONS
def test_ome_zarr_models_accept_the_metadata(version: str, tmp_path: Path) -> None:
    models = pytest.importorskip("ome_zarr_models")
    import zarr

    _, path = zarr_of(tmp_path, version, image=False)
    assert type(models.open_ome_zarr(zarr.open_group(path, mode="r"))).__name__ == "Image"
    labels = zarr.open_group(path / "labels" / "objects", mode="r")
    assert type(models.open_ome_zarr(labels)).__name__ == "ImageLabel"


def ome_image(path: Path, zarr_format: int, levels: int) -> np.ndarray:
    """An OME-Zarr image of five axes, with half the pixels along y and x on each further level."""
    import zarr

    values = np.random.default_rng(0).integers(0, 999, (4, 2, 3, 60, 80)).astype(np.uint16)
    root = zarr.open_group(path, mode="w", zarr_format=zarr_format)
    axes = [{"name": "t", "type": "time"}, {"name": "c", "type": "channel"}]
    axes += [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
    datasets = []
    for level in range(levels):
        part = values[..., :: 2**level, :: 2**level]
        names = list("tczyx") if zarr_format == 3 else None
        chunks = (1, 1, 1, *part.shape[-2:])
        array = root.create_array(str(level), shape=part.shape, dtype=part.dtype, chunks=chunks, dimension_names=names)
        array[:] = part
        scale = [2.0, 1.0, 1.5, 0.5 * 2**level, 0.5 * 2**level]
        datasets.append({"path": str(level), "coordinateTransformations": [{"type": "scale", "scale": scale}]})
    shown: dict[str, Any] = {"axes": axes, "datasets": datasets}
    if zarr_format == 3:
        root.attrs["ome"] = {"version": "0.5", "multiscales": [shown]}
    else:
        root.attrs["multiscales"] = [{"version": "0.4", **shown}]
    return values


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_labels_are_added_to_an_image_that_exists(zarr_format: int, tmp_path: Path) -> None:
    import zarr

    path = tmp_path / "image.ome.zarr"
    values = ome_image(path, zarr_format, levels=2)
    labels = np.zeros((4, 60, 80), np.uint32)
    labels[1:3, 10:20, 10:20], labels[1:3, 30:40, 30:50] = 1, 70_000
    result = TrackingResult.from_arrays(labels, at={"Z": 1}, source_path=path)
    for name in ("cells", "again"):
        export(result, path / "labels" / name, format="ome-zarr")
    root = zarr.open_group(path, mode="r")
    assert np.array_equal(root["0"][:], values)
    listed = root["labels"].attrs["ome"] if zarr_format == 3 else root["labels"].attrs
    assert listed["labels"] == ["again", "cells"]
    full, half = (root[f"labels/cells/{level}"][:] for level in (0, 1))
    assert full.shape == (4, 1, 3, 60, 80)
    assert np.array_equal(full[:, 0, 1], labels)
    assert not full[:, 0, [0, 2]].any()
    assert np.array_equal(half[:, 0, 1], labels[:, ::2, ::2])
    with pytest.raises(TargetExistsError, match="has labels cells already"):
        export(result, path / "labels" / "cells", format="ome-zarr", overwrite=True)
    models = pytest.importorskip("ome_zarr_models")
    assert type(models.open_ome_zarr(root)).__name__ == "Image"


def test_labels_that_do_not_fit_an_image_are_refused_and_leave_it_alone(tmp_path: Path) -> None:
    path = tmp_path / "image.ome.zarr"
    ome_image(path, 2, levels=1)
    with pytest.raises(Exception, match="these labels do not fit"):
        export(make_result(), path / "labels" / "cells", format="ome-zarr")
    assert not (path / "labels" / "cells").exists()


def test_pycocotools_gives_overlapping_objects_whole(tmp_path: Path) -> None:
    coco_module = pytest.importorskip("pycocotools.coco")
    result = overlapping()
    coco = coco_module.COCO(export(result, tmp_path / "a.json").path)
    areas = {(row["track_id"], row["image_id"]): int(coco.annToMask(row).sum()) for row in coco.anns.values()}
    assert areas == {(i, frame + 1): 900 for i in (1, 2) for frame in range(3)}
    assert [category["name"] for category in coco.loadCats(coco.getCatIds())] == ["cell"]


def test_roifile_gives_overlapping_objects_whole_and_their_place_in_the_hyperstack(tmp_path: Path) -> None:
    roifile = pytest.importorskip("roifile")
    rois = roifile.roiread(export(overlapping(at={"Z": 4}), tmp_path / "a.zip").path)
    first = [roi for roi in rois if roi.properties["object"] == "1"]
    for frame, roi in enumerate(first):
        assert (roi.c_position, roi.z_position, roi.t_position, roi.position) == (0, 5, frame + 1, frame + 1)
        assert (roi.left, roi.top, roi.right, roi.bottom) == (4, 4, 34, 34)


def test_geff_reads_the_family_of_a_trackmate_file(tmp_path: Path) -> None:
    geff, convert = pytest.importorskip("geff"), pytest.importorskip("geff.convert")
    result = family()
    path = export(result, tmp_path / "a.xml").path
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        convert.from_trackmate_xml_to_geff(path, tmp_path / "a.geff")
        graph = geff.read(tmp_path / "a.geff", backend="networkx")[0]
    nodes = dict(graph.nodes(data=True))
    assert len(nodes) == 5 + 4 + 5
    assert {node["TRACK_ID"] for node in nodes.values()} == {0}
    (splitting,) = [node for node in nodes if graph.out_degree(node) == 2]
    assert (nodes[splitting]["FRAME"], nodes[splitting]["name"]) == (4, "mother <&>")
    gaps = [(a, b) for a, b in graph.edges if nodes[b]["FRAME"] - nodes[a]["FRAME"] == 2]
    assert [nodes[a]["name"] for a, _ in gaps] == ["one"]
    for node in nodes.values():
        assert node["POSITION_T"] == node["FRAME"] * 2.0
        corners = np.array(node["ROI_coords"])
        x, y = corners.T
        enclosed = abs(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)) / 2
        assert enclosed == pytest.approx(node["AREA"])
    first = nodes[min(nodes)]
    assert (first["POSITION_X"], first["POSITION_Y"]) == pytest.approx((5.5 * 0.5, 24.5 * 0.25))


def test_pandas_reads_the_trackmate_table_with_the_columns_of_trackmate(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.read_csv(export(family(), tmp_path / "a.csv", format="trackmate-csv").path)
    expected = ["LABEL", "ID", "TRACK_ID", "QUALITY", "POSITION_X", "POSITION_Y", "POSITION_Z", "POSITION_T", "FRAME"]
    assert list(table.columns)[:9] == expected
    assert table.groupby("TRACK_ID")["FRAME"].apply(list).to_dict() == {
        1: [0, 1, 2, 3, 4],
        2: [5, 6, 8, 9],
        3: [5, 6, 7, 8, 9],
    }


def test_ctc_metrics_find_a_valid_result(tmp_path: Path) -> None:
    metrics = pytest.importorskip("ctc_metrics")
    folder = export(family(), tmp_path / "01_RES", format="ctc").path
    assert metrics.validate_sequence(str(folder))["Valid"] == 1


def test_traccuracy_loads_the_cell_tracking_challenge_folder(tmp_path: Path) -> None:
    loaders = pytest.importorskip("traccuracy.loaders")
    result = family()
    folder = export(result, tmp_path / "01_RES", format="ctc").path
    graph = loaders.load_ctc_data(str(folder), str(folder / "res_track.txt")).graph
    assert graph.number_of_nodes() == 14
    assert [graph.out_degree(node) for node in graph].count(2) == 1


def test_nibabel_finds_the_slices_that_were_asked_for_where_they_were(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    affine = np.diag([0.5, 0.25, 3.0, 1.0])
    known = {"walk_axis": "Z", "step": 3.0, "pixel_size": (0.25, 0.5), "units": ("mm",) * 3, "affine": affine}
    result = make_result(**known)
    whole = nibabel.load(export(result, tmp_path / "a.nii").path)
    assert whole.shape == (48, 32, 5)
    part = nibabel.load(export(result, tmp_path / "b.nii", frames=(2, 4)).path)
    assert part.shape == (48, 32, 2)
    assert np.array_equal(np.asarray(part.dataobj), np.asarray(whole.dataobj)[..., 2:4])
    np.testing.assert_allclose(part.affine @ [0, 0, 0, 1], whole.affine @ [0, 0, 2, 1])


def test_tifffile_reads_only_the_tracked_frames_with_their_times(tmp_path: Path) -> None:
    import re

    import tifffile

    times = np.array([0, 0.03, 0.1, 0.2, 0.75])
    path = export(make_result(times=times), tmp_path / "a.ome.tif", frames=(1, 4)).path
    with tifffile.TiffFile(path) as file:
        assert file.series[0].shape == (3, 32, 48)
        found = [float(one) for one in re.findall(r'DeltaT="([\d.e-]+)"', file.ome_metadata)]
    np.testing.assert_allclose(found, times[1:4] - times[1])


def test_coco_names_join_with_the_files_of_a_folder(tmp_path: Path) -> None:
    from PIL import Image

    from napari_sam2_video.session import Session
    from tests.fakes import fake_factory

    folder = tmp_path / "images"
    folder.mkdir()
    for number in (3, 11, 20):
        Image.fromarray(np.full((20, 30), number, np.uint8)).save(folder / f"cell_{number}.png")
    with (
        open_recording(folder) as recording,
        Session.create(tmp_path / "run.sam2v", recording, tracker_factory=fake_factory()) as session,
    ):
        session.paint(1, (2, 2), np.full((5, 5), 1))
        report = export(session.result(), tmp_path / "a.json", frames="all")
    images = json.loads(report.path.read_text(encoding="utf-8"))["images"]
    assert [image["file_name"] for image in images] == ["cell_3.png", "cell_11.png", "cell_20.png"]
