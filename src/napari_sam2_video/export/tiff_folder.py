"""Label images as one TIFF per frame."""

from __future__ import annotations

from napari_sam2_video.export.format import ExportFormat, ExportJob
from napari_sam2_video.export.ome_tiff import note_geometry
from napari_sam2_video.units import length_unit


def write(job: ExportJob) -> None:
    """Write ``labels_00000.tif`` and so on."""
    import tifffile

    result = job.result
    note_geometry(job)
    calibration = result.calibration
    dy, dx = calibration.pixel_size
    unit = length_unit(calibration.length_unit)
    for frame in job.frames():
        tifffile.imwrite(
            job.path / f"labels_{frame:05d}.tif",
            result.labels(frame),
            photometric="minisblack",
            compression="zlib",
            resolution=(1 / dx, 1 / dy) if min(dx, dy) > 0 else None,
            resolutionunit="NONE",
            software="napari-sam2-video",
            metadata={"axes": "YX", "frame": frame, "pixel_size_yx": [dy, dx], "unit": unit or "pixel"},
        )


FORMAT = ExportFormat(
    name="tiff-folder",
    title="One label TIFF per frame",
    kind="folder",
    write=write,
    about=(
        "Folder of `labels_00000.tif` and so on, zlib; pixels per unit in the resolution tags, "
        "frame and pixel size in the description."
    ),
)
