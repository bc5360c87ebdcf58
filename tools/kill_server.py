"""Kill a server at random moments while a session tracks on it, and see what is left.

Each trial tracks a recording on a server in its own process and kills that with SIGKILL, at a moment drawn over
the length of the run: after a number of frames, and a part of the time that a frame takes. A server that has done all
of its work by then does not count, and another moment is drawn. The run must end with one sentence, and every frame
that was announced must be in the session as it was announced. Once another server listens at the address, the run must
go on to the same masks, byte for byte, as one on this machine that was left alone. Every second trial also closes the
session in between. Prints how many trials survived; exits with 1 if one did not.

    python tools/kill_server.py --kills 20
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import random
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.remote import serving
from tests.fakes import blob_movie

from napari_sam2_video.api import create_session, open_session
from napari_sam2_video.errors import EngineError
from napari_sam2_video.types import ModelSettings, PointPrompt

if TYPE_CHECKING:
    from napari_sam2_video.session import Session

SHAPE_YX = (64, 80)


def make(folder: Path, device: str, frames: np.ndarray, centres: np.ndarray) -> Session:
    """A session with two objects, each prompted on two frames."""
    model = ModelSettings("demo", device=device, image_size=128)
    session = create_session(frames, folder, axes="TYX", model=model)
    for number in (1, 2):
        session.add_object()
        for frame in (3, 20):
            session.add_prompt(PointPrompt(number, frame, *centres[frame, number - 1]))
    return session


def frame_digest(session: Session, frame: int) -> str:
    """Digest of all that was computed of a frame."""
    digest = hashlib.sha256(session.masks.read_labels(frame).tobytes())
    for mask in session.masks.object_masks(frame):
        digest.update(repr((mask.object_id, mask.origin_yx, mask.object_score, mask.predicted_iou)).encode())
        digest.update(np.ascontiguousarray(mask.levels).tobytes())
    return digest.hexdigest()


class Servers:
    """A server that is started again at its address after it was killed."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self.served = self._stack.enter_context(serving())
        self.url = self.served.url

    def again(self) -> None:
        """Start another one where the last one was."""
        self._stack.close()
        self.served = self._stack.enter_context(serving(port=int(self.url.rpartition(":")[2])))

    def close(self) -> None:
        """Stop it."""
        self._stack.close()


def trial(
    place: Path,
    servers: Servers,
    frames: np.ndarray,
    centres: np.ndarray,
    moment: float,
    frame_seconds: float,
    expected: list[str],
    reopen: bool,
) -> tuple[bool, str]:
    """Kill the server `moment` frames into a run and finish it on another one.

    Returns
    -------
    killed : bool
        Whether the server still had something to do.
    wrong : str
        What is wrong, empty if nothing.
    """
    announced: dict[int, str] = {}
    sentence, steps = "", 0
    session = make(place, servers.url, frames, centres)
    session.preview(1, 3)
    killer = threading.Timer(moment % 1 * frame_seconds, servers.served.process.kill)
    if moment < 1:
        killer.start()
    try:
        for done in session.track():
            announced[done.frame] = frame_digest(session, done.frame)
            steps += 1
            if steps == int(moment):
                killer.start()
    except EngineError as error:
        sentence = str(error)
    if steps < int(moment):
        return True, f"the run ended before its server was killed: {sentence or 'without a sentence'}"
    killer.join()
    if not sentence and len(announced) < len(frames):
        return True, "the run ended without a sentence"
    if reopen:
        session.close()
        session = open_session(place, recording=frames)
    with session:
        for frame, digest in announced.items():
            if frame_digest(session, frame) != digest:
                return True, f"frame {frame} was announced and is not as it was"
        servers.served.process.wait(60)
        servers.again()
        if session.unfinished:
            list(session.resume())
        elif session.dirty():
            list(session.track())
        found = [frame_digest(session, t) for t in range(len(frames))]
    wrong = [t for t, (one, other) in enumerate(zip(found, expected, strict=True)) if one != other]
    print(
        f"killed {moment:.2f} frames into the run, {len(announced)} announced: {sentence or 'done before'}", flush=True
    )
    return bool(sentence), f"frames {wrong} differ from those of a run left alone" if wrong else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    frames, centres = blob_movie(given.frames, SHAPE_YX)
    moments = random.Random(given.seed)
    killed = survived = 0
    with tempfile.TemporaryDirectory() as place:
        with make(Path(place) / "alone.sam2v", "cpu", frames, centres) as session:
            list(session.track())
            expected = [frame_digest(session, t) for t in range(given.frames)]
        servers = Servers()
        try:
            with make(Path(place) / "remote.sam2v", servers.url, frames, centres) as session:
                session.preview(1, 3)
                began = time.monotonic()
                steps = len(list(session.track()))
                took = time.monotonic() - began
                found = [frame_digest(session, t) for t in range(given.frames)]
            if found != expected:
                raise SystemExit("A run on a server that is left alone differs from one on this machine.")
            for number in itertools.count():
                folder, moment = Path(place) / f"killed{number}.sam2v", moments.uniform(0, steps)
                within, wrong = trial(folder, servers, frames, centres, moment, took / steps, expected, killed % 2 == 1)
                killed += within
                survived += within and not wrong
                if wrong:
                    print(f"kill {killed}: {wrong}", flush=True)
                if killed == given.kills:
                    break
        finally:
            servers.close()
    print(f"{survived} of {given.kills} kills of the server survived ({took:.1f} s a run)")
    raise SystemExit(0 if survived == given.kills else 1)


if __name__ == "__main__":
    main()
