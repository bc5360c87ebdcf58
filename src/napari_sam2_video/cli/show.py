"""Output of the command line: lines, progress and errors."""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.progress import ProgressColumn, Task

    from napari_sam2_video.types import FrameDone

_QUIET_SECONDS = 10.0

out = Console(soft_wrap=True, highlight=False, markup=False, emoji=False)
err = Console(stderr=True, soft_wrap=True, highlight=False, markup=False, emoji=False)


class Stopped(Exception):
    """Stopped by Ctrl-C, with a sentence about what is kept and how to continue."""


def say(text: str) -> None:
    """Print a line of the result."""
    out.print(text)


def note(text: str) -> None:
    """Print a line that is not part of the result."""
    err.print(text)


class _Rate(TextColumn):
    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Task) -> object:  # type: ignore[override]
        from rich.text import Text

        return Text(f"{task.speed:.1f} frames/s" if task.speed else "")


@contextmanager
def frames_bar(text: str) -> Iterator[Callable[[int, int], None]]:
    """Progress over frames with rate and remaining time; without a terminal, a line every few seconds."""
    with _bar(text, MofNCompleteColumn(), _Rate()) as update:
        yield update


@contextmanager
def run_bar(text: str, kept: str) -> Iterator[Callable[[FrameDone], None]]:
    """Progress of a run of a session; Ctrl-C ends it with a sentence about what is `kept`."""
    try:
        with frames_bar(text) as bar:
            yield lambda done: bar(done.done, done.total)
    except KeyboardInterrupt:
        raise Stopped(kept) from None


@contextmanager
def bytes_bar(text: str) -> Iterator[Callable[[int, int | None], None]]:
    """Progress over bytes."""
    with _bar(text, DownloadColumn()) as update:
        yield lambda done, total: update(done, total or 0)


@contextmanager
def _bar(text: str, *columns: ProgressColumn) -> Iterator[Callable[[int, int], None]]:
    if not err.is_terminal:
        yield _Lines(text)
        return
    with Progress(
        TextColumn("{task.description}"), BarColumn(), *columns, TimeRemainingColumn(), console=err
    ) as progress:
        task = progress.add_task(text, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total or None)


class _Lines:
    """A line every few seconds, for logs."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._begun = self._reported = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._reported < _QUIET_SECONDS and done != total:
            return
        self._reported = now
        left = (now - self._begun) / done * (total - done) if done and total else 0.0
        note(f"{self._text}: {done} of {total}, about {left:.0f} s left" if total else f"{self._text}: {done}")


def debugging() -> bool:
    """Whether tracebacks are asked for, by setting ``NAPARI_SAM2_VIDEO_DEBUG``."""
    return bool(os.environ.get("NAPARI_SAM2_VIDEO_DEBUG"))


def fail(sentence: str) -> int:
    """Print an error; returns the exit code."""
    sys.stdout.flush()
    err.print(f"Error: {sentence}")
    return 1
