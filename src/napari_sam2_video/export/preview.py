"""A PNG that shows the result at a glance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.export.format import ExportFormat, ExportJob, ExportOption
from napari_sam2_video.export.overlay import ColorTable, displayed_shape, picture_of, render

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_sam2_video.export.overlay import Picture
    from napari_sam2_video.results import TrackingResult

TILE = 320
"""Longer side of a frame on the sheet in pixels."""
STYLES = ("contour", "fill", "both")


def write(job: ExportJob) -> None:
    """Write the contact sheet, with the provenance in a text chunk."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    sheet = Image.fromarray(contact_sheet(job.result, job.options))
    text = PngInfo()
    # Unreadable frames are known only after drawing.
    text.add_itxt("provenance", job.provenance_text())
    sheet.save(job.path, format="PNG", pnginfo=text)
    job.progress(1, 1)


def contact_sheet(result: TrackingResult, options: Mapping[str, Any]) -> Picture:
    """Frames spread over the result, drawn side by side, uint8 of shape ``(Y, X, 3)``."""
    from PIL import Image, ImageDraw, ImageFont

    last = len(result.frames) - 1
    places = np.unique(np.linspace(0, last, min(options["count"], last + 1)).round().astype(int))
    frames = places + result.frames.start
    columns = min(options["columns"], len(frames))
    shown = displayed_shape(result)
    factor = TILE / max(shown)
    height, width = (max(1, round(side * factor)) for side in shown)
    gap = 4
    rows = -(-len(frames) // columns)
    sheet = Image.new("RGB", (columns * (width + gap) + gap, rows * (height + gap) + gap), (24, 24, 24))
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=14)
    colors = ColorTable(result.objects)
    resample = Image.Resampling.LANCZOS if factor < 1 else Image.Resampling.NEAREST
    for place, frame in enumerate(frames.tolist()):
        drawn = render(picture_of(result, frame), result.labels(frame), colors, options["style"], options["alpha"])
        corner = (gap + place % columns * (width + gap), gap + place // columns * (height + gap))
        sheet.paste(Image.fromarray(drawn).resize((width, height), resample), corner)
        place_of_text = (corner[0] + 6, corner[1] + 4)
        text = f"{result.walk_axis.lower()} = {frame}"
        pen.text(place_of_text, text, fill="white", font=font, stroke_width=2, stroke_fill="black")
    return np.asarray(sheet)


FORMAT = ExportFormat(
    name="preview",
    title="Preview image (PNG)",
    suffixes=(".png",),
    write=write,
    about="Frames spread over the tracked part of the recording with the objects drawn over them, in one image.",
    options=(
        ExportOption("count", "int", 6, "maximum number of frames", limits=(1, 400)),
        ExportOption("columns", "int", 3, "frames per row", limits=(1, 400)),
        ExportOption("style", "str", "both", "how objects are drawn", STYLES),
        ExportOption("alpha", "float", 0.35, "opacity of the filled areas, 0 to 1", limits=(0, 1)),
    ),
    embeds_provenance=True,
    overlaps=True,
    group="Videos and pictures",
)
