"""Tables out: CSV and Parquet read back by other libraries, and the units they carry."""

import csv
import io
import sys

import numpy as np
import pytest

from napari_sam2_video.analysis.measure import measure
from napari_sam2_video.analysis.table import Table
from napari_sam2_video.errors import ExportError
from napari_sam2_video.results import TrackingResult

NAMES = ("plain", 'comma, "quote"', "Zelle µ\nzwei lines")


@pytest.fixture
def table():
    columns = {
        "object_id": np.array([1, 2, 70_000]),
        "name": np.array(NAMES),
        "area": np.array([0.1, np.nan, 1e300]),
        "prompted": np.array([True, False, True]),
    }
    return Table(columns)


def source(units=(None, None, None), walk_axis="T", pixel_size=(None, None), step=None):
    labels = np.ones((1, 2, 2), np.uint8)
    return TrackingResult.from_arrays(labels, units=units, walk_axis=walk_axis, pixel_size=pixel_size, step=step)


def test_csv_reads_back_to_the_same_values(table, tmp_path):
    table.to_csv(tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["name"] for row in rows] == list(NAMES)
    assert [row["area"] for row in rows] == ["0.1", "", "1e+300"]
    assert [row["prompted"] for row in rows] == ["True", "False", "True"]


def test_csv_of_a_stream_and_of_a_file_are_the_same_bytes(table, tmp_path):
    stream = io.StringIO()
    table.to_csv(stream)
    table.to_csv(tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_bytes() == stream.getvalue().encode()


def test_pandas_reads_the_csv_of_measurements(tmp_path):
    pandas = pytest.importorskip("pandas")
    labels = np.zeros((3, 8, 8), np.uint8)
    labels[0, 2:5, 2:5] = 1
    labels[2, 4:7, 2:5] = 1
    measured = measure(TrackingResult.from_arrays(labels, raw=labels))
    measured.to_csv(tmp_path / "t.csv")
    frame = pandas.read_csv(tmp_path / "t.csv")
    assert tuple(frame.columns) == measured.names
    for name in measured.names:
        np.testing.assert_array_equal(frame[name].to_numpy(), measured[name], err_msg=name)


def test_parquet_reads_back_to_the_same_values_and_types(table, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    table.to_parquet(tmp_path / "t.parquet")
    read = parquet.read_table(tmp_path / "t.parquet")
    assert read.column("object_id").to_pylist() == [1, 2, 70_000]
    assert read.column("name").to_pylist() == list(NAMES)
    assert str(read.schema.field("prompted").type) == "bool"
    np.testing.assert_array_equal(read.column("area").to_numpy(), table["area"])


@pytest.mark.parametrize(
    ("missing", "write"), [("pandas", "to_pandas"), ("pyarrow", "to_arrow"), ("pyarrow", "to_parquet")]
)
def test_a_missing_library_says_how_to_get_it(table, tmp_path, monkeypatch, missing, write):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ExportError, match=rf'{missing}; install it with: pip install "napari-sam2-video\[export\]"'):
        getattr(table, write)(*([tmp_path / "t.parquet"] if write == "to_parquet" else []))


def test_polars_that_is_missing_says_how_to_get_it(table, monkeypatch):
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(ExportError, match="polars; install it with: pip install polars"):
        table.to_polars()


@pytest.mark.parametrize(
    ("library", "method"), [("pandas", "to_pandas"), ("polars", "to_polars"), ("pyarrow", "to_arrow")]
)
def test_a_table_becomes_that_of_another_library_in_one_call(library, method):
    pytest.importorskip(library)
    labels = np.zeros((3, 8, 8), np.uint8)
    labels[0, 2:5, 2:5] = 1
    labels[2, 4:7, 2:5] = 1
    measured = measure(source_of(labels))
    other = getattr(measured, method)()
    assert tuple(other.columns if library != "pyarrow" else other.column_names) == measured.names
    for name in measured.names:
        np.testing.assert_array_equal(np.asarray(other[name]), measured[name], err_msg=name)


def source_of(labels):
    return TrackingResult.from_arrays(labels, raw=labels, pixel_size=(0.5, 0.5), units=("s", "µm", "µm"), step=2.0)


def test_every_number_with_a_dimension_has_its_unit():
    measured = measure(source_of(np.ones((2, 4, 4), np.uint8)))
    units = measured.units
    for name, unit in {
        "area": "µm²",
        "area_px": "px",
        "centroid_x": "µm",
        "centroid_x_px": "px",
        "position": "s",
        "speed": "µm/s",
        "growth_rate": "µm²/s",
        "bbox_y0": "px",
        "path_length": "µm",
    }.items():
        assert units[name] == unit
    bare = {"object_id", "name", "frame", "eccentricity", "intensity_mean", "predicted_iou", "walk", "length_unit"}
    assert bare.isdisjoint(units)
    floats = {name for name in measured.names if measured[name].dtype.kind == "f"}
    without = {"eccentricity", "circularity", "solidity", "relative_area"}
    without |= {"object_score", "predicted_iou", "disagreement", "checked_from"}
    assert {n for n in floats - units.keys() if not n.startswith("intensity_")} <= without


def test_units_go_along_into_pandas_arrow_and_parquet(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    measured = measure(source_of(np.ones((2, 4, 4), np.uint8)))
    assert measured.to_pandas().attrs["units"] == measured.units
    measured.to_parquet(tmp_path / "t.parquet")
    for schema in (measured.to_arrow().schema, parquet.read_table(tmp_path / "t.parquet").schema):
        assert schema.field("area").metadata[b"unit"].decode() == "µm²"
        assert b"unit" not in (schema.field("frame").metadata or {})


@pytest.mark.parametrize("write", ["to_csv", "to_parquet"])
def test_table_that_cannot_be_written_says_where(table, tmp_path, write):
    target = tmp_path / "no such folder" / "t"
    with pytest.raises(ExportError, match=r"no such folder.*choose a writable folder"):
        getattr(table, write)(target)


def test_rows_are_plain_values(table):
    first = next(table.rows())
    assert first == {"object_id": 1, "name": "plain", "area": 0.1, "prompted": True}
    assert [type(value) for value in first.values()] == [int, str, float, bool]


Z = {"walk_axis": "Z", "pixel_size": (1.0, 1.0)}


@pytest.mark.parametrize(
    ("known", "length", "walk", "pixel_size", "step"),
    [
        ({}, "px", "frame", (1.0, 1.0), 1.0),
        ({"units": ("s", "micron", "um"), "pixel_size": (0.5, 0.5), "step": 3.0}, "µm", "s", (0.5, 0.5), 3.0),
        ({"units": ("second", "mm", "µm"), "pixel_size": (1.0, 500.0), "step": 1.0}, "mm", "s", (1.0, 0.5), 1.0),
        ({"units": ("s", "µm", "furlong"), "pixel_size": (0.5, 2.0), "step": 1.0}, "px", "s", (1.0, 1.0), 1.0),
        (
            {**Z, "units": ("nm", "µm", "µm"), "step": 500.0},
            "µm",
            "µm",
            (1.0, 1.0),
            0.5,
        ),
        ({"walk_axis": "Z"}, "px", "px", (1.0, 1.0), 1.0),
        (
            {**Z, "units": ("s", "µm", "µm"), "step": 7.0},
            "µm",
            "slice",
            (1.0, 1.0),
            1.0,
        ),
        ({"pixel_size": (0.5, 0.5), "step": 2.0}, "unit", "unit", (0.5, 0.5), 2.0),
        (
            {**Z, "units": (None, "µm", "µm"), "step": 2.0},
            "µm",
            "µm",
            (1.0, 1.0),
            2.0,
        ),
        ({**Z, "units": (None, "µm", "µm")}, "µm", "slice", (1.0, 1.0), 1.0),
        ({"units": ("s", "µm", "µm")}, "px", "frame", (1.0, 1.0), 1.0),
        ({"units": ("s", "µm", "µm"), "pixel_size": (1.0, 1.0), "step": 1.0}, "µm", "s", (1.0, 1.0), 1.0),
        ({"pixel_size": (1.0, 1.0), "step": 1.0}, "unit", "unit", (1.0, 1.0), 1.0),
        ({"walk_axis": "Z", "units": ("µm", None, None), "step": 0.5}, "px", "slice", (1.0, 1.0), 1.0),
    ],
)
def test_calibration_settles_one_unit_for_lengths(known, length, walk, pixel_size, step):
    calibration = source(**known).calibration
    assert (calibration.length_unit, calibration.walk_unit) == (length, walk)
    assert calibration.pixel_size == pytest.approx(pixel_size)
    assert calibration.step == pytest.approx(step)
