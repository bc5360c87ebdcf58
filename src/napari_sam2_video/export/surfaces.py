"""Surfaces of objects as meshes: STL, PLY and OBJ."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_sam2_video.errors import ExportError
from napari_sam2_video.export.format import ExportFormat, ExportJob, ExportOption, need

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_sam2_video.results import TrackingResult
    from napari_sam2_video.types.tracked_object import TrackedObject

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
LEVEL = 0.5
BESIDE = 2.0**-8
NOT_IN_NAMES = re.compile(r"[^\w.+-]+")
LONGEST_NAME = 60
TITLES = {"stl": "STL", "ply": "PLY, with colours", "obj": "OBJ"}


@dataclass
class Solid:
    """Masks of one object, slice by slice, as packed bits of its window on each."""

    slices: dict[int, tuple[int, int, tuple[int, int], npt.NDArray[np.uint8]]] = field(default_factory=dict)

    def add(self, z: int, mask: npt.NDArray[np.bool_]) -> None:
        """Add the nonempty mask of a slice."""
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        window = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        self.slices[z] = int(rows[0]), int(columns[0]), window.shape, np.packbits(window)

    def volume(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """Mask ``(Z, Y, X)`` of 0 and 1 with an empty margin of two voxels, and the position of its corner."""
        corners = [(y, x) for y, x, _, _ in self.slices.values()]
        low = np.array([min(self.slices), *np.min(corners, axis=0)])
        rows = max(y + shape[0] for y, _, shape, _ in self.slices.values())
        columns = max(x + shape[1] for _, x, shape, _ in self.slices.values())
        high = np.array([max(self.slices) + 1, rows, columns])
        mask = np.zeros(high - low + 4, np.float32)
        for z, (y, x, shape, bits) in self.slices.items():
            window = np.unpackbits(bits, count=shape[0] * shape[1]).reshape(shape)
            mask[z - low[0] + 2, y - low[1] + 2 :, x - low[2] + 2 :][: shape[0], : shape[1]] = window
        return mask, low - 2


def write(job: ExportJob, *, file_type: str) -> None:
    """Write one mesh file per object into a folder."""
    trimesh = need("trimesh", file_type)
    place, axes = placement(job)
    solids = solids_of(job)
    for entry in job.result.objects:
        if entry.id not in solids:
            continue
        vertices, faces = surface_of(job, entry, solids.pop(entry.id))
        vertices = vertices[:, axes] @ place[:3, :3].T + place[:3, 3]
        if np.linalg.det(place[:3, :3]) * parity(axes) < 0:
            faces = faces[:, ::-1]
        mesh = trimesh.Trimesh(vertices, faces, process=False)
        if file_type == "ply":
            mesh.visual.vertex_colors = (*entry.color, 255)
        (job.path / f"{file_name(entry)}.{file_type}").write_bytes(encoded(mesh, file_type, space_of(job)))


def placement(job: ExportJob) -> tuple[npt.NDArray[np.float64], list[int]]:
    """Affine from voxels ``(x, y, z)`` to the mesh, and the positions of x, y and z among the axes of the result.

    Raises
    ------
    ExportError
        If the recording was not tracked through space.
    """
    result = job.result
    letters = (result.walk_axis, *result.plane_axes)
    if set(letters) != set("ZYX"):
        raise ExportError(
            f"A surface needs a volume, but this recording was tracked along {result.walk_axis} on planes of "
            f"{' and '.join(result.plane_axes)}; choose an overlay or label images."
        )
    axes = [letters.index(letter) for letter in "XYZ"]
    if result.affine is not None:
        affine = np.array(result.affine, np.float64)
        job.note(
            f"Coordinates are in mm, {'left, posterior' if space_of(job) == 'LPS' else 'right, anterior'}, superior."
        )
        return RAS_TO_LPS @ affine if space_of(job) == "LPS" else affine, axes
    calibration = result.calibration
    sizes = np.array((calibration.step, *calibration.pixel_size), np.float64)
    unit = calibration.length_unit
    if calibration.walk_unit != unit:
        sizes, unit = np.ones(3), "px"
        job.note("The slice spacing is not known in the unit of the pixels, so coordinates are in voxels.")
    else:
        job.note(f"Coordinates are in {unit}, from the centre of the first voxel.")
    return np.diag([*sizes[axes], 1.0]), axes


def space_of(job: ExportJob) -> str:
    """``LPS`` or ``RAS`` of medical volumes, empty for others."""
    return "" if job.result.affine is None else str(job.options["space"]).upper()


def parity(axes: list[int]) -> int:
    """1 if the axes of the result are an even permutation of x, y and z, else -1."""
    return round(float(np.linalg.det(np.eye(3)[axes])))


def solids_of(job: ExportJob) -> dict[int, Solid]:
    """Masks of all objects, complete even where they overlap."""
    solids: dict[int, Solid] = {}
    for frame in job.frames():
        for object_id, mask in masks_of(job.result, frame):
            solids.setdefault(object_id, Solid()).add(frame, mask)
    if not solids:
        raise ExportError("No object has a pixel, so there is no surface to write.")
    missing = len(job.result.objects) - len(solids)
    if missing:
        job.note(f"{missing} objects without a pixel are left out.")
    return solids


def masks_of(result: TrackingResult, frame: int) -> Iterator[tuple[int, npt.NDArray[np.bool_]]]:
    """Ids and complete masks of the objects on a frame."""
    for layer_yx in result.layers(frame):
        for object_id in np.unique(layer_yx[layer_yx > 0]).tolist():
            yield object_id, layer_yx == object_id


def surface_of(
    job: ExportJob, entry: TrackedObject, solid: Solid
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Vertices ``(n, 3)`` in voxels along the result's axes, and faces ``(m, 3)`` that turn outward there.

    Marching cubes (Lewiner) at 0.5 of the mask, or just beside 0.5 if smoothed values would make triangles without
    area. The mask is smoothed by ``[1, 2, 1] / 4`` along each axis unless asked otherwise, as in `measure_volumes`.
    """
    from skimage.measure import marching_cubes

    mask, corner = solid.volume()
    field_zyx, level = mask, LEVEL
    if job.options["smooth"]:
        field_zyx, level = smoothed(mask), LEVEL - BESIDE
        if not field_zyx.max() > LEVEL:
            field_zyx, level = mask, LEVEL
            job.note(f"{entry.name} is too thin to be smoothed: its surface follows its voxels.")
    vertices, faces, _, _ = marching_cubes(field_zyx, level, gradient_direction="ascent")  # type: ignore[no-untyped-call]
    return np.asarray(vertices, np.float64) + corner, np.asarray(faces, np.int64)


