"""Forms and intensities are those of scikit-image and NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.draw import disk, ellipse
from skimage.measure import regionprops

from napari_sam2_video.analysis.intensity import PERCENTILES
from napari_sam2_video.analysis.measure import measure, measure_frame
from napari_sam2_video.analysis.shape import SHAPE_COLUMNS, measure_shape
from napari_sam2_video.results import TrackingResult


def blobs(seed=0):
    """Labels with a tilted ellipse, a ring, a line and a single pixel."""
    labels = np.zeros((60, 80), np.uint16)
    labels[ellipse(20, 25, 8, 17, rotation=0.5)] = 1
    labels[disk((42, 60), 12)] = 5
    labels[disk((42, 60), 5)] = 0
    labels[55, 3:30] = 300
    labels[2, 70] = 301
    return labels, np.random.default_rng(seed).normal(100, 30, labels.shape)


@pytest.mark.parametrize("pixel_size", [(1.0, 1.0), (0.25, 0.25), (2.0, 0.5)])
def test_forms_equal_those_of_regionprops(pixel_size):
    labels, _ = blobs()
    columns = measure_frame(labels, {}, pixel_size, shape=True)
    assert columns["object_id"].tolist() == [1, 5, 300, 301]
    for row, props in enumerate(regionprops(labels, spacing=pixel_size)):
        expected = {
            "solidity": props.solidity,
            "orientation": np.degrees(props.orientation),
            "feret_diameter": props.feret_diameter_max,
        }
        square = pixel_size[0] == pixel_size[1]
        expected["perimeter"] = props.perimeter if square else np.nan
        round_enough = square and props.perimeter > 0
        expected["circularity"] = 4 * np.pi * props.area / props.perimeter**2 if round_enough else np.nan
        for name, value in expected.items():
            np.testing.assert_allclose(columns[name][row], value, rtol=1e-9, err_msg=f"{name} of {props.label}")


def test_intensities_equal_those_of_numpy():
    labels, raw = blobs()
    columns = measure_frame(labels, {"": raw, "_c2": raw * 2})
    for row, object_id in enumerate(columns["object_id"]):
        values = raw[labels == object_id]
        expected = {"mean": values.mean(), "std": values.std(), "median": np.median(values), "sum": values.sum()}
        expected |= {f"p{q}": np.percentile(values, q) for q in PERCENTILES}
        for name, value in expected.items():
            np.testing.assert_allclose(columns[f"intensity_{name}"][row], value, rtol=1e-9)
            np.testing.assert_allclose(columns[f"intensity_{name}_c2"][row], 2 * value, rtol=1e-9)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.integers(0, 30))
def test_percentiles_of_any_values_equal_those_of_numpy(values, cut):
    cut = min(cut, len(values) - 1)
    labels = np.r_[np.full(cut, 1), np.full(len(values) - cut, 2)][None]
    raw = np.array(values)[None]
    columns = measure_frame(labels, {"": raw})
    for row, object_id in enumerate(columns["object_id"]):
        for q in PERCENTILES:
            expected = np.percentile(raw[labels == object_id], q)
            np.testing.assert_allclose(columns[f"intensity_p{q}"][row], expected, rtol=1e-9, atol=1e-9)


def test_a_missing_value_makes_all_figures_missing():
    labels, raw = blobs()
    raw[20, 25] = np.nan
    columns = measure_frame(labels, {"": raw})
    figures = [name for name in columns if name.startswith("intensity_")]
    assert all(np.isnan(columns[name][0]) for name in figures)
    assert not any(np.isnan(columns[name][1:]).any() for name in figures)


def test_colours_have_columns_of_their_own():
    labels, raw = blobs()
    columns = measure_frame(labels, {"": np.stack([raw, raw + 1, raw + 2], axis=-1)})
    np.testing.assert_allclose(columns["intensity_median_blue"], columns["intensity_median_red"] + 2)


def test_a_disc_is_round_and_full():
    mask = np.zeros((101, 101), bool)
    mask[disk((50, 50), 45)] = True
    perimeter, circularity, solidity, _, feret = measure_shape(mask, (0.5, 0.5))
    assert perimeter == pytest.approx(np.pi * 45, rel=0.05)
    assert circularity == pytest.approx(1, abs=0.1)
    assert solidity > 0.98
    assert feret == pytest.approx(45, rel=0.02)


def test_a_frame_without_the_object_has_no_form():
    labels = np.zeros((2, 8, 8), np.uint8)
    labels[0, 2:5, 2:5] = 1
    scores = {"frame": np.array([0, 1]), "area": np.array([9, 0])}
    result = TrackingResult.from_arrays(labels, raw=labels, read_scores=lambda _: scores)
    table = measure(result)
    assert table["area_px"].tolist() == [9, 0]
    for name in SHAPE_COLUMNS:
        assert np.isfinite(table[name][0])
        assert np.isnan(table[name][1])
    assert set(SHAPE_COLUMNS).isdisjoint(measure(result, shape=False).names)
