"""Label images as a lossless video, for editors that cannot read TIFF."""

from __future__ import annotations

from napari_sam2_video.export.ffmpeg import encode_frames
from napari_sam2_video.export.format import ExportFormat, ExportJob
from napari_sam2_video.export.ome_tiff import note_geometry
from napari_sam2_video.export.video import FPS, pixel_shape


def write(job: ExportJob) -> None:
    """Encode FFV1 with 16-bit grey values: a pixel's value is the object's id."""
    note_geometry(job)
    codec = ["-c:v", "ffv1", "-level", "3", "-g", "1", "-slicecrc", "1", "-pix_fmt", "gray16le"]
    labels = (job.result.labels(frame).astype("<u2") for frame in job.frames())
    encode_frames(job, labels, "gray16le", ["-vf", pixel_shape(job), *codec])


FORMAT = ExportFormat(
    name="labels-ffv1",
    title="Label video (FFV1, lossless)",
    suffixes=(".mkv",),
    write=write,
    about="FFV1 gray16le in Matroska; every pixel's value is the object's id, exactly.",
    options=(FPS,),
    max_id=0xFFFF,
    guess=False,
)
