"""Kill a process at random moments while it tracks, corrects, paints and exports, and see what is left.

Each trial makes a session in a child process and kills it with SIGKILL. Everything the child had announced must then be
in the session. A second child continues to the end, and the result must equal that of an undisturbed run byte for byte.
Prints how many of the trials survived; exits with 1 if one did not.

    python tools/kill_test.py --kills 50 --model fake
    python tools/kill_test.py --kills 50 --model demo
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.fakes import FakeTracker, blob_movie

from napari_sam2_video.export.registry import export
from napari_sam2_video.frames.open import open_recording
from napari_sam2_video.session import Session
from napari_sam2_video.types import ModelSettings, PointPrompt, TrackSettings

PAINTED, ACCEPTED = 5, (9, 12)


def random_model(size):
    """A network with random weights that finds something on every frame."""
    import torch

    from napari_sam2_video.engine.networks.sam2.build import build_network
    from napari_sam2_video.engine.networks.sam2.model import Sam2Model
    from napari_sam2_video.models.presets import DEMO

    torch.manual_seed(0)
    network = build_network(DEMO, size)
    with torch.no_grad():
        network.sam_mask_decoder.pred_obj_score_head.layers[-1].bias.fill_(5.0)
    return Sam2Model(network, DEMO, name="random", sha256="0" * 64, device="cpu", precision="fp32")


def factory_of(kind, size, delay, batch_size=None):
    """Tracker factory, its network loaded once in this process and shared by the children."""
    if kind == "fake":
        return lambda settings, view, memory: FakeTracker(view, memory, delay=delay)
    import torch

    torch.set_num_threads(1)
    from napari_sam2_video.engine.memory_store import MemoryStore
    from napari_sam2_video.engine.tracker import Tracker

    if kind == "random":
        model = random_model(size)
    else:
        from napari_sam2_video.engine.networks.load import load_model
        from napari_sam2_video.models.resolve import resolve_model

        model = load_model(resolve_model(kind), ModelSettings(kind, device="cpu", image_size=size))
    return lambda settings, view, memory: Tracker(model, view, MemoryStore(memory), batch_size=batch_size)


def open_or_create(folder, recording, factory):
    if (folder / "session.json").exists():
        return Session.open(folder, recording=recording, tracker_factory=factory)
    return Session.create(folder, recording, tracker_factory=factory)


def work(folder, recording, centres, factory, say):
    """Do all that is not done yet."""
    with open_or_create(folder, recording, factory) as session:

        def catch_up(**settings):
            if session.unfinished:
                for done in session.resume():
                    say(f"frame {done.frame}")
            elif session.dirty():
                for done in session.track(TrackSettings(**settings)):
                    say(f"frame {done.frame}")

        def click(object_id, frame, **more):
            if not session.prompts(object_id, frame):
                catch_up()
                session.add_prompt(PointPrompt(object_id, frame, *centres[frame, object_id - 1], **more))
                say(f"prompt {object_id} {frame}")

        if not session.objects:
            session.add_object()
        if len(session.objects) < 2:
            session.add_object()
        click(1, 3)
        if not session.prompts(2, 3):
            session.add_prompt(PointPrompt(2, 3, *centres[3, 1]))
            say("prompt 2 3")
        click(2, 10)
        if PAINTED not in session.masks.painted(1):
            catch_up()
            session.paint(PAINTED, (2, 2), np.full((9, 7), 1))
            say("paint")
        if not session.accepted(2):
            session.accept(2, *ACCEPTED)
            say("accept")
        click(1, 12)
        catch_up()
        export(session.result(), folder.with_suffix(".ome.tif"), overwrite=True)
        say("export")


def state_of(folder, recording):
    """Digest of everything that was computed, painted and exported."""
    digest = hashlib.sha256()
    with Session.open(folder, recording=recording, read_only=True) as session:
        for frame in range(session.n_frames):
            digest.update(session.labels[frame].tobytes())
            for mask in session.masks.object_masks(frame):
                digest.update(repr((mask.object_id, mask.origin_yx, mask.object_score, mask.predicted_iou)).encode())
                digest.update(np.ascontiguousarray(mask.levels).tobytes())
        for info in session.objects:
            for name, column in session.scores(info.id).items():
                digest.update(name.encode() + column.tobytes())
    import tifffile

    digest.update(tifffile.imread(folder.with_suffix(".ome.tif")).tobytes())
    return digest.hexdigest()


def announced_is_there(folder, recording, said):
    """Sentence about what was announced and is not there, None if all is."""
    if not said:
        return None
    with Session.open(folder, recording=recording, read_only=True) as session:
        done = set(session.masks.frames_done(1).tolist()) | set(session.masks.frames_done(2).tolist())
        for line in said:
            word, *numbers = line.split()
            if word == "frame" and int(numbers[0]) not in done | set(session.masks.painted()):
                return f"{line} was announced and is gone"
            if word == "prompt" and not session.prompts(int(numbers[0]), int(numbers[1])):
                return f"{line} was announced and is gone"
            if word == "paint" and not (session.labels[PAINTED][2:11, 2:9] == 1).all():
                return "the stroke is gone"
            if word == "accept" and not session.accepted(2):
                return "the acceptance is gone"
    return None


def child(folder, recording, centres, factory):
    """Do the work in a forked process; its pid, and the file in which it announces."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(read)
            work(folder, recording, centres, factory, lambda text: os.write(write, f"{text}\n".encode()))
            status = 0
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        finally:
            os._exit(status)
    os.close(write)
    return pid, read


