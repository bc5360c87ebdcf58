"""Run the ffmpeg bundled with imageio-ffmpeg, always with a time limit."""

from __future__ import annotations

import contextlib
import queue
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.errors import RecordingError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy.typing as npt

TIMEOUT = 60.0
"""Seconds without any output after which ffmpeg counts as hung."""

_PIPE_BYTES = 1 << 20
_LINES_KEPT = 40
_GRACE = 5.0
_NO_WINDOW = 0x08000000 if sys.platform == "win32" else 0


class FfmpegHungError(RecordingError):
    """ffmpeg produced no output for too long and was stopped."""


def executable() -> str:
    """Path of the ffmpeg executable.

    Raises
    ------
    RecordingError
        If there is none.
    """
    import imageio_ffmpeg

    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise RecordingError(
            "ffmpeg, which reads and writes videos, was not found; reinstall imageio-ffmpeg, or set "
            "IMAGEIO_FFMPEG_EXE to its path."
        ) from error


def start_ffmpeg(arguments: Sequence[str], **pipes: Any) -> subprocess.Popen[bytes]:
    """Start ffmpeg, without a console window on Windows and with large pipes where the system supports them.

    Parameters
    ----------
    arguments : sequence of str
        All arguments after ``ffmpeg -nostdin -hide_banner``.
    **pipes
        ``stdin``, ``stdout`` and ``stderr`` of `subprocess.Popen`.

    Raises
    ------
    RecordingError
        If it cannot be started.
    """
    command = [executable(), "-nostdin", "-hide_banner", *arguments]
    try:
        return subprocess.Popen(command, creationflags=_NO_WINDOW, pipesize=_PIPE_BYTES, **pipes)
    except OSError:
        try:
            return subprocess.Popen(command, creationflags=_NO_WINDOW, **pipes)
        except OSError as error:
            raise RecordingError(
                f"ffmpeg could not be started ({error.strerror}); install imageio-ffmpeg again."
            ) from error


@dataclass(frozen=True)
class VideoInput:
    """What ffmpeg reads.

    Parameters
    ----------
    path : Path
        The file.
    stream : int
        Index of the video stream, not counting cover images.
    demuxer : str, optional
        ffmpeg's name for the container, if its own guess would be wrong.
    """

    path: Path
    stream: int = 0
    demuxer: str | None = None

    @property
    def arguments(self) -> list[str]:
        """Input arguments: the file with any characters in its name, no network access, and the stream."""
        kind = ["-f", self.demuxer] if self.demuxer else []
        where = ["-protocol_whitelist", "file,pipe", "-i", f"file:{self.path.absolute()}"]
        return [*kind, *where, "-map", f"0:V:{self.stream}"]


class Running:
    """An ffmpeg process whose output a thread reads ahead, in pieces of one size.

    Parameters
    ----------
    arguments : sequence of str
        All arguments after ``ffmpeg -nostdin -hide_banner -nostats``.
    piece : int
        Bytes per piece.
    ahead : int
        Maximum number of pieces to read ahead.
    on_line : callable, optional
        Called on another thread with each line that ffmpeg reports.
    timeout : float
        Seconds to wait for a piece.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        piece: int,
        *,
        ahead: int = 8,
        on_line: Callable[[str], None] | None = None,
        timeout: float | None = None,
    ) -> None:
        self._piece = piece
        self._timeout = TIMEOUT if timeout is None else timeout
        self._on_line = on_line
        self._pieces: queue.Queue[npt.NDArray[np.uint8] | None] = queue.Queue(max(1, ahead))
        self._ended = threading.Event()
        self.lines: deque[str] = deque(maxlen=_LINES_KEPT)
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self._process = start_ffmpeg(["-nostats", *arguments], **pipes)
        self._threads = [
            threading.Thread(target=work, name=f"ffmpeg-{work.__name__}", daemon=True)
            for work in (self._read_output, self._read_lines)
        ]
        for thread in self._threads:
            thread.start()

    def piece(self) -> npt.NDArray[np.uint8] | None:
        """Next piece; the last may be shorter, and None follows it.

        Raises
        ------
        FfmpegHungError
            If none arrives in time.
        """
        try:
            return self._pieces.get(timeout=self._timeout)
        except queue.Empty:
            self.kill()
            raise FfmpegHungError(
                f"ffmpeg gave no output for {self._timeout:g} seconds and was stopped; check the disk and the file, "
                "then try again."
            ) from None

    def finish(self) -> int:
        """Wait for the end and return ffmpeg's exit code, negative if it was killed."""
        for thread in self._threads:
            thread.join(self._timeout)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE)
        self.kill()
        code = self._process.returncode
        return -1 if code is None else int(code)

    def kill(self) -> None:
        """End ffmpeg and its threads; a second call does nothing."""
        self._ended.set()
        if self._process.poll() is None:
            self._process.kill()
        others = [thread for thread in self._threads if thread is not threading.current_thread()]
        deadline = time.monotonic() + _GRACE
        while any(thread.is_alive() for thread in others) and time.monotonic() < deadline:
            with contextlib.suppress(queue.Empty):
                self._pieces.get_nowait()
            for thread in others:
                thread.join(0.01)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE)

    def _read_output(self) -> None:
        output: Any = self._process.stdout
        with output:
            while not self._ended.is_set():
                values = np.empty(self._piece, np.uint8)
                got = _fill(output, memoryview(values.data))
                if got:
                    self._pieces.put(values[:got])
                if got < self._piece:
                    break
        self._pieces.put(None)

    def _read_lines(self) -> None:
        errors: Any = self._process.stderr
        with errors:
            for raw in errors:
                line = raw.decode(errors="replace").rstrip()
                self.lines.append(line)
                if self._on_line is not None:
                    self._on_line(line)


def run_ffmpeg(
    arguments: Sequence[str], *, on_line: Callable[[str], None] | None = None, timeout: float | None = None
) -> tuple[int, list[str]]:
    """Run ffmpeg to its end, discarding its output; returns its exit code and the last lines it logged.

    `on_line` is called on another thread with each line.

    Raises
    ------
    FfmpegHungError
        If it reports nothing for too long.
    """
    running = Running([*arguments, "-progress", "pipe:1"], 4096, on_line=on_line, timeout=timeout)
    try:
        while running.piece() is not None:
            pass
        return running.finish(), list(running.lines)
    finally:
        running.kill()


def _fill(stream: Any, view: memoryview) -> int:
    got = 0
    while got < len(view):
        count = stream.readinto(view[got:])
        if not count:
            break
        got += count
    return got
