"""A tracker on a server against one in this process: frames per second, clicks, and bytes on the wire.

``python -m benchmarks.remote RECORDING ...`` gives the bytes for recordings of one's own, as 8-bit frames of 1024 px.
"""

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
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np

from napari_sam2_video.engine.plan import Pass, Plan
from napari_sam2_video.frames.array import ArrayRecording
from napari_sam2_video.frames.view import FrameView, default_view
from napari_sam2_video.server import wire
from napari_sam2_video.server.client import open_remote
from napari_sam2_video.session.tracker import default_tracker
from napari_sam2_video.synthetic import sample_time_series
from napari_sam2_video.types import BoxPrompt, ModelSettings, PointPrompt

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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


@dataclass
class Served:
    """A server in its own process."""

    url: str
    process: subprocess.Popen[str]


@contextmanager
def serving(*options: str, port: int = 0) -> Iterator[Served]:
    """A server in its own process, whose token is in the environment."""
    os.environ.setdefault("NAPARI_SAM2_VIDEO_TOKEN", secrets.token_urlsafe(16))
    command = [sys.executable, "-c", _SERVE, "serve", "--port", str(port), "--device", "cpu", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        yield Served(process.stdout.readline().split()[-1], process)
    finally:
        process.terminate()
        process.wait()


def measure(pixels: int, n_frames: int, repeats: int) -> list[dict[str, Any]]:
    """Rows for one size of image: runs and clicks on this machine, over the loopback, and over a slow line.

    The CPU time is that of both processes; the loopback is timed without anything between client and server.
    """
    import psutil

    clip = sample_time_series(frames=n_frames, size=(pixels, pixels))
    recording = ArrayRecording(clip.frames, axes="TYX")
    view = FrameView(recording, default_view(recording))
    settings = ModelSettings("demo", device="cpu", image_size=pixels, window="off")
    y, x = _middle(clip.labels[0] == 1)
    plan = Plan((Pass(1, "forward", 0, n_frames - 1),), n_frames)
    with serving() as served, tempfile.TemporaryDirectory() as folder:
        slow = Line(served.url, 0.015, 100 * MEGABIT)
        places = {"here": None, "loopback": served.url, "100 Mbit/s, 30 ms": slow.url}
        found: dict[str, dict[str, list[float]]] = {
            name: {"run": [], "processor": [], "click": [], "first": []} for name in places
        }
        processes = psutil.Process(), psutil.Process(served.process.pid)
        for n in range(repeats):
            for name, address in places.items():
                memory = Path(folder) / f"{name[:4]}{n}" / "memory"
                memory.mkdir(parents=True)
                if address is None:
                    tracker: Any = default_tracker(settings, view, memory)
                else:
                    tracker = open_remote(address, settings, view, memory)
                tracker.preview(1, 1, [PointPrompt(1, 1, y, x)])
                figures = found[name]
                figures["first"].append(_timed(lambda t=tracker: t.preview(1, 0, [PointPrompt(1, 0, y, x)])))
                for _ in range(10):
                    figures["click"].append(_timed(lambda t=tracker: t.preview(1, 0, [PointPrompt(1, 0, y, x)])))
                tracker.condition(1, 0, [PointPrompt(1, 0, y, x)])
                begun = _processor(processes)
                figures["run"].append(_timed(lambda t=tracker: list(t.run(plan))))
                figures["processor"].append(_processor(processes) - begun)
                if address is not None:
                    tracker.close()
    median = {name: {kind: statistics.median(of) for kind, of in kinds.items()} for name, kinds in found.items()}
    here = median["here"]
    return [
        {
            "image_px": pixels,
            "line": name,
            "frames_per_second": n_frames / one["run"],
            "ratio_to_here": here["run"] / one["run"],
            "ratio_processor": here["processor"] / one["processor"],
            "click_ms": 1e3 * one["click"],
            "click_added_ms": 1e3 * (one["click"] - here["click"]),
            "first_click_added_ms": 1e3 * (one["first"] - here["first"]),
        }
        for name, one in median.items()
    ]


def traffic(path: str, pixels: int, most_frames: int, objects: int) -> dict[str, Any]:
    """Bytes on the wire for a recording at a size, as between two machines, with boxes on a grid as objects."""
    from PIL import Image

    from napari_sam2_video.api import open_recording

    with open_recording(path) as opened:
        shown = FrameView(opened, default_view(opened))
        count = min(most_frames, shown.n_frames)
        resized = [Image.fromarray(shown.read(t)).resize((pixels, pixels)) for t in range(count)]
    frames = np.stack([np.asarray(one) for one in resized])
    recording = ArrayRecording(frames, axes="TYXS")
    view = FrameView(recording, default_view(recording))
    step = pixels / 4
    # Both ends are one machine here, where frames would be sent as they are.
    wire.machine = lambda: "another"
    with serving() as served:
        line = Line(served.url)
        tracker = open_remote(line.url, ModelSettings("demo", device="cpu", window="off"), view, None)
        before = line.up
        for number in range(objects):
            top, left = number // 4 * step + 0.1 * step, number % 4 * step + 0.1 * step
            box = BoxPrompt(number + 1, 0, top, left, top + 0.8 * step, left + 0.8 * step)
            tracker.condition(number + 1, 0, [box])
        prompted = line.down
        plan = Plan(tuple(Pass(n + 1, "forward", 0, count - 1) for n in range(objects)), count)
        first = list(tracker.run(plan))
        up, down = line.up, line.down
        list(tracker.run(plan))
        again = line.up - up
        tracker.close()
    return {
        "recording": Path(path).name,
        "frames": f"{count} of {pixels} x {pixels}",
        "objects": objects,
        "masks_a_frame": sum(mask.levels.size > 0 for masks in first for mask in masks.objects) / count,
        "kB_up_a_frame": (up - before) / 1e3 / count,
        "kB_up_again_a_frame": again / 1e3 / count,
        "kB_down_a_frame": (down - prompted) / 1e3 / count,
    }


def _processor(processes: Sequence[Any]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def _middle(mask: Any) -> tuple[float, float]:
    rows, columns = mask.nonzero()
    return float(rows.mean()), float(columns.mean())


def _timed(work: Any) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


if __name__ == "__main__":
    for recording in sys.argv[1:]:
        print(traffic(recording, 1024, 12, 10), flush=True)
