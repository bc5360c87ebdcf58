"""Proposals survive a process that is killed, also while they are being accepted."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_sam2_video.frames.array import ArrayRecording
from napari_sam2_video.session import Session
from napari_sam2_video.types import FindSettings
from tests.fakes import fake_factory
from tests.session.test_find import Labels, three

CHILD = """
import os, signal, sys
sys.path.insert(0, {root!r})
from napari_sam2_video.masks.store import MaskStore
from napari_sam2_video.session import Session
from napari_sam2_video.types import FindSettings
from tests.fakes import fake_factory
from tests.session.test_find import Labels, three
from tests.session.test_find_killed import recording

def die():
    os.kill(os.getpid(), signal.SIGKILL)

session = Session.create({folder!r}, recording(), tracker_factory=fake_factory())
for _ in session.find(Labels(three())):
    pass
print(len(session.proposals), flush=True)
if {when!r} == "looking":
    detector = Labels(three())
    detector.detect = lambda frame: die() if frame.index == 3 else Labels.detect(detector, frame)
    for _ in session.find(detector, FindSettings()):
        pass
if {when!r} == "accepting":
    write = MaskStore.write
    MaskStore.write = lambda self, masks, **more: die() if masks.frame == 3 else write(self, masks, **more)
    session.accept_proposals()
die()
"""


def recording():
    return ArrayRecording(np.where(three() > 0, 200, 10).astype(np.uint8), axes="TYX")


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
@pytest.mark.parametrize("when", ["found", "looking", "accepting"])
def test_proposals_survive_kill_9(tmp_path, when):
    folder = tmp_path / "run.sam2v"
    root = str(Path(__file__).parents[2])
    child = CHILD.format(root=root, folder=str(folder), when=when)
    ended = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True, env=dict(os.environ))
    assert (ended.returncode, ended.stdout.strip()) == (-signal.SIGKILL, "3"), ended.stderr
    with Session.open(folder, recording=recording(), tracker_factory=fake_factory()) as session:
        if when == "accepting":
            assert len(session.objects) == 3
            assert session.proposals == ()
            assert session.can_undo == "accept 3 proposals"
            assert session.undo()
        assert len(session.proposals) == 3
        assert session.objects == ()
        assert len(session.accept_proposals()) == 3
        for frame, image in enumerate(three()):
            assert np.array_equal(session.masks.read_labels(frame) > 0, image > 0)


def test_what_a_kill_left_out_is_tracked(tmp_path, monkeypatch):
    from napari_sam2_video.masks.store import MaskStore

    class Killed(BaseException):
        pass

    def write(self, masks, **more):
        if masks.frame == 3:
            raise Killed
        return before(self, masks, **more)

    before = MaskStore.write
    with Session.create(tmp_path / "run.sam2v", recording(), tracker_factory=fake_factory()) as session:
        for _ in session.find(Labels(three()), FindSettings()):
            pass
        with monkeypatch.context() as patch:
            patch.setattr(MaskStore, "write", write)
            with pytest.raises(Killed):
                session.accept_proposals()
        assert not session.mask(1, 4).any()
        for _ in session.track():
            pass
        assert all(session.mask(1, frame).any() for frame in range(8))
