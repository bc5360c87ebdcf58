"""Frames of a video from a key on, each with the number it has in the index."""

from __future__ import annotations

import math
import queue
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.errors import RecordingError
from napari_sam2_video.frames.ffmpeg import TIMEOUT, FfmpegHungError, Running, input_of, run_ffmpeg

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from napari_sam2_video.frames.video_index import VideoIndex

_AHEAD_BYTES = 64 << 20
_AHEAD_FRAMES = 32
_SUSPECT_FRAMES = 64
_AFTER_ZERO = 1000
SHOWN = re.compile(r"n: *\d+ pts: *(-?\d+) .* fmt:(\S+) .* s:(\d+)x(\d+) ")
BASE = re.compile(r"config in time_base: (\d+)/(\d+)")
_TROUBLE = re.compile(r"\[(?:error|fatal|panic)\]|corrupt decoded frame|concealing")
_HARMLESS = re.compile(
    r"^\[(?:vost#|out#|rawvideo @)|mmco: unref short failure|number of reference frames .* exceeds max"
)
_DEEP_GREY = re.compile(r"gray(?:9|10|12|14|16)(?:le|be)?$")
_COLOUR_16 = re.compile(r"(?:9|10|12|14|16|32|64|48)(?:le|be)$|^[px]2?[0124]1[0246](?:le|be)?$|^xyz12")
_ALPHA = re.compile(r"^yuva|^rgba|^bgra|^argb|^abgr|^gbrap|^ya8|^ya16|^pal8|^ayuv|^vuya$")


@dataclass(frozen=True)
class PictureFormat:
    """What a decoded frame is: its size, and the layout it is asked for in."""

    height: int
    width: int
    name: str
    source: str

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        if self.name == "grayf32le":
            return np.dtype("<f4")
        return np.dtype("u1" if self.name in ("gray", "rgb24") else "<u2")

    @property
    def shape(self) -> tuple[int, ...]:
        """``(Y, X)`` or ``(Y, X, 3)``."""
        return (self.height, self.width, 3) if self.name.startswith("rgb") else (self.height, self.width)

    @property
    def alpha(self) -> bool:
        """Whether the video carries an alpha channel."""
        return _ALPHA.search(self.source) is not None

    @property
    def frame_bytes(self) -> int:
        """Bytes a frame."""
        return int(np.prod(self.shape)) * self.dtype.itemsize


def picture_format(source: str, height: int, width: int) -> PictureFormat:
    """Layout in which nothing is lost that the video's own layout `source` holds.

    Grey stays grey with all its bits, colour of 8 bits becomes RGB of 8, deeper colour RGB of 16.
    """
    if source in ("gray", "monow", "monob"):
        name = "gray"
    elif _DEEP_GREY.match(source):
        name = source.removesuffix("be").removesuffix("le") + "le"
    elif source.startswith("grayf32"):
        name = "grayf32le"
    else:
        name = "rgb48le" if _COLOUR_16.search(source) else "rgb24"
    return PictureFormat(height, width, name, source)


class SizeChangedError(RecordingError):
    """The picture has another size from here on."""

    def __init__(self, pts: int, height: int, width: int) -> None:
        super().__init__(f"The picture is {height} × {width} from time stamp {pts} on.")
        self.pts, self.height, self.width = pts, height, width


