"""Label images as an OME-TIFF: any id, any size, streamed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.export.format import ExportFormat, ExportJob, ExportOption
from napari_sam2_video.types.tracked_object import printable
from napari_sam2_video.units import length_unit, time_unit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_sam2_video.results import Array, TrackingResult

NAMESPACE = "napari-sam2-video"
BUFFER_BYTES = 16 * 2**20


def write(job: ExportJob) -> None:
    """Write one compressed page per frame."""
    import tifffile

    result = job.result
    note_geometry(job)
    with tifffile.TiffWriter(job.path, bigtiff=True, ome=True) as writer:
        writer.write(
            label_pages(job),
            shape=(len(result.frames), *result.shape_yx),
            dtype=result.dtype,
            photometric="minisblack",
            compression="zlib" if job.options["compressed"] else None,
            compressionargs={"level": job.options["level"]} if job.options["compressed"] else None,
            buffersize=BUFFER_BYTES,
            software="napari-sam2-video",
            metadata=ome_metadata(job),
        )


def label_pages(job: ExportJob) -> Iterator[Array]:
    """Label images in order; progress is reported before each, because the writer never requests one after the last."""
    for done, frame in enumerate(job.result.frames, start=1):
        labels_yx = np.ascontiguousarray(job.result.labels(frame))
        job.progress(done, len(job.result.frames))
        yield labels_yx


def stack_axis(result: TrackingResult) -> str:
    """Axis letter of a TIFF's pages: Z for slices, else T."""
    return "Z" if result.walk_axis in "ZYX" else "T"


def note_geometry(job: ExportJob) -> None:
    """Add notes about orientation that a format without an affine cannot hold."""
    result = job.result
    if result.affine is not None and is_oblique(result.affine):
        job.note(
            "The volume is oblique and this format holds only its voxel size, not its orientation; "
            "export nifti to keep the orientation."
        )
    if result.plane_axes != ("Y", "X"):
        job.note(
            f"The pages follow the axis {result.walk_axis} of the recording, "
            f"and their rows and columns are its axes {result.plane_axes[0]} and {result.plane_axes[1]}."
        )


def is_oblique(affine: Array) -> bool:
    """True if the volume's axes are not aligned with the world's."""
    directions = np.abs(np.asarray(affine, float)[:3, :3])
    lengths = np.linalg.norm(directions, axis=0)
    return bool((directions.max(axis=0) < lengths * (1 - 1e-6)).any())


def ome_metadata(job: ExportJob) -> dict[str, Any]:
    """Axes, sizes, names and provenance in OME's form."""
    result = job.result
    axis = stack_axis(result)
    metadata: dict[str, Any] = {
        "axes": f"{axis}YX",
        "Name": printable(job.target.name),
        "Description": f"Label images of {len(result.objects)} objects; pixel values are object ids.",
        "MapAnnotation": [
            {"Namespace": f"{NAMESPACE}/provenance", "Value": {"json": job.provenance_text()}},
            {"Namespace": f"{NAMESPACE}/objects", "Value": {str(entry.id): entry.name for entry in result.objects}},
        ],
    }
    if not result.objects:
        metadata["MapAnnotation"].pop()
    sizes = list(zip("YX", result.pixel_size, result.units[1:], strict=True))
    if axis == "Z":
        sizes.append(("Z", result.step, result.units[0]))
    for letter, size, unit in sizes:
        symbol = length_unit(unit)
        if size is not None and size > 0 and (symbol is not None or size != 1.0):
            metadata[f"PhysicalSize{letter}"] = size
            metadata[f"PhysicalSize{letter}Unit"] = symbol or "reference frame"
    if result.frame_times is not None:
        metadata["Plane"] = {"DeltaT": result.frame_times.tolist(), "DeltaTUnit": ["s"] * len(result.frames)}
    elif (
        axis == "T" and result.step is not None and result.step > 0 and (unit := time_unit(result.units[0])) is not None
    ):
        metadata["TimeIncrement"] = result.step
        metadata["TimeIncrementUnit"] = unit
    return metadata


FORMAT = ExportFormat(
    name="ome-tiff",
    title="Label stack (OME-TIFF)",
    suffixes=(".ome.tif", ".ome.tiff", ".tif", ".tiff"),
    write=write,
    about=(
        "One page per frame, BigTIFF, zlib; the smallest of uint8, uint16 and uint32 that holds every id; "
        "pixel size, frame interval or the time of every frame, object names and provenance in the OME-XML."
    ),
    options=(
        ExportOption("compressed", "bool", True, "compress the pages with zlib"),
        ExportOption("level", "int", 5, "zlib level, 1 (fast) to 9 (small)", limits=(1, 9)),
    ),
    embeds_provenance=True,
)
