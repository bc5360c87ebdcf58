"""Video, frame-accurate: frame i is the i-th frame shown, however the file is coded and whichever is read first."""

from __future__ import annotations

import tempfile
import threading
import weakref
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.errors import FrameError, RecordingError
from napari_sam2_video.frames.ffmpeg import FfmpegHungError, Running, input_of, run_ffmpeg
from napari_sam2_video.frames.reader import HEAD_BYTES, Reader
from napari_sam2_video.frames.recording import PlanesRecording
from napari_sam2_video.frames.times import frame_times
from napari_sam2_video.frames.video_count import counted_index, stamps_hold
from napari_sam2_video.frames.video_decode import Decoder, Probe, SizeChangedError, extract_chunk, probe_video
from napari_sam2_video.frames.video_index import (
    UnstampedError,
    VideoIndex,
    from_one_key,
    read_index,
    with_gaps_filled,
)

if TYPE_CHECKING:
    import numpy.typing as npt

CACHE_BYTES = 256 << 20
"""Most memory that decoded frames of one video take."""

_NEAR = 16
_BLANKS = b" \t\r\n\xef\xbb\xbf"
_PLAYLISTS = (b"#EXTM3U", b"ffconcat", b"[playlist]", b"[Reference]", b"v=0")
_ROUNDED_SECONDS = 0.01


