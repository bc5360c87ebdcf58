"""The recording with the objects drawn over it, as a video."""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING

from napari_sam2_video.export.ffmpeg import encode_frames
from napari_sam2_video.export.format import ExportFormat, ExportJob, ExportOption
from napari_sam2_video.export.overlay import ColorTable, Picture, displayed_shape, picture_of, render

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FPS = ExportOption("fps", "float", None, "frames per second; the recording's own rate if known, else 10")
CRF = ExportOption("crf", "int", 18, "quality, 0 (lossless) to 51 (worst)", limits=(0, 51))
STYLE = (
    ExportOption("style", "str", "both", "how objects are drawn", ("contour", "fill", "both")),
    ExportOption("alpha", "float", 0.35, "opacity of the filled areas, 0 to 1", limits=(0, 1)),
    ExportOption(
        "width", "int", None, "width of outlines in pixels; 1/300 of the smaller side if not given", limits=(1, 1000)
    ),
)
EVEN = "pad=ceil(iw/2)*2:ceil(ih/2)*2"
TO_BT709 = "scale=in_range=pc:out_range=tv:out_color_matrix=bt709,setparams=color_primaries=bt709:color_trc=bt709"
BT709 = ("-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv")


def filters(job: ExportJob, pad: str = EVEN) -> str:
    """Filters for even sides, BT.709 and pixels that are not square."""
    return f"{pad},{colours_and_shape(job)}"


def colours_and_shape(job: ExportJob) -> str:
    """Filters for BT.709 and pixels that are not square."""
    return f"{TO_BT709},{pixel_shape(job)}"


def pixel_shape(job: ExportJob) -> str:
    """Filter that sets the pixel aspect ratio."""
    height, width = displayed_shape(job.result)
    ratio = Fraction(width * job.result.shape_yx[0] / (height * job.result.shape_yx[1])).limit_denominator(1000)
    return f"setsar={ratio.numerator}/{ratio.denominator}"


def h264_arguments(job: ExportJob) -> list[str]:
    """H.264 for all players; odd sides are padded with one black line."""
    note_padding(job)
    quality = ["-crf", str(job.options["crf"]), "-preset", "medium"]
    return ["-vf", filters(job), "-c:v", "libx264", *quality, "-pix_fmt", "yuv420p", *BT709]


def mp4_arguments(job: ExportJob) -> list[str]:
    """H.264 in MP4, with the index first."""
    return [*h264_arguments(job), "-movflags", "+faststart"]


def webm_arguments(job: ExportJob) -> list[str]:
    """VP9 in WebM."""
    note_padding(job)
    quality = ["-crf", str(job.options["crf"]), "-b:v", "0", "-deadline", "good", "-cpu-used", "4", "-row-mt", "1"]
    return ["-vf", filters(job), "-c:v", "libvpx-vp9", *quality, "-pix_fmt", "yuv420p", *BT709]


def gif_arguments(job: ExportJob) -> list[str]:
    """GIF with one palette per frame, so that nothing has to be read twice."""
    job.note("A GIF holds 256 colours per frame; choose mp4 for the true colours.")
    palette = "split[a][b];[a]palettegen=stats_mode=single[p];[b][p]paletteuse=new=1"
    return ["-vf", f"{palette},{pixel_shape(job)}", "-loop", "0"]


def note_padding(job: ExportJob, edge: str = "black") -> None:
    """Add a note if the video is one pixel larger than the recording."""
    height, width = job.result.shape_yx
    if height % 2 or width % 2:
        even = (width + width % 2, height + height % 2)
        job.note(
            f"The recording is {width} x {height} pixels and this video needs even sides, "
            f"so it is {even[0]} x {even[1]} with {edge} at the right or bottom edge."
        )


def drawn_frames(job: ExportJob) -> Iterator[Picture]:
    """Images with the objects drawn over them, uint8 ``(Y, X, 3)``."""
    result, options = job.result, job.options
    if result.read_frame is None:
        job.note("The recording's images are not available, so the objects are drawn on black.")
    colors = ColorTable(result.objects)
    style = {name: options[name] for name in ("style", "alpha", "width")}
    for frame in job.frames():
        yield render(picture_of(result, frame), result.labels(frame), colors, **style)


def write(job: ExportJob, arguments: Callable[[ExportJob], list[str]]) -> None:
    """Draw and encode one frame at a time."""
    encode_frames(job, drawn_frames(job), "rgb24", arguments(job))


def overlay_format(
    name: str, title: str, suffix: str, about: str, arguments: Callable[[ExportJob], list[str]], *extra: ExportOption
) -> ExportFormat:
    """One container of the overlay video."""
    return ExportFormat(
        name=name,
        title=title,
        suffixes=(suffix,),
        write=partial(write, arguments=arguments),
        about=about,
        options=(FPS, *extra, *STYLE),
        overlaps=True,
        group="Videos and pictures",
    )


FORMATS = (
    overlay_format(
        "mp4",
        "Overlay video (MP4)",
        ".mp4",
        "H.264, yuv420p, BT.709; odd sides are padded by one pixel.",
        mp4_arguments,
        CRF,
    ),
    overlay_format("mkv", "Overlay video (Matroska)", ".mkv", "The same video in Matroska.", h264_arguments, CRF),
    overlay_format(
        "webm",
        "Overlay video (WebM)",
        ".webm",
        "VP9, yuv420p, BT.709; odd sides are padded by one pixel.",
        webm_arguments,
        ExportOption("crf", "int", 24, "quality, 0 (best) to 63 (worst)", limits=(0, 63)),
    ),
    overlay_format(
        "gif", "Overlay animation (GIF)", ".gif", "256 colours per frame; for slides and web pages.", gif_arguments
    ),
)
