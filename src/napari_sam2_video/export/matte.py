"""Mattes for compositors: the image with the objects as its alpha channel."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_sam2_video.errors import ExportError
from napari_sam2_video.export.ffmpeg import encode_frames
from napari_sam2_video.export.format import ExportFormat, ExportJob, ExportOption
from napari_sam2_video.export.overlay import Picture, picture_of
from napari_sam2_video.export.soft_edge import FEATHER, alpha_of
from napari_sam2_video.export.video import BT709, EVEN, FPS, colours_and_shape, filters, note_padding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PREMULTIPLIED = ExportOption("premultiplied", "bool", False, "multiply the colours by the alpha")


def need_pictures(job: ExportJob) -> None:
    """Refuse a result without images.

    Raises
    ------
    ExportError
        If the recording is not available.
    """
    if job.result.read_frame is None:
        raise ExportError(f"The recording's images are needed for {job.target.name}; open the recording first.")


def rgba_frames(job: ExportJob) -> Iterator[npt.NDArray[np.uint8]]:
    """Images with the objects as alpha, uint8 ``(Y, X, 4)``."""
    need_pictures(job)
    for frame in job.frames():
        alpha_yx = alpha_of(job, frame)
        rgba = np.empty((*job.result.shape_yx, 4), np.uint8)
        rgba[..., :3] = picture_of(job.result, frame)
        rgba[..., 3] = alpha_yx
        if job.options["premultiplied"]:
            rgba[..., :3] = blended(rgba[..., :3], (0, 0, 0), alpha_yx)
        yield rgba


def blended(picture_yxc: Picture, color: tuple[int, int, int], alpha_yx: npt.NDArray[np.uint8]) -> Picture:
    """The image where alpha is 255, the colour where it is 0, and a mixture in between."""
    weight = alpha_yx[..., None].astype(np.uint16)
    mixed = picture_yxc * weight + np.asarray(color, np.uint16) * (255 - weight)
    return ((mixed + 127) // 255).astype(np.uint8)


def write_video(job: ExportJob, arguments: Callable[[ExportJob], list[str]]) -> None:
    """Encode one frame at a time."""
    encode_frames(job, rgba_frames(job), "rgba", arguments(job))


def write_pictures(job: ExportJob) -> None:
    """Write ``00000.png`` and so on."""
    from PIL import Image

    for frame, rgba in zip(job.result.frames, rgba_frames(job), strict=True):
        Image.fromarray(rgba).save(job.path / f"{frame:05d}.png", format="PNG", compress_level=3)


def prores_arguments(job: ExportJob) -> list[str]:
    """ProRes 4444, whose alpha is lossless."""
    codec = ["-c:v", "prores_ks", "-profile:v", "4444", "-pix_fmt", "yuva444p10le", "-alpha_bits", "16"]
    return ["-vf", colours_and_shape(job), *codec, "-vendor", "apl0", *BT709]


def vp9_arguments(job: ExportJob) -> list[str]:
    """VP9 with an alpha channel for browsers."""
    note_padding(job, "transparent pixels")
    quality = ["-crf", str(job.options["crf"]), "-b:v", "0", "-auto-alt-ref", "0", "-row-mt", "1", "-cpu-used", "4"]
    codec = ["-c:v", "libvpx-vp9", *quality, "-pix_fmt", "yuva420p"]
    return ["-vf", filters(job, f"{EVEN}:color=black@0"), *codec, *BT709]


PRORES = ExportFormat(
    name="matte-prores",
    title="Alpha matte (ProRes 4444)",
    suffixes=(".mov",),
    write=partial(write_video, arguments=prores_arguments),
    about="10-bit 4:4:4 with a lossless alpha channel, straight by default; any size.",
    options=(FPS, FEATHER, PREMULTIPLIED),
    overlaps=True,
    group="Cut-outs and mattes",
)
VP9 = ExportFormat(
    name="matte-webm",
    title="Alpha matte (WebM, VP9)",
    suffixes=(".webm",),
    write=partial(write_video, arguments=vp9_arguments),
    about="VP9 with alpha for web pages; odd sides are padded by one transparent pixel.",
    options=(
        FPS,
        ExportOption("crf", "int", 20, "quality, 0 (best) to 63 (worst)", limits=(0, 63)),
        FEATHER,
        PREMULTIPLIED,
    ),
    overlaps=True,
    guess=False,
    group="Cut-outs and mattes",
)
PICTURES = ExportFormat(
    name="matte-png",
    title="Alpha matte (PNG sequence)",
    kind="folder",
    write=write_pictures,
    about="Folder of RGBA `00000.png` and so on, straight alpha by default; exact.",
    options=(FEATHER, PREMULTIPLIED),
    overlaps=True,
    group="Cut-outs and mattes",
)
