"""Frames of a video that has no time stamps, counted by decoding it once."""

from __future__ import annotations

import re
from array import array
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_video.errors import RecordingError
from napari_sam2_video.frames.ffmpeg import Running, input_of
from napari_sam2_video.frames.video_decode import BASE, SHOWN, Decoder, PictureFormat, SizeChangedError
from napari_sam2_video.frames.video_index import VideoIndex

if TYPE_CHECKING:
    from pathlib import Path

_LOOKED_AT = 48
_CODEC = re.compile(r"Stream #0:\d+.*: Video: (\w+)")


def stamps_hold(path: Path, index: VideoIndex, picture: PictureFormat, *, timeout: float | None = None) -> bool:
    """Whether the first frames come out of the decoder as `index` has them.

    Stamps made up for packets that are coded in another order than shown may be those of other frames.
    """
    decoder = Decoder(path, index, picture, None, timeout=timeout)
    try:
        for expected in range(min(_LOOKED_AT, len(index.pts))):
            step = decoder.next()
            if step is None or step[0] != expected:
                return False
    except SizeChangedError:
        return True
    finally:
        decoder.kill()
    return True


def counted_index(path: Path, *, timeout: float | None = None) -> VideoIndex:
    """Index of the frames as the decoder gives them, with the beginning as its only key.

    Raises
    ------
    RecordingError
        If there are none, or ffmpeg was ended.
    """
    stamps = array("q")
    said: dict[str, str] = {}

    def on_line(line: str) -> None:
        shown = SHOWN.search(line)
        if shown is not None:
            stamps.append(int(shown[1]))
            return
        for name, pattern in (("base", BASE), ("codec", _CODEC)):
            found = pattern.search(line)
            if found is not None:
                said.setdefault(name, "/".join(found.groups()))

    arguments = ["-v", "info", "-copyts", *input_of(path), "-map", "0:V:0", "-fps_mode", "passthrough"]
    arguments += ["-vf", "showinfo=checksum=0", "-f", "null", "-", "-progress", "pipe:1"]
    running = Running(arguments, 4096, on_line=on_line, timeout=timeout)
    try:
        while running.piece() is not None:
            pass
        code = running.finish()
    finally:
        running.kill()
    if code < 0:
        raise RecordingError(f"ffmpeg was ended while it counted the frames of {path}; open the video again.")
    if not stamps or "base" not in said:
        raise RecordingError(f"Not one frame of {path} can be decoded; copy it again, or convert it to another format.")
    pts = np.sort(np.array(stamps, np.int64), kind="stable")
    return VideoIndex(
        pts=pts,
        keys=pts[:1],
        packets=np.array([len(pts)], np.int64),
        small=np.zeros(len(pts), bool),
        coded=np.arange(len(pts), dtype=np.float64),
        time_base=Fraction(said["base"]),
        end=int(pts[-1]) + (int(np.median(np.diff(pts))) if len(pts) > 1 else 0),
        codec=said.get("codec", ""),
        complaints=(),
        damaged_end=False,
        counted=True,
    )
