from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_sam2_video.errors import FrameError, RecordingError
from napari_sam2_video.frames.nibabel_volume import NibabelRecording
from napari_sam2_video.frames.open import open_recording
from napari_sam2_video.frames.view import FrameView, default_view

nibabel = pytest.importorskip("nibabel")

if TYPE_CHECKING:
    from pathlib import Path

OBLIQUE = np.array([[0.5, 0.1, -0.2, 11.0], [-0.1, 0.6, 0.3, -7.25], [0.2, -0.3, 2.5, 3.125], [0, 0, 0, 1.0]])


VOXELS = np.random.default_rng(0).integers(-1000, 2000, (9, 8, 7)).astype(np.int16)


def save_nifti(path: Path, voxels: np.ndarray, affine: np.ndarray, kind: Any = None, **header: Any) -> Path:
    image = (kind or nibabel.Nifti1Image)(voxels, affine)
    for name, values in header.items():
        getattr(image.header, name)(*values)
    nibabel.save(image, path)
    return path


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.hdr"])
def test_nifti_keeps_voxels_and_affine_to_the_last_digit(tmp_path: Path, name: str) -> None:
    kind = nibabel.Nifti1Pair if name == "a.hdr" else None
    path = save_nifti(tmp_path / name, VOXELS, OBLIQUE, kind, set_xyzt_units=("mm", "sec"))
    with open_recording(path) as recording:
        assert (recording.name, recording.axes, recording.shape) == ("a", "ZYX", (7, 8, 9))
        np.testing.assert_array_equal(recording.read({}), VOXELS.T)
        np.testing.assert_array_equal(recording.read({"Z": 3, "Y": slice(1, 7, 2)}), VOXELS.T[3, 1:7:2])
        assert recording.affine is not None
        assert recording.affine.tobytes() == nibabel.load(path).affine.tobytes()
        assert recording.units["Z"] == "mm"
        assert recording.scale["Z"] == pytest.approx(np.linalg.norm(OBLIQUE[:3, 2]))


@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, 1), (1, -1, -1)])
def test_nifti_of_any_orientation_stays_in_its_own_order(tmp_path: Path, signs: tuple[int, int, int]) -> None:
    path = save_nifti(tmp_path / "a.nii", VOXELS, np.diag([*signs, 1.0]))
    with open_recording(path) as recording:
        np.testing.assert_array_equal(recording.read({}), VOXELS.T)
        letters = "".join(pair[sign < 0] for pair, sign in zip(("RL", "AP", "SI"), signs, strict=True))
        assert recording.metadata["orientation"] == letters


def test_nifti_series_of_volumes(tmp_path: Path) -> None:
    voxels = np.arange(5 * 6 * 4 * 3, dtype=np.uint16).reshape(5, 6, 4, 3)
    path = save_nifti(tmp_path / "a.nii", voxels, np.eye(4), set_xyzt_units=("mm", "msec"), set_zooms=((1, 1, 2, 500),))
    with open_recording(path) as recording:
        assert (recording.axes, recording.scale["T"], recording.units["T"]) == ("TZYX", 500, "ms")
        np.testing.assert_array_equal(recording.read({"T": 2, "Z": 1}), voxels[:, :, 1, 2].T)
        view = FrameView(recording, default_view(recording))
        assert (view.walk_axis, view.settings.at) == ("T", {"Z": 2})


