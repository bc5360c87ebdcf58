"""What the tests of the readers share: the video corpus, and a watch for leaks."""

from __future__ import annotations

import gc
import os
import threading
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.frames import videos

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def nothing_leaks() -> Iterator[None]:
    """Fail a test that leaves a file open, a process running or a thread of ffmpeg alive."""
    process = psutil.Process()
    files_before = {file.path for file in process.open_files()}
    children_before = {child.pid for child in process.children()}

    def left() -> list[str | int]:
        files = {file.path for file in process.open_files()} - files_before
        children = {child.pid for child in process.children()} - children_before
        threads = [thread.name for thread in threading.enumerate() if thread.name.startswith("ffmpeg-")]
        return [*files, *children, *threads]

    yield
    deadline = time.monotonic() + 60
    # Collecting takes longer than most of these tests, so it waits until something is left.
    while left():
        gc.collect()
        if time.monotonic() > deadline:
            pytest.fail(f"files left open, processes or threads left running: {left()}")
        time.sleep(0.05)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Give the video of a name of `videos.CORPUS`, made when it is first asked for."""
    folder = tmp_path_factory.mktemp("videos")
    made: dict[str, Path] = {}

    def make(name: str) -> Path:
        if name not in made:
            place = folder / name
            os.makedirs(place)
            made[name] = videos.CORPUS[name](place)
        return made[name]

    return make
