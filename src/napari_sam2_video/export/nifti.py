"""Label volume as NIfTI, in the source's voxel order and position."""

from __future__ import annotations

import contextlib
import gzip
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from napari_sam2_video.errors import ExportError
from napari_sam2_video.export.format import ExportFormat, ExportJob, need
from napari_sam2_video.export.timing import single_interval
from napari_sam2_video.frames.nibabel_files import volume_format
from napari_sam2_video.frames.nibabel_volume import load_volume
from napari_sam2_video.units import METRES, SECONDS, length_unit, time_unit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_sam2_video.results import Array, TrackingResult

LIMIT_SIDE = 32767
DISK_ORDER = "TZYX"
TIME_CODES = {"ms": ("msec", 1e-3), "µs": ("usec", 1e-6)}
COPY_ROWS = 64
HEAD_BYTES = 1024


def write(job: ExportJob) -> None:
    """Write the header, then the voxels in the order of the file, one slab at a time."""
    nibabel = need("nibabel", "nifti")
    shape = voxel_shape(job.result)
    if max(shape) > LIMIT_SIDE:
        raise ExportError(
            f"A NIfTI axis holds at most {LIMIT_SIDE} voxels and this one has {max(shape)}; use ome-tiff."
        )
    header = make_header(nibabel, job, shape)
    with contextlib.ExitStack() as stack:
        stream: Any = stack.enter_context(job.path.open("wb"))
        if job.path.name.endswith(".gz"):
            stream = stack.enter_context(gzip.GzipFile("", "wb", compresslevel=5, fileobj=stream, mtime=0))
        header.write_to(stream)
        stream.write(bytes(int(header["vox_offset"]) - stream.tell()))
        write_voxels(job, stream)


def walk_letter(result: TrackingResult) -> str:
    """Axis of the file along which frames are stacked."""
    return result.walk_axis if result.walk_axis in DISK_ORDER else "T"


def voxel_shape(result: TrackingResult) -> tuple[int, ...]:
    """Shape of the file's voxels ``(X, Y, Z)`` or ``(X, Y, Z, T)``."""
    letters = (walk_letter(result), *result.plane_axes)
    lengths = dict(zip(letters, (len(result.frames), *result.shape_yx), strict=True))
    return tuple(lengths.get(letter, 1) for letter in ("XYZT" if "T" in lengths else "XYZ"))


def write_voxels(job: ExportJob, stream: BinaryIO) -> None:
    """Write the voxels in the order of the file: x runs fastest, then y, z and t."""
    result = job.result
    letters = (walk_letter(result), *result.plane_axes)
    if list(letters) == sorted(letters, key=DISK_ORDER.index):
        for labels_yx in frames_of(job):
            stream.write(np.ascontiguousarray(labels_yx).data)
        return
    ordered = sorted(letters, key=DISK_ORDER.index)
    lengths = dict(zip(letters, (len(result.frames), *result.shape_yx), strict=True))
    scratch = job.path.with_name(job.path.name + ".scratch")
    try:
        volume = np.memmap(scratch, result.dtype, "w+", shape=tuple(lengths[letter] for letter in ordered))
        walked = volume.transpose([ordered.index(letter) for letter in letters])
        for index, labels_yx in enumerate(frames_of(job)):
            walked[index] = labels_yx
        for first in range(0, volume.shape[0], COPY_ROWS):
            stream.write(np.ascontiguousarray(volume[first : first + COPY_ROWS]).data)
        del walked, volume
    finally:
        scratch.unlink(missing_ok=True)


def frames_of(job: ExportJob) -> Iterator[Array]:
    """Label images in the file's byte order."""
    dtype = job.result.dtype.newbyteorder("<")
    for frame in job.frames():
        yield job.result.labels(frame).astype(dtype, copy=False)


