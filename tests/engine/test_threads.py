from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from napari_sam2_video.engine import threads
from napari_sam2_video.engine.threads import Threads

PROGRAM = """
import os, sys
{before}
import napari_sam2_video.api
from napari_sam2_video.torch_environment import threads_sleep
print(os.environ.get("OMP_WAIT_POLICY"), threads_sleep(), "torch" in sys.modules)
"""


def seen(before="", **environment):
    clean = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"}
    program = PROGRAM.format(before=before)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=clean | environment
    )
    return done.stdout.strip()


def test_waiting_threads_sleep_unless_a_person_or_a_host_chose_otherwise():
    assert seen() == "passive True False"
    assert seen(OMP_WAIT_POLICY="active") == "active False False"
    assert seen(OMP_WAIT_POLICY="PASSIVE", before="import torch") == "PASSIVE True True"
    assert seen(before="import torch") == "None False True"


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


class Machine:
    """Four cores; other processes use `load` of them."""

    def __init__(self, monkeypatch, load, *, sleeping=False):
        self.load, self.now, self.busy = load, 0.0, 0.0
        monkeypatch.setattr(threads, "threads_sleep", lambda: sleeping)
        monkeypatch.setattr(threads.os, "cpu_count", lambda: 4)
        monkeypatch.setattr(threads.time, "sleep", self.wait)

    def wait(self, seconds):
        self.now += seconds
        self.busy += seconds * self.load

    def threads(self, device="cpu"):
        return Threads(device, lambda: self.busy, lambda: self.now)


def used(chosen):
    with chosen.limited():
        return torch.get_num_threads()


@pytest.mark.parametrize(("load", "expected"), [(0, 3), (1, 3), (2, 2), (3, 1), (4, 1)])
def test_spinning_threads_leave_cores_to_other_processes(load, expected, monkeypatch, three_threads):
    assert used(Machine(monkeypatch, load).threads()) == expected
    assert torch.get_num_threads() == 3


def test_the_number_of_threads_follows_the_load_during_a_run(monkeypatch, three_threads):
    machine = Machine(monkeypatch, 3)
    chosen = machine.threads()
    assert used(chosen) == 1
    machine.load = 0
    machine.wait(10)
    assert used(chosen) == 3


def test_the_number_of_threads_is_left_alone_where_they_sleep_or_the_device_is_a_gpu(monkeypatch, three_threads):
    assert used(Machine(monkeypatch, 4, sleeping=True).threads()) == 3
    assert used(Machine(monkeypatch, 4).threads("cuda")) == 3


def test_a_host_that_chose_one_thread_keeps_it_even_after_an_error(monkeypatch, three_threads):
    machine = Machine(monkeypatch, 2)
    with pytest.raises(ValueError, match="stop"), machine.threads().limited():
        raise ValueError("stop")
    assert torch.get_num_threads() == 3
    torch.set_num_threads(1)
    assert used(machine.threads()) == 1
