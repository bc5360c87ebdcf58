from __future__ import annotations

import hashlib
import re
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.network import Guard

GUARD = Guard()


@pytest.fixture(autouse=True)
def no_network():
    """Fail a test that reached for another computer, also where what it tests swallowed the refusal."""
    GUARD.refused.clear()
    yield GUARD
    assert not GUARD.refused, f"The test reached for the network: {GUARD.refused}"


@pytest.fixture(autouse=True)
def own_model_folder(tmp_path, monkeypatch):
    """Keep the tests away from the models of the person who runs them."""
    folder = tmp_path / "models"
    monkeypatch.setenv("NAPARI_SAM2_VIDEO_MODELS", str(folder))
    return folder


@dataclass
class Published:
    """What a web server gives, and how it misbehaves."""

    content: bytes = b""
    etag: str | None = '"one"'
    content_type: str = "application/octet-stream"
    ranges: bool = True
    cut_after: int | None = None
    cuts: int = 0
    status: int | None = None
    requests: list[dict[str, str]] = field(default_factory=list)
    base_url: str = ""

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


@pytest.fixture
def published(monkeypatch):
    """A web server on this machine that gives one file, with `Range` and `If-Range`."""
    monkeypatch.setenv("no_proxy", "*")
    state = Published()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            state.requests.append(dict(self.headers))
            if state.status is not None:
                self.send_error(state.status)
                return
            start = 0
            asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            same = self.headers.get("If-Range") in (None, state.etag)
            if asked and state.ranges and same:
                start = int(asked[1])
                if start >= len(state.content):
                    self.send_error(416)
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{len(state.content) - 1}/{len(state.content)}")
            else:
                self.send_response(200)
            if state.etag:
                self.send_header("ETag", state.etag)
            self.send_header("Content-Type", state.content_type)
            self.send_header("Content-Length", str(len(state.content) - start))
            self.end_headers()
            body = state.content[start:]
            if state.cuts:
                state.cuts -= 1
                body = body[: state.cut_after]
            with suppress(ConnectionError):
                self.wfile.write(body)

        def log_message(self, *args):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.base_url = f"http://127.0.0.1:{server.server_address[1]}"
    yield state
    server.shutdown()
    server.server_close()
    thread.join()