def make_header(nibabel: Any, job: ExportJob, shape: tuple[int, ...]) -> Any:
    """Header of the source if it is a NIfTI file, else a new one with the affine and the sizes."""
    result = job.result
    header = source_header(nibabel, result.source_path)
    affine = moved_to_fixed(result)
    if header is None:
        header = nibabel.Nifti1Header(endianness="<")
        header.set_data_shape(shape)
        set_sizes(header, job, affine, shape)
    else:
        header.set_data_shape(shape)
        if affine is not None and not np.array_equal(header.get_best_affine(), affine):
            set_place(header, affine, int(header["sform_code"]) or int(header["qform_code"]) or 1)
    header.set_data_dtype(result.dtype)
    header.set_slope_inter(1, 0)
    header["cal_min"], header["cal_max"] = 0, result.max_id
    header.set_intent("label")
    header["descrip"] = b"napari-sam2-video labels"
    header["vox_offset"] = 0
    header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", job.provenance_text().encode("utf-8")))
    return header


def source_header(nibabel: Any, path: Path | None) -> Any:
    """Header of a single-file NIfTI-1 source, little-endian; None for any other source."""
    if path is None or not path.is_file():
        return None
    with path.open("rb") as stream:
        if volume_format(stream.read(HEAD_BYTES), path) != "NIfTI":
            return None
    volume = load_volume(path, "NIfTI")
    for file in volume.files:
        file.close()
    header = volume.header
    if type(header) is not nibabel.Nifti1Header:
        return None
    return header.as_byteswapped("<")


def moved_to_fixed(result: TrackingResult) -> npt.NDArray[np.float64] | None:
    """Affine of the written voxels: the source's, shifted to the first slice and to the positions along single axes."""
    if result.affine is None:
        return None
    affine = np.array(result.affine, np.float64)
    shown = {walk_letter(result), *result.plane_axes}
    begins = {letter: place for letter, place in result.at.items() if letter not in shown}
    begins[walk_letter(result)] = result.frames.start
    for column, letter in enumerate("XYZ"):
        affine[:3, 3] += affine[:3, column] * begins.get(letter, 0)
    return affine


def set_place(header: Any, affine: npt.NDArray[np.float64], code: int) -> None:
    """Store an affine as sform and qform; one with shear does not fit the qform, which is then unset."""
    header.set_sform(affine, code)
    header.set_qform(affine, code, strip_shears=True)
    if not np.allclose(header.get_qform(), affine, atol=1e-3 * np.abs(affine[:3, :3]).max()):
        header["qform_code"] = 0


def set_sizes(header: Any, job: ExportJob, affine: npt.NDArray[np.float64] | None, shape: tuple[int, ...]) -> None:
    """Voxel sizes in mm, the frame interval, and the affine."""
    result = job.result
    letters = (walk_letter(result), *result.plane_axes)
    sizes = dict(zip(letters, zip((single_interval(job), *result.pixel_size), result.units, strict=True), strict=True))
    zooms = []
    for letter in "XYZ":
        size, unit = sizes.get(letter, (None, None))
        zooms.append((1.0 if size is None else size) * millimetres(unit))
    interval, time_code = 1.0, "unknown"
    if "T" in sizes:
        size, unit = sizes["T"]
        symbol = time_unit(unit)
        if size is not None:
            interval = size
        if size is not None and symbol is not None:
            time_code, factor = TIME_CODES.get(symbol, ("sec", 1.0))
            interval = size * SECONDS[symbol] / factor
    lengths = [millimetres(sizes[letter][1]) for letter in "XYZ" if letter in sizes and length_unit(sizes[letter][1])]
    if affine is not None and lengths:
        affine = np.diag([lengths[0], lengths[0], lengths[0], 1.0]) @ affine
    header.set_zooms((*zooms, interval)[: len(shape)])
    header.set_xyzt_units("mm" if lengths or affine is not None else "unknown", time_code)
    set_place(header, np.diag([*zooms, 1.0]) if affine is None else affine, 1 if affine is not None else 2)
    if affine is not None and len(shape) == 4:
        header["pixdim"][4] = interval


def millimetres(unit: str | None) -> float:
    """Millimetres per unit; 1 if it is not a known length."""
    symbol = length_unit(unit)
    return 1.0 if symbol is None else METRES[symbol] * 1e3


FORMAT = ExportFormat(
    name="nifti",
    title="Label volume (NIfTI)",
    suffixes=(".nii.gz", ".nii"),
    write=write,
    about=(
        "NIfTI-1 in the source's voxel order, with its affine and header if it is a NIfTI file; sizes in mm and the "
        "frame interval otherwise; slope 1; provenance in a comment extension."
    ),
    embeds_provenance=True,
    whole=True,
)
