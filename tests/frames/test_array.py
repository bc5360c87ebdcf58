from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import dask.array as da
import numpy as np
import pytest
import zarr

from napari_sam2_video.errors import FrameError, RecordingError
from napari_sam2_video.frames.axes import guess_axes, name_unknown
from napari_sam2_video.frames.open import open_recording

if TYPE_CHECKING:
    from pathlib import Path

STACK = np.random.default_rng(0).integers(0, 4096, (6, 20, 30)).astype(np.uint16)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((20, 30), "YX"),
        ((6, 20, 30), "TYX"),
        ((20, 30, 3), "YXS"),
        ((6, 20, 30, 3), "TYXS"),
        ((6, 4, 3), "TYX"),
        ((6, 2, 20, 30), "TCYX"),
        ((6, 9, 20, 30), "TZYX"),
        ((6, 9, 2, 20, 30), "TZCYX"),
        ((6, 9, 2, 20, 30, 3), "TZCYXS"),
    ],
)
def test_guessed_axes(shape: tuple[int, ...], axes: str) -> None:
    assert guess_axes(shape) == axes


@pytest.mark.parametrize(("axes", "named"), [("IYX", "TYX"), ("QQYX", "TZYX"), ("TQYX", "TZYX"), ("TZQYX", "TZQYX")])
def test_unknown_axes_get_names_used_once(axes: str, named: str) -> None:
    assert name_unknown(axes) == named


@pytest.mark.parametrize("kind", ["numpy", "dask", "zarr", "list"])
def test_arrays_of_every_kind_are_read_alike(tmp_path: Path, kind: str) -> None:
    source = {
        "numpy": lambda: STACK,
        "dask": lambda: da.from_array(STACK, chunks=(2, 7, 7)),
        "zarr": lambda: zarr.create_array(str(tmp_path / "a.zarr"), data=STACK, chunks=(1, 20, 30)),
        "list": lambda: list(STACK),
    }[kind]()
    with open_recording(source, name="mine") as recording:
        assert (recording.name, recording.axes, recording.shape) == ("mine", "TYX", STACK.shape)
        np.testing.assert_array_equal(recording.read({}), STACK)
        np.testing.assert_array_equal(recording.read({"X": 4, "T": slice(1, 6, 2)}), STACK[1:6:2, :, 4])
        lazy = recording.to_dask()
        assert lazy.chunks == ((1,) * 6, (20,), (30,))
        np.testing.assert_array_equal(lazy[3].compute(), STACK[3])


def test_what_is_read_is_the_callers_own() -> None:
    data = STACK.copy()
    with open_recording(data) as recording:
        recording.read({"T": 0})[:] = 0
        recording.read({})[:] = 0
    np.testing.assert_array_equal(data, STACK)


def test_colour_samples_may_lie_anywhere() -> None:
    planar = np.random.default_rng(0).integers(0, 256, (5, 3, 20, 30)).astype(np.uint8)
    with open_recording(planar, axes="TSYX") as recording:
        assert recording.axes == "TYXS"
        np.testing.assert_array_equal(recording.read({"T": 2}), np.moveaxis(planar[2], 0, -1))
        np.testing.assert_array_equal(recording.read({"Y": 7}), np.moveaxis(planar[:, :, 7], 1, -1))


@pytest.mark.parametrize("selection", [{"T": 6}, {"T": -1}, {"Q": 0}, {"Y": 99}])
def test_what_does_not_exist_is_refused(selection: dict[str, int]) -> None:
    with open_recording(STACK) as recording, pytest.raises((FrameError, RecordingError), match="has no"):
        recording.read(selection)


def test_complex_and_text_are_refused() -> None:
    for data in (np.zeros((3, 8, 8), complex), np.full((3, 8, 8), "a")):
        with pytest.raises(RecordingError, match="convert them"):
            open_recording(data)


def test_numpy_file(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", STACK)
    with open_recording(tmp_path / "a.npy") as recording:
        np.testing.assert_array_equal(recording.read({}), STACK)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["u1", ">u2", "f4", "?"])
@pytest.mark.parametrize("shape", [(5, 20, 30), (5, 20, 30, 3), (3, 2, 20, 30), (1, 20, 30)])
def test_numpy_file_of_any_shape(tmp_path: Path, shape: tuple[int, ...], dtype: str, order: str) -> None:
    values = np.random.default_rng(0).integers(0, 1000, shape).astype(dtype)
    np.save(tmp_path / "a.npy", np.asarray(values, order=order))
    with open_recording(tmp_path / "a.npy") as recording:
        assert recording.dtype == np.dtype(dtype).newbyteorder("=")
        np.testing.assert_array_equal(recording.read({}), values)
        np.testing.assert_array_equal(
            recording.read({"Y": slice(3, 17, 4), "X": 7}), recording.read({})[*_part(values)]
        )


def _part(values: np.ndarray) -> tuple[slice | int, ...]:
    whole = (slice(None),) * (values.ndim - 2 - (values.shape[-1] == 3))
    return (*whole, slice(3, 17, 4), 7)


