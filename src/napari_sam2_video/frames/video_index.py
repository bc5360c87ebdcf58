"""Where each frame of a video is: its time stamp, and the key frame from which it is decoded."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_video.frames.times import FrameTimes, frame_times

if TYPE_CHECKING:
    from collections.abc import Collection

    import numpy.typing as npt

DECODED_WITHOUT_KEY = ("mpeg4", "h263", "flv1", "msmpeg4v1", "msmpeg4v2", "msmpeg4v3", "wmv1", "wmv2", "svq3")
"""Codecs whose decoders turn packets ahead of the first key frame into garbage images."""

_STEADY = 8
_LARGEST_GAP = 1000
_WRAP_SECONDS = Fraction(2**33, 90_000)


@dataclass(frozen=True)
class VideoIndex:
    """Frames of a video in the order they are shown.

    Parameters
    ----------
    pts : ndarray of int64, shape (T,)
        Time stamp of each frame in units of `time_base`, or its number if the frames were counted.
    keys : ndarray of int64
        Time stamps at which decoding may begin, those of hidden packets included.
    starts : ndarray of int64
        For each key, the time stamp to seek to, in units of `start_base`.
    decoded_at : ndarray of int64
        For each key, its decoding time in units of `start_base`.
    packets : ndarray of int64
        For each key, how many packets from it on are needed for its frames.
    small : ndarray of bool, shape (T,)
        Packets too small to hold an image: repetitions, for which some decoders return no frame.
    coded : ndarray of float, shape (T,)
        Position of each frame in coding order.
    time_base, start_base : Fraction
        Seconds per unit of the time stamps.
    end : int
        Time stamp at which the last frame ends.
    codec : str
        ffmpeg's name for the codec.
    first_key : int or None
        Time stamp of the first packet in the file that is a key, None if there is none.
    begins_with_key : bool
        Whether that is the very first packet.
    usual_gap : float or None
        Seconds from one packet to the next by their decoding times, if constant.
    damaged_end : bool
        True if the last packet is incomplete.
    damaged : bool
        True if any packet is incomplete, or ffmpeg reported problems.
    lost : frozenset of int
        Frames that are not in the file at all.
    left_out : int
        Packets ahead of the first frame that can be decoded; if frames were counted, decoded frames that are left out.
    undecoded : int
        Packets for which the decoder returned no frame, if frames were counted.
    timing : FrameTimes or None
        What is known about the times of the frames, if the time stamps are not their times.
    counted : bool
        True if the frames were counted by decoding the file.
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
        """Frame with that time stamp; None if there is none."""
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
        """Those of the `decoded` frames of a chunk that were coded before the first missing one."""
        frames = range(self.first_of(chunk), self.first_of(chunk + 1))
        missing = [n for n in frames if n not in decoded and (n in self.lost or not self.small[n])]
        loss = min((float(self.coded[n]) for n in missing), default=np.inf)
        return frozenset(n for n in decoded if self.coded[n] <= loss)

    def frame_times(self) -> FrameTimes:
        """Times of the frames or their interval, as far as the file states them."""
        if self.timing is not None:
            return self.timing
        return frame_times((self.pts - self.pts[0]) * float(self.time_base), tick=float(self.time_base))

    def wraps(self) -> bool:
        """Whether 33-bit time stamps wrap around in the file, so that searching for them fails."""
        return bool(self.decoded_at.min() < 0) or int(self.pts[-1]) * self.time_base >= _WRAP_SECONDS

    def sought_by_decoding_time(self) -> VideoIndex:
        """Index for containers without an index of their own, which are searched by decoding time."""
        return replace(self, starts=self.decoded_at)

    def from_first_decodable(self, first_pts: int) -> VideoIndex:
        """Index without the frames before the first one that can be decoded.

        Parameters
        ----------
        first_pts : int
            Time stamp of the first frame that ffmpeg decodes. Frames that a decoder makes from packets ahead of the
            first key are garbage; if it decodes none at the key itself, the key is damaged.
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


def from_one_key(index: VideoIndex) -> VideoIndex:
    """Index of a video whose palette is in its first packet: decoding has to begin there, or frames are black."""
    return replace(
        index,
        keys=index.keys[:1],
        starts=index.starts[:1],
        decoded_at=index.decoded_at[:1],
        packets=np.array([index.packets.sum()], np.int64),
    )


def with_gaps_filled(index: VideoIndex) -> VideoIndex:
    """Index of a damaged video in which lost frames keep their numbers, if a constant rate shows how many there are."""
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
