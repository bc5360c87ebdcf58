"""A PNG that shows the result at a glance."""

from __future__ import annotations

from napari_sam2_video.export.format import ExportFormat, ExportJob, ExportOption
from napari_sam2_video.export.overlay import contact_sheet

STYLES = ("contour", "fill", "both")


def write(job: ExportJob) -> None:
    """Write the contact sheet, with the provenance in a text chunk."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    options = job.options
    sheet = contact_sheet(
        job.result, count=options["count"], columns=options["columns"], style=options["style"], alpha=options["alpha"]
    )
    text = PngInfo()
    text.add_itxt("provenance", job.provenance_text())
    Image.fromarray(sheet).save(job.path, format="PNG", pnginfo=text)
    job.progress(1, 1)


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
