"""Where each frame of a video is: read from its packets, without decoding one."""

from __future__ import annotations

import math
import re
from array import array
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_video.errors import RecordingError
from napari_sam2_video.frames.ffmpeg import Running, VideoInput
from napari_sam2_video.frames.times import FrameTimes, frame_times

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    import numpy.typing as npt

DECODED_WITHOUT_KEY = ("mpeg4", "h263", "flv1", "msmpeg4v1", "msmpeg4v2", "msmpeg4v3", "wmv1", "wmv2", "svq3")
"""Codecs whose decoders make pictures, of garbage, from packets ahead of the first key."""

_NO_PTS = -(2**63)
_CORRUPT, _DISCARD = 2, 4
_PIECE = 4096
_TEXT_CODECS = ("ansi", "bintext", "xbin", "idf", "svg")
_SMALL_PACKET = 16
_STEADY = 8
_COMPLAINT = re.compile(r"\[(?:error|fatal|panic)\]|corrupt|mismatch|continuity|truncat", re.IGNORECASE)
_LARGEST_GAP = 1000
_WRAP_SECONDS = Fraction(2**33, 90_000)
_ROUNDED_TICKS, _ALIKE, _NEARLY = 1.5, 0.8, 0.001


@dataclass(frozen=True)
class VideoIndex:
    """Frames of a video in the order they are shown.

    Parameters
    ----------
    pts : ndarray of int64, shape (T,)
        Time stamp of each frame in units of `time_base`, or its number where the frames were counted.
    keys : ndarray of int64
        Time stamps at which decoding may begin, those of hidden packets included.
    starts : ndarray of int64
        For each key, the time stamp to seek to, in units of `start_base`.
    decoded_at : ndarray of int64
        For each key, its decoding time in units of `start_base`.
    packets : ndarray of int64
        For each key, how many packets from it on its frames need.
    small : ndarray of bool, shape (T,)
        Packets too small to hold a picture: repetitions, of which some decoders make no frame.
    coded : ndarray of float, shape (T,)
        Place of each frame in the order in which frames are coded.
    time_base, start_base : Fraction
        Seconds a unit of time stamp.
    end : int
        Time stamp at which the last frame ends.
    codec : str
        ffmpeg's name of the codec.
    first_key : int or None
        Time stamp of the first packet in the file that is a key, None where there is none.
    begins_with_key : bool
        Whether that is the very first packet.
    usual_gap : float or None
        Seconds from one packet to the next by their decoding times, where these are even.
    complaints : tuple of str
        What ffmpeg reported meanwhile.
    damaged_end : bool
        True where the last packet is not whole.
    damaged : bool
        True where any packet is not whole, or ffmpeg complained.
    lost : frozenset of int
        Frames of which the file holds nothing.
    left_out : int
        Packets ahead of the first frame that can be decoded; frames that are decoded and left out where counted.
    undecoded : int
        Packets of which the decoder made no frame, where frames were counted.
    timing : FrameTimes or None
        Where the time stamps are not the times of the frames, what is known of these.
    counted : bool
        True where the frames were counted by decoding the file.
    """

    pts: npt.NDArray[np.int64]
    keys: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    decoded_at: npt.NDArray[np.int64]
    packets: npt.NDArray[np.int64]
    small: npt.NDArray[np.bool_]
    coded: npt.NDArray[np.float64]
    time_base: Fraction
    start_base: Fraction
    end: int
    codec: str
    first_key: int | None = None
    begins_with_key: bool = True
    usual_gap: float | None = None
    complaints: tuple[str, ...] = ()
    damaged_end: bool = False
    damaged: bool = False
    lost: frozenset[int] = frozenset()
    left_out: int = 0
    undecoded: int = 0
    timing: FrameTimes | None = None
    counted: bool = False

    def chunk_of(self, frame: int) -> int:
        """Number of the key from which `frame` is decoded."""
        return max(0, int(np.searchsorted(self.keys, self.pts[frame], side="right")) - 1)

    def first_of(self, chunk: int) -> int:
        """First frame that is decoded from key number `chunk`; the frame count if it is past the last."""
        if chunk <= 0:
            return 0
        if chunk >= len(self.keys):
            return len(self.pts)
        return int(np.searchsorted(self.pts, self.keys[chunk]))

    def frame_at(self, pts: int) -> int | None:
        """Frame of that time stamp; None if there is none."""
        found = int(np.searchsorted(self.pts, pts))
        return found if found < len(self.pts) and self.pts[found] == pts else None

    def key_at(self, stamp: int | None) -> int | None:
        """Number of the key with that time stamp among `starts`; None if there is none."""
        if stamp is None:
            return None
        found = int(np.searchsorted(self.starts, stamp))
        return found if found < len(self.starts) and self.starts[found] == stamp else None

    def start_of(self, chunk: int) -> int:
        """Microsecond at or just before key number `chunk`, to seek to."""
        return math.floor(int(self.starts[chunk]) * self.start_base * 1_000_000)

    def before_loss(self, chunk: int, decoded: Collection[int]) -> frozenset[int]:
        """Those of the `decoded` frames of a chunk that were coded before the first that is missing from them."""
        frames = range(self.first_of(chunk), self.first_of(chunk + 1))
        missing = [n for n in frames if n not in decoded and (n in self.lost or not self.small[n])]
        loss = min((float(self.coded[n]) for n in missing), default=np.inf)
        return frozenset(n for n in decoded if self.coded[n] <= loss)

    def frame_times(self) -> FrameTimes:
        """Times of the frames, or their interval, as far as the file states them."""
        if self.timing is not None:
            return self.timing
        return frame_times((self.pts - self.pts[0]) * float(self.time_base), tick=float(self.time_base))

    def wraps(self) -> bool:
        """Whether time stamps of 33 bits begin again from zero in the file, where a search for them fails."""
        return bool(self.decoded_at.min() < 0) or int(self.pts[-1]) * self.time_base >= _WRAP_SECONDS

    def sought_by_decoding_time(self) -> VideoIndex:
        """Index for containers without a table of frames, which are searched for decoding times."""
        return replace(self, starts=self.decoded_at)

    def from_first_decodable(self, first_pts: int) -> VideoIndex:
        """Index without the frames that come before the first one that can be decoded.

        Parameters
        ----------
        first_pts : int
            Time stamp of the first frame that ffmpeg decodes. Where a decoder makes frames of packets ahead of the
            first key all the same, they are garbage; where it decodes none at the key itself, the key is damaged.
        """
        first = first_pts
        if self.first_key is not None:
            garbage = self.codec in DECODED_WITHOUT_KEY and not self.begins_with_key
            first = self.first_key if garbage else min(first, self.first_key)
        skipped = int(np.searchsorted(self.pts, first))
        if not 0 < skipped < len(self.pts):
            return self
        return replace(
            self,
            pts=self.pts[skipped:],
            small=self.small[skipped:],
            coded=self.coded[skipped:],
            left_out=self.left_out + skipped,
        )


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
        The file that sentences name, where `source` is a copy of it.
    timeout : float, optional
        Seconds after which an ffmpeg that gives nothing is ended.

    Raises
    ------
    UnstampedError
        If packets have no time stamps of their own; copying the stream to another container may make them.
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
        raise RecordingError(f"ffmpeg was ended while it read the packets of {called}; open the video again.")
    complaints = tuple(filter(_COMPLAINT.search, running.lines))
    return _index_of("\n".join(heading), np.array(rows, np.int64).reshape(-1, 5), called, complaints)


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


