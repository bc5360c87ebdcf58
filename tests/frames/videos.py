"""Small videos whose frames carry their own index as black and white blocks that lossy codecs keep."""

from __future__ import annotations

import io
import itertools
import re
import struct
import subprocess
from functools import cache
from typing import TYPE_CHECKING

import imageio_ffmpeg
import numpy as np
from PIL import Image

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


def raw_h264_in_order(folder: Path) -> Path:
    return encode(folder / "simple.h264", *_X264, "-g", "12", "-bf", "0")


def raw_h264_without_rate(folder: Path) -> Path:
    """Headers that say nothing of time, as small cameras write them."""
    codec = ["-c:v", "libx264", "-profile:v", "baseline", "-pix_fmt", "yuv420p", "-g", "12"]
    path = encode(folder / "rateless.h264", *codec)
    units = re.split(rb"(?<=\x00\x00\x01)(?=\x67)|(?=\x00\x00\x01\x68)", path.read_bytes())
    path.write_bytes(b"".join(_without_timing(unit) if unit[:1] == b"\x67" else unit for unit in units))
    return path


def _without_timing(header: bytes) -> bytes:
    """Sequence parameter set of the baseline profile without its last part, which holds the timing."""
    bits = "".join(f"{byte:08b}" for byte in header[1:].replace(b"\0\0\3", b"\0\0"))
    at = 24

    def number() -> int:
        nonlocal at
        zeros = bits.index("1", at) - at
        at += 2 * zeros + 1
        return int(bits[at - zeros - 1 : at], 2) - 1

    number(), number()
    if number() == 0:
        number()
    number()
    at += 1
    number(), number()
    at += 3 if bits[at] == "1" else 4
    if bits[at - 1] == "1":
        number(), number(), number(), number()
    kept = f"{bits[:at]}01"
    kept += "0" * (-len(kept) % 8)
    return header[:1] + int(kept, 2).to_bytes(len(kept) // 8, "big")


def raw_hevc_open_gop(folder: Path) -> Path:
    parameters = "open-gop=1:keyint=12:bframes=4:scenecut=0:log-level=none:pools=1"
    return encode(folder / "raw.hevc", "-c:v", "libx265", "-pix_fmt", "yuv420p", "-x265-params", parameters)


def raw_mpeg4(folder: Path) -> Path:
    return encode(folder / "raw.m4v", "-c:v", "mpeg4", "-q:v", "3", "-g", "12", "-bf", "2", "-f", "m4v")


def raw_mpeg2(folder: Path) -> Path:
    return encode(folder / "raw.m2v", "-c:v", "mpeg2video", "-q:v", "3", "-g", "12", "-bf", "2")


def raw_av1(folder: Path) -> Path:
    return encode(folder / "raw.obu", "-c:v", "libaom-av1", "-cpu-used", "8", "-g", "12", "-pix_fmt", "yuv420p")


def raw_mjpeg(folder: Path) -> Path:
    return encode(folder / "raw.mjpeg", "-c:v", "mjpeg", "-q:v", "3", "-pix_fmt", "yuvj420p")


def pgm_stack(folder: Path) -> Path:
    return encode(folder / "stack.pgm", "-c:v", "pgm", "-f", "image2pipe")


def gif(folder: Path) -> Path:
    return encode(folder / "film.gif")


def animated_png(folder: Path) -> Path:
    return encode(folder / "film.png", "-f", "apng")


def animated_webp(folder: Path) -> Path:
    return encode(folder / "film.webp", "-c:v", "libwebp_anim", "-lossless", "1")


def animated_avif(folder: Path) -> Path:
    return encode(folder / "film.avif", "-c:v", "libaom-av1", "-cpu-used", "8", "-g", "12", "-pix_fmt", "yuv420p")


def vp9_alt_ref(folder: Path) -> Path:
    """Packets that hold frames which are never shown."""
    codec = ["-c:v", "libvpx-vp9", "-auto-alt-ref", "6", "-lag-in-frames", "16", "-g", "24", "-cpu-used", "8"]
    return encode(folder / "altref.webm", *codec, "-pix_fmt", "yuv420p")


def av1_mkv(folder: Path) -> Path:
    return encode(folder / "av1.mkv", "-c:v", "libaom-av1", "-cpu-used", "8", "-g", "24", "-pix_fmt", "yuv420p")


def program_stream(folder: Path) -> Path:
    return encode(folder / "film.mpg", "-c:v", "mpeg2video", "-q:v", "3", "-g", "12", "-bf", "2", "-f", "dvd")


def wrapped_stamps(folder: Path) -> Path:
    """Time stamps of 33 bits that begin again from zero in the middle."""
    offset = f"{2**33 / 90000 - 1.2:.3f}"
    target = folder / "wrapped.ts"
    ffmpeg("-i", cfr(folder), "-c", "copy", "-output_ts_offset", offset, "-muxdelay", "0", target)
    return target


def late_start(folder: Path) -> Path:
    """Frames whose times begin an hour after zero."""
    target = folder / "late.mkv"
    ffmpeg("-itsoffset", "3600", "-i", h264_open_gop(folder), "-c", "copy", "-copyts", target)
    return target


def negative_times(folder: Path) -> Path:
    target = folder / "negative.mkv"
    ffmpeg("-itsoffset", "-0.5", "-i", cfr(folder), "-c", "copy", "-copyts", "-avoid_negative_ts", "disabled", target)
    return target


def interlaced(folder: Path) -> Path:
    codec = ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-flags", "+ilme+ildct", "-g", "12"]
    return encode(folder / "interlaced.ts", *codec, "-x264-params", "tff=1", height=96)


def dv(folder: Path) -> Path:
    return encode(folder / "film.dv", "-vf", "scale=720:576:flags=neighbor", "-pix_fmt", "yuv420p", "-target", "pal-dv")


def windows_media(folder: Path) -> Path:
    return encode(folder / "film.wmv", "-c:v", "wmv2", "-q:v", "3", "-g", "12")


def flash(folder: Path) -> Path:
    return encode(folder / "film.flv", *_X264, "-g", "12", "-bf", "2")


def packed_mpeg4_avi(folder: Path) -> Path:
    """B-frames that share a packet with the frame they refer to, and empty packets: as DivX and XviD write them."""
    codec = ["-c:v", "mpeg4", "-q:v", "3", "-g", "12", "-bf", "1", "-f", "m4v"]
    stream = encode(folder / "packed.m4v", *codec).read_bytes()
    starts = [found.start() for found in re.finditer(rb"\x00\x00\x01[\xb0\xb3\xb6]", stream)]
    parts: list[bytes] = [b""]
    for start, end in itertools.pairwise([*starts, len(stream)]):
        parts[-1] += stream[start:end]
        if stream[start + 3] == 0xB6:
            parts.append(b"")
    pictures = parts[:-1]
    place = pictures[0].index(b"\0\0\1\xb6")
    pictures[0] = pictures[0][:place] + b"\0\0\1\xb2DivX503b1393p" + pictures[0][place:]
    empty = b"\0\0\1\xb6" + int("0101" + "00000" + "10" + "01111", 2).to_bytes(2, "big") + b"\x7f"
    kinds = [part[part.index(b"\0\0\1\xb6") + 4] >> 6 for part in pictures]
    packets: list[bytes] = []
    for picture, kind in zip(pictures, kinds, strict=True):
        if kind == 2:
            packets[-1] += picture
            packets.append(empty)
        else:
            packets.append(picture)
    return avi(folder / "packed.avi", b"XVID", packets)


def avi(path: Path, codec: bytes, packets: list[bytes]) -> Path:
    """Write packets at 25 a second, the simplest file of that kind."""

    def chunk(name: bytes, *content: bytes) -> bytes:
        data = b"".join(content)
        return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)

    size = struct.pack("<iiiHH4sIiiII", 40, WIDTH, HEIGHT, 1, 24, codec, WIDTH * HEIGHT * 3, 0, 0, 0, 0)
    stream = struct.pack("<4s4sIHHIIIIIIIIhhhh", b"vids", codec, 0, 0, 0, 0, 1, 25, 0, len(packets), *[0] * 7)
    main = struct.pack("<14I", 40000, 0, 0, 16, len(packets), 0, 1, 0, WIDTH, HEIGHT, 0, 0, 0, 0)
    head = chunk(
        b"LIST", b"hdrl", chunk(b"avih", main), chunk(b"LIST", b"strl", chunk(b"strh", stream), chunk(b"strf", size))
    )
    movie, index, place = b"", b"", 4
    for number, packet in enumerate(packets):
        index += struct.pack("<4sIII", b"00dc", 0 if number % 12 else 16, place, len(packet))
        movie += chunk(b"00dc", packet)
        place = len(movie) + 4
    path.write_bytes(chunk(b"RIFF", b"AVI ", head, chunk(b"LIST", b"movi", movie), chunk(b"idx1", index)))
    return path


def jpeg(index: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(frame_yx(index)).convert("RGB").save(file, "JPEG", quality=95)
    return file.getvalue()


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
        raw_h264_in_order,
        raw_h264_without_rate,
        raw_hevc_open_gop,
        raw_mpeg4,
        raw_mpeg2,
        raw_av1,
        raw_mjpeg,
        pgm_stack,
        gif,
        animated_png,
        animated_webp,
        animated_avif,
        vp9_alt_ref,
        av1_mkv,
        program_stream,
        wrapped_stamps,
        late_start,
        negative_times,
        interlaced,
        dv,
        windows_media,
        flash,
        packed_mpeg4_avi,
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