def test_an_interval_of_zero_has_no_unit(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(np.zeros((5, 6, 4, 3), np.int16), np.diag([0.5, 0.5, 2, 1]))
    image.header.set_zooms((0.5, 0.5, 2, 0))
    image.header.set_xyzt_units("mm", "sec")
    nibabel.save(image, tmp_path / "a.nii")
    with open_recording(tmp_path / "a.nii") as recording:
        assert (recording.scale["T"], recording.units["T"]) == (None, None)
        assert (recording.scale["Z"], recording.units["Z"]) == (2.0, "mm")


def test_scaled_nifti_gives_the_values_it_means(tmp_path: Path) -> None:
    path = save_nifti(tmp_path / "a.nii", VOXELS, np.eye(4))
    data = bytearray(path.read_bytes())
    data[112:120] = np.array([0.5, -1024], "<f4").tobytes()
    path.write_bytes(data)
    with open_recording(path) as recording:
        assert recording.dtype == np.float32
        np.testing.assert_array_equal(recording.read({}), nibabel.load(path).get_fdata().T)


def test_big_endian_nifti(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(VOXELS, np.eye(4), nibabel.Nifti1Header(endianness=">"))
    image.set_data_dtype(np.int16)
    nibabel.save(image, tmp_path / "a.nii")
    with open_recording(tmp_path / "a.nii") as recording:
        np.testing.assert_array_equal(recording.read({}), VOXELS.T)


def test_coloured_nifti(tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (9, 8, 7, 3)).astype(np.uint8)
    voxels = colours.view([("R", "u1"), ("G", "u1"), ("B", "u1")])[..., 0]
    with open_recording(save_nifti(tmp_path / "a.nii", voxels, np.eye(4))) as recording:
        assert recording.axes == "ZYXS"
        np.testing.assert_array_equal(recording.read({}), colours.transpose(2, 1, 0, 3))


def test_large_compressed_nifti_goes_to_a_file_and_leaves_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_sam2_video.frames.compressed_file._IN_MEMORY", 100)
    with open_recording(save_nifti(tmp_path / "a.nii.gz", VOXELS, np.eye(4))) as recording:
        np.testing.assert_array_equal(recording.read({"Z": 6}), VOXELS.T[6])


def test_truncated_nifti_opens_what_is_there(tmp_path: Path) -> None:
    path = save_nifti(tmp_path / "a.nii", VOXELS, np.eye(4))
    path.write_bytes(path.read_bytes()[:-200])
    with open_recording(path) as recording:
        np.testing.assert_array_equal(recording.read({}), VOXELS.T[:5])
        assert "5 of 7 frames are readable" in recording.notes[0]


def test_truncated_compressed_nifti_is_an_error_of_the_planes_that_are_gone(tmp_path: Path) -> None:
    path = save_nifti(tmp_path / "a.nii", VOXELS, np.eye(4))
    packed = tmp_path / "a.nii.gz"
    packed.write_bytes(gzip.compress(path.read_bytes())[:-150])
    with open_recording(packed) as recording:
        np.testing.assert_array_equal(recording.read({"Z": 0}), VOXELS.T[0])
        with pytest.raises(FrameError, match=r"Plane 6 of .*truncated or damaged"):
            recording.read({"Z": 6})


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("name", ["scan.dat", "scan", "scan.nii.gz", "packed.nii"])
def test_nifti_is_recognised_by_its_content_not_its_name(name: str, kind: Any, tmp_path: Path) -> None:
    nibabel.save(kind(VOXELS, np.eye(4)), tmp_path / "a.nii")
    content = (tmp_path / "a.nii").read_bytes()
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if name == "packed.nii" else content)
    with open_recording(path) as recording:
        np.testing.assert_array_equal(recording.read({}), VOXELS.T)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_nifti_pair_is_one_recording_whichever_file_is_named(suffix: str, tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Pair(VOXELS, np.eye(4)), tmp_path / f"a.img{suffix}")
    prints = []
    for name in (f"a.hdr{suffix}", f"a.img{suffix}"):
        with open_recording(tmp_path / name) as recording:
            np.testing.assert_array_equal(recording.read({}), VOXELS.T)
            prints.append(recording.fingerprint())
    assert prints[0] == prints[1]
    nibabel.save(nibabel.Nifti1Pair(VOXELS + 1, np.eye(4)), tmp_path / f"a.img{suffix}")
    with open_recording(tmp_path / f"a.hdr{suffix}") as recording:
        assert recording.fingerprint()["sample"] != prints[0]["sample"]


def test_a_header_that_contradicts_itself_is_reported_and_sizes_follow_the_affine(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(VOXELS, np.diag([0.7, 0.7, 0.7, 1]))
    image.header.set_sform(np.diag([1.4, 1.4, 2.5, 1]), 2)
    image.header["pixdim"][1:4] = 0.7
    image.header.set_xyzt_units("mm", "sec")
    path = tmp_path / "a.nii"
    path.write_bytes(image.header.binaryblock + bytes(4) + VOXELS.tobytes(order="F"))
    with open_recording(path) as recording:
        assert recording.scale == {"Z": 2.5, "Y": 1.4, "X": 1.4}
        assert recording.affine is not None
        np.testing.assert_allclose(np.diag(recording.affine), [1.4, 1.4, 2.5, 1], rtol=1e-6)
        assert "sform has voxels of 1.4 × 1.4 × 2.5, its pixdim of 0.7 × 0.7 × 0.7 (X, Y, Z); those of the sform" in (
            " ".join(recording.notes)
        )


def test_two_forms_that_place_a_volume_differently_are_reported(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(VOXELS, np.diag([2, 2, 2, 1.0]))
    image.set_sform(np.diag([2, 2, 2, 1.0]), 4)
    image.set_qform(np.array([[2, 0, 0, 9], [0, 2, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1.0]]), 1)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, tmp_path / "a.nii")
    with open_recording(tmp_path / "a.nii") as recording:
        assert recording.notes == (
            "The sform and the qform of the header place the volume differently: the sform is used.",
        )


@pytest.mark.parametrize(
    ("space", "time", "sizes", "interval", "note"),
    [
        ("mm", "sec", (2.5, "mm"), (3.0, "s"), ""),
        ("micron", "msec", (2.5, "µm"), (3.0, "ms"), ""),
        ("meter", "usec", (2.5, "m"), (3.0, "µs"), ""),
        ("unknown", "sec", (2.5, "mm"), (3.0, "s"), "does not name the unit of its sizes"),
        ("mm", "unknown", (2.5, "mm"), (None, None), "gives 3 as its interval, but no unit"),
    ],
)
def test_units_are_those_of_the_header(
    tmp_path: Path,
    space: str,
    time: str,
    sizes: tuple[float, str],
    interval: tuple[float | None, str | None],
    note: str,
) -> None:
    image = nibabel.Nifti1Image(np.zeros((3, 4, 5, 2), np.int16), np.diag([1, 1, 2.5, 1]))
    image.header.set_zooms((1, 1, 2.5, 3))
    image.header.set_xyzt_units(space, time)
    nibabel.save(image, tmp_path / "a.nii")
    with open_recording(tmp_path / "a.nii") as recording:
        assert (recording.scale["Z"], recording.units["Z"]) == sizes
        assert (recording.scale["T"], recording.units["T"]) == interval
        assert [note in text for text in recording.notes] == ([True] if note else [])


def test_an_array_that_nobody_measured_has_no_sizes(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(VOXELS, None), tmp_path / "a.nii")
    with open_recording(tmp_path / "a.nii") as recording:
        assert recording.scale == {"Z": None, "Y": None, "X": None}


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((9, 8), "TYX"), ((3, 4, 5, 1, 6), "CTZYX"), ((3, 4, 5, 2, 3, 2), "UCTZYX"), ((3, 4, 2, 2, 2, 2, 3), "VUCTZYX")],
)
def test_volumes_of_any_number_of_axes(tmp_path: Path, shape: tuple[int, ...], axes: str) -> None:
    voxels = np.arange(np.prod(shape), dtype=np.int32).reshape(shape)
    with open_recording(save_nifti(tmp_path / "a.nii", voxels, np.eye(4))) as recording:
        assert recording.axes == axes
        np.testing.assert_array_equal(recording.read({}), voxels.T.reshape(recording.shape))
        last = dict.fromkeys(axes[:-2], 0) | {"Y": slice(1, 4, 2)}
        np.testing.assert_array_equal(recording.read(last), voxels.T[(0,) * (len(shape) - 2)][1:4:2])


