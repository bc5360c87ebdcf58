"""Growth, motion and mean squared displacement against closed forms."""

import numpy as np
import pytest

from napari_sam2_video.analysis.measure import measure
from napari_sam2_video.analysis.motion import mean_squared_displacement, motion
from napari_sam2_video.analysis.table import Table
from napari_sam2_video.results import Calibration, TrackingResult


def track(places_yx, frames=None, step=1.0, areas=None):
    places_yx = np.asarray(places_yx, float)
    n = len(places_yx)
    frames = np.arange(n) if frames is None else np.asarray(frames)
    columns = {
        "object_id": np.ones(n, np.int64),
        "frame": frames,
        "position": frames * step,
        "area": np.ones(n) if areas is None else np.asarray(areas, float),
        "centroid_y": places_yx[:, 0],
        "centroid_x": places_yx[:, 1],
    }
    return Table(columns, Calibration(step=step))


def test_moving_disc_has_its_speed_in_units():
    y, x = np.mgrid[:60, :120]
    labels = np.stack([((y - 30) ** 2 + (x - 20 - 3 * t) ** 2 <= 100) for t in range(20)]).astype(np.uint8)
    result = TrackingResult.from_arrays(labels, pixel_size=(0.5, 0.2), step=4.0, units=("s", "µm", "µm"))
    table = measure(result)
    assert np.isnan(table["speed"][0])
    np.testing.assert_allclose(table["speed"][1:], 3 * 0.2 / 4)
    np.testing.assert_allclose(table["displacement"][1:], 0.6)
    np.testing.assert_allclose(table["path_length"], 0.6 * np.arange(20), atol=1e-12)
    np.testing.assert_allclose(table["net_displacement"], 0.6 * np.arange(20), atol=1e-12)
    np.testing.assert_allclose(table["area_change"][1:], 0, atol=1e-12)


def test_return_trip_has_a_path_and_no_net_displacement():
    table = motion(track([(0, 0), (3, 4), (0, 0)]))
    assert table["path_length"].tolist() == [0, 5, 10]
    assert table["net_displacement"].tolist() == [0, 5, 0]


def test_growth_is_per_time_and_relative_to_the_first_frame():
    table = motion(track(np.zeros((3, 2)), step=2.0, areas=[10, 15, 30]))
    np.testing.assert_array_equal(table["growth_rate"], [np.nan, 2.5, 7.5])
    np.testing.assert_array_equal(table["relative_area"], [1, 1.5, 3])


def test_gap_counts_with_its_whole_time():
    table = motion(track([(0, 0), (np.nan, np.nan), (0, 6)], areas=[4, 0, 4]))
    np.testing.assert_array_equal(table["speed"], [np.nan, np.nan, 3])
    np.testing.assert_array_equal(table["displacement"], [np.nan, np.nan, 6])


def test_constant_speed_gives_a_parabola():
    n = np.arange(40)
    msd = mean_squared_displacement(track(np.stack([0.3 * n, 0.4 * n], 1), step=2.0))
    assert msd["lag"].tolist() == list(range(1, 10))
    np.testing.assert_allclose(msd["msd"], (0.5 * msd["lag"]) ** 2)
    np.testing.assert_allclose(msd["lag_position"], 2.0 * msd["lag"])
    assert msd["pairs"].tolist() == [39 - lag + 1 for lag in msd["lag"]]


def test_random_walk_diffuses_with_slope_one():
    steps = np.random.default_rng(1).normal(0, 1.5, (20_000, 2))
    msd = mean_squared_displacement(track(np.cumsum(steps, 0)), max_lag=10)
    np.testing.assert_allclose(msd["msd"] / msd["lag"], 2 * 1.5**2, rtol=0.05)


def test_gap_leaves_out_its_pairs_alone():
    msd = mean_squared_displacement(track([(0, 0), (0, 1), (0, 5)], frames=[0, 1, 4]), max_lag=4)
    assert dict(zip(msd["lag"].tolist(), msd["msd"].tolist(), strict=True)) == {1: 1.0, 3: 16.0, 4: 25.0}
    assert msd["pairs"].tolist() == [1, 1, 1]


@pytest.mark.parametrize("n", [0, 1])
def test_too_short_tracks_have_no_displacement(n):
    msd = mean_squared_displacement(track(np.zeros((n, 2))))
    assert len(msd) == 0


TIMES = np.r_[np.arange(6) / 30, 0.2 + np.arange(6) / 10]


@pytest.mark.parametrize(("unit", "factor"), [("s", 1), (None, 1), ("ms", 1000), ("nonsense", 1)])
def test_positions_and_speeds_follow_the_times_of_the_frames(unit, factor):
    labels = np.zeros((12, 8, 60), np.uint8)
    for frame in range(12):
        labels[frame, 2:5, 4 * frame : 4 * frame + 5] = 1
    known = {"pixel_size": (0.5, 0.5), "times": TIMES, "units": (unit, "µm", "µm")}
    table = measure(TrackingResult.from_arrays(labels, **known))
    np.testing.assert_allclose(table["position"], TIMES * factor)
    assert set(table["walk_unit"]) == {unit if factor > 1 else "s"}
    np.testing.assert_allclose(table["speed"][1:], 2.0 / np.diff(TIMES) / factor)


def test_mean_squared_displacement_sorts_pairs_by_the_time_between_them():
    speed = 3.0
    places = np.stack([np.zeros(12), speed * TIMES], 1)
    table = track(places)
    calibration = Calibration(step=0.1, walk_unit="s", times=TIMES)
    msd = mean_squared_displacement(Table({**table.columns, "position": TIMES}, calibration), max_lag=5)
    exact = {lag: [] for lag in range(6)}
    for i in range(12):
        for j in range(i + 1, 12):
            exact.setdefault(round((TIMES[j] - TIMES[i]) / 0.1), []).append(TIMES[j] - TIMES[i])
    assert msd["lag"].tolist() == [1, 2, 3, 4, 5]
    for row in msd.rows():
        between = np.array(exact[row["lag"]])
        assert row["pairs"] == len(between)
        assert row["lag_position"] == pytest.approx(between.mean())
        assert row["msd"] == pytest.approx((speed * between**2 * speed).mean())
