"""Find the frames of a video from its packets, without decoding any."""

from __future__ import annotations

import re
from array import array
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_video.errors import RecordingError
from napari_sam2_video.frames.ffmpeg import Running, VideoInput
from napari_sam2_video.frames.video_index import VideoIndex

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

_NO_PTS = -(2**63)
_CORRUPT, _DISCARD = 2, 4
_PIECE = 4096
_TEXT_CODECS = ("ansi", "bintext", "xbin", "idf", "svg", "cdgraphics")
_SMALL_PACKET = 16
_COMPLAINT = re.compile(r"\[(?:error|fatal|panic)\]|corrupt|mismatch|continuity|truncat", re.IGNORECASE)
_ROUNDED_TICKS, _ALIKE, _NEARLY = 1.5, 0.8, 0.001


class UnstampedError(RecordingError):
    """Packets have no time stamps, or the same one twice."""

    def __init__(self, path: Path, usual_gap: float | None, codec: str) -> None:
        super().__init__(f"{path} has frames without time stamps; convert it to another container.")
        self.usual_gap, self.codec = usual_gap, codec


def read_index(source: VideoInput, *, called: Path | None = None, timeout: float | None = None) -> VideoIndex:
    """Read the packets of a video.

    Parameters
    ----------
    source : VideoInput
        The video.
    called : Path, optional
        The file to name in messages, if `source` is a copy of it.
    timeout : float, optional
        Seconds without output after which ffmpeg is stopped.

    Raises
    ------
    UnstampedError
        If packets have no time stamps; copying the stream to another container may create them.
    RecordingError
        If there are none.
    """
    called = called or source.path
    arguments = ["-v", "level+warning", "-copyts", *source.arguments, "-c", "copy", "-copyinkf"]
    running = Running([*arguments, "-flush_packets", "1", "-f", "framecrc", "-"], _PIECE, timeout=timeout)
    heading: list[str] = []
    rows = array("q")
    try:
        for line in _lines(running):
            (_add_row(rows, line) if line[:1].isdigit() else heading.append(line))
        code = running.finish()
    finally:
        running.kill()
    if code < 0:
        raise RecordingError(f"ffmpeg was killed while reading the packets of {called}; open the video again.")
    complained = any(map(_COMPLAINT.search, running.lines))
    return _index_of("\n".join(heading), np.array(rows, np.int64).reshape(-1, 5), called, complained)


def _lines(running: Running) -> Iterator[str]:
    rest = b""
    while (piece := running.piece()) is not None:
        *lines, rest = (rest + piece.tobytes()).split(b"\n")
        yield from (line.decode("ascii", errors="replace") for line in lines)


def _add_row(rows: array[int], line: str) -> None:
    """Add dts, pts, duration, size and flags of a packet; a packet without flags is a key."""
    fields = line.split(",")
    flags = next((field.strip()[2:] for field in fields[6:] if field.strip().startswith("F=")), "1")
    rows.extend((*map(int, fields[1:5]), int(flags, 16)))


def _index_of(heading: str, rows: npt.NDArray[np.int64], path: Path, complained: bool) -> VideoIndex:
    base = re.search(r"^#tb 0: (\d+)/(\d+)", heading, re.MULTILINE)
    codec = re.search(r"^#codec_id 0: (\S+)", heading, re.MULTILINE)
    if base is None or not len(rows) or (codec is not None and codec[1] in _TEXT_CODECS):
        raise RecordingError(f"{path} holds no video; choose a video, a TIFF, or a folder of images.")
    dts, pts, durations, sizes, bits = rows.T
    shown = (bits & _DISCARD) == 0
    damaged_end = bool(bits[-1] & _CORRUPT)
    if damaged_end:
        # Frames shown after the decoding time of the broken packet may have missing neighbours.
        shown &= pts < dts[-1] if dts[-1] != _NO_PTS else np.arange(len(pts)) < len(pts) - 1
    if not shown.any():
        raise RecordingError(f"{path} holds no complete frame; copy or record it again.")
    time_base = Fraction(int(base[1]), int(base[2]))
    usual_gap = _usual_gap(dts[dts != _NO_PTS], float(np.median(durations)), time_base)
    if (pts[shown] == _NO_PTS).any() or len(np.unique(pts[shown])) < shown.sum():
        raise UnstampedError(path, usual_gap, codec[1] if codec else "")
    order = np.argsort(pts[shown], kind="stable")
    key_rows = np.flatnonzero(((bits & 1) == 1) & (pts != _NO_PTS) & ((bits & _CORRUPT) == 0))
    first_key = int(key_rows[0]) if len(key_rows) else None
    if first_key is None:
        key_rows = np.array([int(np.flatnonzero(shown)[0])])
    key_rows = key_rows[np.argsort(pts[key_rows], kind="stable")]
    last = shown.nonzero()[0][order[-1]]
    return VideoIndex(
        pts=pts[shown][order],
        keys=pts[key_rows],
        starts=pts[key_rows],
        decoded_at=np.where(dts[key_rows] == _NO_PTS, pts[key_rows], dts[key_rows]),
        packets=_packets(pts, key_rows, len(pts) - damaged_end),
        small=sizes[shown][order] <= _SMALL_PACKET,
        coded=np.flatnonzero(shown)[order].astype(np.float64),
        time_base=time_base,
        start_base=time_base,
        end=int(pts[last] + max(0, durations[last])),
        codec=codec[1] if codec else "",
        first_key=None if first_key is None else int(pts[first_key]),
        begins_with_key=first_key == 0,
        usual_gap=usual_gap,
        damaged_end=damaged_end,
        damaged=bool((bits & _CORRUPT).any()) or complained,
    )


def _usual_gap(dts: npt.NDArray[np.int64], duration: float, time_base: Fraction) -> float | None:
    """Seconds from one packet to the next, if nearly all are that far apart.

    The duration that packets state is exact; it replaces decoding times that nearly agree with it.
    """
    if len(dts) < 2:
        return None
    gaps = np.diff(dts)
    mean, usual = float(dts[-1] - dts[0]) / len(gaps), float(np.median(gaps))
    if np.abs(dts - dts[0] - mean * np.arange(len(dts))).max() <= _ROUNDED_TICKS:
        usual = mean
    elif (np.abs(gaps - usual) <= _ROUNDED_TICKS).mean() < _ALIKE:
        return None
    if abs(duration - usual) <= _NEARLY * usual:
        usual = duration
    return usual * float(time_base) if usual > 0 else None


def _packets(pts: npt.NDArray[np.int64], key_rows: npt.NDArray[np.intp], whole: int) -> npt.NDArray[np.int64]:
    """Packets up to the next key, and beyond it up to the last one that is shown before it."""
    packets = np.maximum(1, whole - key_rows)
    for n, (row, after) in enumerate(pairwise(key_rows)):
        stop = after
        while stop + 1 < len(pts) and pts[stop + 1] < pts[after]:
            stop += 1
        packets[n] = max(0, (stop + 1 if stop > after else after) - row)
    return packets
