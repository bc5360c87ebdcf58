"""A tracker on a server against one in this process: frames a second, clicks, and bytes on the wire."""

from __future__ import annotations

import asyncio
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from napari_sam2_video.engine.plan import Pass, Plan
from napari_sam2_video.frames.array import ArrayRecording
from napari_sam2_video.frames.view import FrameView, default_view
from napari_sam2_video.server.client import open_remote
from napari_sam2_video.session.tracker import default_tracker
from napari_sam2_video.synthetic import sample_time_series
from napari_sam2_video.types import ModelSettings, PointPrompt

if TYPE_CHECKING:
    from collections.abc import Iterator

_SERVE = "import sys; from napari_sam2_video.cli import main; sys.exit(main(sys.argv[1:]))"
MEGABIT = 1_000_000 / 8


class Line:
    """A line to a server with a delay and a rate, which counts what goes over it."""

    def __init__(self, url: str, seconds: float = 0.0, bytes_per_second: float = float("inf")) -> None:
        self.up = self.down = 0
        self._to = urlsplit(url)
        self._delay, self._rate = seconds, bytes_per_second
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()
        self._ready.wait()

    def _run(self) -> None:
        async def begin() -> None:
            server = await asyncio.start_server(self._join, "127.0.0.1", 0)
            self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            self._ready.set()

        self._loop.create_task(begin())
        self._loop.run_forever()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self._to.hostname, self._to.port)
        await asyncio.gather(self._pump(reader, back, "up"), self._pump(there, writer, "down"))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: str) -> None:
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def deliver() -> None:
            while True:
                due, data = await waiting.get()
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                if not data:
                    writer.close()
                    return
                writer.write(data)
                await writer.drain()

        delivering = asyncio.create_task(deliver())
        free = time.monotonic()
        try:
            while data := await reader.read(65536):
                setattr(self, way, getattr(self, way) + len(data))
                free = max(free, time.monotonic()) + len(data) / self._rate
                waiting.put_nowait((free + self._delay, data))
        except ConnectionError:
            pass
        waiting.put_nowait((time.monotonic(), b""))
        try:
            await delivering
        except ConnectionError:
            writer.close()


@contextmanager
def serving() -> Iterator[str]:
    """Address of a server in a process of its own."""
    os.environ["NAPARI_SAM2_VIDEO_TOKEN"] = secrets.token_urlsafe(16)
    command = [sys.executable, "-c", _SERVE, "serve", "--port", "0", "--device", "cpu"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1]
    finally:
        process.terminate()
        process.wait()


def measure(pixels: int, n_frames: int, repeats: int) -> list[dict[str, Any]]:
    """Rows for one size of image: runs and clicks on this machine, over the loopback, and over a slow line."""
    clip = sample_time_series(frames=n_frames, size=(pixels, pixels))
    recording = ArrayRecording(clip.frames, axes="TYX")
    view = FrameView(recording, default_view(recording))
    settings = ModelSettings("demo", device="cpu", image_size=pixels, window="off")
    y, x = _middle(clip.labels[0] == 1)
    plan = Plan((Pass(1, "forward", 0, n_frames - 1),), n_frames)
    with serving() as url, tempfile.TemporaryDirectory() as folder:
        slow = Line(url, 0.015, 100 * MEGABIT)
        plain = Line(url)
        seconds: dict[str, list[float]] = {"here": [], "loopback": [], "100 Mbit/s, 30 ms": []}
        clicks: dict[str, list[float]] = {name: [] for name in seconds}
        first: dict[str, list[float]] = {name: [] for name in seconds}
        for n in range(repeats):
            for name, address in (("here", None), ("loopback", plain.url), ("100 Mbit/s, 30 ms", slow.url)):
                memory = Path(folder) / f"{name[:4]}{n}" / "memory"
                memory.mkdir(parents=True)
                if address is None:
                    tracker: Any = default_tracker(settings, view, memory)
                else:
                    tracker = open_remote(address, settings, view, memory)
                tracker.preview(1, 1, [PointPrompt(1, 1, y, x)])
                first[name].append(_timed(lambda t=tracker: t.preview(1, 0, [PointPrompt(1, 0, y, x)])))
                for _ in range(10):
                    clicks[name].append(_timed(lambda t=tracker: t.preview(1, 0, [PointPrompt(1, 0, y, x)])))
                tracker.condition(1, 0, [PointPrompt(1, 0, y, x)])
                before = plain.up, plain.down
                seconds[name].append(_timed(lambda t=tracker: list(t.run(plan))))
                if name == "loopback":
                    traffic = (plain.up - before[0]) / n_frames, (plain.down - before[1]) / n_frames
                if address is not None:
                    tracker.close()
        kinds = {"run": seconds, "click": clicks, "first": first}
        local = {kind: statistics.median(found["here"]) for kind, found in kinds.items()}
        return [
            {
                "image_px": pixels,
                "line": name,
                "frames_per_second": n_frames / statistics.median(seconds[name]),
                "ratio_to_here": local["run"] / statistics.median(seconds[name]),
                "click_ms": 1e3 * statistics.median(clicks[name]),
                "click_added_ms": 1e3 * (statistics.median(clicks[name]) - local["click"]),
                "first_click_added_ms": 1e3 * (statistics.median(first[name]) - local["first"]),
                "kB_up_a_frame": traffic[0] / 1e3 if name == "loopback" else None,
                "kB_down_a_frame": traffic[1] / 1e3 if name == "loopback" else None,
            }
            for name in seconds
        ]


def _middle(mask: Any) -> tuple[float, float]:
    rows, columns = mask.nonzero()
    return float(rows.mean()), float(columns.mean())


def _timed(work: Any) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
