"""Label images as an ImageJ hyperstack."""

from __future__ import annotations

from typing import Any

from napari_sam2_video.errors import ExportError
from napari_sam2_video.export.format import ExportFormat, ExportJob
from napari_sam2_video.export.ome_tiff import label_pages, note_geometry, stack_axis
from napari_sam2_video.export.timing import single_interval
from napari_sam2_video.units import length_unit

LIMIT_BYTES = 2**32 - 2**20


def write(job: ExportJob) -> None:
    """Write a hyperstack, contiguous and uncompressed, as ImageJ reads it."""
    import tifffile

    result = job.result
    height, width = result.shape_yx
    needed = len(result.frames) * height * width * result.dtype.itemsize
    if needed > LIMIT_BYTES:
        raise ExportError(
            f"An ImageJ hyperstack holds at most 4 GB and this one needs {needed / 1e9:.1f} GB; "
            "choose ome-tiff, which ImageJ opens through Bio-Formats."
        )
    note_geometry(job)
    axis = stack_axis(result)
    shape = (1, len(result.frames), 1) if axis == "Z" else (len(result.frames), 1, 1)
    with tifffile.TiffWriter(job.path, imagej=True) as writer:
        writer.write(
            label_pages(job),
            shape=(*shape, height, width),
            dtype=result.dtype,
            photometric="minisblack",
            resolution=resolution_xy(job),
            resolutionunit="NONE",
            software="napari-sam2-video",
            metadata=imagej_metadata(job, axis),
        )


def resolution_xy(job: ExportJob) -> tuple[float, float]:
    """Pixels per unit along x and y."""
    dy, dx = job.result.calibration.pixel_size
    return (1 / dx if dx > 0 else 1.0, 1 / dy if dy > 0 else 1.0)


def imagej_metadata(job: ExportJob, axis: str) -> dict[str, Any]:
    """Axes, units and provenance in ImageJ's form."""
    result = job.result
    calibration = result.calibration
    unit = length_unit(calibration.length_unit) or "pixel"
    metadata: dict[str, Any] = {
        "axes": "TZCYX",
        "unit": {"µm": "micron", "Å": "angstrom"}.get(unit, unit),
        "Info": job.provenance_text(),
        "min": 0.0,
        "max": float(max(result.max_id, 1)),
    }
    if axis == "Z":
        if calibration.walk_unit == calibration.length_unit:
            metadata["spacing"] = calibration.step
    elif (seconds := result.frame_seconds) is not None:
        single_interval(job)
        metadata["finterval"] = seconds
        metadata["tunit"] = "sec"
    return metadata


FORMAT = ExportFormat(
    name="imagej",
    title="Label stack (ImageJ hyperstack)",
    suffixes=(".tif", ".tiff"),
    write=write,
    about=(
        "uint8 or uint16 hyperstack (TZCYX), uncompressed, at most 4 GB; pixel size, spacing, unit and frame interval "
        "in ImageJ's own fields, provenance under Image > Show Info."
    ),
    max_id=0xFFFF,
    embeds_provenance=True,
    guess=False,
)
