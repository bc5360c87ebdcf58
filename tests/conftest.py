from __future__ import annotations

import gc
import os

# Before anything loads torch: one thread in each test process, so that processes do not wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import settings

from napari_sam2_video.torch_environment import prepare_torch
from tests.network import Guard
from tests.web import Published, serve

prepare_torch()

GUARD = Guard()

# The same examples every time, so that a failure is a change's own; `make fuzz` looks for new ones.
settings.register_profile("fixed", derandomize=True, deadline=None)
settings.register_profile("random", derandomize=False, deadline=None)
settings.load_profile("fixed")


def pytest_collection_finish():
    """Set what was collected aside, so that no later collection of garbage goes through thousands of tests again."""
    gc.collect()
    gc.freeze()


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


@pytest.fixture(autouse=True)
def own_settings_folder(tmp_path, monkeypatch):
    """Keep the tests away from the servers and tokens of the person who runs them."""
    folder = tmp_path / "person"
    monkeypatch.setattr("napari_sam2_video.server.token.settings_folder", lambda: folder)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    return folder


@pytest.fixture
def quick_disk(monkeypatch):
    """Leave out what makes writing slow and safe, where safety is not what is tested."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.fixture
def published(monkeypatch):
    """A web server on this machine that gives one file."""
    monkeypatch.setenv("no_proxy", "*")
    with serve(Published()) as state:
        yield state