class Decoder:
    """One ffmpeg that decodes onward from a key.

    Parameters
    ----------
    path : Path
        The video.
    index : VideoIndex
        Its index.
    picture : PictureFormat
        What a frame is.
    chunk : int or None
        Number of the key to begin at; None for the beginning of the file.
    strict : bool
        Stop at the first damage instead of covering it; `path` then holds only the packets of the chunk.
    """

    def __init__(
        self,
        path: Path,
        index: VideoIndex,
        picture: PictureFormat,
        chunk: int | None,
        *,
        strict: bool = False,
        timeout: float | None = None,
    ) -> None:
        self._index, self._picture = index, picture
        self._per_unit = Fraction(1)
        self._shift = _shift(index) if strict else 0
        self._stamps: queue.Queue[tuple[int, int, int, bool]] = queue.Queue()
        self._count, self._suspect_until = 0, -1
        self._timeout = TIMEOUT if timeout is None else timeout
        self.first = index.first_of(chunk) if chunk else 0
        self.at = self.first
        limits = []
        if strict:
            limits = ["-xerror", "-threads", "1"]
        elif chunk:
            limits = seek_to(index, chunk)
        arguments = ["-v", "level+info", "-copyts", *limits, *input_of(path), "-map", "0:V:0"]
        arguments += ["-fps_mode", "passthrough", "-vf", "showinfo=checksum=0", "-pix_fmt", picture.name]
        ahead = min(_AHEAD_FRAMES, max(2, _AHEAD_BYTES // picture.frame_bytes))
        self._running = Running(
            [*arguments, "-f", "rawvideo", "-"],
            picture.frame_bytes,
            ahead=ahead,
            on_line=self._said,
            timeout=self._timeout,
        )

    def next(self) -> tuple[int, npt.NDArray[Any], bool] | None:
        """Next frame that the index knows: its number, its pixels, and whether damage was reported near it.

        Returns None at the end, or where ffmpeg gave up.

        Raises
        ------
        SizeChangedError
            If the picture changes its size.
        FfmpegHungError
            If ffmpeg gives nothing for too long.
        """
        while True:
            piece = self._running.piece()
            if piece is None:
                return None
            try:
                pts, height, width, suspect = self._stamps.get(timeout=self._timeout)
            except queue.Empty:
                self.kill()
                raise FfmpegHungError(
                    "ffmpeg gave a frame without its time stamp and was ended; check the file, then try again."
                ) from None
            if (height, width) != (self._picture.height, self._picture.width):
                raise SizeChangedError(pts, height, width)
            if piece.size < self._picture.frame_bytes:
                return None
            number = self._number(pts)
            if number is not None and number >= self.at:
                self.at = number + 1
                return number, piece.view(self._picture.dtype).reshape(self._picture.shape), suspect

    def outcome(self) -> tuple[int, str]:
        """Code of ffmpeg after the last frame, 0 for success, and the last line that it said."""
        code = self._running.finish()
        return code, self._running.lines[-1] if self._running.lines else ""

    def kill(self) -> None:
        """End it."""
        self._running.kill()

    def _number(self, pts: int) -> int | None:
        stamp, rest = divmod(pts * self._per_unit.numerator, self._per_unit.denominator)
        return None if rest else self._index.frame_at(stamp - self._shift, self.at)

    def _said(self, line: str) -> None:
        shown = SHOWN.search(line)
        if shown is not None:
            stamp = (int(shown[1]), int(shown[4]), int(shown[3]), self._count <= self._suspect_until)
            self._stamps.put(stamp)
            self._count += 1
            return
        base = BASE.search(line)
        if base is not None:
            self._per_unit = Fraction(int(base[1]), int(base[2])) / self._index.time_base
        elif _TROUBLE.search(line) and not _HARMLESS.search(line):
            self._suspect_until = self._count + _SUSPECT_FRAMES


def seek_to(index: VideoIndex, chunk: int) -> list[str]:
    """Arguments that make ffmpeg begin at key number `chunk`."""
    microseconds = math.floor(int(index.keys[chunk]) * index.time_base * 1_000_000)
    return ["-noaccurate_seek", "-seek_timestamp", "1", "-ss", f"{microseconds}us"]


def _shift(index: VideoIndex) -> int:
    """Units by which time stamps of a copied chunk are moved, as NUT files cannot hold negative ones."""
    return math.ceil(_AFTER_ZERO / index.time_base)


def extract_chunk(path: Path, index: VideoIndex, chunk: int, target: Path, *, timeout: float | None = None) -> None:
    """Copy the packets that the frames of one chunk need, and no others, to a NUT file, as far as they can be read.

    Raises
    ------
    RecordingError
        If there is no room for the file.
    """
    limits = seek_to(index, chunk) if chunk else []
    arguments = ["-v", "error", "-y", "-copyts", *limits, *input_of(path), "-map", "0:V:0", "-c", "copy"]
    shift = float(_shift(index) * index.time_base)
    arguments += ["-copypriorss", "0", "-output_ts_offset", f"{shift:.6f}"]
    arguments += ["-frames:v", str(index.packets[chunk])]
    _, lines = run_ffmpeg([*arguments, "-f", "nut", str(target)], timeout=timeout)
    if any("No space left" in line for line in lines):
        raise RecordingError(
            f"There is no room in {target.parent.parent} to tell the damaged frames of {path}; free some space there."
        )


@dataclass(frozen=True)
class Probe:
    """What the first decoded frame and ffmpeg's own words tell of a video."""

    picture: PictureFormat
    seconds: float | None
    streams: int


def probe_video(path: Path, *, timeout: float | None = None) -> Probe:
    """Decode one frame.

    Raises
    ------
    RecordingError
        If the file is no video, or not one frame of it can be decoded.
    """
    said: list[str] = []
    arguments = ["-v", "info", "-copyts", *input_of(path), "-map", "0:V:0", "-vf", "showinfo=checksum=0"]
    running = Running(
        [*arguments, "-frames:v", "1", "-f", "null", "-"],
        4096,
        on_line=lambda line: said.append(line) if len(said) < 2000 else None,
        timeout=timeout,
    )
    try:
        while running.piece() is not None:
            pass
        running.finish()
    finally:
        running.kill()
    shown = next((found for found in map(SHOWN.search, said) if found), None)
    text = "\n".join(said)
    if shown is None:
        raise RecordingError(_why_not(path, text))
    duration = re.search(r"Duration: (\d+):(\d+):([\d.]+)", text)
    return Probe(
        picture_format(shown[2].split("(")[0], int(shown[4]), int(shown[3])),
        int(duration[1]) * 3600 + int(duration[2]) * 60 + float(duration[3]) if duration else None,
        len(set(re.findall(r"Stream #0:(\d+).*: (?:Video|Audio)", text.split("Stream mapping")[0]))),
    )


def _why_not(path: Path, said: str) -> str:
    if re.search(r"Stream #0:\d+.*Audio", said) and "matches no streams" in said:
        return f"{path} holds sound but no pictures; choose a video, a TIFF, or a folder of images."
    if "moov atom not found" in said:
        return f"{path} was cut short before its table of frames was written; copy or record it again."
    if "Invalid data found" in said or "matches no streams" in said or "Output file does not contain" in said:
        return f"{path} is neither a video nor an image or volume that can be read; check the file or convert it."
    if "Permission denied" in said:
        return f"{path} cannot be read (Permission denied); check its permissions."
    return f"Not one frame of {path} can be decoded; copy it again, or convert it to another format."
