"""A web server on this machine that gives one file, well or badly."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PIECE = 20_000


@dataclass
class Published:
    """What a web server gives, and how it misbehaves."""

    content: bytes = b""
    files: dict[str, bytes] = field(default_factory=dict)
    etag: str | None = '"one"'
    content_type: str = "application/octet-stream"
    ranges: bool = True
    cut_after: int | None = None
    cuts: int = 0
    status: int | None = None
    seconds_a_piece: float = 0.0
    requests: list[dict[str, str]] = field(default_factory=list)
    base_url: str = ""

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    def asked_from(self, request: dict[str, str]) -> int:
        """The byte from which a request asks for the file."""
        asked = re.fullmatch(r"bytes=(\d+)-", request.get("Range", ""))
        return int(asked[1]) if asked else 0


@contextmanager
def serve(state: Published) -> Iterator[Published]:
    """Give a file under `state.base_url`, with `Range` and `If-Range`, until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            request = dict(self.headers)
            state.requests.append(request)
            if state.status is not None:
                self.send_error(state.status)
                return
            content = state.files.get(self.path.lstrip("/"), state.content)
            start, size = 0, len(content)
            if "Range" in request and state.ranges and request.get("If-Range") in (None, state.etag):
                start = state.asked_from(request)
                if start >= size:
                    self.send_error(416)
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
            else:
                self.send_response(200)
            if state.etag:
                self.send_header("ETag", state.etag)
            self.send_header("Content-Type", state.content_type)
            self.send_header("Content-Length", str(size - start))
            self.end_headers()
            body = content[start:]
            if state.cuts:
                state.cuts -= 1
                body = body[: state.cut_after]
            with suppress(ConnectionError):
                for begin in range(0, len(body), PIECE):
                    self.wfile.write(body[begin : begin + PIECE])
                    time.sleep(state.seconds_a_piece)

        def log_message(self, *args):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.base_url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