def test_a_numpy_file_that_became_shorter_is_an_error_of_that_frame(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", STACK)
    with open_recording(tmp_path / "a.npy") as recording:
        with (tmp_path / "a.npy").open("r+b") as file:
            file.truncate((tmp_path / "a.npy").stat().st_size - 100)
        with pytest.raises(FrameError, match=r"Plane 5 of .* cannot be read"):
            recording.read({"T": 5})
        np.testing.assert_array_equal(recording.read({"T": 4}), STACK[4])


def test_a_numpy_file_with_a_header_that_numpy_will_not_read_is_one_sentence(tmp_path: Path) -> None:
    header = b"{'descr': '<u2', 'fortran_order': False, 'shape': (6, 20, 30)}".ljust(20_000) + b"\n"
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header + STACK.tobytes())
    with pytest.raises(RecordingError, match=r"cannot be read as an array file \(Header info length") as found:
        open_recording(tmp_path / "a.npy")
    assert "\n" not in str(found.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names")
def test_what_is_not_a_file_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RecordingError, match="neither a file nor a folder"):
        open_recording(tmp_path / "pipe")


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_ome_zarr_of_both_versions(tmp_path: Path, zarr_format: int) -> None:
    data = STACK.reshape(3, 2, 1, 20, 30)
    axes = [
        {"name": "t", "type": "time", "unit": "second"},
        {"name": "c", "type": "channel"},
        {"name": "z", "type": "space", "unit": "micrometer"},
        {"name": "y", "type": "space", "unit": "micrometer"},
        {"name": "x", "type": "space", "unit": "micrometer"},
    ]
    steps = [{"type": "scale", "scale": [2.0, 1, 4, 0.5, 0.25]}]
    image = {"axes": axes, "datasets": [{"path": "s0", "coordinateTransformations": steps}]}
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=zarr_format)
    group.create_array("s0", data=data, chunks=(1, 1, 1, 20, 30))
    if zarr_format == 3:
        group.attrs["ome"] = {"version": "0.5", "multiscales": [image]}
    else:
        group.attrs["multiscales"] = [image | {"version": "0.4"}]
    with open_recording(tmp_path / "a.zarr") as recording:
        assert (recording.axes, recording.metadata["version"]) == ("TCZYX", "0.5" if zarr_format == 3 else "0.4")
        assert recording.scale == {"T": 2.0, "C": None, "Z": 4.0, "Y": 0.5, "X": 0.25}
        assert recording.units == {"T": "s", "C": None, "Z": "µm", "Y": "µm", "X": "µm"}
        np.testing.assert_array_equal(recording.read({}), data)
    if zarr_format == 3:
        with open_recording(tmp_path / "a.zarr" / "zarr.json") as recording:
            assert recording.shape == data.shape


def test_converted_image_inside_a_collection(tmp_path: Path) -> None:
    root = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=2)
    root.attrs["bioformats2raw.layout"] = 3
    for name in "01":
        image = root.create_group(name)
        image.create_array("0", data=STACK, chunks=(1, 20, 30))
        image.attrs["multiscales"] = [{"version": "0.4", "axes": ["t", "y", "x"], "datasets": [{"path": "0"}]}]
    with pytest.raises(RecordingError, match=r"holds 2 images \(0: 0, 1: 1\); choose one with series"):
        open_recording(tmp_path / "a.zarr")
    with open_recording(tmp_path / "a.zarr", series=1) as recording:
        np.testing.assert_array_equal(recording.read({}), STACK)


def test_group_without_an_image_is_refused(tmp_path: Path) -> None:
    zarr.open_group(str(tmp_path / "a.zarr"), mode="w").create_group("inner")
    with pytest.raises(RecordingError, match="without an image of its own"):
        open_recording(tmp_path / "a.zarr")


def test_damaged_zarr_metadata_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / "zarr.json").write_text(json.dumps({"zarr_format": 3, "node_type": "array"}))
    with pytest.raises(RecordingError, match="damaged zarr folder"):
        open_recording(tmp_path / "a.zarr")


def test_damaged_chunk_is_an_error_of_that_frame_only(tmp_path: Path) -> None:
    zarr.create_array(str(tmp_path / "a.zarr"), data=STACK, chunks=(1, 20, 30))
    (tmp_path / "a.zarr" / "c" / "2" / "0" / "0").write_bytes(b"nonsense")
    with open_recording(tmp_path / "a.zarr") as recording:
        with pytest.raises(FrameError, match="T 2"):
            recording.read({"T": 2})
        np.testing.assert_array_equal(recording.read({"T": 3}), STACK[3])


def test_array_fingerprint_sees_a_change() -> None:
    changed = STACK.copy()
    changed[0, 0, 0] += 1
    prints = []
    for data in (STACK, changed, STACK.copy()):
        with open_recording(data) as recording:
            prints.append(recording.fingerprint())
    assert prints[0] == prints[2] != prints[1]
    json.dumps(prints)


def test_addresses_are_refused() -> None:
    with pytest.raises(RecordingError, match="download it"):
        open_recording("https://example.org/a.mp4")


def test_what_another_thread_closes_while_it_is_read_is_called_closed() -> None:
    class Slow:
        shape, dtype = (2, 4, 5), np.dtype("u1")

        def __getitem__(self, index: object) -> np.ndarray:
            recording.close()
            raise OSError("the file is gone")

    recording = open_recording(Slow())
    with pytest.raises(RecordingError, match="is closed; open it again"):
        recording.read({"T": 0})
