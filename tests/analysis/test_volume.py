"""Volume and surface against scikit-image on the whole volume and against a sphere."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import convolve1d
from skimage.measure import marching_cubes, mesh_surface_area, regionprops_table

from napari_sam2_video.analysis.volume import measure_volumes
from napari_sam2_video.errors import ExportError
from napari_sam2_video.results import TrackingResult


def volume(labels, spacing, units=("mm", "mm", "mm"), axis="Z"):
    return TrackingResult.from_arrays(labels, walk_axis=axis, step=spacing[0], pixel_size=spacing[1:], units=units)


def ball(radius, spacing, offset=(0.3, 0.2, 0.1)):
    half = [int(radius / size) + 3 for size in spacing]
    z, y, x = np.ogrid[tuple(slice(-n, n + 1) for n in half)]
    squared = sum(((axis - o) * s) ** 2 for axis, o, s in zip((z, y, x), offset, spacing, strict=True))
    return (squared <= radius**2).astype(np.uint8)


def whole_surface(mask, spacing, smooth):
    field = np.pad(mask.astype(np.float32), 3)
    for axis in range(3) if smooth else ():
        field = convolve1d(field, [0.25, 0.5, 0.25], axis=axis, mode="constant")
    if not field.max() > 0.5:
        return np.nan
    vertices, faces, _, _ = marching_cubes(field, 0.5, spacing=spacing)
    return mesh_surface_area(vertices, faces)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.5, 1.0, 1.0), (1.0, 0.5, 0.5)])
@pytest.mark.parametrize("radius", [10, 20])
def test_ball_has_its_volume_and_surface(radius, spacing):
    row = next(measure_volumes(volume(ball(radius, spacing), spacing)).rows())
    assert row["volume"] == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.005)
    assert row["surface"] == pytest.approx(4 * np.pi * radius**2, rel=0.02)
    assert row["sphericity"] == pytest.approx(1, abs=0.02)
    assert row["equivalent_diameter"] == pytest.approx(2 * radius, rel=0.002)
    assert row["length_unit"] == "mm"


@given(
    labels=arrays(np.uint8, (5, 6, 7), elements=st.sampled_from([0, 0, 1, 1, 5])),
    spacing=st.sampled_from([(1.0, 1.0, 1.0), (3.0, 0.5, 0.7)]),
)
@settings(max_examples=30, deadline=None)
def test_slice_by_slice_equals_the_whole_volume(labels, spacing):
    table = measure_volumes(volume(labels, spacing))
    wanted = regionprops_table(labels, spacing=spacing, properties=("label", "num_pixels", "area", "centroid", "bbox"))
    assert table["object_id"].tolist() == wanted["label"].tolist()
    assert table["voxels"].tolist() == wanted["num_pixels"].tolist()
    np.testing.assert_allclose(table["volume"], wanted["area"])
    for axis, letter in enumerate("zyx"):
        np.testing.assert_allclose(table[f"centroid_{letter}"], wanted[f"centroid-{axis}"], atol=1e-9)
        assert table[f"bbox_{letter}0"].tolist() == wanted[f"bbox-{axis}"].tolist()
        assert table[f"bbox_{letter}1"].tolist() == wanted[f"bbox-{axis + 3}"].tolist()
    for row in table.rows():
        mask = labels == row["object_id"]
        assert row["surface_voxels"] == pytest.approx(whole_surface(mask, spacing, smooth=False), rel=1e-4)
        assert row["surface"] == pytest.approx(whole_surface(mask, spacing, smooth=True), rel=1e-4, nan_ok=True)


@pytest.mark.parametrize("units", [("s", "µm", "µm"), (None, "µm", "µm"), ("µm", None, None), ("µm", "µm", "furlong")])
def test_volumes_without_all_three_sizes_are_counted_in_voxels(units):
    labels = np.zeros((5, 6, 7), np.uint8)
    labels[1:4, 1:5, 2:5] = 1
    size = None if units[1] is None else 0.25
    row = next(measure_volumes(volume(labels, (7.0 if units[0] else None, size, size), units)).rows())
    assert (row["length_unit"], row["volume"]) == ("px", row["voxels"])
    assert (row["centroid_z"], row["centroid_y"], row["centroid_x"]) == (2, 2.5, 3)


def test_object_at_the_border_is_closed_there():
    filled = np.ones((4, 4, 4), np.uint8)
    inside = np.pad(filled, 3)
    at_border, free = (next(measure_volumes(volume(part, (1.0, 1.0, 1.0))).rows()) for part in (filled, inside))
    assert at_border["surface"] == pytest.approx(free["surface"], rel=1e-6)
    assert at_border["surface_voxels"] == pytest.approx(free["surface_voxels"], rel=1e-6)


def test_sheet_of_one_voxel_has_no_smooth_surface_but_one_of_voxels():
    labels = np.zeros((5, 12, 12), np.uint8)
    labels[2, 1:11, 1:11] = 1
    row = next(measure_volumes(volume(labels, (1.0, 1.0, 1.0))).rows())
    assert np.isnan(row["surface"])
    assert row["surface_voxels"] > 2 * 9 * 9


def test_units_are_brought_together():
    labels = ball(12, (2.0, 1.0, 1.0))
    table = measure_volumes(volume(labels, (0.002, 1.0, 1.0), units=("mm", "µm", "micron")))
    assert table["volume"][0] == pytest.approx(4 / 3 * np.pi * 12**3, rel=0.005)
    assert table["length_unit"].tolist() == ["µm"]


def test_volume_of_a_time_series_is_refused_in_one_sentence():
    with pytest.raises(ExportError, match="tracked along Z, Y or X, not T"):
        measure_volumes(volume(np.ones((2, 2, 2), np.uint8), (1.0, 1.0, 1.0), axis="T"))


def test_empty_volume_gives_an_empty_table():
    assert len(measure_volumes(volume(np.zeros((3, 4, 4), np.uint8), (1.0, 1.0, 1.0)))) == 0


def test_values_of_all_voxels_give_mean_and_deviation():
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 4, (9, 8, 7)).astype(np.uint8)
    raw = (rng.normal(1e6, 3, labels.shape) + labels * 10).astype(np.float32)
    result = TrackingResult.from_arrays(labels, raw=raw, walk_axis="Z")
    for row in measure_volumes(result).rows():
        values = raw[labels == row["object_id"]].astype(np.float64)
        assert row["intensity_mean"] == pytest.approx(values.mean(), rel=1e-12)
        assert row["intensity_std"] == pytest.approx(values.std(), rel=1e-6)
    assert "intensity_mean" not in measure_volumes(result, intensity=False)


def test_values_of_colours_are_measured_by_channel():
    raw = np.random.default_rng(0).integers(0, 256, (4, 5, 6, 3)).astype(np.uint8)
    labels = np.ones((4, 5, 6), np.uint8)
    row = next(measure_volumes(TrackingResult.from_arrays(labels, raw, raw=raw, walk_axis="Z")).rows())
    assert row["intensity_mean_green"] == pytest.approx(raw[..., 1].mean())
    assert row["intensity_std_blue"] == pytest.approx(raw[..., 2].std())


def test_extents_are_the_sides_of_the_box_in_units():
    labels = np.zeros((9, 8, 7), np.uint8)
    labels[2:5, 1:7, 3] = 1
    table = measure_volumes(volume(labels, (2.5, 0.5, 0.25)))
    assert [table[f"extent_{letter}"][0] for letter in "zyx"] == [7.5, 3.0, 0.25]
    assert table.units["extent_z"] == "mm"


def test_objects_that_overlap_are_measured_whole():
    first, second = np.zeros((5, 9, 9), bool), np.zeros((5, 9, 9), bool)
    first[:, 1:6, 1:6], second[1:4, 3:8, 3:8] = True, True
    labels = np.where(second, 2, first).astype(np.uint8)
    masks = {1: first, 2: second}
    result = TrackingResult.from_arrays(
        labels,
        walk_axis="Z",
        read_masks=lambda frame, ids: [masks[i][frame] for i in ids],
        read_scores=lambda i: {"frame": np.arange(5), "area": masks[i].sum(axis=(1, 2))},
    )
    assert measure_volumes(result)["voxels"].tolist() == [first.sum(), second.sum()]