def test_transparent_colours_are_laid_over_white(tmp_path: Path) -> None:
    colours = np.zeros((3, 4, 5, 4), np.uint8)
    colours[..., 0], colours[1, ..., 3], colours[2, ..., 3] = 200, 255, 51
    voxels = colours.view([(name, "u1") for name in "RGBA"])[..., 0]
    with open_recording(save_nifti(tmp_path / "a.nii", voxels, np.eye(4))) as recording:
        assert recording.read({"Z": 0, "Y": 0}).tolist() == [[255, 255, 255], [200, 0, 0], [244, 204, 204]]
        assert "on white" in recording.notes[0]


@pytest.mark.parametrize("dtype", ["f8", "i8", "u4", "i1"])
@pytest.mark.parametrize("order", "<>")
def test_values_of_any_type_and_byte_order(tmp_path: Path, dtype: str, order: str) -> None:
    voxels = np.arange(60).reshape(3, 4, 5).astype(f"{order}{dtype}")
    image = nibabel.Nifti1Image(voxels, np.eye(4), nibabel.Nifti1Header(endianness=order), dtype=voxels.dtype)
    nibabel.save(image, tmp_path / "a.nii")
    with open_recording(tmp_path / "a.nii") as recording:
        assert recording.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(recording.read({}), voxels.T)


