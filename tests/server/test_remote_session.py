"""A session whose device is another machine: the same masks, nothing lost, and no torch on this side."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from importlib.resources import files
from pathlib import Path  # noqa: TC003

import jsonschema
import numpy as np
import pytest

from napari_sam2_video.api import create_session, open_session
from napari_sam2_video.errors import EngineError
from napari_sam2_video.types import CheckSettings, ModelSettings, PointPrompt
from tests.server.conftest import TOKEN, Scene

SERVE = """
import sys
from napari_sam2_video.cli import main
sys.exit(main(["serve", "--port", sys.argv[1], "--device", "cpu"]))
"""


def film(n_frames=8):
    scene = Scene(n_frames)
    return np.stack([scene.read(t)[..., 0] for t in range(n_frames)])


def session_of(folder: Path, device: str, frames=None, objects=1):
    recording = film() if frames is None else frames
    made = create_session(recording, folder, model=ModelSettings("demo", device=device))
    for number in range(1, objects + 1):
        made.add_object()
        made.set_prompts(number, 2, [PointPrompt(number, 2, 30 - 8 * (number - 1), 34)])
    return made


def schema(name: str):
    return json.loads((files("napari_sam2_video") / "schemas" / f"{name}.schema.json").read_text())


def masks_of(session):
    return np.stack([session.masks.read_labels(t) for t in range(session.n_frames)])


def test_session_on_a_server_equals_one_on_this_machine(server, tmp_path):
    with (
        session_of(tmp_path / "here.sam2v", "cpu", objects=2) as here,
        session_of(tmp_path / "there.sam2v", server.url, objects=2) as there,
    ):
        for session in (here, there):
            list(session.track())
            session.set_prompts(1, 6, [PointPrompt(1, 6, 45, 52, positive=False)])
            list(session.track())
            list(session.check(CheckSettings(span=4)))
        np.testing.assert_array_equal(masks_of(here), masks_of(there))
        for name, values in here.scores(1).items():
            np.testing.assert_array_equal(values, there.scores(1)[name], err_msg=name)
        jsonschema.validate(json.loads(json.dumps(there.provenance())), schema("provenance"))
        used = there.provenance()["model"]["used"]
        assert used["device"] == f"cpu at {server.url}"
        assert used["sha256"] == here.provenance()["model"]["used"]["sha256"]


def test_wrong_token_is_one_sentence(server, tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_SAM2_VIDEO_TOKEN", "wrong")
    with (
        session_of(tmp_path / "a.sam2v", server.url) as session,
        pytest.raises(EngineError, match=r"rejected the token; use the one that it printed\.$"),
    ):
        list(session.track())


@pytest.fixture
def killable():
    """Servers in processes of their own."""
    started = []

    def make(port: int = 0) -> tuple[subprocess.Popen, str]:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(port)],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"NAPARI_SAM2_VIDEO_TOKEN": TOKEN},
        )
        started.append(process)
        line = process.stdout.readline()
        assert line.startswith("Listening on http://127.0.0.1:"), line
        return process, line.split()[-1]

    yield make
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.skipif(os.name == "nt", reason="uses SIGKILL")
def test_run_continues_after_the_server_was_killed(killable, tmp_path):
    frames = film(30)
    with session_of(tmp_path / "here.sam2v", "cpu", frames, objects=2) as here:
        list(here.track())
        expected = masks_of(here)
    process, url = killable()
    folder = tmp_path / "there.sam2v"
    announced = []
    with session_of(folder, url, frames, objects=2) as session:
        run = session.track()
        with pytest.raises(EngineError, match=r"finished frames are kept"):  # noqa: PT012
            for done in run:
                announced.append(done.frame)
                if done.done == 8:
                    process.send_signal(signal.SIGKILL)
                    process.wait()
    with open_session(folder, recording=frames) as session:
        kept = masks_of(session)
        for t in announced:
            np.testing.assert_array_equal(kept[t], expected[t])
        killable(int(url.rpartition(":")[2]))
        list(session.resume())
        np.testing.assert_array_equal(masks_of(session), expected)


def test_client_imports_no_torch(killable, tmp_path):
    _, url = killable()
    np.save(tmp_path / "film.npy", film())
    program = f"""
import sys
from napari_sam2_video.api import PointPrompt, track
from napari_sam2_video.types import ModelSettings
with track({str(tmp_path / "film.npy")!r}, [PointPrompt(1, 2, 30, 34)], {str(tmp_path / "a.sam2v")!r},
           model=ModelSettings("demo", device={url!r})) as session:
    print(int(session.masks.read_labels(5).sum()) > 0, "torch" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env=os.environ | {"NAPARI_SAM2_VIDEO_TOKEN": TOKEN},
    )
    assert done.stdout.split() == ["True", "False"], done.stderr
