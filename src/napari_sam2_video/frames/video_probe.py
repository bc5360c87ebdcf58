"""Properties of a video from its first decoded frame and ffmpeg's log."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from napari_sam2_video.errors import RecordingError
from napari_sam2_video.frames.ffmpeg import VideoInput, run_ffmpeg
from napari_sam2_video.frames.video_format import PictureFormat, picture_format

if TYPE_CHECKING:
    from collections.abc import Sequence

SHOWN = re.compile(
    r"n: *\d+ pts: *(?P<pts>-?\d+|NOPTS) .*fmt:(?P<format>[^\s(]+).* sar:(?P<sar>\d+/\d+) "
    r"s:(?P<width>\d+)x(?P<height>\d+) .*iskey:(?P<key>\d)"
)
"""A frame as reported by ffmpeg's showinfo filter."""

_RAW = re.compile(
    r"h26[1-6]|hevc|vvc|evc|m4v|mpegvideo|mjpeg(?:_2000)?|mpjpeg|obu|av1|dirac|cavsvideo|avs[23]|vc1|apv|dnxhd|"
    r"ingenient|\w+_pipe"
)
_SEARCHED = ("mpegts", "mpeg", "dv")
_OTHER_RATE = ("1237/71", "17.42")
_LINES_KEPT = 2000
_LARGEST_ASPECT = 16


@dataclass(frozen=True)
class Probe:
    """Facts about a video.

    Parameters
    ----------
    picture : PictureFormat
        Format of its frames.
    pts : int or None
        Time stamp of the first frame that can be decoded.
    seconds : float or None
        Duration in the header.
    streams : int
        Number of video and audio streams.
    videos : tuple of str
        Size of each video in the file.
    container : str
        ffmpeg's name for the container, such as ``"mov,mp4,m4a,3gp,3g2,mj2"``.
    """

    picture: PictureFormat
    pts: int | None
    seconds: float | None
    streams: int
    videos: tuple[str, ...]
    container: str

    @property
    def raw(self) -> bool:
        """True for raw streams without a container: their time stamps are made up during reading."""
        return _RAW.fullmatch(self.container) is not None

    @property
    def searched(self) -> bool:
        """True for containers without an index, which are searched by decoding time."""
        return self.container in _SEARCHED


def probe_video(source: VideoInput, *, timeout: float | None = None) -> Probe:
    """Decode one frame.

    Raises
    ------
    RecordingError
        If the file is not a video, or no frame of it can be decoded.
    """
    lines: list[str] = []
    arguments = ["-v", "info", "-copyts", *source.arguments, "-vf", "showinfo=checksum=0"]
    run_ffmpeg(
        [*arguments, "-frames:v", "1", "-f", "null", "-"],
        on_line=lambda line: lines.append(line) if len(lines) < _LINES_KEPT else None,
        timeout=timeout,
    )
    shown = next((found for found in map(SHOWN.search, lines) if found), None)
    text = "\n".join(lines)
    if shown is None:
        raise RecordingError(_why_not(source, text))
    duration = re.search(r"Duration: (\d+):(\d+):([\d.]+)", text)
    container = re.search(r"^Input #0, ([\w,]+), from", text, re.MULTILINE)
    return Probe(
        picture_format(shown["format"], int(shown["height"]), int(shown["width"]), _aspect(shown["sar"])),
        None if shown["pts"] == "NOPTS" else int(shown["pts"]),
        int(duration[1]) * 3600 + int(duration[2]) * 60 + float(duration[3]) if duration else None,
        len(set(re.findall(r"Stream #0:(\d+).*: (?:Video|Audio)", text.split("Stream mapping")[0]))),
        video_sizes(text),
        container[1] if container else "",
    )


def bare_demuxer(head: bytes) -> str | None:
    """Ffmpeg's demuxer for a raw stream that begins with `head`; None for anything else."""
    start = re.match(rb"\x00{2,8}\x01(.)(.)", head, re.DOTALL)
    if start is None:
        return None
    kind, after = start[1][0], start[2][0]
    if kind in (0x00, 0xB0, 0xB5):
        return "m4v"
    if kind == 0xB3:
        return "mpegvideo"
    if after == 1 and kind in (0x40, 0x42, 0x44, 0x46):
        return "hevc"
    return "h264" if kind & 0x80 == 0 and kind & 0x1F in (6, 7, 9) else None


def states_rate(source: VideoInput, *, timeout: float | None = None) -> bool:
    """Whether a raw stream states its frame rate: ffmpeg then ignores any other that it is given."""
    rate, shown = _OTHER_RATE
    arguments = ["-v", "info", "-framerate", rate, *source.arguments, "-c", "copy", "-t", "0"]
    _, lines = run_ffmpeg([*arguments, "-f", "null", "-"], timeout=timeout)
    rate_of = re.search(r"Video: .* ([\d.]+k?) tbr, ([\d.]+k?) tbn", "\n".join(lines))
    return rate_of is not None and rate_of[1] not in (shown, rate_of[2])


def video_sizes(report: str) -> tuple[str, ...]:
    """Width and height of each video that ffmpeg reports for a file, without cover images."""
    streams = re.findall(r"Stream #0:\d+.*: Video: (.*)", report.split("Stream mapping")[0])
    found = [re.search(r"\b(\d+)x(\d+)\b", about) for about in streams if "attached pic" not in about]
    return tuple(f"{size[1]} × {size[2]}" if size else "of unknown size" for size in found)


def listed(sizes: Sequence[str]) -> str:
    """Sizes of the videos in a file, each with its number."""
    return ", ".join(f"{number}: {size}" for number, size in enumerate(sizes))


def _aspect(text: str) -> Fraction:
    """Sample aspect ratio, 1 if none is stated or it is absurd."""
    width, height = map(int, text.split("/"))
    ratio = Fraction(width, height) if width and height else Fraction(1)
    return ratio if Fraction(1, _LARGEST_ASPECT) <= ratio <= _LARGEST_ASPECT else Fraction(1)


def _why_not(source: VideoInput, report: str) -> str:
    path, sizes = source.path, video_sizes(report)
    if source.stream and "matches no streams" in report:
        return f"{path} has no series {source.stream}; it holds {len(sizes)} ({listed(sizes)}), counted from 0."
    if re.search(r"Stream #0:\d+.*Audio", report) and "matches no streams" in report:
        return f"{path} holds sound but no video; choose a video, a TIFF, or a folder of images."
    if "moov atom not found" in report:
        return f"{path} was truncated before its index was written; copy or record it again."
    if "Invalid data found" in report or "matches no streams" in report or "Output file does not contain" in report:
        return f"{path} is neither a video nor an image or volume that can be read; check the file or convert it."
    if "Permission denied" in report:
        return f"{path} cannot be read (Permission denied); check its permissions."
    return f"No frame of {path} can be decoded; copy it again, or convert it to another format."
