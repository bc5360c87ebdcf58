"""Send thousands of broken requests to a server: each gets a plain 4xx or a whole answer, and nothing grows.

    python tools/fuzz_server.py --requests 3000

Requests are valid ones with wild values, cut or flipped bytes, wrong tokens and trackers that are not held, bodies that
are too large, and bytes that are no HTTP. A failure is an answer of 500 or more, a refusal without a sentence, a server
that is gone, memory that grows by more than 64 MB after the first 500, or other masks at the end than at the beginning.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import random
import socket
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.remote import serving

from napari_sam2_video.engine.plan import Pass, Plan
from napari_sam2_video.server import wire
from napari_sam2_video.types import PointPrompt

N_FRAMES, SHAPE_YX = 6, (48, 64)
SETTLED, MOST_GROWTH = 500, 64 << 20
WILD = [
    None, True, -1, 0, 1, 2**31, 2**63, -(2**70), 1e308, float("inf"), float("nan"), "", "x", "../../etc/passwd",
    "\0", "é" * 50, "A" * 70_000, [], {}, [[[[[]]]]], {"a": {"b": {}}}, "2" * 5000,
]  # fmt: skip


class Fuzzer:
    """A client that breaks what it sends."""

    def __init__(self, url: str, seed: int) -> None:
        self.random = random.Random(seed)
        self.url = url
        token = os.environ["NAPARI_SAM2_VIDEO_TOKEN"]
        self.http = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=60)
        self.lease = self.open()

    def open(self) -> str:
        """A tracker with its frames and one object."""
        lease: str = self.http.post("/trackers", json=opening()).json()["id"]
        for frame in range(N_FRAMES):
            kind, data = wire.encode_frame(picture(frame), compress=frame % 2 == 0)
            self.http.put(f"/trackers/{lease}/frames/{frame}", content=data, headers={"Content-Type": kind})
        answer = self.http.post(f"/trackers/{lease}/condition", json=prompting())
        self.entry = dict(wire.unpack([answer.content]))[wire.ENTRY]
        return lease

    def track(self) -> bytes:
        """Masks of a valid run."""
        answer = self.http.post(f"/trackers/{self.lease}/run", json=running())
        return b"".join(payload for kind, payload in wire.unpack([answer.content]) if kind == wire.MASKS)

    def wild(self, value: Any) -> Any:
        """A value with one of its parts replaced, left out, or doubled."""
        choose = self.random
        if isinstance(value, dict) and value and choose.random() < 0.85:
            name = choose.choice(list(value))
            made = dict(value)
            if choose.random() < 0.15:
                del made[name]
            else:
                made[name] = self.wild(value[name])
            return made
        if isinstance(value, list) and value and choose.random() < 0.7:
            place = choose.randrange(len(value))
            return [*value[:place], self.wild(value[place]), *value[place + choose.randrange(2) :]]
        return choose.choice(WILD)

    def damaged(self, data: bytes) -> bytes:
        """Bytes that were flipped, cut or overwritten."""
        choose, made = self.random, bytearray(data)
        for _ in range(choose.randrange(1, 6)):
            if made:
                made[choose.randrange(len(made))] = choose.randrange(256)
        return bytes(made[: choose.randrange(len(made) + 1)] if choose.random() < 0.4 else made)

    def request(self) -> tuple[str, str, dict[str, Any]]:
        """Method, path and options of the next broken request."""
        choose = self.random
        lease = self.lease if choose.random() < 0.9 else choose.choice(["none", "..%2f", "%00", "a" * 3000])
        below = f"/trackers/{lease}"
        kind = choose.randrange(10)
        if kind < 4:
            path, value = choose.choice(
                [
                    ("/trackers", opening()),
                    (f"{below}/preview", prompting()),
                    (f"{below}/condition", prompting()),
                    (f"{below}/costs", {"objects": [prompting()]}),
                    (f"{below}/run", running()),
                ]
            )
            body = json.dumps(self.wild(value)).encode()
            return "POST", path, {"content": self.damaged(body) if choose.random() < 0.2 else body}
        if kind < 6:
            form, data = wire.encode_frame(picture(0), compress=choose.random() < 0.7)
            form = form if choose.random() < 0.8 else choose.choice(["text/html", "", wire.PNG, "image/webp"])
            frame = choose.choice([0, 3, N_FRAMES, -1, 2**40, "x"])
            return "PUT", f"{below}/frames/{frame}", {"content": self.damaged(data), "headers": {"Content-Type": form}}
        if kind == 6:
            place = f"{choose.choice([1, 0, -3, 2**40, 'x'])}/{choose.choice([1, N_FRAMES, -1])}"
            return "PUT", f"{below}/memory/{place}", {"content": self.damaged(self.entry)}
        if kind == 7:
            size = choose.choice([65_000_000, 34_000_000, 200_000])
            path = choose.choice([f"{below}/memory/1/1", f"{below}/run", f"{below}/frames/1"])
            return "PUT" if "run" not in path else "POST", path, {"content": bytes(size)}
        if kind == 8:
            header = choose.choice(["", "Bearer", "Bearer x", "Basic eDp5", "Bearer " + "A" * 5000])
            path = choose.choice(["/version", "/trackers", f"{below}/run", f"{below}/alive"])
            return choose.choice(["GET", "POST", "PUT", "DELETE"]), path, {"headers": {"Authorization": header}}
        method = choose.choice(["GET", "POST", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE"])
        return method, choose.choice(["/", "/docs", "/openapi.json", "/trackers//run", "/%2e%2e/", f"{below}/x"]), {}

    def no_http(self) -> str:
        """Send bytes that are no HTTP; what the server answers, empty if it closes."""
        parts = urlsplit(self.url)
        text = self.random.choice([b"\x16\x03\x01\x02\x00", b"GET / HTTP/9.9\r\n\r\n", b"POST /trackers HTTP/1.1\r\n"])
        with socket.create_connection((parts.hostname, parts.port), timeout=10) as line:
            line.sendall(text + self.random.randbytes(self.random.randrange(200)) + b"\r\n\r\n")
            line.shutdown(socket.SHUT_WR)
            return line.recv(4096).decode("latin-1").partition("\r\n")[0]


def opening() -> dict[str, Any]:
    """A valid request for a tracker."""
    settings = {"model": "demo", "image_size": 64}
    return {
        "protocol": wire.PROTOCOL, "settings": settings, "n_frames": N_FRAMES, "shape_yx": list(SHAPE_YX), "key": "k",
    }  # fmt: skip


def prompting() -> dict[str, Any]:
    """A valid request for a prompt."""
    return {"object_id": 1, "frame": 0, "prompts": [PointPrompt(1, 0, 20, 24).to_json()], "tracked": None}


def running() -> dict[str, Any]:
    """A valid request for a run."""
    return {"plan": Plan((Pass(1, "forward", 0, N_FRAMES - 1),), N_FRAMES).to_json(), "scratch": False}


def picture(frame: int) -> np.ndarray:
    """A bright square that moves, with noise."""
    image = np.random.default_rng(frame).integers(0, 40, SHAPE_YX, np.uint8)
    image[10 + frame : 28 + frame, 14:34] += 150
    return np.repeat(image[..., None], 3, axis=2)


def wrong_with(answer: httpx.Response) -> str:
    """What is wrong with an answer, empty if nothing."""
    if answer.status_code >= 500:
        return f"answered {answer.status_code}"
    if answer.status_code >= 400:
        if answer.request.method == "HEAD":
            return ""
        try:
            said = answer.json()["detail"]
        except Exception:
            return "a refusal without a sentence"
        return "a traceback" if "Traceback" in str(said) else ""
    if answer.headers.get("content-type") == wire.RAW:
        records = list(wire.unpack([answer.content]))
        failed = [json.loads(payload)["text"] for kind, payload in records if kind == wire.FAILED]
        return next((f"an unexpected failure: {text}" for text in failed if "The server failed" in text), "")
    return ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    counts: collections.Counter[str] = collections.Counter()
    failures: list[str] = []
    begun, settled = time.monotonic(), 0
    with serving("--sessions", "3", "--frame-megapixels", "1", "--memory-mb", "64") as served:
        fuzzer = Fuzzer(served.url, given.seed)
        expected = fuzzer.track()
        process = psutil.Process(served.process.pid)
        for number in range(given.requests):
            if number == SETTLED:
                settled = process.memory_info().rss
            if number % 25 == 24:
                counts[fuzzer.no_http() or "closed"] += 1
                continue
            method, path, options = fuzzer.request()
            try:
                answer = fuzzer.http.request(method, path, **options)
            except httpx.HTTPError as error:
                # A body that is refused may be cut off while it is still being sent.
                large = len(options.get("content", b"")) > 1 << 20
                counts[type(error).__name__] += 1
                if not large:
                    failures.append(f"{number}: {method} {path[:60]}: {type(error).__name__} {error}")
                continue
            counts[str(answer.status_code)] += 1
            wrong = wrong_with(answer)
            if wrong:
                failures.append(f"{number}: {method} {path[:60]}: {wrong}")
            elif answer.status_code == 200 and path == "/trackers":
                fuzzer.http.delete(f"/trackers/{answer.json()['id']}")
        if served.process.poll() is not None:
            raise SystemExit(f"The server is gone (status {served.process.returncode}).")
        grown = process.memory_info().rss - settled if settled else 0
        sessions = fuzzer.http.get("/version").json()["sessions"]
        fuzzer.http.delete(f"/trackers/{fuzzer.lease}")
        fuzzer.lease = fuzzer.open()
        same = fuzzer.track() == expected
    for failure in failures[:20]:
        print(failure)
    took = time.monotonic() - begun
    print(f"{given.requests} requests in {took:.0f} s: {dict(counts)}; {len(failures)} failures")
    print(
        f"memory grew by {grown / 1e6:.0f} MB after the first {SETTLED}; {sessions} trackers held; same masks: {same}"
    )
    raise SystemExit(0 if not failures and same and grown <= MOST_GROWTH and sessions == 1 else 1)


if __name__ == "__main__":
    main()
