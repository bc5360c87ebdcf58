from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_sam2_video.errors import FrameError
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
    monkeypatch.setattr("napari_sam2_video.frames.packed._IN_MEMORY", 100)
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
        with pytest.raises(FrameError, match=r"Plane 6 of .*cut short or damaged"):
            recording.read({"Z": 6})


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("name", ["scan.dat", "scan", "scan.nii.gz", "packed.nii"])
def test_nifti_is_told_by_its_content_not_its_name(name: str, kind: Any, tmp_path: Path) -> None:
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
