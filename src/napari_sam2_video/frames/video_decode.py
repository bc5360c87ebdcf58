"""Decode the frames of a video from a key frame on, each with its number in the index."""

from __future__ import annotations

import math
import queue
import re
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

from napari_sam2_video.errors import RecordingError
from napari_sam2_video.frames.ffmpeg import TIMEOUT, FfmpegHungError, Running, VideoInput, run_ffmpeg
from napari_sam2_video.frames.video_probe import SHOWN

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from napari_sam2_video.frames.video_format import PictureFormat
    from napari_sam2_video.frames.video_index import VideoIndex

_AHEAD_BYTES = 64 << 20
_AHEAD_FRAMES = 32
_SUSPECT_FRAMES = 64
_AFTER_ZERO = 1000
_BASE = re.compile(r"config in time_base: (\d+)/(\d+)")
_TROUBLE = re.compile(r"\[(?:error|fatal|panic)\]|corrupt decoded frame|concealing")
_HARMLESS = re.compile(
    r"^\[(?:vost#|out#|rawvideo @|null @)|mmco: unref short failure|number of reference frames .* exceeds max"
)


class SizeChangedError(RecordingError):
    """The image size changes here."""

    def __init__(self, height: int, width: int) -> None:
        super().__init__(f"The image is {height} × {width} pixels from here on.")
        self.height, self.width = height, width


def reports_damage(line: str) -> bool:
    """Whether a log line of ffmpeg reports an image that could not be decoded completely."""
    return _TROUBLE.search(line) is not None and _HARMLESS.search(line) is None


class _Shown(NamedTuple):
    """What ffmpeg's showinfo filter reports about a frame."""

    pts: int | None
    height: int
    width: int
    key: bool
    suspect: bool


