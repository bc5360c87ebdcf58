"""Video, frame-accurate: frame i is the i-th frame shown, however the file is coded and whichever is read first."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_video.errors import RecordingError
from napari_sam2_video.frames.alpha import NOTE as ALPHA_NOTE
from napari_sam2_video.frames.ffmpeg import Running, input_of
from napari_sam2_video.frames.reader import HEAD_BYTES, Reader
from napari_sam2_video.frames.times import UNKNOWN, FrameTimes
from napari_sam2_video.frames.video_count import (
    counted_index,
    index_in_file_order,
    numbered_copy,
    remove_copy,
    searchable_copy,
)
from napari_sam2_video.frames.video_frames import CACHE_BYTES, VideoFile, VideoRecording
from napari_sam2_video.frames.video_index import (
    UnstampedError,
    VideoIndex,
    from_one_key,
    read_index,
    with_gaps_filled,
)
from napari_sam2_video.frames.video_probe import Probe, probe_video, states_rate

if TYPE_CHECKING:
    from pathlib import Path

_BLANKS = b" \t\r\n\xef\xbb\xbf"
_PLAYLISTS = (b"#EXTM3U", b"ffconcat", b"[playlist]", b"[Reference]", b"v=0")
_ROUNDED_SECONDS = 0.01


def open_video(
    path: Path, *, demuxer: str | None = None, cache_bytes: int = CACHE_BYTES, timeout: float | None = None
) -> VideoRecording:
    """Open a video: read its packets once, decode a single frame.

    A video whose packets have no time stamps of their own is copied to a temporary file in which they are numbered,
    and decoded once where its frames are not shown in the order of its packets.

    Parameters
    ----------
    path : Path
        The file.
    demuxer : str, optional
        ffmpeg's name of the container, where its own guess would be wrong: for bare packets.
    cache_bytes : int
        Most memory that decoded frames may take.
    timeout : float, optional
        Seconds after which an ffmpeg that gives nothing is ended.

    Raises
    ------
    RecordingError
        If it is no video, has no pictures, or not one can be decoded.
    """
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read_index, path, demuxer=demuxer, timeout=timeout)
        probe = probe_video(path, demuxer=demuxer, timeout=timeout)
    try:
        index = reading.result()
    except UnstampedError as error:
        return _unstamped(path, probe, error.usual_gap, False, demuxer, cache_bytes, timeout)
    first = None if probe.raw or probe.pts is None else index.frame_at(probe.pts)
    if first is None:
        in_order = bool((np.diff(index.coded) > 0).all())
        return _unstamped(path, probe, index.usual_gap, in_order, demuxer, cache_bytes, timeout)
    copy = searchable_copy(path, timeout=timeout) if probe.searched and index.wraps() else None
    try:
        if copy is not None:
            index = read_index(copy, called=path, timeout=timeout)
        elif probe.searched:
            index = index.sought_by_decoding_time()
        index = index.from_first_decodable(int(index.pts[first]))
        return _recording(VideoFile(path, copy or path), probe, index, cache_bytes, timeout)
    except BaseException:
        if copy is not None:
            remove_copy(copy)
        raise


def _unstamped(
    path: Path,
    probe: Probe,
    usual_gap: float | None,
    in_order: bool,
    demuxer: str | None,
    cache_bytes: int,
    timeout: float | None,
) -> VideoRecording:
    """Open a video whose time stamps are made up, missing or shared.

    Parameters
    ----------
    usual_gap : float or None
        Seconds from one packet to the next, where they are even.
    in_order : bool
        Whether frames seem to be shown in the order of their packets.
    """
    timing = FrameTimes(None, usual_gap)
    if probe.raw and not states_rate(path, demuxer=demuxer, timeout=timeout):
        timing = UNKNOWN
    copy = numbered_copy(path, demuxer=demuxer, timeout=timeout)
    if copy is None and demuxer is not None:
        raise RecordingError(f"{path} could not be copied to a temporary file; free some space, or convert it to MP4.")
    try:
        found = None
        if in_order and copy is not None:
            found = index_in_file_order(copy, probe.picture, timing, called=path, timeout=timeout)
        if found is None:
            found = counted_index(copy or path, timing, called=path, timeout=timeout)
        return _recording(VideoFile(path, copy or path), probe, found, cache_bytes, timeout)
    except BaseException:
        if copy is not None:
            remove_copy(copy)
        raise


def _recording(
    file: VideoFile, probe: Probe, index: VideoIndex, cache_bytes: int, timeout: float | None
) -> VideoRecording:
    picture = probe.picture
    missing = _missing_at_end(probe, index)
    if missing or index.damaged:
        index = with_gaps_filled(index)
    if picture.palette:
        index = from_one_key(index)
    notes = _damage_notes(file.path, index, missing)
    if picture.alpha and not (picture.palette and _opaque(file.read, picture.height, picture.width, timeout)):
        notes.append(ALPHA_NOTE)
    notes += _time_notes(file, index)
    if picture.sample_aspect != 1:
        notes.append(
            f"The pixels of {file.path.name} are not square: each is displayed and measured "
            f"{float(picture.sample_aspect):.4g} times as wide as high."
        )
    return VideoRecording(file, picture, index, notes=tuple(notes), cache_bytes=cache_bytes, timeout=timeout)


def _time_notes(file: VideoFile, index: VideoIndex) -> list[str]:
    name, timing = file.path.name, index.frame_times()
    notes = []
    if timing.times is not None:
        notes.append("The frame rate varies: every frame has its own time, and none is repeated or dropped.")
    elif timing.interval is None and len(index.pts) > 1:
        notes.append(f"{name} states no frame rate: the time between frames is unknown; give the interval if you know.")
    if file.read != file.path:
        stamps = "no time stamps of its own" if index.timing is not None else "time stamps that begin again from zero"
        notes.append(f"{name} has {stamps}: it is read from a temporary copy without that fault.")
    if index.counted and len(index.keys) == 1 and len(index.pts) > 1:
        notes.append(
            f"{name} has no time stamps of its own: its frames were counted, and jumping back in it takes as long as "
            "decoding it from its beginning; convert it to an MP4 file to make that quicker."
        )
    return notes


def _missing_at_end(probe: Probe, index: VideoIndex) -> int:
    """Frames that the header promises beyond the last one that is there."""
    usual = int(np.median(np.diff(index.pts))) if len(index.pts) > 1 else 0
    if not usual or probe.seconds is None or index.timing is not None:
        return 0
    shown = (index.end - int(index.pts[0])) * index.time_base
    step = float(usual * index.time_base)
    missing = round((probe.seconds - float(shown)) / step) - index.left_out
    surplus = missing > 2 + _ROUNDED_SECONDS / step
    certain = index.damaged_end or (surplus and (index.damaged or probe.streams == 1))
    return max(0, missing) if certain else 0


def _damage_notes(path: Path, index: VideoIndex, missing: int) -> list[str]:
    notes = []
    if index.left_out:
        frames = "frame" if index.left_out == 1 else f"{index.left_out} frames"
        notes.append(
            f"The first {frames} of {path.name} cannot be decoded without what came before them, so they are left out."
        )
    if index.undecoded:
        pictures = "One picture" if index.undecoded == 1 else f"{index.undecoded} pictures"
        notes.append(
            f"{pictures} of {path.name} cannot be decoded, as those ahead of the first key frame, and the others are "
            "counted without them."
        )
    if missing:
        notes.append(
            f"{len(index.pts) - len(index.lost)} of {len(index.pts) + missing} frames are readable: {path.name} is cut "
            "short, copy or record it again to have all."
        )
    elif index.damaged:
        notes.append(f"{path.name} is damaged in places: frames that cannot be decoded are left out.")
    if index.lost:
        notes.append(f"{len(index.lost)} of the frames of {path.name} are missing: the others keep their numbers.")
    return notes


def _opaque(path: Path, height: int, width: int, timeout: float | None) -> bool:
    arguments = ["-v", "error", *input_of(path), "-map", "0:V:0", "-frames:v", "1", "-pix_fmt", "rgba"]
    running = Running([*arguments, "-f", "rawvideo", "-"], height * width * 4, timeout=timeout)
    try:
        piece = running.piece()
    finally:
        running.kill()
    return piece is not None and piece.size == height * width * 4 and bool((piece[3::4] == 255).all())


def _open(path: Path, series: int | str | None) -> VideoRecording:
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if head.lstrip(_BLANKS).startswith(_PLAYLISTS) or b"<MPD" in head:
        raise RecordingError(f"{path} only names other files; open the video that it names.")
    return open_video(path)


READER = Reader(
    name="video",
    patterns=tuple(
        f"*.{suffix}"
        for suffix in "mp4 m4v mov avi mkv webm mpg mpeg wmv ogv flv ts mts m2ts h264 hevc".split()  # noqa: SIM905
    ),
    matches=lambda head, path: head is not None,
    open=_open,
)