def smoothed(mask: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Mask with an empty margin, smoothed by ``[1, 2, 1] / 4`` along each axis."""
    from scipy.ndimage import correlate1d

    for axis in range(3):
        mask = correlate1d(mask, [0.25, 0.5, 0.25], axis=axis, mode="constant")
    return mask


def file_name(entry: TrackedObject) -> str:
    """Name of an object's file: its id, and its name as far as file names allow."""
    name = NOT_IN_NAMES.sub("_", entry.name).strip("._")[:LONGEST_NAME]
    return f"{entry.id:03d}" + (f"_{name}" if name else "")


def encoded(mesh: Any, file_type: str, space: str) -> bytes:
    """File of a mesh, with the coordinate space in the form that 3D Slicer reads."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        content = mesh.export(file_type=file_type)
    data: bytes = content.encode() if isinstance(content, str) else content
    if not space:
        return data
    mark = f"SPACE={space}".encode()
    if file_type == "stl":
        return mark.ljust(80) + data[80:]
    if file_type == "obj":
        return b"# " + mark + b"\n" + data
    first, _, rest = data.partition(b"\nelement")
    return first + b"\ncomment " + mark + b"\nelement" + rest


OPTIONS = (
    ExportOption("smooth", "bool", True, "smooth the steps between voxels, as in the table of volumes"),
    ExportOption(
        "space", "str", "lps", "coordinate system of medical volumes, as in 3D Slicer", choices=("lps", "ras")
    ),
)
FORMATS = tuple(
    ExportFormat(
        name=file_type,
        title=f"Surfaces ({title})",
        kind="folder",
        write=partial(write, file_type=file_type),
        about=(
            f"Folder with one {file_type.upper()} mesh per object, closed and facing outward, for a recording "
            "tracked through space; in world coordinates for medical volumes, else in the recording's units. One "
            "object is unpacked at a time."
        ),
        options=OPTIONS,
        overlaps=True,
        group="Surfaces",
    )
    for file_type, title in TITLES.items()
)
