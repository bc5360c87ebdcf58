"""A server in this process, with the demo model, and a small scene."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

import numpy as np
import pytest
import uvicorn

from napari_sam2_video.engine.networks.load import load_model
from napari_sam2_video.models.resolve import resolve_model
from napari_sam2_video.server.app import make_app
from napari_sam2_video.server.leases import Leases, Limits
from napari_sam2_video.server.serve import listening_socket
from napari_sam2_video.types import ModelSettings

TOKEN = "a-token-of-the-tests"
SHAPE_YX = (60, 72)


class Scene:
    """A disc that moves; a FrameSource that counts what is read."""

    is_volume = False

    def __init__(self, n_frames=8, shape_yx=SHAPE_YX):
        self.n_frames, self.shape_yx, self.key = n_frames, shape_yx, f"scene {n_frames} {shape_yx}"
        self.reads = []

    def read(self, frame):
        self.reads.append(frame)
        yy, xx = np.ogrid[: self.shape_yx[0], : self.shape_yx[1]]
        disc = (yy - 28 - frame) ** 2 + (xx - 30 - 2 * frame) ** 2 < 150
        noise = np.random.default_rng(frame).integers(0, 30, self.shape_yx)
        return np.repeat((disc * 150 + noise).astype(np.uint8)[..., None], 3, axis=2)


@dataclass
class Running:
    """A server that listens."""

    url: str
    leases: Leases
    server: uvicorn.Server
    thread: threading.Thread = field(repr=False)

    def stop(self):
        self.server.should_exit = True
        self.thread.join(60)


@pytest.fixture(scope="session")
def network():
    return load_model(resolve_model("demo"), ModelSettings("demo", device="cpu"))


@pytest.fixture
def start(network):
    """Start servers; the same port twice is one that was restarted."""
    started = []

    def make(port=0, **limits):
        leases = Leases(Limits(**limits), "cpu", load=lambda settings: network)
        config = uvicorn.Config(
            make_app(leases, TOKEN), "127.0.0.1", port, log_config=None, access_log=False, timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        socket = listening_socket("127.0.0.1", port)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [socket]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.005)
        started.append(Running(f"http://127.0.0.1:{socket.getsockname()[1]}", leases, server, thread))
        return started[-1]

    yield make
    for one in started:
        one.stop()


@pytest.fixture
def server(start):
    return start()


@pytest.fixture(autouse=True)
def token(monkeypatch):
    monkeypatch.setenv("NAPARI_SAM2_VIDEO_TOKEN", TOKEN)
