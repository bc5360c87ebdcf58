"""Sizes, places, shapes and intensities against scikit-image and closed forms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.measure import regionprops_table

from napari_sam2_video.analysis.measure import measure, measure_frame
from napari_sam2_video.results import TrackingResult
from napari_sam2_video.types.tracked_object import TrackedObject

EXACT = {
    "object_id": "label",
    "area_px": "num_pixels",
    "bbox_y0": "bbox-0",
    "bbox_x0": "bbox-1",
    "bbox_y1": "bbox-2",
    "bbox_x1": "bbox-3",
    "intensity_min": "intensity_min",
    "intensity_max": "intensity_max",
}
CLOSE = {
    "area": "area",
    "centroid_y": "centroid-0",
    "centroid_x": "centroid-1",
    "equivalent_diameter": "equivalent_diameter_area",
    "major_axis": "axis_major_length",
    "minor_axis": "axis_minor_length",
    "intensity_mean": "intensity_mean",
}
PROPERTIES = (
    "label",
    "num_pixels",
    "bbox",
    "area",
    "centroid",
    "equivalent_diameter_area",
    "axis_major_length",
    "axis_minor_length",
    "eccentricity",
    "intensity_mean",
    "intensity_min",
    "intensity_max",
)


def disc(shape_yx, centre_yx, radius, pixel_size=(1.0, 1.0)):
    y, x = np.ogrid[: shape_yx[0], : shape_yx[1]]
    return ((y - centre_yx[0]) * pixel_size[0]) ** 2 + ((x - centre_yx[1]) * pixel_size[1]) ** 2 <= radius**2


@given(
    labels=arrays(np.uint16, (9, 13), elements=st.sampled_from([0, 0, 1, 2, 300])),
    raw=arrays(np.uint16, (9, 13), elements=st.integers(0, 65535)),
    pixel_size=st.sampled_from([(1.0, 1.0), (0.5, 0.2), (3.0, 0.65)]),
)
@settings(max_examples=60, deadline=None)
def test_measurements_equal_those_of_regionprops(labels, raw, pixel_size):
    result = TrackingResult.from_arrays(labels[None], raw=raw[None], pixel_size=pixel_size, units=(None, "µm", "µm"))
    table = measure(result)
    wanted = regionprops_table(labels, raw, spacing=pixel_size, properties=PROPERTIES)
    for ours, theirs in EXACT.items():
        assert table[ours].tolist() == wanted[theirs].tolist(), ours
    for ours, theirs in CLOSE.items():
        np.testing.assert_allclose(table[ours], wanted[theirs], rtol=1e-9, atol=1e-6, err_msg=ours)
    shaped = table["area_px"] > 1
    np.testing.assert_allclose(table["eccentricity"][shaped], wanted["eccentricity"][shaped], atol=1e-6)


def test_disc_has_its_area_diameter_and_axes():
    labels = disc((121, 121), (60, 60), 50).astype(np.uint8)
    row = next(measure(TrackingResult.from_arrays(labels[None])).rows())
    assert row["area_px"] == pytest.approx(np.pi * 50**2, rel=2e-3)
    assert row["equivalent_diameter"] == pytest.approx(100, rel=1e-3)
    assert row["major_axis"] == pytest.approx(100, rel=2e-3)
    assert row["minor_axis"] == pytest.approx(100, rel=2e-3)
    assert (row["centroid_y"], row["centroid_x"]) == pytest.approx((60, 60))


def test_circle_stays_round_where_pixels_are_not_square():
    pixel_size = (2.0, 0.5)
    labels = disc((80, 300), (40, 150), 60, pixel_size).astype(np.uint8)
    result = TrackingResult.from_arrays(labels[None], pixel_size=pixel_size, step=1.0, units=("s", "µm", "µm"))
    row = next(measure(result).rows())
    assert row["eccentricity"] < 0.1
    assert row["area"] == pytest.approx(np.pi * 60**2, rel=5e-3)
    assert row["major_axis"] == pytest.approx(120, rel=5e-3)
    assert (row["centroid_y"], row["centroid_x"]) == pytest.approx((80, 75))
    assert (row["length_unit"], row["walk_unit"]) == ("µm", "s")


def test_ellipse_has_its_eccentricity():
    labels = disc((101, 201), (50, 100), 40, (1.0, 0.5)).astype(np.uint8)
    row = next(measure(TrackingResult.from_arrays(labels[None])).rows())
    assert row["eccentricity"] == pytest.approx(np.sqrt(1 - 0.25), abs=2e-3)


def test_single_pixel_and_line_have_defined_shapes():
    labels = np.zeros((1, 5, 9), np.uint8)
    labels[0, 0, 0] = 1
    labels[0, 3, 2:7] = 2
    table = measure(TrackingResult.from_arrays(labels))
    assert table["eccentricity"].tolist() == [0.0, 1.0]
    assert table["touches_border"].tolist() == [True, False]


def test_raw_values_are_measured_not_the_displayed_ones():
    labels = np.zeros((1, 4, 4), np.uint8)
    labels[0, 1:3, 1:3] = 7
    raw = np.full((1, 4, 4), -1000, np.int16)
    raw[0, 1:3, 1:3] = [[-200, 100], [300, 3000]]
    picture = np.full((1, 4, 4), 99, np.uint8)
    row = next(measure(TrackingResult.from_arrays(labels, picture, raw=raw)).rows())
    assert (row["intensity_mean"], row["intensity_min"], row["intensity_max"]) == (800, -200, 3000)
    assert row["intensity_sum"] == 3200


def test_sums_of_large_bright_objects_do_not_overflow():
    labels = np.ones((1, 300, 300), np.uint8)
    raw = np.full((1, 300, 300), 65535, np.uint16)
    row = next(measure(TrackingResult.from_arrays(labels, raw=raw)).rows())
    assert row["intensity_sum"] == 300 * 300 * 65535


def test_each_colour_is_measured():
    labels = np.ones((1, 2, 2), np.uint8)
    raw = np.zeros((1, 2, 2, 3), np.uint8)
    raw[..., 1] = 20
    raw[0, 0, 0] = (4, 20, 200)
    row = next(measure(TrackingResult.from_arrays(labels, raw=raw)).rows())
    assert (row["intensity_mean_red"], row["intensity_mean_green"], row["intensity_mean_blue"]) == (1, 20, 50)
    assert "intensity_mean" not in row


def test_columns_stay_the_same_without_a_recording_to_measure():
    labels = np.ones((2, 3, 3), np.uint8)
    table = measure(TrackingResult.from_arrays(labels))
    assert not [name for name in table.names if name.startswith("intensity")]
    assert len(table) == 2


def test_recording_is_not_read_when_intensities_are_not_wanted():
    def explode(frame):
        raise AssertionError(frame)

    known = TrackingResult.from_arrays(np.ones((1, 3, 3), np.uint8))
    result = TrackingResult(1, (3, 3), known.read_labels, known.objects, read_raw=explode)
    assert len(measure(result, intensity=False)) == 1


def test_tracked_but_lost_object_has_a_row_with_no_area():
    labels = np.zeros((3, 4, 4), np.uint8)
    labels[0, 1:3, 1:3] = 2
    scores = {
        "frame": np.array([0, 1]),
        "object_score": np.array([5.0, -7.0]),
        "predicted_iou": np.array([0.9, 0.1]),
        "prompted": np.array([True, False]),
    }
    result = TrackingResult(
        3, (4, 4), lambda t: labels[t], (TrackedObject(2, "cell", (1, 2, 3)),), read_scores=lambda i: scores
    )
    first, lost = measure(result).rows()
    assert (first["frame"], first["object_score"], first["prompted"]) == (0, 5.0, True)
    assert (lost["frame"], lost["area_px"], lost["object_score"]) == (1, 0, -7.0)
    assert np.isnan(lost["centroid_y"])
    assert lost["name"] == "cell"


def test_scores_reach_their_own_frames_whatever_their_order():
    labels = np.zeros((3, 4, 4), np.uint8)
    labels[:, 1, 1] = 1
    scores = {"frame": np.array([2, 0]), "object_score": np.array([2.5, 0.5])}
    result = TrackingResult(
        3, (4, 4), lambda t: labels[t], (TrackedObject(1, "", (1, 2, 3)),), read_scores=lambda i: scores
    )
    np.testing.assert_array_equal(measure(result)["object_score"], [0.5, np.nan, 2.5])


def test_nothing_tracked_gives_an_empty_table_with_all_columns():
    full = measure(TrackingResult.from_arrays(np.ones((1, 3, 3), np.uint8)))
    empty = measure(TrackingResult.from_arrays(np.zeros((2, 3, 3), np.uint8)))
    assert len(empty) == 0
    assert empty.names == full.names


def test_many_ids_are_measured_each():
    labels = np.arange(1, 70_001, dtype=np.uint32).reshape(280, 250)
    columns = measure_frame(labels, {})
    assert columns["object_id"].tolist() == labels.ravel().tolist()
    assert set(columns["area_px"].tolist()) == {1}


def test_frames_are_read_once_each_and_progress_is_reported():
    read, told = [], []
    labels = np.ones((4, 3, 3), np.uint8)
    known = TrackingResult.from_arrays(labels)
    result = TrackingResult(4, (3, 3), lambda t: read.append(t) or labels[t], known.objects)
    measure(result, progress=lambda done, total: told.append((done, total)))
    assert read == [0, 1, 2, 3]
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
