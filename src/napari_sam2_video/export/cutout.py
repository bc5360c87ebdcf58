"""Objects cut out onto a plain background, or painted over with a plain colour."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_sam2_video.export.ffmpeg import encode_frames
from napari_sam2_video.export.format import ExportFormat, ExportJob, ExportOption
from napari_sam2_video.export.matte import blended, need_pictures
from napari_sam2_video.export.overlay import picture_of
from napari_sam2_video.export.soft_edge import FEATHER, alpha_of
from napari_sam2_video.export.video import CRF, FPS, mp4_arguments

if TYPE_CHECKING:
    from collections.abc import Iterator

GROW = ExportOption(
    "grow", "int", 0, "pixels by which the objects are grown first, so that no edge remains", limits=(0, 10_000)
)


def composites(job: ExportJob, keep: bool) -> Iterator[npt.NDArray[np.uint8]]:
    """Images in which everything except the objects (`keep`), or only the objects, has the plain colour."""
    need_pictures(job)
    for frame in job.frames():
        alpha_yx = alpha_of(job, frame, grow=job.options.get("grow", 0))
        picture_yxc = np.array(picture_of(job.result, frame), np.uint8)
        yield blended(picture_yxc, job.options["color"], alpha_yx if keep else 255 - alpha_yx)


def write_video(job: ExportJob, keep: bool) -> None:
    """Encode H.264 in MP4."""
    encode_frames(job, composites(job, keep), "rgb24", mp4_arguments(job))


def write_pictures(job: ExportJob, keep: bool) -> None:
    """Write ``00000.png`` and so on."""
    from PIL import Image

    for frame, drawn in zip(job.result.frames, composites(job, keep), strict=True):
        Image.fromarray(drawn).save(job.path / f"{frame:05d}.png", format="PNG", compress_level=3)


def composite_formats(name: str, title: str, keep: bool, color: str, help_color: str) -> tuple[ExportFormat, ...]:
    """The video and the image sequence of one kind of composite."""
    options = (ExportOption("color", "color", color, help_color), *(() if keep else (GROW,)), FEATHER)
    video = ExportFormat(
        name=f"{name}-mp4",
        title=f"{title} (MP4)",
        suffixes=(".mp4",),
        write=partial(write_video, keep=keep),
        about="H.264, yuv420p; colours are as accurate as the codec allows.",
        options=(FPS, CRF, *options),
        overlaps=True,
        guess=False,
        group="Cut-outs and mattes",
    )
    pictures = ExportFormat(
        name=f"{name}-png",
        title=f"{title} (PNG sequence)",
        kind="folder",
        write=partial(write_pictures, keep=keep),
        about="Folder of `00000.png` and so on; exact.",
        options=options,
        overlaps=True,
        group="Cut-outs and mattes",
    )
    return video, pictures


FORMATS = (
    *composite_formats("cutout", "Objects on a plain background", True, "black", "colour of the background"),
    *composite_formats("removed", "Objects painted over", False, "gray", "colour that covers the objects"),
)
