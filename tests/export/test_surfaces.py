"""Surfaces of objects: an ellipsoid has its volume, its surface, its place, and faces that turn outward."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import trimesh
from nibabel.affines import from_matvec

from napari_sam2_video.errors import ExportError
from napari_sam2_video.export.registry import export
from napari_sam2_video.results import TrackingResult
from napari_sam2_video.types.tracked_object import TrackedObject
from tests.export.made import PROVENANCE
from tests.export.test_volumes import rotation

if TYPE_CHECKING:
    from pathlib import Path

RADII = np.array([14.0, 11.0, 9.0])
SIZES_XYZ = np.array([0.5, 0.7, 0.8])
CENTRE = np.array([15.2, 12.4, 11.9])


def ellipsoid_zyx() -> np.ndarray:
    """Voxels of an ellipsoid of `RADII` around `CENTRE`, in the sizes of `SIZES_XYZ`."""
    shape = (np.ceil((CENTRE + RADII) / SIZES_XYZ) + 3).astype(int)
    places = np.moveaxis(np.indices(shape), 0, -1) * SIZES_XYZ
    return ((((places - CENTRE) / RADII) ** 2).sum(-1) <= 1).astype(np.uint8).T


def ellipsoid_surface() -> float:
    """Area by quadrature of the closed form over the sphere of directions."""
    polar, step = np.linspace(0, np.pi, 2001, retstep=True)
    azimuth = np.linspace(0, 2 * np.pi, 2000, endpoint=False)
    sin, cos = np.sin(polar)[:, None], np.cos(polar)[:, None]
    normal = [sin * np.cos(azimuth) / RADII[0], sin * np.sin(azimuth) / RADII[1], cos / RADII[2] + 0 * azimuth]
    density = RADII.prod() * np.sqrt(sum(part**2 for part in normal)) * sin
    return float(density.sum() * step * 2 * np.pi / len(azimuth))


VOLUME = 4 / 3 * np.pi * RADII.prod()
SURFACE = ellipsoid_surface()
OBJECTS = [TrackedObject(3, "Leber / liver", (255, 128, 0))]


def walked(
    axis: str, affine: np.ndarray | None = None, labels: np.ndarray | None = None, **known: Any
) -> TrackingResult:
    letters = [axis, *(letter for letter in "ZYX" if letter != axis)]
    sizes = dict(zip("XYZ", SIZES_XYZ.tolist(), strict=True))
    volume = (ellipsoid_zyx() * 3 if labels is None else labels).transpose(["ZYX".index(letter) for letter in letters])
    about = {"objects": OBJECTS, "units": ("mm", "mm", "mm"), "step": sizes[axis], "provenance": PROVENANCE}
    about |= {"pixel_size": (sizes[letters[1]], sizes[letters[2]]), "affine": affine}
    return TrackingResult.from_arrays(volume, walk_axis=axis, plane_axes=(letters[1], letters[2]), **about | known)


def mesh_of(result: TrackingResult, folder: Path, file_type: str = "stl", **options: Any) -> trimesh.Trimesh:
    report = export(result, folder / file_type, format=file_type, options=options, overwrite=True)
    (path,) = report.path.glob(f"*.{file_type}")
    return trimesh.load_mesh(path)


@pytest.mark.parametrize("file_type", ["stl", "ply", "obj"])
@pytest.mark.parametrize("axis", "ZYX")
def test_an_ellipsoid_has_its_volume_surface_and_place(axis: str, file_type: str, tmp_path: Path) -> None:
    mesh = mesh_of(walked(axis), tmp_path, file_type)
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert mesh.volume == pytest.approx(VOLUME, rel=0.012)
    assert mesh.area == pytest.approx(SURFACE, rel=0.02)
    np.testing.assert_allclose(mesh.center_mass, CENTRE, atol=0.05)
    np.testing.assert_allclose(mesh.extents, 2 * RADII, atol=1.0)


OBLIQUE = from_matvec(rotation(0.3, -0.2, 0.5) @ np.diag(SIZES_XYZ), (-31.25, 12.5, 7.75))
FLIPPED = from_matvec(np.diag(SIZES_XYZ * [-1, 1, 1]), (90.0, 80.0, -100.0))
TURNED = from_matvec(np.diag(SIZES_XYZ)[[2, 0, 1]], (1.0, 2.0, 3.0))


@pytest.mark.parametrize("space", ["lps", "ras"])
@pytest.mark.parametrize("affine", [OBLIQUE, FLIPPED, TURNED])
@pytest.mark.parametrize("axis", "ZYX")
def test_surfaces_of_medical_volumes_lie_in_the_world(
    axis: str, affine: np.ndarray, space: str, tmp_path: Path
) -> None:
    mesh = mesh_of(walked(axis, affine), tmp_path, space=space)
    assert mesh.volume == pytest.approx(VOLUME, rel=0.012)
    expected = affine[:3, :3] @ (CENTRE / SIZES_XYZ) + affine[:3, 3]
    sign = np.array([-1, -1, 1] if space == "lps" else [1, 1, 1])
    np.testing.assert_allclose(mesh.center_mass, expected * sign, atol=0.05)


@pytest.mark.parametrize("file_type", ["stl", "ply", "obj"])
def test_a_file_is_named_after_its_object_and_names_its_space(file_type: str, tmp_path: Path) -> None:
    report = export(walked("Z", OBLIQUE), tmp_path / "out", format=file_type)
    path = report.path / f"003_Leber_liver.{file_type}"
    assert b"SPACE=LPS" in path.read_bytes()[:200]
    assert "Coordinates are in mm, left, posterior, superior." in report.notes
    if file_type == "ply":
        assert tuple(trimesh.load_mesh(path).visual.vertex_colors[0]) == (255, 128, 0, 255)


def test_the_voxels_themselves_are_written_if_asked(tmp_path: Path) -> None:
    labels = np.zeros((6, 7, 8), np.uint8)
    labels[1:4, 2:5, 3:6] = 3
    mesh = mesh_of(walked("Z", labels=labels, units=("mm", "mm", "mm")), tmp_path, smooth=False)
    low, high = np.array([2.5, 1.5, 0.5]), np.array([5.5, 4.5, 3.5])
    np.testing.assert_allclose(mesh.bounds, [low * SIZES_XYZ, high * SIZES_XYZ])


def test_an_object_of_one_slice_keeps_its_voxels_and_says_so(tmp_path: Path) -> None:
    labels = np.zeros((3, 9, 9), np.uint8)
    labels[1, 2:7, 2:7] = 3
    report = export(walked("Z", labels=labels), tmp_path / "out", format="stl")
    assert "Leber / liver is too thin to be smoothed: its surface follows its voxels." in report.notes
    (path,) = report.path.glob("*.stl")
    assert trimesh.load_mesh(path).is_watertight


def test_objects_that_overlap_are_closed_whole(tmp_path: Path) -> None:
    first, second = np.zeros((9, 20, 20), bool), np.zeros((9, 20, 20), bool)
    first[2:7, 2:12, 2:12], second[2:7, 8:18, 2:12] = True, True
    masks = {1: first, 2: second}
    result = TrackingResult.from_arrays(
        np.where(second, 2, first).astype(np.uint8),
        walk_axis="Z",
        read_masks=lambda frame, ids: [masks[i][frame] for i in ids],
        read_scores=lambda i: {"frame": np.arange(9), "area": masks[i].sum(axis=(1, 2))},
    )
    report = export(result, tmp_path / "out", format="stl", options={"smooth": False})
    volumes = [trimesh.load_mesh(path).volume for path in sorted(report.path.glob("*.stl"))]
    assert volumes[0] == pytest.approx(volumes[1])


def test_a_time_series_has_no_surfaces(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="A surface needs a volume, but this recording was tracked along T"):
        export(TrackingResult.from_arrays(np.ones((2, 3, 3), np.uint8)), tmp_path / "out", format="stl")