class Decoder:
    """One ffmpeg process that decodes from a key frame on.

    Parameters
    ----------
    source : VideoInput
        The video.
    index : VideoIndex
        Its index.
    picture : PictureFormat
        Format of a frame.
    chunk : int or None
        Index of the key frame to begin at; None for the beginning of the file.
    strict : bool
        Stop at the first damage instead of concealing it; `source` then holds only the packets of the chunk.

    Attributes
    ----------
    first, at : int
        First frame that can come, and the next one.
    out_of_step : bool
        True if frames were counted and a key frame came at an unexpected place: the numbers would be wrong.
    disordered : bool
        True if a frame came after one with a higher number.
    """

    def __init__(
        self,
        source: VideoInput,
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
        self._reported: queue.Queue[_Shown] = queue.Queue()
        self._lines, self._suspect_until = 0, -1
        self._timeout = TIMEOUT if timeout is None else timeout
        self.first = index.first_of(chunk) if chunk else 0
        self.at = self.first
        self.out_of_step = self.disordered = False
        self._key_numbers = frozenset(index.keys.tolist()) if index.counted and len(index.keys) > 1 else None
        self._counted = -index.left_out if index.counted and not chunk else None
        limits = []
        if strict:
            limits = ["-xerror", "-threads", "1"]
        elif chunk:
            limits = seek_to(index, chunk)
        arguments = ["-v", "level+info", "-copyts", *limits, *source.arguments]
        arguments += ["-fps_mode", "passthrough", "-vf", "showinfo=checksum=0,setpts=N", "-pix_fmt", picture.name]
        ahead = min(_AHEAD_FRAMES, max(2, _AHEAD_BYTES // picture.frame_bytes))
        self._running = Running(
            [*arguments, "-f", "rawvideo", "-"],
            picture.frame_bytes,
            ahead=ahead,
            on_line=self._on_line,
            timeout=self._timeout,
        )

    def next(self) -> tuple[int, npt.NDArray[Any], bool] | None:
        """Next frame in the index: its number, its pixels, and whether damage was reported near it.

        Returns None at the end, or if ffmpeg gave up.

        Raises
        ------
        SizeChangedError
            If the image size changes.
        FfmpegHungError
            If ffmpeg produces no output for too long.
        """
        while True:
            piece = self._running.piece()
            if piece is None:
                return None
            try:
                shown = self._reported.get(timeout=self._timeout)
            except queue.Empty:
                self.kill()
                raise FfmpegHungError(
                    "ffmpeg gave a frame without a time stamp and was stopped; check the file, then try again."
                ) from None
            if (shown.height, shown.width) != (self._picture.height, self._picture.width):
                raise SizeChangedError(shown.height, shown.width)
            if piece.size < self._picture.frame_bytes:
                return None
            number = self._count(shown) if self._index.counted else self._number(shown.pts)
            if self.out_of_step:
                return None
            self.disordered |= number is not None and self.first < number < self.at
            if number is not None and number >= self.at:
                self.at = number + 1
                return number, self._picture.frame_of(piece), shown.suspect

    def outcome(self) -> tuple[int, str]:
        """Exit code of ffmpeg after the last frame (0 for success), and its last log line."""
        code = self._running.finish()
        return code, self._running.lines[-1] if self._running.lines else ""

    def kill(self) -> None:
        """Stop it."""
        self._running.kill()

    def _number(self, pts: int | None) -> int | None:
        stamp = None if pts is None else self._stamp(pts)
        return None if stamp is None else self._index.frame_at(stamp)

    def _stamp(self, pts: int) -> int | None:
        """Time stamp in the units of packet time stamps."""
        stamp, rest = divmod(pts * self._per_unit.numerator, self._per_unit.denominator)
        return None if rest else stamp - self._shift

    def _count(self, shown: _Shown) -> int | None:
        """Frame number, counted from the key frame at which decoding began; frames before it have none."""
        if self._counted is None:
            if not shown.key:
                return None
            chunk = None if shown.pts is None else self._index.key_at(self._stamp(shown.pts))
            if chunk is None:
                self.out_of_step = True
                return None
            self._counted = int(self._index.keys[chunk])
        number = self._counted
        self._counted += 1
        if self._key_numbers is not None and number >= 0 and shown.key != (number in self._key_numbers):
            self.out_of_step = True
        return number if 0 <= number < len(self._index.pts) else None

    def _on_line(self, line: str) -> None:
        shown = SHOWN.search(line)
        if shown is not None:
            pts = None if shown["pts"] == "NOPTS" else int(shown["pts"])
            suspect = self._lines <= self._suspect_until
            self._reported.put(_Shown(pts, int(shown["height"]), int(shown["width"]), shown["key"] == "1", suspect))
            self._lines += 1
            return
        base = _BASE.search(line)
        if base is not None:
            self._per_unit = Fraction(int(base[1]), int(base[2])) / self._index.start_base
        elif reports_damage(line):
            self._suspect_until = self._lines + _SUSPECT_FRAMES


def seek_to(index: VideoIndex, chunk: int) -> list[str]:
    """Arguments that make ffmpeg begin at the key frame of `chunk`."""
    return ["-noaccurate_seek", "-seek_timestamp", "1", "-ss", f"{index.start_of(chunk)}us"]


def _shift(index: VideoIndex) -> int:
    """Offset of the time stamps in a copied chunk, because NUT files cannot hold negative ones."""
    return math.ceil(_AFTER_ZERO / index.start_base)


def extract_chunk(
    source: VideoInput, index: VideoIndex, chunk: int, target: Path, *, called: Path, timeout: float | None = None
) -> None:
    """Copy only the packets that the frames of one chunk need to a NUT file, as far as they are readable.

    Raises
    ------
    RecordingError
        If there is no space for the file; the message names `called`.
    """
    limits = seek_to(index, chunk) if chunk else []
    arguments = ["-v", "error", "-y", "-copyts", *limits, *source.arguments, "-c", "copy"]
    shift = float(_shift(index) * index.start_base)
    arguments += ["-copypriorss", "0", "-output_ts_offset", f"{shift:.6f}"]
    arguments += ["-frames:v", str(index.packets[chunk])]
    _, lines = run_ffmpeg([*arguments, "-f", "nut", str(target)], timeout=timeout)
    if any("No space left" in line for line in lines):
        raise RecordingError(
            f"There is not enough space in {target.parent.parent} to find the damaged frames of {called}; free some "
            "space."
        )
