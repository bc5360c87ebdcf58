"""One ffmpeg process that turns raw frames into a file, watched so that it can neither hang nor fail unseen."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import threading
import time
from fractions import Fraction
from typing import IO, TYPE_CHECKING

from napari_sam2_video.errors import ExportError, RecordingError
from napari_sam2_video.export.output import disk_full
from napari_sam2_video.frames.ffmpeg import executable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

    from napari_sam2_video.results import Array

FRAME_TIMEOUT = 120.0
FINISH_TIMEOUT = 1800.0
FILE_TOO_LARGE = 25


class FrameEncoder:
    """Pipe of raw frames into ffmpeg; use it as a context manager.

    Parameters
    ----------
    path : Path
        File (or ``%05d`` pattern) that ffmpeg writes.
    target : Path
        Name that error sentences use.
    shape_yx : tuple of int
        Shape of the frames.
    pixel_format : str
        ffmpeg's name of the frames' layout, e.g. ``"rgb24"``, ``"rgba"``, ``"gray16le"``.
    fps : Fraction
        Frames a second.
    arguments : sequence of str
        Output arguments: filters, codec, container.
    frame_timeout, finish_timeout : float
        Seconds that one frame and the end may take before ffmpeg is ended.
    """

    def __init__(
        self,
        path: Path,
        target: Path,
        shape_yx: tuple[int, int],
        pixel_format: str,
        fps: Fraction,
        arguments: Sequence[str],
        *,
        frame_timeout: float = FRAME_TIMEOUT,
        finish_timeout: float = FINISH_TIMEOUT,
    ) -> None:
        self._target = target
        self._frame_timeout = frame_timeout
        self._finish_timeout = finish_timeout
        height, width = shape_yx
        source = ["-f", "rawvideo", "-pix_fmt", pixel_format, "-s", f"{width}x{height}", "-r", str(fps), "-i", "-"]
        command = [program(), "-nostdin", "-hide_banner", "-v", "error", "-y", *source, "-an"]
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            self._process = subprocess.Popen(
                [*command, *arguments, f"file:{path}"],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                # Else a console opens beside a window of Windows.
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except OSError as error:
            self._errors.close()
            raise ExportError(
                f"ffmpeg cannot be started ({error.strerror}), so {target.name} was not written; "
                "install imageio-ffmpeg again."
            ) from error
        assert self._process.stdin is not None
        self._pipe: IO[bytes] = self._process.stdin
        self._deadline = time.monotonic() + frame_timeout
        self._timed_out = False
        self._ended = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="ffmpeg-watcher", daemon=True)
        self._watcher.start()

    def write(self, frame: Array) -> None:
        """Hand over one frame.

        Raises
        ------
        ExportError
            If ffmpeg has ended or takes too long.
        """
        self._deadline = time.monotonic() + self._frame_timeout
        try:
            self._pipe.write(frame.tobytes() if not frame.flags.c_contiguous else frame.data)
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
        reason = lines[-1] if lines else f"it ended with code {code}"
        return ExportError(f"ffmpeg could not write {name} ({reason}); try another format or a smaller size.")


def program() -> str:
    """Path of the ffmpeg binary.

    Raises
    ------
    ExportError
        If there is none.
    """
    try:
        return executable()
    except RecordingError as error:
        raise ExportError(
            "There is no ffmpeg to write videos with; install imageio-ffmpeg again, or set IMAGEIO_FFMPEG_EXE to one."
        ) from error


def frame_rate(frame_seconds: float | None, asked: float | None) -> tuple[Fraction, str | None]:
    """Frames a second for a video, and a note where it is not the recording's own.

    Parameters
    ----------
    frame_seconds : float or None
        Time between two frames, None where unknown.
    asked : float or None
        What the person asked for.

    Returns
    -------
    rate : Fraction
        Frames a second.
    note : str or None
        A sentence where the recording's rate is known but not watchable.

    Raises
    ------
    ExportError
        If what was asked for is no frame rate.
    """
    if asked is not None:
        if not 0.01 <= asked <= 1000:
            raise ExportError(f"{asked:g} frames a second cannot be written; choose a rate from 0.01 to 1000.")
        return Fraction(asked).limit_denominator(1001), None
    if frame_seconds is None:
        return Fraction(10), None
    rate = Fraction(1 / frame_seconds).limit_denominator(1001)
    if 1 <= rate <= 240:
        return rate, None
    return Fraction(10), (
        f"The recording has a frame every {frame_seconds:g} s; the video plays 10 frames a second instead."
    )
