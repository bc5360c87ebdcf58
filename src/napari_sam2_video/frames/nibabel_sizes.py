"""Voxel sizes, units and times in the headers of nibabel's formats, and whether they agree."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.frames.times import UNKNOWN, FrameTimes, frame_times

if TYPE_CHECKING:
    import numpy.typing as npt

_LENGTHS = {"mm": "mm", "micron": "µm", "meter": "m"}
_TIMES = {"sec": "s", "msec": "ms", "usec": "µs"}
_AFNI_TIMES = {77001: "ms", 77002: "s"}
_AGREE = 0.01


@dataclass(frozen=True)
class Sizes:
    """Sizes and units by axis letter, times of the volumes in seconds if they vary, and notes."""

    scale: dict[str, float | None]
    units: dict[str, str | None]
    times: npt.NDArray[np.float64] | None
    notes: tuple[str, ...]


def sizes_of(kind: str, header: Any, affine: npt.NDArray[np.float64], ndim: int) -> Sizes:
    """Sizes along the voxel axes and the interval.

    The sizes are the lengths of the columns of `affine`, which the header's own sizes may contradict; a note says so.

    Parameters
    ----------
    kind : str
        Name of the format.
    header : object
        nibabel's header; for MINC, nibabel's file object.
    affine : ndarray, shape (4, 4)
        From (i, j, k) to the world.
    ndim : int
        Number of voxel axes.
    """
    notes: list[str] = []
    unit: str | None = "mm"
    columns = np.linalg.norm(affine[:3, :3], axis=0)
    sizes: dict[str, float | None] = {
        letter: _rounded(float(size)) for letter, size in zip("XYZ"[:ndim], columns, strict=False)
    }
    if kind == "NIfTI":
        unit, found = _nifti(header, columns, sizes)
        notes += found
    interval, time_unit, times = _time(kind, header) if ndim > 3 else (None, None, UNKNOWN)
    if interval and time_unit is None:
        notes.append(
            f"The file gives {interval:g} as its interval, but no unit, so the interval is unknown; give it if you "
            "know it."
        )
        interval = None
    scale = sizes | {"T": interval}
    units = dict.fromkeys("XYZ", unit) | {"T": time_unit}
    return Sizes(scale, units, times.times, tuple(notes))


def _nifti(
    header: Any, columns: npt.NDArray[np.float64], sizes: dict[str, float | None]
) -> tuple[str | None, list[str]]:
    """Unit of the sizes, and notes on contradictions in the header; missing sizes become None."""
    notes = []
    space = header.get_xyzt_units()[0]
    placed = int(header["sform_code"]) > 0 or int(header["qform_code"]) > 0
    zooms = np.array(header.get_zooms()[: len(sizes)], np.float64)
    if space == "unknown" and not placed and (zooms == 1).all():
        sizes.update(dict.fromkeys(sizes))
    elif space == "unknown":
        notes.append("The file does not name the unit of its sizes: mm is assumed, as is usual for NIfTI.")
    if placed and not np.allclose(columns[: len(zooms)], zooms, rtol=_AGREE):
        form = "sform" if int(header["sform_code"]) > 0 else "qform"
        notes.append(
            f"The header contradicts itself: its {form} has voxels of {_listed(columns[: len(zooms)])}, its pixdim of "
            f"{_listed(zooms)} (X, Y, Z); those of the {form} are used."
        )
    elif int(header["sform_code"]) > 0 and int(header["qform_code"]) > 0:
        first, second = header.get_sform(), header.get_qform()
        far = np.abs(first - second)[:3].max(0) / np.append(columns, columns.min())
        if far[:3].max() > _AGREE or far[3] > 1:
            notes.append("The sform and the qform of the header place the volume differently: the sform is used.")
    return _LENGTHS.get(space, "mm"), notes


def _time(kind: str, header: Any) -> tuple[float | None, str | None, FrameTimes]:
    """Interval of the volumes with its unit, and their times; None if the header has none."""
    if kind in ("MINC1", "MINC2"):
        return (*_minc_interval(header), UNKNOWN)
    if kind == "ECAT":
        times = frame_times([float(part["frame_start_time"]) / 1000 for part in header.subheaders])
        return times.interval, "s", times
    zooms = header.get_zooms()
    interval = float(zooms[3]) if len(zooms) > 3 else 0.0
    if not math.isfinite(interval) or interval <= 0:
        return None, None, UNKNOWN
    unit: str | None = {"MGH": "ms", "PAR/REC": "s"}.get(kind)
    if kind == "NIfTI":
        unit = _TIMES.get(header.get_xyzt_units()[1])
    if kind == "AFNI":
        numbers = header.info.get("TAXIS_NUMS", ())
        unit = _AFNI_TIMES.get(int(numbers[2]) if len(numbers) > 2 else 0)
    return _rounded(interval), unit, UNKNOWN


def _minc_interval(minc: Any) -> tuple[float | None, str | None]:
    for name, dimension in zip(minc._dim_names, minc._dims, strict=True):
        if name == "time":
            unit = getattr(dimension, "units", b"")
            text = (unit.decode(errors="replace") if isinstance(unit, bytes) else str(unit)).strip("\0 ")
            return abs(float(getattr(dimension, "step", 0.0))) or None, text or None
    return None, None


def _rounded(size: float) -> float:
    """Drop the spurious digits of a header's single precision."""
    return float(f"{size:.7g}")


def _listed(sizes: Any) -> str:
    return " × ".join(f"{size:.4g}" for size in sizes)
