"""Zarr says its axes and sizes in several ways, and may hold several images."""

from __future__ import annotations

import numpy as np
import pytest
import xarray
import zarr

from napari_sam2_video.errors import RecordingError
from napari_sam2_video.frames.open import open_recording

FILM = np.random.default_rng(8).integers(0, 900, (4, 20, 30), np.uint16)


def image(group, *, scales=((1.0, 1.0, 1.0),), unit="micrometer", name=None):
    """Write an OME-Zarr 0.4 image of `FILM` into `group`; the second scale is the one of the whole image."""
    group.create_array("0", data=FILM, chunks=(1, 20, 30))
    axes = [{"name": "t", "type": "time", "unit": "second"}]
    axes += [{"name": letter, "type": "space", **({"unit": unit} if unit else {})} for letter in "yx"]
    steps = [
        [{"type": "scale", "scale": list(scale)}, {"type": "translation", "translation": [9, 9, 9]}] for scale in scales
    ]
    about = {"version": "0.4", "axes": axes, "datasets": [{"path": "0", "coordinateTransformations": steps[0]}]}
    if len(steps) > 1:
        about["coordinateTransformations"] = steps[1]
    return about | ({"name": name} if name else {})


@pytest.mark.parametrize(
    ("scales", "unit", "sizes", "unit_x"),
    [
        ([(2.5, 0.5, 0.25)], "micrometer", {"T": 2.5, "Y": 0.5, "X": 0.25}, "µm"),
        ([(1.0, 0.5, 0.25), (2.5, 1, 1)], "nanometer", {"T": 2.5, "Y": 0.5, "X": 0.25}, "nm"),
        ([(1.0, 1.0, 1.0)], "micrometer", {"T": 1.0, "Y": 1.0, "X": 1.0}, "µm"),
        ([(1.0, 1.0, 1.0)], None, {"T": 1.0, "Y": None, "X": None}, None),
        ([(1.0, 2.0, 1.0)], None, {"T": 1.0, "Y": 2.0, "X": 1.0}, None),
        ([(-1.0, 0.5, 0.0)], "micrometer", {"T": None, "Y": 0.5, "X": None}, None),
        ([(2.0, -0.5, 0.25)], "micrometer", {"T": 2.0, "Y": 0.5, "X": 0.25}, "µm"),
    ],
)
def test_transformations_are_multiplied_and_units_decide_what_is_known(tmp_path, scales, unit, sizes, unit_x):
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=2)
    group.attrs["multiscales"] = [image(group, scales=scales, unit=unit)]
    with open_recording(tmp_path / "a.zarr") as recording:
        assert (recording.axes, recording.scale, recording.units["X"]) == ("TYX", sizes, unit_x)
        assert any("implausible" in note for note in recording.notes) == (scales[0][0] < 0)


@pytest.mark.parametrize("version", [2, 3])
def test_dimensions_that_have_names_are_the_axes(tmp_path, version):
    names = {"dimension_names": ["y", "x", "time"]} if version == 3 else {}
    array = zarr.create_array(str(tmp_path / "a.zarr"), data=FILM.transpose(1, 2, 0), zarr_format=version, **names)
    if version == 2:
        array.attrs["_ARRAY_DIMENSIONS"] = ["y", "x", "time"]
    for source in (tmp_path / "a.zarr", zarr.open(str(tmp_path / "a.zarr"), mode="r")):
        with open_recording(source) as recording:
            assert recording.axes == "YXT"
            np.testing.assert_array_equal(recording.read({"T": 2}), FILM[2])


def test_coordinates_beside_an_array_are_its_sizes(tmp_path):
    across = xarray.DataArray(np.arange(30) * 0.25, dims="x", attrs={"units": "um"})
    film = xarray.DataArray(FILM, dims=("time", "y", "x"), coords={"x": across}, name="film")
    film.to_dataset().to_zarr(tmp_path / "a.zarr", zarr_format=2, consolidated=False)
    with open_recording(tmp_path / "a.zarr") as recording:
        assert recording.axes == "TYX"
        assert (recording.scale, recording.units["X"]) == ({"T": None, "Y": None, "X": 0.25}, "µm")
        np.testing.assert_array_equal(recording.read({}), FILM)


def test_the_images_of_a_plate_are_named_and_one_can_be_chosen(tmp_path):
    plate = zarr.open_group(str(tmp_path / "plate.zarr"), mode="w", zarr_format=2)
    plate.attrs["plate"] = {"wells": [{"path": "A/1"}, {"path": "B/2"}]}
    for well in ("A/1", "B/2"):
        group = plate.create_group(well)
        group.attrs["well"] = {"images": [{"path": "0"}]}
        field = group.create_group("0")
        field.attrs["multiscales"] = [image(field)]
    with pytest.raises(RecordingError, match=r"2 images \(0: A/1/0, 1: B/2/0\)"):
        open_recording(tmp_path / "plate.zarr")
    for series in (1, "B/2/0"):
        with open_recording(tmp_path / "plate.zarr", series=series) as recording:
            np.testing.assert_array_equal(recording.read({}), FILM)
    with open_recording(tmp_path / "plate.zarr" / "A" / "1") as recording:
        assert recording.shape == FILM.shape


def test_several_images_of_a_group_can_be_chosen_by_name(tmp_path):
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=2)
    first = image(group, name="raw")
    group.attrs["multiscales"] = [first, first | {"name": "deconvolved"}]
    with pytest.raises(RecordingError, match="0: raw, 1: deconvolved"):
        open_recording(tmp_path / "a.zarr")
    with open_recording(tmp_path / "a.zarr", series="deconvolved") as recording:
        assert recording.name == "deconvolved"


def test_a_damaged_chunk_refuses_no_fingerprint(tmp_path):
    zarr.create_array(str(tmp_path / "a.zarr"), data=FILM, chunks=(1, 20, 30))
    (tmp_path / "a.zarr" / "c" / "0" / "0" / "0").write_bytes(b"damaged")
    with open_recording(tmp_path / "a.zarr") as recording:
        assert recording.fingerprint()["sample"] == recording.fingerprint()["sample"]
