"""Small valid videos, bare streams and animations of every kind that the project opens."""

from __future__ import annotations

import subprocess
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy.typing as npt

SHAPE = (12, 32, 48)
X264 = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", "5")
KINDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "video-h264": ("clip.mp4", (*X264, "-bf", "2")),
    "video-mjpeg": ("clip.avi", ("-c:v", "mjpeg", "-pix_fmt", "yuvj420p")),
    "video-ffv1": ("clip.mkv", ("-c:v", "ffv1", "-pix_fmt", "gray16le")),
    "video-mpeg4": ("clip.avi", ("-c:v", "mpeg4", "-bf", "2", "-g", "6")),
    "video-ts": ("clip.ts", (*X264, "-bf", "2", "-f", "mpegts")),
    "video-mpeg2": ("clip.mpg", ("-c:v", "mpeg2video", "-bf", "2", "-g", "6", "-r", "25", "-f", "vob")),
    "video-vp9": ("clip.webm", ("-c:v", "libvpx-vp9", "-pix_fmt", "yuv420p", "-g", "6", "-cpu-used", "8")),
    "bare-h264": ("clip.h264", (*X264, "-bf", "2")),
    "bare-h264-in-order": ("clip.h264", (*X264, "-bf", "0")),
    "bare-mpeg4": ("clip.m4v", ("-c:v", "mpeg4", "-bf", "2", "-g", "6", "-f", "m4v")),
    "bare-mjpeg": ("clip.mjpeg", ("-c:v", "mjpeg", "-pix_fmt", "yuvj420p")),
    "bare-pgm": ("clip.pgm", ("-c:v", "pgm", "-f", "image2pipe")),
    "gif": ("clip.gif", ()),
    "apng": ("clip.png", ("-f", "apng")),
    "apng-deep": ("clip.png", ("-pix_fmt", "rgb48be", "-f", "apng")),
}


def pixels() -> npt.NDArray[np.uint8]:
    """Frames of moving stripes with a bright square, ``(T, Y, X)``."""
    t, y, x = np.mgrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    frames = (x * 3 + y * 2 + t * 5) % 200
    frames[:, 8:20, 10:24] = 250
    return frames.astype(np.uint8)


def encoded(codec: tuple[str, ...], path: Path) -> None:
    """Video that ffmpeg writes."""
    import imageio_ffmpeg

    size = f"{SHAPE[2]}x{SHAPE[1]}"
    grey = ["-f", "rawvideo", "-pix_fmt", "gray", "-s", size, "-r", "10", "-i", "-"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *grey, *codec, "-threads", "1", str(path)]
    subprocess.run(command, input=pixels().tobytes(), check=True)


def animated(path: Path, **known: Any) -> None:
    """Animation that Pillow writes, partly transparent, with frames of different durations."""
    from PIL import Image

    frames = [Image.fromarray(frame).convert("RGBA") for frame in pixels()]
    for frame in frames:
        frame.putalpha(frame.getchannel("R").point([0] * 128 + [255] * 128))
    durations = [40, 90] * (len(frames) // 2)
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=durations, loop=0, **known)


SEEDS: dict[str, tuple[str, Callable[[Path], None]]] = {
    **{name: (file_name, partial(encoded, codec)) for name, (file_name, codec) in KINDS.items()},
    "gif-transparent": ("clip.gif", partial(animated, disposal=2)),
    "webp": ("clip.webp", partial(animated, lossless=True)),
    "avif": ("clip.avif", partial(animated, speed=10)),
}
