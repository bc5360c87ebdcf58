"""Animated GIF, PNG, WebP and AVIF: every frame as displayed, composed with the frames before it."""

from __future__ import annotations

import math
import struct
import threading
from collections import OrderedDict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.errors import FrameError, RecordingError
from napari_sam2_video.frames import alpha
from napari_sam2_video.frames.animation_times import durations_of, is_deep_png, png_is_animated
from napari_sam2_video.frames.planes_recording import PlanesRecording
from napari_sam2_video.frames.reader import Reader
from napari_sam2_video.frames.times import UNKNOWN, FrameTimes, frame_times

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt
    from PIL.ImageFile import ImageFile

    from napari_sam2_video.frames.recording import Recording

CACHE_BYTES = 256 << 20
"""Maximum memory for the composed frames of one animation."""

_TICKS = {"GIF": 0.01, "WEBP": 0.001}
_HEADER_BYTES = 1 << 16
_BRANDS = slice(8, 64)
_UNREADABLE = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    struct.error,
)


class AnimationRecording(PlanesRecording):
    """An animation of 8-bit frames: ``TYXS``, or ``TYX`` if it is grey. Transparent pixels are white.

    Raises
    ------
    RecordingError
        If the file is damaged or the installed Pillow cannot read its format.
    """

    def __init__(self, path: Path, *, cache_bytes: int = CACHE_BYTES) -> None:
        self._lock = threading.RLock()
        self._cached: OrderedDict[int, npt.NDArray[Any]] = OrderedDict()
        self._image = _opened(path)
        self._grey = self._image.format == "PNG" and self._image.mode in ("1", "L", "LA")
        try:
            with _damage_named(path, 0):
                self._skipped = int(getattr(self._image, "default_image", False))
                self._image.seek(self._skipped)
                count = int(getattr(self._image, "n_frames", 1)) - self._skipped
            height, width = self._image.size[::-1]
            seen_through = self._seen_through_at_first(path)
            count, timing = _timing(path, str(self._image.format), count)
        except BaseException:
            self._image.close()
            raise
        shape = (height, width) if self._grey else (height, width, 3)
        self._room = max(1, cache_bytes // max(1, math.prod(shape)))
        notes = [alpha.NOTE] if seen_through else []
        if _is_deep_avif(path):
            notes.append(
                f"{path.name} has more than 8 bits per colour and is read as 8-bit; convert it to MP4 to keep them."
            )
        if timing.times is not None:
            notes.append("The frame rate varies: each frame keeps its own time, and none is repeated or dropped.")
        elif timing.interval is None and count > 1:
            notes.append(
                f"{path.name} does not give the duration of its frames: the time between them is unknown; give the "
                "interval if you know it."
            )
        self.plane_ndim = len(shape)
        super().__init__(
            name=path.stem,
            axes="TYX" if self._grey else "TYXS",
            shape=(count, *shape),
            dtype=np.uint8,
            scale={"T": timing.interval},
            units={"T": "s"},
            times=timing.times,
            path=path,
            notes=tuple(notes),
            metadata={"format": str(self._image.format).lower()},
        )

    def _seen_through_at_first(self, path: Path) -> bool:
        try:
            with _damage_named(path, 0):
                return self._composed()[1]
        except FrameError:
            return False

    def _plane(self, number: int, rows: slice) -> npt.NDArray[Any]:
        with self._lock:
            self._check_open()
            found = self._cached.get(number)
            if found is None:
                found = self._advance(number)
            self._cached.move_to_end(number)
            shown = found[rows]
        shown.flags.writeable = False
        return shown

    def _advance(self, number: int) -> npt.NDArray[Any]:
        """Compose all frames up to `number`, because each is drawn over the one before."""
        assert self.path is not None
        first = self._image.tell() - self._skipped + 1
        if first > number:  # Pillow loses count of the parts of a PNG when it goes back
            self._image.close()
            self._image, first = _opened(self.path), 0
        for passed in range(first, number + 1):
            with _damage_named(self.path, passed, number):
                self._image.seek(passed + self._skipped)
                self._cached[passed] = found = self._composed()[0]
        while len(self._cached) > self._room:
            self._cached.popitem(last=False)
        return found

    def _composed(self) -> tuple[npt.NDArray[Any], bool]:
        """The current frame, and whether any of it is transparent."""
        transparent = self._image.has_transparency_data
        if not transparent:
            return np.array(self._image.convert("L" if self._grey else "RGB")), False
        values = np.array(self._image.convert("LA" if self._grey else "RGBA"))
        return alpha.on_white(values), bool((values[..., -1] < 255).any())

    def _close(self) -> None:
        with self._lock:
            self._image.close()
            self._cached.clear()


def _timing(path: Path, kind: str, count: int) -> tuple[int, FrameTimes]:
    """How many of `count` frames the file holds, and the times it gives for them, without decoding any."""
    if kind == "AVIF":
        return count, _timing_of_track(path, count)
    durations = durations_of(path)
    if kind == "PNG":
        count = max(1, min(count, len(durations)))
    if len(durations) != count or min(durations[:-1], default=0) <= 0:
        return count, UNKNOWN
    return count, frame_times(np.cumsum([0.0, *durations[:-1]]), tick=_TICKS.get(kind, 0.0))


def _timing_of_track(path: Path, count: int) -> FrameTimes:
    """Frame times of an AVIF file, whose still image and alpha may also be listed as videos."""
    from napari_sam2_video.frames.ffmpeg import VideoInput
    from napari_sam2_video.frames.video_packets import read_index

    for stream in (1, 2, 3, 0):
        try:
            index = read_index(VideoInput(path, stream))
        except RecordingError:
            continue
        if len(index.pts) == count:
            return index.frame_times()
    return UNKNOWN


def _opened(path: Path) -> ImageFile:
    from PIL import Image

    try:
        return Image.open(path)
    except (*_UNREADABLE, Image.DecompressionBombError) as error:
        raise RecordingError(
            f"{path} cannot be read as an animation; copy it again if it is truncated, or convert it to a video."
        ) from error


@contextmanager
def _damage_named(path: Path, frame: int, wanted: int | None = None) -> Iterator[None]:
    from PIL import Image

    try:
        yield
    except (*_UNREADABLE, Image.DecompressionBombError) as error:
        if wanted in (None, frame):
            raise FrameError(f"Frame {frame} of {path} is damaged and cannot be decoded; leave it out.") from error
        raise FrameError(
            f"Frame {wanted} of {path} is drawn over frame {frame}, which is damaged; leave both out."
        ) from error


def _is_deep_avif(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(_HEADER_BYTES)
    settings = head.find(b"av1C") + 6
    return (
        head[4:8] == b"ftyp" and settings > 6 and head[settings : settings + 1] > b"\x3f" and head[settings] & 0x40 > 0
    )


def _matches(head: bytes | None, path: Path) -> bool:
    if head is None:
        return False
    if head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X":
        return bool(head[20:21]) and head[20] & 2 != 0
    if head[4:8] == b"ftyp":
        return b"avis" in head[_BRANDS]
    return head[:6] in (b"GIF87a", b"GIF89a") or (head[:8] == b"\x89PNG\r\n\x1a\n" and png_is_animated(path))


def _open(path: Path, series: int | str | None) -> Recording:
    if is_deep_png(path):
        from napari_sam2_video.frames.video import open_video

        return open_video(path)
    return AnimationRecording(path)


READER = Reader(
    name="animation", patterns=("*.gif", "*.apng", "*.png", "*.webp", "*.avif"), matches=_matches, open=_open
)