def _index_of(heading: str, rows: npt.NDArray[np.int64], path: Path, complaints: tuple[str, ...]) -> VideoIndex:
    base = re.search(r"^#tb 0: (\d+)/(\d+)", heading, re.MULTILINE)
    codec = re.search(r"^#codec_id 0: (\S+)", heading, re.MULTILINE)
    if base is None or not len(rows) or (codec is not None and codec[1] in _TEXT_CODECS):
        raise RecordingError(f"{path} holds no pictures; choose a video, a TIFF, or a folder of images.")
    dts, pts, durations, sizes, bits = rows.T
    shown = (bits & _DISCARD) == 0
    damaged_end = bool(bits[-1] & _CORRUPT)
    if damaged_end:
        # Frames shown after the decoding time of the broken packet may have neighbours that are missing.
        shown &= pts < dts[-1] if dts[-1] != _NO_PTS else np.arange(len(pts)) < len(pts) - 1
    if not shown.any():
        raise RecordingError(f"{path} holds no whole picture; copy or record it again.")
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
        complaints=complaints,
        damaged_end=damaged_end,
        damaged=bool((bits & _CORRUPT).any()) or bool(complaints),
    )


def _usual_gap(dts: npt.NDArray[np.int64], duration: float, time_base: Fraction) -> float | None:
    """Seconds from one packet to the next, where all but a few of them are that far apart.

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


def from_one_key(index: VideoIndex) -> VideoIndex:
    """Index of a video whose palette comes with its first packet: decoding begins there, or shows black."""
    return replace(
        index,
        keys=index.keys[:1],
        starts=index.starts[:1],
        decoded_at=index.decoded_at[:1],
        packets=np.array([index.packets.sum()], np.int64),
    )


def with_gaps_filled(index: VideoIndex) -> VideoIndex:
    """Index of a damaged video in which lost frames keep their numbers, where a steady rate shows how many they are."""
    gaps = np.diff(index.pts)
    if len(gaps) < _STEADY:
        return index
    usual = float(np.median(gaps))
    spare = max(1.5, 0.1 * usual)
    steps = np.rint(gaps / usual).astype(np.int64)
    on_grid = np.abs(gaps - steps * usual) <= spare * np.maximum(1, np.minimum(steps, 3))
    if not on_grid.all() or (steps == 1).mean() < 0.75 or steps.max() > _LARGEST_GAP:
        return index
    before = np.flatnonzero(steps > 1)
    added = [np.rint(index.pts[n] + usual * np.arange(1, steps[n])).astype(np.int64) for n in before]
    if not added:
        return index
    filled = np.concatenate(added)
    places = np.repeat(before + 1, steps[before] - 1)
    pts = np.insert(index.pts, places, filled)
    return replace(
        index,
        pts=pts,
        small=np.insert(index.small, places, True),
        coded=np.insert(index.coded, places, index.coded[places - 1]),
        lost=frozenset(np.searchsorted(pts, filled).tolist()),
    )


def _packets(pts: npt.NDArray[np.int64], key_rows: npt.NDArray[np.intp], whole: int) -> npt.NDArray[np.int64]:
    """Packets up to the next key, and beyond it up to the last one that is shown before it."""
    packets = np.maximum(1, whole - key_rows)
    for n, (row, after) in enumerate(pairwise(key_rows)):
        stop = after
        while stop + 1 < len(pts) and pts[stop + 1] < pts[after]:
            stop += 1
        packets[n] = max(0, (stop + 1 if stop > after else after) - row)
    return packets
