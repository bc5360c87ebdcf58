"""What is written reaches the disk, also where the system needs asking twice."""

from __future__ import annotations

import os
import sys

import pytest

from napari_sam2_video.errors import StoreError
from napari_sam2_video.storage import atomic as durable


@pytest.mark.parametrize(("refusals", "there"), [(0, b"new"), (2, b"new"), (9, b"old")])
def test_a_file_that_a_scanner_reads_for_a_moment_is_replaced_all_the_same(tmp_path, monkeypatch, refusals, there):
    path = tmp_path / "session.json"
    path.write_bytes(b"old")
    left, replace, slept = [None] * refusals, os.replace, []

    def refusing(source, target):
        if left:
            left.pop()
            raise PermissionError(13, "The process cannot access the file")
        replace(source, target)

    monkeypatch.setattr(durable, "_PAUSES", (0.1, 0.2, 0.3))
    monkeypatch.setattr("time.sleep", slept.append)
    monkeypatch.setattr(os, "replace", refusing)
    if there == b"old":
        with pytest.raises(StoreError, match=r"session\.json"):
            durable.replace_file(path, b"new")
    else:
        durable.replace_file(path, b"new")
    assert path.read_bytes() == there
    assert slept == [0.1, 0.2, 0.3][:refusals]
    assert [p.name for p in tmp_path.iterdir()] == ["session.json"]


@pytest.mark.parametrize("supported", [True, False])
def test_macos_is_asked_to_empty_the_memory_of_the_drive(tmp_path, monkeypatch, supported):
    fcntl = pytest.importorskip("fcntl")
    asked, synced, fsync = [], [], os.fsync

    def control(handle, command):
        asked.append(command)
        if not supported:
            raise OSError(45, "Operation not supported")

    def syncing(handle):
        synced.append(handle)
        fsync(handle)

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", control)
    monkeypatch.setattr(os, "fsync", syncing)
    durable.replace_file(tmp_path / "file", b"bytes")
    assert asked == [51, 51]
    assert len(synced) == (0 if supported else 2)
