"""Videos without time stamps: copy their packets with numbers in file order, and count their frames by decoding."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_video.errors import RecordingError
from napari_sam2_video.frames.ffmpeg import VideoInput, run_ffmpeg
from napari_sam2_video.frames.video_decode import Decoder, SizeChangedError, reports_damage
from napari_sam2_video.frames.video_index import DECODED_WITHOUT_KEY, VideoIndex
from napari_sam2_video.frames.video_packets import UnstampedError, read_index
from napari_sam2_video.frames.video_probe import SHOWN

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_sam2_video.frames.times import FrameTimes
    from napari_sam2_video.frames.video_format import PictureFormat

_LOOKED_AT = 48
_FRAME_A_PACKET = ("h264", "hevc", "mpeg1video", "mpeg2video", "mjpeg")


def numbered_copy(source: VideoInput, *, timeout: float | None = None) -> VideoInput | None:
    """Copy whose packets get their index in the file as time stamp in seconds; None if it cannot be made.

    Such a copy can be searched; whether frames are shown in packet order has to be checked separately.
    """
    numbered = ["-c", "copy", "-copyinkf", "-bsf:v", "setts=ts=N/TB", "-f", "matroska"]
    return _copied([*source.arguments, *numbered], ".mkv", timeout)


def searchable_copy(source: VideoInput, *, timeout: float | None = None) -> VideoInput | None:
    """Copy with time stamps from zero, in a container with an index; None if it cannot be made."""
    return _copied([*source.arguments, "-c", "copy", "-copyinkf", "-f", "nut"], ".nut", timeout)


def _copied(arguments: list[str], suffix: str, timeout: float | None) -> VideoInput | None:
    with tempfile.NamedTemporaryFile(prefix="napari-sam2-video-", suffix=suffix, delete=False) as file:
        copy = VideoInput(Path(file.name))
    try:
        code, _ = run_ffmpeg(["-v", "error", "-y", *arguments, str(copy.path)], timeout=timeout)
    except RecordingError:
        remove_copy(copy)
        raise
    if code == 0:
        return copy
    remove_copy(copy)
    return None


def remove_copy(copy: VideoInput) -> None:
    """Remove a temporary copy; failing because Windows still holds it open is ignored."""
    with suppress(OSError):
        copy.path.unlink(missing_ok=True)


def index_in_file_order(
    copy: VideoInput, picture: PictureFormat, timing: FrameTimes, *, called: Path, timeout: float | None = None
) -> VideoIndex | None:
    """Index of a numbered copy whose frames are shown in packet order; None if they are not."""
    index = replace(read_index(copy, called=called, timeout=timeout), timing=timing)
    decoder = Decoder(copy, index, picture, None, timeout=timeout)
    first = None
    try:
        for _ in range(_LOOKED_AT):
            step = decoder.next()
            if step is None:
                break
            first = step[0] if first is None else first
    except SizeChangedError:
        pass
    finally:
        decoder.kill()
    return None if first is None or decoder.disordered else index.from_first_decodable(int(index.pts[first]))


def counted_index(source: VideoInput, timing: FrameTimes, *, called: Path, timeout: float | None = None) -> VideoIndex:
    """Index of the frames in the order in which the decoder returns them.

    Decoding can begin at any key frame if the decoder shows as many key frames as there are key packets, else only at
    the beginning.

    Parameters
    ----------
    source : VideoInput
        The video, or a numbered copy of it.
    timing : FrameTimes
        What is known about the times of the frames.
    called : Path
        The file to name in messages.
    timeout : float, optional
        Seconds without output after which ffmpeg is stopped.

    Raises
    ------
    RecordingError
        If there are no frames, or ffmpeg was stopped.
    """
    keys_shown, damaged = bytearray(), False

    def on_line(line: str) -> None:
        nonlocal damaged
        shown = SHOWN.search(line)
        if shown is not None:
            keys_shown.append(int(shown["key"]))
        elif len(keys_shown) >= _LOOKED_AT and reports_damage(line):
            damaged = True

    arguments = ["-v", "level+info", "-copyts", *source.arguments, "-fps_mode", "passthrough"]
    arguments += ["-vf", "showinfo=checksum=0,setpts=N", "-f", "null", "-"]
    code, _ = run_ffmpeg(arguments, on_line=on_line, timeout=timeout)
    if code < 0:
        raise RecordingError(f"ffmpeg was killed while counting the frames of {called}; open the video again.")
    count = len(keys_shown)
    if count == 0:
        raise RecordingError(f"No frame of {called} can be decoded; copy it again, or convert it to another format.")
    shown = np.flatnonzero(np.frombuffer(keys_shown, np.uint8)).astype(np.int64)
    whole = VideoIndex(
        pts=np.arange(count),
        keys=np.zeros(1, np.int64),
        starts=np.zeros(1, np.int64),
        decoded_at=np.zeros(1, np.int64),
        packets=np.array([count], np.int64),
        small=np.zeros(count, bool),
        coded=np.arange(count, dtype=np.float64),
        time_base=Fraction(1),
        start_base=Fraction(1),
        end=count,
        codec="",
        timing=timing,
        damaged=damaged,
        counted=True,
    )
    try:
        packets = read_index(source, called=called, timeout=timeout)
    except UnstampedError as error:
        return replace(whole, codec=error.codec)
    return _with_keys(replace(whole, codec=packets.codec, damaged=damaged or packets.damaged), packets, shown)


def _with_keys(counted: VideoIndex, packets: VideoIndex, shown: npt.NDArray[np.int64]) -> VideoIndex:
    """Index with the key frames of a numbered copy, if as many are `shown` as there are key packets.

    For decoders that turn packets ahead of the first key frame into garbage, these are dropped.
    """
    skipped = 0
    if packets.codec in DECODED_WITHOUT_KEY and not packets.begins_with_key and len(shown):
        skipped = int(shown[0])
    count = len(counted.pts) - skipped
    counted = replace(
        counted,
        pts=counted.pts[:count],
        small=counted.small[:count],
        coded=counted.coded[:count],
        end=count,
        left_out=skipped,
        undecoded=max(0, len(packets.pts) - count) if packets.codec in _FRAME_A_PACKET else 0,
    )
    if packets.first_key is None or len(shown) != len(packets.keys):
        return counted
    places = np.searchsorted(packets.pts, packets.keys)
    ahead = np.maximum(0, shown - places)
    ends = np.r_[places[1:] + ahead[1:], len(packets.pts)]
    return replace(
        counted,
        keys=shown - skipped,
        starts=packets.starts,
        start_base=packets.start_base,
        packets=np.maximum(1, ends - np.r_[0, places[1:]]),
    )
