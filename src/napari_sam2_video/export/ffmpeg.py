"""Encode raw frames with ffmpeg, and make sure that it neither hangs nor fails unnoticed."""

from __future__ import annotations

import contextlib
import struct
import subprocess
import tempfile
import threading
import time
from typing import IO, TYPE_CHECKING

from napari_sam2_video.errors import ExportError, RecordingError
from napari_sam2_video.export.output import disk_full
from napari_sam2_video.export.timing import CLOCK, Pace, pace_of
from napari_sam2_video.frames.ffmpeg import start_ffmpeg

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path
    from types import TracebackType

    from napari_sam2_video.export.format import ExportJob
    from napari_sam2_video.results import Array

FRAME_TIMEOUT = 120.0
FINISH_TIMEOUT = 1800.0
FILE_TOO_LARGE = 25
_IVF_LAYOUTS = {"rgb24": b"RGB\x18", "rgba": b"RGBA", "gray16le": b"Y1\0\x10"}


class FrameEncoder:
    """Pipe of raw frames into ffmpeg; use it as a context manager.

    Parameters
    ----------
    path : Path
        File (or ``%05d`` pattern) that ffmpeg writes.
    target : Path
        Name for error messages.
    shape_yx : tuple of int
        Shape of the frames.
    pixel_format : str
        ffmpeg's pixel format of the frames, e.g. ``"rgb24"``, ``"rgba"``, ``"gray16le"``.
    pace : Pace
        Frames per second, or the time of every frame.
    arguments : sequence of str
        Output arguments: filters, codec, container.
    frame_timeout, finish_timeout : float
        Maximum seconds for one frame and for the end before ffmpeg is stopped.
    """

    def __init__(
        self,
        path: Path,
        target: Path,
        shape_yx: tuple[int, int],
        pixel_format: str,
        pace: Pace,
        arguments: Sequence[str],
        *,
        frame_timeout: float = FRAME_TIMEOUT,
        finish_timeout: float = FINISH_TIMEOUT,
    ) -> None:
        self._target = target
        self._frame_timeout = frame_timeout
        self._finish_timeout = finish_timeout
        height, width = shape_yx
        if pace.ticks is None:
            source = ["-f", "rawvideo", "-pix_fmt", pixel_format, "-s", f"{width}x{height}", "-r", str(pace.rate)]
        else:
            source = ["-f", "ivf", "-c:v", "rawvideo"]
            arguments = [*arguments, "-fps_mode", "passthrough", "-enc_time_base", f"1/{CLOCK}"]
            if target.suffix.lower() in (".mp4", ".mov"):
                arguments += ["-video_track_timescale", str(CLOCK)]
        self._ticks = None if pace.ticks is None else iter(pace.ticks.tolist())
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            self._process = start_ffmpeg(
                ["-v", "error", "-y", *source, "-i", "-", "-an", *arguments, f"file:{path}"],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
            )
        except RecordingError as error:
            self._errors.close()
            raise ExportError(f"{target.name} was not written: {error}") from error
        assert self._process.stdin is not None
        self._pipe: IO[bytes] = self._process.stdin
        self._deadline = time.monotonic() + frame_timeout
        self._timed_out = False
        self._ended = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="ffmpeg-watcher", daemon=True)
        self._watcher.start()
        if pace.ticks is not None:
            self._send(_ivf_header(pixel_format, shape_yx, len(pace.ticks)))

    def write(self, frame: Array) -> None:
        """Send one frame.

        Raises
        ------
        ExportError
            If ffmpeg has ended or takes too long.
        """
        if self._ticks is not None:
            self._send(struct.pack("<IQ", frame.nbytes, next(self._ticks)))
        self._send(frame.tobytes() if not frame.flags.c_contiguous else frame.data)

    def _send(self, data: bytes | memoryview) -> None:
        self._deadline = time.monotonic() + self._frame_timeout
        try:
            self._pipe.write(data)
        except OSError as error:
            raise self._failure() from error
        finally:
            self._deadline = float("inf")

    def __enter__(self) -> FrameEncoder:
        self._deadline = float("inf")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self._ended.set()
            if self._process.poll() is None:
                self._process.kill()
            self._process.wait()
            with contextlib.suppress(OSError):
                self._pipe.close()
            self._watcher.join()
            self._errors.close()

    def _finish(self) -> None:
        self._deadline = time.monotonic() + self._finish_timeout
        try:
            self._pipe.close()
        except OSError as error:
            raise self._failure() from error
        if self._process.wait() != 0:
            raise self._failure()

    def _watch(self) -> None:
        while not self._ended.wait(0.1):
            if time.monotonic() > self._deadline:
                self._timed_out = True
                self._process.kill()
                return

    def _failure(self) -> ExportError:
        code = self._process.wait()
        name = self._target.name
        if self._timed_out:
            return ExportError(f"ffmpeg stopped answering, so {name} was not written; try again or choose ome-tiff.")
        self._errors.seek(0)
        lines = [line.strip() for line in self._errors.read().decode("utf-8", "replace").splitlines() if line.strip()]
        if code == -FILE_TOO_LARGE or any("No space left" in line or "File too large" in line for line in lines):
            return disk_full(self._target)
        reason = lines[-1] if lines else f"it exited with code {code}"
        return ExportError(f"ffmpeg could not write {name} ({reason}); try another format or a smaller size.")


def encode_frames(job: ExportJob, frames: Iterable[Array], pixel_format: str, arguments: Sequence[str]) -> None:
    """Encode the frames of an export at the frame rate of its recording, or at the requested one."""
    shape_yx = job.result.shape_yx
    with FrameEncoder(job.path, job.target, shape_yx, pixel_format, pace_of(job), arguments) as encoder:
        for frame in frames:
            encoder.write(frame)


def _ivf_header(pixel_format: str, shape_yx: tuple[int, int], count: int) -> bytes:
    """Header of an IVF file, the simplest format for raw frames with times; each frame follows its size and time."""
    height, width = shape_yx
    return struct.pack("<4sHH4sHHIIII", b"DKIF", 0, 32, _IVF_LAYOUTS[pixel_format], width, height, CLOCK, 1, count, 0)
