"""Kill a process at random moments while it downloads a checkpoint, and see what is left.

A server on this machine gives a file slowly. Each trial kills the downloading process one to three times with SIGKILL
and then lets it finish. At no moment may a file of the checkpoint's name be there that is not whole; at the end it must
be whole, and fetched on from what had arrived before. Prints how many of the trials survived; exits with 1 if one did
not.

    python tools/kill_download.py --kills 50
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CONTENT = b"PK\x03\x04" + random.Random(1).randbytes(2_000_000)
PIECE = 20_000
STARTS = []
CHILD = """
import sys
from pathlib import Path
from napari_sam2_video.models.catalogue import ModelEntry
from napari_sam2_video.models.download import download
url, sha256, size, folder = sys.argv[1:]
print("begun", flush=True)
download(ModelEntry("tiny", "Tiny", "tiny", "tiny.pt", url, int(size), sha256), Path(folder))
"""


class Slow(BaseHTTPRequestHandler):
    """Gives the file in pieces, from where it is asked for."""

    def do_GET(self):
        """Answer with what is asked for."""
        asked = self.headers.get("Range")
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        STARTS.append(start)
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.send_header("ETag", '"one"')
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        for begin in range(start, len(CONTENT), PIECE):
            piece = CONTENT[begin : begin + PIECE]
            try:
                self.wfile.write(piece)
            except ConnectionError:
                return
            time.sleep(0.005)

    def log_message(self, *args):
        """Say nothing."""


def start(url, folder):
    """A downloading process that has begun."""
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    command = [sys.executable, "-c", CHILD, url, sha256, str(len(CONTENT)), str(folder)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "no_proxy": "*"}
    )
    process.stdout.readline()
    return process


def trial(url, folder, waits):
    """Kill a download after each of `waits` seconds and finish it; a sentence if something is wrong."""
    target, part = folder / "tiny.pt", folder / "tiny.pt.part"
    for wait in waits:
        process = start(url, folder)
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if target.exists() and target.read_bytes() != CONTENT:
            return "a file that is not whole has the checkpoint's name"
        if part.exists() and not CONTENT.startswith(part.read_bytes()):
            return "what has arrived is not the beginning of the file"
    there = len(CONTENT) if target.exists() else part.stat().st_size if part.exists() else 0
    STARTS.clear()
    process = start(url, folder)
    _, said = process.communicate(timeout=60)
    if process.returncode:
        return f"the download could not be finished: {said.strip().splitlines()[-1]}"
    if target.read_bytes() != CONTENT:
        return "the file differs"
    if STARTS and STARTS[0] != there:
        return f"the file was fetched from byte {STARTS[0]} though {there} were there"
    left = {file.name for file in folder.iterdir()} - {"tiny.pt", ".tiny.pt.lock"}
    return f"{sorted(left)} are left over" if left else None


def main(arguments=None):
    """Run the trials; 0 if all survived."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50, help="at least this many kills")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    moments = random.Random(given.seed)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_address[1]}/tiny.pt"
    kills = survived = trials = 0
    try:
        while kills < given.kills:
            waits = [moments.uniform(0, 0.8) for _ in range(moments.randint(1, 3))]
            with tempfile.TemporaryDirectory() as folder:
                wrong = trial(url, Path(folder), waits)
            kills, trials, survived = kills + len(waits), trials + 1, survived + (wrong is None)
            if wrong is not None:
                print(f"killed after {', '.join(f'{wait:.3f} s' for wait in waits)}: {wrong}", flush=True)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    print(f"{survived} of {trials} downloads survived {kills} kills")
    return 0 if survived == trials else 1


if __name__ == "__main__":
    raise SystemExit(main())
