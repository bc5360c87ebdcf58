"""Arrays as scripts pass them: each is read as what it says it is, or refused in a sentence."""

from __future__ import annotations

import dask.array
import h5py
import numpy as np
import pytest
import xarray

from napari_sam2_video.errors import FrameError, RecordingError
from napari_sam2_video.frames.open import open_recording

FILM = np.random.default_rng(5).integers(0, 900, (4, 20, 30), np.uint16)


class OneByOne:
    """As sequences of pims are: a frame is asked for by one number."""

    shape, dtype = FILM.shape, FILM.dtype

    def __len__(self):
        return len(FILM)

    def __getitem__(self, index):
        if isinstance(index, int):
            return FILM[index]
        raise TypeError("index must be int")


class WithoutShape(OneByOne):
    def __getattribute__(self, name):
        if name in ("shape", "dtype"):
            raise AttributeError(name)
        return super().__getattribute__(name)


def from_torch():
    import torch

    return torch.from_numpy(FILM.astype(np.int32)).requires_grad_(False)


def of_unknown_length():
    lazy = dask.array.from_array(FILM, chunks=(1, 20, 30))
    return lazy[lazy.mean((1, 2)) > 0]


@pytest.mark.parametrize(
    "make",
    [
        OneByOne,
        WithoutShape,
        from_torch,
        of_unknown_length,
        lambda: list(FILM),
        lambda: FILM.tolist(),
        lambda: [dask.array.from_array(frame) for frame in FILM],
        lambda: np.ma.masked_array(FILM, False),
    ],
)
def test_whatever_holds_frames_is_a_recording(make):
    with open_recording(make()) as recording:
        assert (recording.axes, recording.shape) == ("TYX", FILM.shape)
        np.testing.assert_array_equal(recording.read({}), FILM)
        np.testing.assert_array_equal(recording.read({"T": 2, "Y": slice(3, 9, 2)}), FILM[2, 3:9:2])
        np.testing.assert_array_equal(recording.read({"T": slice(1, 1)}), FILM[1:1])


def test_axes_steps_and_name_of_xarray_are_taken():
    seconds = xarray.DataArray([0.0, 2.5, 5.0, 7.5], dims="time", attrs={"units": "s"})
    across = xarray.DataArray(np.arange(30) * 0.25 + 7, dims="x", attrs={"units": "um"})
    film = xarray.DataArray(
        FILM.transpose(1, 2, 0), dims=("y", "x", "time"), coords={"time": seconds, "x": across}, name="cells"
    )
    with open_recording(film) as recording:
        assert (recording.axes, recording.name) == ("YXT", "cells")
        assert (recording.scale, recording.units) == (
            {"Y": None, "X": 0.25, "T": 2.5},
            {"Y": None, "X": "µm", "T": "s"},
        )
        np.testing.assert_array_equal(recording.read({"T": 3}), FILM[3])
    with open_recording(xarray.Dataset({"film": film, "total": film.sum(("y", "x"))})) as recording:
        assert recording.axes == "YXT"


def test_times_of_xarray_that_vary_are_the_times_of_the_frames():
    stamps = np.array(["2024-05-01T10:00:00", "2024-05-01T10:00:10", "2024-05-01T10:00:40", "2024-05-01T10:01:00"])
    film = xarray.DataArray(FILM, dims=("t", "y", "x"), coords={"t": stamps.astype("M8[ns]")})
    with open_recording(film) as recording:
        assert recording.times is not None
        assert recording.times.tolist() == [0, 10, 40, 60]


def test_uneven_places_give_no_pixel_size():
    film = xarray.DataArray(FILM, dims=("time", "lat", "lon"), coords={"lat": np.arange(20) ** 2.0})
    with open_recording(film) as recording:
        assert (recording.axes, recording.scale["Y"]) == ("TYX", None)
        assert "not evenly spaced" in recording.notes[0]


def test_dimensions_without_a_meaning_are_guessed():
    with open_recording(xarray.DataArray(FILM)) as recording:
        assert recording.axes == "TYX"


def test_hdf5_datasets_keep_their_labels_and_sizes(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("stack", data=FILM)
        for dimension, label in zip(data.dims, "zyx", strict=True):
            dimension.label = label
        data.attrs["element_size_um"] = [2.0, 0.5, 0.25]
        with open_recording(file["stack"]) as recording:
            assert (recording.axes, recording.name) == ("ZYX", "stack")
            assert recording.scale == {"Z": 2.0, "Y": 0.5, "X": 0.25}
            np.testing.assert_array_equal(recording.read({"Z": 1}), FILM[1])
        recording = open_recording(file)
    with pytest.raises(FrameError, match="The part Z 0"):
        recording.read({recording.axes[0]: 0})


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (FILM.astype(complex), "complex"),
        (FILM.astype(object), "object"),
        (np.zeros((3, 8, 9), [("a", "u1"), ("b", "u1")]), "type"),
        (np.array([["a", "b"], ["c", "d"]]), "type"),
        ([np.zeros((8, 9)), np.zeros((9, 9)), np.zeros((8, 9))], "different shapes"),
        ([np.zeros((8, 9)), [1, 2]], "one shape"),
        ([], "1 axes"),
        (None, "0 axes"),
        (np.float32(3), "0 axes"),
        (xarray.Dataset({"a": ("x", [1, 2])}), "0 images"),
    ],
)
def test_what_is_not_a_recording_is_refused_in_a_sentence(array, sentence):
    with pytest.raises(RecordingError, match=sentence):
        open_recording(array)


def test_a_list_of_files_is_a_recording_in_the_order_of_the_list(tmp_path):
    import tifffile

    for number, frame in enumerate(FILM):
        tifffile.imwrite(tmp_path / f"f{number}.tif", frame)
    files = [tmp_path / f"f{number}.tif" for number in (2, 0, 3)]
    with open_recording([str(file) for file in files]) as recording:
        assert (recording.axes, recording.path) == ("TYX", None)
        np.testing.assert_array_equal(recording.read({}), FILM[[2, 0, 3]])
        first = recording.fingerprint()
    with open_recording(files[:2]) as recording:
        assert recording.fingerprint()["sample"] != first["sample"]
    with pytest.raises(RecordingError, match=r"no file .*f9\.tif"):
        open_recording([files[0], tmp_path / "f9.tif"])


def test_an_array_that_fails_is_an_error_of_that_part():
    class Broken(OneByOne):
        def __getitem__(self, index):
            if index[0] == 2:
                raise OSError("the server is gone")
            return FILM[index]

    with open_recording(Broken()) as recording:
        np.testing.assert_array_equal(recording.read({"T": 1}), FILM[1])
        with pytest.raises(FrameError, match=r"T 2 .*the server is gone"):
            recording.read({"T": 2})
