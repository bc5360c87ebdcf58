"""Kill a process at random moments while it downloads a checkpoint, and see what is left.

A server on this machine gives a file slowly. Each trial kills the downloading process one to three times with SIGKILL
and then lets it finish. At no moment may a file of the checkpoint's name be there that is not whole; at the end it must
be whole, and fetched on from what had arrived before. Prints how many of the trials survived; exits with 1 if one did
not.

    python tools/kill_download.py --kills 50
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.web import Published, serve

CONTENT = b"PK\x03\x04" + random.Random(1).randbytes(2_000_000)
CHILD = """
import sys
from pathlib import Path
from napari_sam2_video.models.catalogue import ModelEntry
from napari_sam2_video.models.download import download
url, sha256, size, folder = sys.argv[1:]
print("begun", flush=True)
download(ModelEntry("tiny", "Tiny", "tiny", "tiny.pt", url, int(size), sha256), Path(folder))
"""


def start(server, folder):
    """A downloading process that has begun."""
    url = f"{server.base_url}/tiny.pt"
    command = [sys.executable, "-c", CHILD, url, server.sha256, str(len(CONTENT)), str(folder)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "no_proxy": "*"}
    )
    process.stdout.readline()
    return process


def trial(server, folder, waits):
    """Kill a download after each of `waits` seconds and finish it; a sentence if something is wrong."""
    target, part = folder / "tiny.pt", folder / "tiny.pt.part"
    for wait in waits:
        process = start(server, folder)
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if target.exists() and target.read_bytes() != CONTENT:
            return "a file that is not whole has the checkpoint's name"
        if part.exists() and not CONTENT.startswith(part.read_bytes()):
            return "what has arrived is not the beginning of the file"
    there = len(CONTENT) if target.exists() else part.stat().st_size if part.exists() else 0
    server.requests.clear()
    process = start(server, folder)
    _, said = process.communicate(timeout=60)
    if process.returncode:
        return f"the download could not be finished: {said.strip().splitlines()[-1]}"
    if target.read_bytes() != CONTENT:
        return "the file differs"
    first = server.asked_from(server.requests[0]) if server.requests else there
    if first != there:
        return f"the file was fetched from byte {first} though {there} were there"
    left = {file.name for file in folder.iterdir()} - {"tiny.pt", ".tiny.pt.lock"}
    return f"{sorted(left)} are left over" if left else None


def main(arguments=None):
    """Run the trials; 0 if all survived."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50, help="at least this many kills")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    moments = random.Random(given.seed)
    kills = survived = trials = 0
    with serve(Published(content=CONTENT, seconds_a_piece=0.005)) as server:
        while kills < given.kills:
            waits = [moments.uniform(0, 0.8) for _ in range(moments.randint(1, 3))]
            with tempfile.TemporaryDirectory() as folder:
                wrong = trial(server, Path(folder), waits)
            kills, trials, survived = kills + len(waits), trials + 1, survived + (wrong is None)
            if wrong is not None:
                print(f"killed after {', '.join(f'{wait:.3f} s' for wait in waits)}: {wrong}", flush=True)
    print(f"{survived} of {trials} downloads survived {kills} kills")
    return 0 if survived == trials else 1


if __name__ == "__main__":
    raise SystemExit(main())