def open_video(path: Path, *, cache_bytes: int = CACHE_BYTES, timeout: float | None = None) -> VideoRecording:
    """Open a video: read its packets once, decode a single frame.

    Parameters
    ----------
    path : Path
        The file.
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
        reading = pool.submit(read_index, path, timeout=timeout)
        probe = probe_video(path, timeout=timeout)
    try:
        return VideoRecording(path, path, probe, reading.result(), cache_bytes, timeout)
    except UnstampedError:
        copy = _restamped(path, timeout)
    if copy is not None:
        try:
            index, stamped = read_index(copy, shared_stamps=True, timeout=timeout), probe_video(copy, timeout=timeout)
            if index.damaged or stamps_hold(copy, index, stamped.picture, timeout=timeout):
                return VideoRecording(path, copy, stamped, index, cache_bytes, timeout)
        except RecordingError:
            _remove(copy)
            raise
        _remove(copy)
    index = counted_index(path, timeout=timeout)
    return VideoRecording(path, path, replace(probe, seconds=None), index, cache_bytes, timeout)


class VideoRecording(PlanesRecording):
    """A video: ``TYXS`` of bytes, or of 16 bits where it is deeper; ``TYX`` where it is grey."""

    def __init__(
        self, path: Path, stream: Path, probe: Probe, index: VideoIndex, cache_bytes: int, timeout: float | None
    ) -> None:
        picture = probe.picture
        missing = _missing_at_end(probe, index)
        if missing or index.damaged:
            index = with_gaps_filled(index)
        palette = picture.source == "pal8"
        if palette:
            index = from_one_key(index)
        self._stream, self._index, self._picture = stream, index, picture
        self._timeout = timeout
        self._lock = threading.RLock()
        self._cached: OrderedDict[int, npt.NDArray[Any]] = OrderedDict()
        self._room = max(1, cache_bytes // picture.frame_bytes)
        self._whole: dict[int, frozenset[int]] = {}
        self._unreadable = set(index.lost)
        self._check_all = index.damaged and len(index.keys) < len(index.pts)
        self._failure, self._killed = "", False
        self._other_size: tuple[int, int, int] | None = None
        self._running: list[Decoder] = []
        self._released = weakref.finalize(self, _release, self._running, stream if stream != path else None)
        self.plane_ndim = len(picture.shape)
        timing = frame_times(index.times(), tick=float(index.time_base))
        notes = _damage_notes(path, index, missing)
        if picture.alpha:
            if not _opaque(stream, picture.height, picture.width, timeout):
                raise RecordingError(
                    f"{path} has a transparent alpha channel; save it as RGB on the background you want."
                )
            if not palette:
                notes.append("The alpha channel is opaque where the video begins and is left out.")
        if timing.times is not None:
            notes.append("The frame rate varies: every frame has its own time, and none is repeated or dropped.")
        if index.counted:
            notes.append(
                f"{path.name} has no time stamps of its own: its frames were counted, and jumping back in it takes as "
                "long as decoding it from its beginning; convert it to an MP4 file to have it quicker."
            )
        if stream != path:
            notes.append(f"{path.name} has no time stamps of its own: it was copied to a file that has, for this time.")
        super().__init__(
            name=path.stem,
            axes="TYXS" if self.plane_ndim == 3 else "TYX",
            shape=(len(index.pts), *picture.shape),
            dtype=picture.dtype,
            scale={} if timing.interval is None else {"T": timing.interval},
            units={"T": None if timing.interval is None else "s"},
            times=timing.times,
            path=path,
            notes=tuple(notes),
            metadata={"format": "video", "codec": index.codec, "pixel_format": picture.source},
        )
        self.nominal_range = (0.0, 65535.0) if picture.name == "rgb48le" else None

    def _plane(self, number: int, rows: slice) -> npt.NDArray[Any]:
        with self._lock:
            self._check_open()
            try:
                shown = self._frame(number)[rows]
            except FfmpegHungError as error:
                self._stop()
                raise RecordingError(f"Frame {number} of {self.path} could not be read in time: {error}") from error
        shown.flags.writeable = False
        return shown

    def _frame(self, number: int) -> npt.NDArray[Any]:
        found = self._cached.get(number)
        if found is not None:
            self._cached.move_to_end(number)
            return found
        if self._other_size is not None and number >= self._other_size[0]:
            raise self._size_error()
        if number not in self._unreadable:
            found = self._decoded(number)
        if found is None:
            self._unreadable.add(number)
            raise FrameError(f"Frame {number} of {self.path} is damaged and cannot be decoded; leave it out.")
        return found

    def _decoded(self, number: int) -> npt.NDArray[Any] | None:
        chunk = self._index.chunk_of(number)
        for decoder in self._running[:]:
            near = number - decoder.at < _NEAR or self._index.first_of(chunk) <= decoder.at
            if decoder.at <= number and near:
                found, settled = self._advance(decoder, number)
                if found is not None or settled:
                    return found
        # A seek may land late: then try one key earlier, and at last decode from the beginning.
        for start in dict.fromkeys((chunk or None, chunk - 1 if chunk > 1 else None, None)):
            self._stop()
            decoder = Decoder(self._stream, self._index, self._picture, start, timeout=self._timeout)
            self._running.append(decoder)
            found, settled = self._advance(decoder, number)
            if found is not None or settled:
                return found
        if self._failure:
            kind = RecordingError if self._killed else FrameError
            raise kind(f"Frame {number} of {self.path} was not decoded: {self._failure}; try again.")
        return None

    def _advance(self, decoder: Decoder, number: int) -> tuple[npt.NDArray[Any] | None, bool]:
        """Decode onward to frame `number`: its pixels, and whether another beginning could not find it either."""
        began = decoder.at > decoder.first
        expected = decoder.at
        while expected <= number:
            try:
                step = decoder.next()
            except SizeChangedError as error:
                self._stop()
                self._other_size = (min(expected, number), error.height, error.width)
                raise self._size_error() from error
            if step is None:
                code, line = decoder.outcome()
                self._failure, self._killed = f"ffmpeg ended with code {code} ({line})" if code else "", code < 0
                self._stop()
                return None, began and not code
            at, frame_yx, suspect = step
            if not (began or suspect or self._index.small[decoder.first : at].all()) and decoder.first > 0:
                # Nothing is lost: the seek landed late, or the picture is renewed bit by bit and not yet whole.
                return None, False
            began = began or at <= number
            suspect = suspect or self._check_all or not self._index.small[expected:at].all()
            if began and (suspect or self._index.chunk_of(at) in self._whole):
                lost = range(expected, at + 1) if at - expected < _NEAR else (expected, at)
                for chunk in dict.fromkeys(self._index.chunk_of(n) for n in lost):
                    self._check(chunk)
            chunk = self._index.chunk_of(at)
            if began and (chunk not in self._whole or at in self._whole[chunk]):
                self._keep(at, frame_yx)
                if at == number:
                    return frame_yx, True
            expected = at + 1
        return None, began

    def _check(self, chunk: int) -> None:
        """Find the frames of a chunk that come before any damage."""
        if chunk in self._whole:
            return
        end = self._index.first_of(chunk + 1)
        whole = set()
        with tempfile.TemporaryDirectory(prefix="napari-sam2-video-") as folder:
            packets = Path(folder) / "chunk.nut"
            extract_chunk(self._stream, self._index, chunk, packets, timeout=self._timeout)
            decoder = Decoder(packets, self._index, self._picture, chunk or None, strict=True, timeout=self._timeout)
            try:
                while (step := decoder.next()) is not None and step[0] < end:
                    whole.add(step[0])
            except SizeChangedError:
                whole = set(range(self._index.first_of(chunk), end))
            finally:
                decoder.kill()
        self._whole[chunk] = self._index.before_loss(chunk, whole)

    def _keep(self, number: int, frame_yx: npt.NDArray[Any]) -> None:
        self._cached[number] = frame_yx
        self._cached.move_to_end(number)
        while len(self._cached) > self._room:
            self._cached.popitem(last=False)

    def _size_error(self) -> FrameError:
        assert self._other_size is not None
        frame, height, width = self._other_size
        return FrameError(
            f"The picture of {self.path} changes from {self._picture.height} × {self._picture.width} to {height} × "
            f"{width} pixels at frame {frame}; cut the video there."
        )

    def _stop(self) -> None:
        while self._running:
            self._running.pop().kill()

    def _close(self) -> None:
        with self._lock:
            self._released()
            self._cached.clear()


def _missing_at_end(probe: Probe, index: VideoIndex) -> int:
    """Frames that the header promises beyond the last one that is there."""
    usual = int(np.median(np.diff(index.pts))) if len(index.pts) > 1 else 0
    if not usual or probe.seconds is None:
        return 0
    shown = (index.end - int(index.pts[0])) * index.time_base
    step = float(usual * index.time_base)
    missing = round((probe.seconds - float(shown)) / step)
    surplus = missing > 2 + _ROUNDED_SECONDS / step
    certain = index.damaged_end or (surplus and (index.damaged or probe.streams == 1))
    return max(0, missing) if certain else 0


def _damage_notes(path: Path, index: VideoIndex, missing: int) -> list[str]:
    notes = []
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


def _restamped(path: Path, timeout: float | None) -> Path | None:
    """Copy whose packets have time stamps, None where they cannot be made."""
    with tempfile.NamedTemporaryFile(prefix="napari-sam2-video-", suffix=".mkv", delete=False) as file:
        copy = Path(file.name)
    arguments = ["-v", "error", "-y", "-fflags", "+genpts", *input_of(path), "-map", "0:V:0", "-c", "copy", str(copy)]
    try:
        code, lines = run_ffmpeg(arguments, timeout=timeout)
    except RecordingError:
        _remove(copy)
        raise
    if code == 0:
        return copy
    _remove(copy)
    if any("No space left" in line for line in lines):
        raise RecordingError(
            f"{path} has frames without time stamps and there is no room for a copy that has; free some space in "
            f"{copy.parent}."
        )
    return None


def _release(running: list[Decoder], copy: Path | None) -> None:
    while running:
        running.pop().kill()
    if copy is not None:
        _remove(copy)


def _remove(copy: Path) -> None:
    """Remove a temporary copy; Windows may not let go of it yet, which is no reason to fail."""
    with suppress(OSError):
        copy.unlink(missing_ok=True)


def _open(path: Path, series: int | str | None) -> VideoRecording:
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if head.lstrip(_BLANKS).startswith(_PLAYLISTS) or b"<MPD" in head:
        raise RecordingError(f"{path} only names other files; open the video that it names.")
    return open_video(path)


READER = Reader(
    name="video",
    patterns=("*.mp4", "*.m4v", "*.mov", "*.avi", "*.mkv", "*.webm", "*.mpg", "*.mpeg", "*.wmv", "*.ogv"),
    matches=lambda head, path: head is not None,
    open=_open,
)
