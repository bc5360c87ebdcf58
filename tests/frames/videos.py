"""Small videos whose frames carry their own index as black and white blocks that lossy codecs keep."""

from __future__ import annotations

import subprocess
from functools import cache
from typing import TYPE_CHECKING

import imageio_ffmpeg
import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

COUNT = 72
HEIGHT, WIDTH = 48, 64
_X264 = ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-sc_threshold", "0"]


def ffmpeg(*arguments: str | Path, data: bytes | None = None) -> None:
    """Run the bundled ffmpeg; its output file is the last argument."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-hide_banner", "-v", "error", "-y", *map(str, arguments)]
    if data is not None:
        command.remove("-nostdin")
    done = subprocess.run(command, input=data, capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr.decode()


def frame_yx(index: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Grey frame of which eight blocks, in two rows of four, are the bits of `index`."""
    bits = np.array([235 if index >> bit & 1 else 16 for bit in range(8)], np.uint8).reshape(2, 4)
    rows = np.arange(height) * 2 // height
    columns = np.arange(width) * 4 // width
    return bits[rows][:, columns]


def index_of(frame: np.ndarray) -> int:
    """Read the index back from a frame ``(Y, X)`` or ``(Y, X, 3)`` of any size; -1 where a block is neither."""
    grey = frame.astype(float)
    grey = (grey.mean(-1) if grey.ndim == 3 else grey) / (257 if frame.dtype == np.uint16 else 1)
    height, width = grey.shape
    index = 0
    for bit in range(8):
        row, column = divmod(bit, 4)
        top, left = row * height // 2, column * width // 4
        block = grey[top + height // 8 : top + height * 3 // 8, left + width // 16 : left + width * 3 // 16]
        if 90 < block.mean() < 165 or block.std() > 45:
            return -1
        index |= int(block.mean() > 127) << bit
    return index


@cache
def raw(height: int = HEIGHT, width: int = WIDTH, count: int = COUNT) -> bytes:
    return np.stack([frame_yx(n, height, width) for n in range(count)]).tobytes()


def encode(path: Path, *options: str, height: int = HEIGHT, width: int = WIDTH, count: int = COUNT) -> Path:
    """Encode the numbered frames at 25 a second."""
    source = ["-f", "rawvideo", "-pix_fmt", "gray", "-s", f"{width}x{height}", "-r", "25", "-i", "-"]
    ffmpeg(*source, *options, path, data=raw(height, width, count))
    return path


def cfr(folder: Path) -> Path:
    return encode(folder / "cfr.mp4", *_X264, "-g", "12", "-bf", "2")


def h264_open_gop(folder: Path) -> Path:
    return encode(folder / "open264.mp4", *_X264, "-g", "12", "-bf", "3", "-x264-params", "open-gop=1:scenecut=0")


def hevc_open_gop(folder: Path) -> Path:
    parameters = "open-gop=1:keyint=12:bframes=4:scenecut=0:log-level=none:pools=1"
    codec = ["-c:v", "libx265", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-tag:v", "hvc1"]
    return encode(folder / "open265.mp4", *codec, "-x265-params", parameters)


def vfr(folder: Path) -> Path:
    stamps = "settb=1/1000,setpts='(N+floor(N/3)*2+if(gt(mod(N,7),3),0.4,0))/25/TB'"
    return encode(
        folder / "vfr.mp4", "-vf", stamps, *_X264, "-g", "12", "-fps_mode", "passthrough", "-enc_time_base", "1/1000"
    )


def mjpeg_avi(folder: Path) -> Path:
    return encode(folder / "mjpeg.avi", "-c:v", "mjpeg", "-q:v", "3", "-pix_fmt", "yuvj420p")


def mpeg4_avi(folder: Path) -> Path:
    return encode(folder / "bframes.avi", "-c:v", "mpeg4", "-q:v", "3", "-g", "12", "-bf", "2", "-pix_fmt", "yuv420p")


def mpeg4_mkv(folder: Path) -> Path:
    target = folder / "bframes.mkv"
    ffmpeg("-fflags", "+genpts", "-i", mpeg4_avi(folder), "-c", "copy", target)
    return target


def rotated(folder: Path) -> Path:
    source, target = cfr(folder), folder / "rotated.mp4"
    ffmpeg("-display_rotation", "90", "-i", source, "-c", "copy", target)
    return target


def edit_list(folder: Path) -> Path:
    """Frames 18 on, cut without encoding again: the packets of 12 to 17 are in the file, and hidden."""
    target = folder / "edit.mp4"
    ffmpeg("-ss", "0.72", "-i", cfr(folder), "-c", "copy", target)
    return target


def odd_size(folder: Path) -> Path:
    codec = ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv444p", "-g", "12"]
    return encode(folder / "odd.mp4", *codec, height=49, width=67)


def ffv1_gray16(folder: Path) -> Path:
    """Grey values that are 16 bit wide: 257 times the 8-bit ones."""
    return encode(folder / "ffv1.mkv", "-pix_fmt", "gray16le", "-c:v", "ffv1", "-g", "6", count=24)


def long_gop(folder: Path) -> Path:
    return encode(folder / "long.mp4", *_X264, "-g", "1000", "-bf", "2", "-x264-params", "scenecut=0")


def intra_refresh(folder: Path) -> Path:
    """No frame is whole by itself: a column of each is."""
    codec = ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-bf", "0"]
    return encode(folder / "refresh.mp4", *codec, "-x264-params", "intra-refresh=1:keyint=12")


def h264_avi(folder: Path) -> Path:
    """Frames that are coded in another order than shown, in a file that does not say which."""
    return encode(folder / "h264.avi", *_X264, "-g", "12", "-bf", "3")


def raw_h264(folder: Path) -> Path:
    return encode(folder / "raw.h264", *_X264, "-g", "12", "-bf", "3")


def transport_stream(folder: Path) -> Path:
    target = folder / "stream.ts"
    ffmpeg("-i", cfr(folder), "-c", "copy", target)
    return target


def palette_avi(folder: Path) -> Path:
    """Bytes with a palette, the way in which ImageJ and MATLAB write grey AVIs."""
    return encode(folder / "palette.avi", "-c:v", "rawvideo", "-pix_fmt", "pal8")


def palette_mov(folder: Path) -> Path:
    target = folder / "palette.mov"
    ffmpeg("-i", palette_avi(folder), "-c", "copy", target)
    return target


def truncated(folder: Path, name: str = "cut.mp4", part: float = 0.7) -> Path:
    front = ["-movflags", "+faststart"] if name.endswith("mp4") else []
    codec = ["-c:v", "mjpeg", "-pix_fmt", "yuvj420p"] if name.endswith("avi") else [*_X264, "-g", "12", "-bf", "2"]
    source = encode(folder / f"whole_{name}", *codec, *front)
    target = folder / name
    target.write_bytes(source.read_bytes()[: int(source.stat().st_size * part)])
    return target


def corrupt(folder: Path) -> Path:
    """The packets in the middle of the picture data are overwritten with noise."""
    source = encode(folder / "sound.mp4", *_X264, "-g", "12", "-bf", "2", "-movflags", "+faststart")
    data = bytearray(source.read_bytes())
    start = data.index(b"mdat") + (len(data) - data.index(b"mdat")) // 2
    data[start : start + 200] = np.random.default_rng(0).integers(0, 256, 200, np.uint8).tobytes()
    target = folder / "corrupt.mp4"
    target.write_bytes(data)
    return target


CORPUS = {
    maker.__name__: maker
    for maker in (
        cfr,
        vfr,
        h264_open_gop,
        hevc_open_gop,
        mjpeg_avi,
        mpeg4_avi,
        mpeg4_mkv,
        rotated,
        edit_list,
        odd_size,
        ffv1_gray16,
        long_gop,
        transport_stream,
        palette_avi,
        intra_refresh,
        h264_avi,
        raw_h264,
        palette_mov,
    )
}


def audio_only(folder: Path) -> Path:
    target = folder / "sound.mp4"
    ffmpeg("-f", "lavfi", "-i", "sine=duration=0.5", "-c:a", "aac", target)
    return target


def size_change(folder: Path) -> Path:
    """Twelve frames of one size, then twelve of another, in one H.264 stream."""
    target = folder / "sizes.h264"
    codec = [*_X264, "-g", "12", "-bf", "0", "-bsf:v", "h264_mp4toannexb"]
    parts = [
        encode(folder / f"{width}.h264", *codec, width=width, count=12).read_bytes() for width in (WIDTH, WIDTH + 32)
    ]
    target.write_bytes(b"".join(parts))
    wrapped = folder / "sizes.ts"
    ffmpeg("-r", "25", "-i", target, "-c", "copy", wrapped)
    return wrapped