def lines_of(handle):
    with os.fdopen(handle) as file:
        return file.read().splitlines()


def trial(folder, recording, centres, factory, wait, expected):
    """Kill a child after `wait` seconds and finish its work; a sentence if something is wrong."""
    pid, handle = child(folder, recording, centres, factory)
    time.sleep(wait)
    os.kill(pid, signal.SIGKILL)
    said = lines_of(handle)
    os.waitpid(pid, 0)
    if not (folder / "session.json").exists():
        if said:
            return "the session is gone"
    else:
        missing = announced_is_there(folder, recording, said)
        if missing is not None:
            return missing
    pid, handle = child(folder, recording, centres, factory)
    lines_of(handle)
    _, status = os.waitpid(pid, 0)
    if status:
        return f"the work could not be finished (status {status})"
    if state_of(folder, recording) != expected:
        return "the result differs from that of a run left alone"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--model", default="fake", help="fake, random, or a model of the catalogue")
    parser.add_argument("--image-size", type=int, default=128)
    parser.add_argument("--batch-size", type=int, help="most objects that go through the network at once")
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    movie, centres = blob_movie(given.frames, (64, 80))
    factory = factory_of(given.model, given.image_size, 0.005, given.batch_size)
    moments = random.Random(given.seed)
    survived = 0
    with tempfile.TemporaryDirectory() as place, open_recording(movie, axes="TYX", name="blobs") as recording:
        reference = Path(place) / "reference.sam2v"
        began = time.monotonic()
        pid, handle = child(reference, recording, centres, factory)
        lines_of(handle)
        if os.waitpid(pid, 0)[1]:
            raise SystemExit("The run that was left alone failed.")
        took = time.monotonic() - began
        expected = state_of(reference, recording)
        for number in range(given.kills):
            folder = Path(place) / "killed.sam2v"
            for leftover in (folder, folder.with_suffix(".ome.tif")):
                shutil.rmtree(leftover, ignore_errors=True) if leftover.is_dir() else leftover.unlink(missing_ok=True)
            wait = moments.uniform(0, took)
            wrong = trial(folder, recording, centres, factory, wait, expected)
            survived += wrong is None
            if wrong is not None:
                print(f"kill {number + 1} after {wait:.3f} s: {wrong}", flush=True)
    print(f"{survived} of {given.kills} kills survived ({given.model}, {took:.1f} s a run)")
    raise SystemExit(0 if survived == given.kills else 1)


if __name__ == "__main__":
    main()
