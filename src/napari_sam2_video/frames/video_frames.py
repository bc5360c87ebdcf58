"""The frames of a video: decoded by groups of pictures, cached, and checked if the file is damaged."""

from __future__ import annotations

import tempfile
import threading
import weakref
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from napari_sam2_video.errors import FrameError, RecordingError
from napari_sam2_video.frames.ffmpeg import FfmpegHungError, VideoInput
from napari_sam2_video.frames.planes_recording import PlanesRecording
from napari_sam2_video.frames.video_count import remove_copy
from napari_sam2_video.frames.video_decode import Decoder, SizeChangedError, extract_chunk

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_sam2_video.frames.video_format import PictureFormat
    from napari_sam2_video.frames.video_index import VideoIndex

CACHE_BYTES = 256 << 20
"""Maximum memory for the decoded frames of one video."""

_NEAR = 16


class VideoFile(NamedTuple):
    """The file that the user opened, and the video that is read: in it, or in a temporary copy."""

    path: Path
    read: VideoInput

    @property
    def copy(self) -> VideoInput | None:
        """The temporary copy; None if there is none."""
        return None if self.read.path == self.path else self.read


class VideoRecording(PlanesRecording):
    """A video: ``TYXS`` with 8 bits per colour, or 16 if it is deeper; ``TYX`` if it is grey."""

    def __init__(
        self,
        file: VideoFile,
        picture: PictureFormat,
        index: VideoIndex,
        *,
        notes: tuple[str, ...],
        cache_bytes: int,
        timeout: float | None,
    ) -> None:
        self._file, self._index, self._picture = file, index, picture
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
        self._released = weakref.finalize(self, _release, self._running, file.copy)
        self.plane_ndim = len(picture.shape)
        timing, aspect = index.frame_times(), float(picture.sample_aspect)
        super().__init__(
            name=file.path.stem,
            axes="TYXS" if self.plane_ndim == 3 else "TYX",
            shape=(len(index.pts), *picture.shape),
            dtype=picture.dtype,
            scale={"T": timing.interval} if aspect == 1 else {"T": timing.interval, "Y": 1.0, "X": aspect},
            units={"T": "s"},
            times=timing.times,
            path=file.path,
            notes=notes,
            metadata={"format": "video", "codec": index.codec, "pixel_format": picture.source},
        )
        self.nominal_range = (0.0, 65535.0) if picture.deep else None

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
        if chunk in self._whole and number not in self._whole[chunk]:
            return None
        for decoder in self._running[:]:
            near = number - decoder.at < _NEAR or self._index.first_of(chunk) <= decoder.at
            if decoder.at <= number and near:
                found, settled = self._advance(decoder, number)
                if found is not None or settled:
                    return found
        # A seek may land late: then try one key frame earlier, and finally decode from the beginning.
        for start in dict.fromkeys((chunk or None, chunk - 1 if chunk > 1 else None, None)):
            self._stop()
            decoder = Decoder(self._file.read, self._index, self._picture, start, timeout=self._timeout)
            self._running.append(decoder)
            found, settled = self._advance(decoder, number)
            if found is not None or settled:
                return found
        if self._failure:
            kind = RecordingError if self._killed else FrameError
            raise kind(f"Frame {number} of {self.path} was not decoded: {self._failure}; try again.")
        return None

    def _advance(self, decoder: Decoder, number: int) -> tuple[npt.NDArray[Any] | None, bool]:
        """Decode up to frame `number`: its pixels, and whether starting elsewhere could not find it either."""
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
                line = line.replace(str(self._file.read.path), self._file.path.name)
                self._failure, self._killed = f"ffmpeg ended with code {code} ({line})" if code else "", code < 0
                in_step = not decoder.out_of_step
                self._stop()
                return None, began and not code and in_step
            at, frame_yx, suspect = step
            if not (began or suspect or self._index.small[decoder.first : at].all()) and decoder.first > 0:
                # Nothing is lost: the seek landed late, or the image is refreshed gradually and not yet complete.
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
            extract_chunk(self._file.read, self._index, chunk, packets, called=self._file.path, timeout=self._timeout)
            decoder = Decoder(
                VideoInput(packets), self._index, self._picture, chunk or None, strict=True, timeout=self._timeout
            )
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
            f"The image size of {self.path} changes from {self._picture.height} × {self._picture.width} to {height} × "
            f"{width} pixels at frame {frame}; cut the video there."
        )

    def _stop(self) -> None:
        while self._running:
            self._running.pop().kill()

    def _close(self) -> None:
        with self._lock:
            self._released()
            self._cached.clear()


def _release(running: list[Decoder], copy: VideoInput | None) -> None:
    while running:
        running.pop().kill()
    if copy is not None:
        remove_copy(copy)
