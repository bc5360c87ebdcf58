"""DAVIS: one palette PNG per frame."""

from __future__ import annotations

import numpy as np

from napari_sam2_video.export.format import ExportFormat, ExportJob
from napari_sam2_video.export.ome_tiff import note_geometry


def write(job: ExportJob) -> None:
    """Write ``00000.png`` and so on; a pixel's index is the object's id."""
    from PIL import Image

    note_geometry(job)
    palette = np.zeros((256, 3), np.uint8)
    for entry in job.result.objects:
        palette[entry.id] = entry.color
    for frame in job.frames():
        image = Image.fromarray(job.result.labels(frame))
        image.putpalette(palette.tobytes())
        image.save(job.path / f"{frame:05d}.png", format="PNG")


FORMAT = ExportFormat(
    name="davis",
    title="DAVIS palette PNGs",
    kind="folder",
    write=write,
    about="Folder of `00000.png` and so on; indexed colours, the index is the object's id, at most 255.",
    max_id=255,
    group="Training data",
)