def test_complex_values_are_refused_truly(tmp_path: Path) -> None:
    path = save_nifti(tmp_path / "a.nii", VOXELS.astype(np.complex64), np.eye(4))
    with pytest.raises(RecordingError, match=r"a\.nii holds complex values; save their magnitude"):
        open_recording(path)


def test_a_header_without_its_voxels_is_named(tmp_path: Path) -> None:
    path = save_nifti(tmp_path / "a.hdr", VOXELS, np.eye(4), nibabel.Nifti1Pair)
    (tmp_path / "a.img").unlink()
    with pytest.raises(RecordingError, match=r"a\.hdr is the header of a volume .*the file with its voxels is not"):
        open_recording(path)


@pytest.mark.parametrize("name", ["a.mgh", "a.mgz", "renamed"])
def test_freesurfer_volumes(tmp_path: Path, name: str) -> None:
    voxels = np.arange(3 * 4 * 5 * 2, dtype=np.int16).reshape(3, 4, 5, 2)
    image = nibabel.MGHImage(voxels, OBLIQUE)
    image.header.set_zooms((*image.header.get_zooms()[:3], 2000))
    nibabel.save(image, tmp_path / "a.mgz")
    (tmp_path / "a.mgz").rename(tmp_path / name) if name == "renamed" else nibabel.save(image, tmp_path / name)
    with open_recording(tmp_path / name) as recording:
        np.testing.assert_array_equal(recording.read({}), voxels.T)
        assert recording.affine is not None
        np.testing.assert_allclose(recording.affine, OBLIQUE, rtol=1e-5)
        assert (recording.scale["T"], recording.units["T"]) == (2000, "ms")
        assert recording.scale["X"] == pytest.approx(np.linalg.norm(OBLIQUE[:3, 0]), rel=1e-6)


@pytest.mark.parametrize("kind", [nibabel.AnalyzeImage, nibabel.Spm2AnalyzeImage])
@pytest.mark.parametrize("name", ["a.hdr", "a.img"])
def test_analyze_volumes(tmp_path: Path, kind: Any, name: str) -> None:
    image = kind(VOXELS, np.diag([-2, 3, 4, 1.0]))
    nibabel.save(image, tmp_path / "a.img")
    with open_recording(tmp_path / name) as recording:
        np.testing.assert_array_equal(recording.read({}), VOXELS.T)
        assert recording.scale == {"Z": 4.0, "Y": 3.0, "X": 2.0}
        assert recording.affine is not None
        np.testing.assert_allclose(recording.affine, nibabel.load(tmp_path / "a.img").affine)


def test_a_compressed_volume_is_unpacked_once_and_no_further_than_its_voxels(tmp_path: Path) -> None:
    path, packed = tmp_path / "a.nii", tmp_path / "a.nii.gz"
    voxels = np.random.default_rng(0).integers(0, 99, (64, 64, 32)).astype(np.int16)
    packed.write_bytes(gzip.compress(save_nifti(path, voxels, np.eye(4)).read_bytes() + bytes(200 << 20)))
    with open_recording(packed) as recording:
        np.testing.assert_array_equal(recording.read({}), voxels.T)
        assert isinstance(recording, NibabelRecording)
        assert recording._volume.files[0]._all.seek(0, 2) < 4 << 20
