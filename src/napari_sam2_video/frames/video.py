"""Video, frame-accurate: frame i is the i-th frame shown, for any coding and any order of reading."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_video.errors import RecordingError
from napari_sam2_video.frames.alpha import NOTE as ALPHA_NOTE
from napari_sam2_video.frames.ffmpeg import Running, VideoInput
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
from napari_sam2_video.frames.video_index import VideoIndex, from_one_key, with_gaps_filled
from napari_sam2_video.frames.video_notes import aspect_notes, damage_notes, time_notes
from napari_sam2_video.frames.video_packets import UnstampedError, read_index
from napari_sam2_video.frames.video_probe import Probe, bare_demuxer, listed, probe_video, states_rate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_sam2_video.frames.video_format import PictureFormat

_BLANKS = b" \t\r\n\xef\xbb\xbf"
_PLAYLISTS = (b"#EXTM3U", b"ffconcat", b"[playlist]", b"[Reference]", b"v=0")
_ROUNDED_SECONDS = 0.01


def open_video(
    path: Path,
    *,
    series: int | str | None = None,
    demuxer: str | None = None,
    cache_bytes: int = CACHE_BYTES,
    timeout: float | None = None,
) -> VideoRecording:
    """Open a video: read all packets once, and decode a single frame.

    A video whose packets have no time stamps is copied to a temporary file in which they are numbered, and decoded once
    if its frames are not shown in packet order.

    Parameters
    ----------
    path : Path
        The file.
    series : int or str, optional
        Which of several videos in the file, counted from 0; the first if not given.
    demuxer : str, optional
        ffmpeg's name for the container, if its own guess would be wrong: for raw streams.
    cache_bytes : int
        Maximum memory for decoded frames.
    timeout : float, optional
        Seconds without output after which ffmpeg is stopped.

    Raises
    ------
    RecordingError
        If it is not a video, has no images or no such series, or no frame can be decoded.
    """
    if isinstance(series, str) or (series is not None and series < 0):
        raise RecordingError(f"{path} has no series {series!r}; choose one of its videos by number, counted from 0.")
    source = VideoInput(path, series or 0, demuxer)
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read_index, source, timeout=timeout)
        probe = probe_video(source, timeout=timeout)
    read: VideoInput | None
    try:
        index = reading.result()
    except UnstampedError as error:
        read, index = _unstamped(source, probe, error.usual_gap, False, timeout)
    else:
        first = None if probe.raw or probe.pts is None else index.frame_at(probe.pts)
        if first is None:
            in_order = bool((np.diff(index.coded) > 0).all())
            read, index = _unstamped(source, probe, index.usual_gap, in_order, timeout)
        else:
            read, index = _stamped(source, probe, index, first, timeout)
    file = VideoFile(path, read or source)
    with _removed_on_error(file.copy):
        notes = []
        if series is None and len(probe.videos) > 1:
            notes.append(
                f"{path.name} holds {len(probe.videos)} videos ({listed(probe.videos)}) and the first is read; choose "
                "another with series, for instance --series 1."
            )
        return _recording(file, probe, index, notes, cache_bytes, timeout)


def _stamped(
    source: VideoInput, probe: Probe, index: VideoIndex, first: int, timeout: float | None
) -> tuple[VideoInput | None, VideoIndex]:
    """Index by time stamps from frame `first` on, and a copy if the file cannot be searched by them."""
    copy = searchable_copy(source, timeout=timeout) if probe.searched and index.wraps() else None
    with _removed_on_error(copy):
        if copy is not None:
            index = read_index(copy, called=source.path, timeout=timeout)
        elif probe.searched:
            index = index.sought_by_decoding_time()
        return copy, index.from_first_decodable(int(index.pts[first]))


def _unstamped(
    source: VideoInput, probe: Probe, usual_gap: float | None, in_order: bool, timeout: float | None
) -> tuple[VideoInput | None, VideoIndex]:
    """Index of a video whose time stamps are made up, missing or duplicated, and a copy if one can be made.

    Parameters
    ----------
    usual_gap : float or None
        Seconds from one packet to the next, if constant.
    in_order : bool
        Whether frames seem to be shown in packet order.
    """
    path, timing = source.path, FrameTimes(None, usual_gap)
    if probe.raw and not states_rate(source, timeout=timeout):
        timing = UNKNOWN
    copy = numbered_copy(source, timeout=timeout)
    with _removed_on_error(copy):
        found = None
        if in_order and copy is not None:
            found = index_in_file_order(copy, probe.picture, timing, called=path, timeout=timeout)
        return copy, found or counted_index(copy or source, timing, called=path, timeout=timeout)


@contextmanager
def _removed_on_error(copy: VideoInput | None) -> Iterator[None]:
    try:
        yield
    except BaseException:
        if copy is not None:
            remove_copy(copy)
        raise


def _recording(
    file: VideoFile,
    probe: Probe,
    index: VideoIndex,
    notes: list[str],
    cache_bytes: int,
    timeout: float | None,
) -> VideoRecording:
    picture = probe.picture
    missing = _missing_at_end(probe, index)
    if missing or index.damaged:
        index = with_gaps_filled(index)
    if picture.palette:
        index = from_one_key(index)
    notes += damage_notes(file, index, missing)
    if picture.alpha and not (picture.palette and _opaque(file.read, picture, timeout)):
        notes.append(ALPHA_NOTE)
    notes += time_notes(file, index) + aspect_notes(file, picture)
    return VideoRecording(file, picture, index, notes=tuple(notes), cache_bytes=cache_bytes, timeout=timeout)


def _missing_at_end(probe: Probe, index: VideoIndex) -> int:
    """Number of frames that the header declares beyond the last one in the file."""
    usual = int(np.median(np.diff(index.pts))) if len(index.pts) > 1 else 0
    if not usual or probe.seconds is None or index.timing is not None:
        return 0
    shown = (index.end - int(index.pts[0])) * index.time_base
    step = float(usual * index.time_base)
    missing = round((probe.seconds - float(shown)) / step) - index.left_out
    surplus = missing > 2 + _ROUNDED_SECONDS / step
    certain = index.damaged_end or (surplus and (index.damaged or probe.streams == 1))
    return max(0, missing) if certain else 0


def _opaque(source: VideoInput, picture: PictureFormat, timeout: float | None) -> bool:
    arguments = ["-v", "error", *source.arguments, "-frames:v", "1", "-pix_fmt", "rgba", "-f", "rawvideo", "-"]
    running = Running(arguments, picture.height * picture.width * 4, timeout=timeout)
    try:
        piece = running.piece()
    finally:
        running.kill()
    return piece is not None and bool((piece[3::4] == 255).all())


def _open(path: Path, series: int | str | None) -> VideoRecording:
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    demuxer = bare_demuxer(head)
    if head.lstrip(_BLANKS).startswith(_PLAYLISTS) or b"<MPD" in head:
        raise RecordingError(f"{path} only names other files; open the video that it names.")
    try:
        return open_video(path, series=series)
    except RecordingError:
        if demuxer is None:
            raise
        return open_video(path, series=series, demuxer=demuxer)


READER = Reader(
    name="video",
    patterns=tuple(
        f"*.{suffix}"
        for suffix in "mp4 m4v mov avi mkv webm mpg mpeg wmv ogv flv ts mts m2ts h264 hevc".split()  # noqa: SIM905
    ),
    matches=lambda head, path: head is not None,
    open=_open,
    has_series=True,
)
