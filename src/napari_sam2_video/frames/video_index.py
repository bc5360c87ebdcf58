"""Where each frame of a video is: read from its packets, without decoding one."""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_video.errors import RecordingError
from napari_sam2_video.frames.ffmpeg import Running, input_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    import numpy.typing as npt

_NO_PTS = -(2**63)
_CORRUPT, _DISCARD = 2, 4
_PIECE = 4096
_TEXT_CODECS = ("ansi", "bintext", "xbin", "idf")
_SMALL_PACKET = 16
_STEADY = 8
_COMPLAINT = re.compile(r"\[(?:error|fatal|panic)\]|corrupt|mismatch|continuity|truncat", re.IGNORECASE)
_LARGEST_GAP = 1000


@dataclass(frozen=True)
class VideoIndex:
    """Frames of a video in the order they are shown.

    Parameters
    ----------
    pts : ndarray of int64, shape (T,)
        Time stamp of each frame, in units of `time_base`.
    keys : ndarray of int64
        Time stamps at which decoding may begin, those of hidden packets included.
    packets : ndarray of int64
        For each key, how many packets from it on its frames need.
    small : ndarray of bool, shape (T,)
        Packets too small to hold a picture: repetitions, of which some decoders make no frame.
    coded : ndarray of float, shape (T,)
        Place of each frame in the order in which frames are coded.
    time_base : Fraction
        Seconds a unit of time stamp.
    end : int
        Time stamp at which the last frame ends.
    codec : str
        ffmpeg's name of the codec.
    complaints : tuple of str
        What ffmpeg said meanwhile.
    damaged_end : bool
        True where the last packet is not whole.
    damaged : bool
        True where any packet is not whole, or ffmpeg complained.
    lost : frozenset of int
        Frames of which the file holds nothing.
    counted : bool
        True where the frames were counted by decoding the file.
    """

    pts: npt.NDArray[np.int64]
    keys: npt.NDArray[np.int64]
    packets: npt.NDArray[np.int64]
    small: npt.NDArray[np.bool_]
    coded: npt.NDArray[np.float64]
    time_base: Fraction
    end: int
    codec: str
    complaints: tuple[str, ...]
    damaged_end: bool
    damaged: bool = False
    lost: frozenset[int] = frozenset()
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

    def frame_at(self, pts: int, expected: int) -> int | None:
        """Frame of that time stamp, the one nearest `expected` where several share it; None if there is none."""
        first = int(np.searchsorted(self.pts, pts))
        past = int(np.searchsorted(self.pts, pts, side="right"))
        return min(max(first, expected), past - 1) if past > first else None

    def before_loss(self, chunk: int, decoded: Collection[int]) -> frozenset[int]:
        """Those of the `decoded` frames of a chunk that were coded before the first that is missing from them."""
        frames = range(self.first_of(chunk), self.first_of(chunk + 1))
        missing = [n for n in frames if n not in decoded and (n in self.lost or not self.small[n])]
        loss = min((float(self.coded[n]) for n in missing), default=np.inf)
        return frozenset(n for n in decoded if self.coded[n] <= loss)

    def times(self) -> npt.NDArray[np.float64]:
        """Seconds from the first frame to each."""
        return np.asarray((self.pts - self.pts[0]) * float(self.time_base), np.float64)


class UnstampedError(RecordingError):
    """Packets have no time stamps, or the same one twice."""


def read_index(path: Path, *, shared_stamps: bool = False, timeout: float | None = None) -> VideoIndex:
    """Read the packets of the first video stream.

    Parameters
    ----------
    path : Path
        The file.
    shared_stamps : bool
        Accept frames that have the same time stamp; they are told apart by their order.
    timeout : float, optional
        Seconds after which an ffmpeg that gives nothing is ended.

    Raises
    ------
    UnstampedError
        If packets have no time stamps of their own; copying the stream to another container may make them.
    RecordingError
        If there are none.
    """
    arguments = ["-v", "level+warning", "-copyts", *input_of(path), "-map", "0:V:0", "-c", "copy", "-copyinkf"]
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
        raise RecordingError(f"ffmpeg was ended while it read the packets of {path}; open the video again.")
    complaints = tuple(filter(_COMPLAINT.search, running.lines))
    return _index_of("\n".join(heading), np.array(rows, np.int64).reshape(-1, 5), path, complaints, shared_stamps)


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


def _index_of(
    heading: str, rows: npt.NDArray[np.int64], path: Path, complaints: tuple[str, ...], shared_stamps: bool
) -> VideoIndex:
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
    repeated = not shared_stamps and len(np.unique(pts[shown])) < shown.sum()
    if repeated or (pts[shown] == _NO_PTS).any():
        raise UnstampedError(f"{path} has frames without time stamps; convert it to another container.")
    order = np.argsort(pts[shown], kind="stable")
    key_rows = np.flatnonzero(((bits & 1) == 1) & (pts != _NO_PTS) & ((bits & _CORRUPT) == 0))
    if len(key_rows) == 0:
        key_rows = np.array([int(np.flatnonzero(shown)[0])])
    key_rows = key_rows[np.argsort(pts[key_rows], kind="stable")]
    last = shown.nonzero()[0][order[-1]]
    return VideoIndex(
        pts=pts[shown][order],
        keys=pts[key_rows],
        packets=_packets(pts, key_rows, len(pts) - damaged_end),
        small=sizes[shown][order] <= _SMALL_PACKET,
        coded=np.flatnonzero(shown)[order].astype(np.float64),
        time_base=Fraction(int(base[1]), int(base[2])),
        end=int(pts[last] + max(0, durations[last])),
        codec=codec[1] if codec else "",
        complaints=complaints,
        damaged_end=damaged_end,
        damaged=bool((bits & _CORRUPT).any()) or bool(complaints),
    )


def from_one_key(index: VideoIndex) -> VideoIndex:
    """Index of a video whose palette comes with its first packet: decoding begins there, or shows black."""
    return replace(index, keys=index.keys[:1], packets=np.array([index.packets.sum()], np.int64))


def with_gaps_filled(index: VideoIndex) -> VideoIndex:
    """Index of a damaged video in which lost frames keep their numbers, where a steady rate tells how many they are."""
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
